/* SPDX-License-Identifier: Apache-2.0 */
/* What open() of a function is given: the values of its options, limits.
 *
 * Made from the binding's function.* keys, checked against the function's
 * own table. The getters of function.h read it. Constant after open(), so
 * any thread may read it.
 */
#pragma once

#include "kabridge/error.h"

/* One value given for an option: key without "function." in front. */
typedef struct {
    const char *key, *value; /* borrowed */
} KabOptionText;

/* The row of a key (without "function."), of a "name.*" too; NULL: none. */
const KabOption *kab_option_find(const KabFunction *function, const char *key);

/* Is one value right for an option's type and range? NULL, or a new
 * sentence "found …; wanted …" (a secret's value is not shown). */
char *kab_option_problem(const KabOption *option, const char *value);

/* Is key the option's name, or does it begin with the prefix that it takes? */
bool kab_option_takes(const KabOption *option, const char *key);

/* Every text must be right already (kab_option_problem). */
KabContext *kab_context_new(const char *binding,
                            const KabFunction *function,
                            const KabOptionText *texts,
                            size_t n_texts,
                            unsigned max_in_flight);
void kab_context_free(KabContext *context);

/* After open(): what it said. 0: nothing. */
size_t kab_context_max_batch(const KabContext *context);
unsigned kab_context_limit_in_flight(const KabContext *context);
/* What kab_context_fail() said; NULL: nothing. Borrowed. */
const char *kab_context_failure(const KabContext *context);
