/* SPDX-License-Identifier: Apache-2.0 */
/* What a function's open() gets: the values of its options, and limits.
 *
 * Made from the binding's function.* keys, checked against the function's own
 * table. The getters of function.h read it. What the function reports later
 * (ceilings, units, that it waits) is guarded by a lock, so any thread may
 * report it.
 */
#pragma once

#include "kabridge/error.h"
#include "units.h"

/* One value given for an option: key without "function." in front. */
typedef struct {
    const char *key, *value; /* borrowed */
} KabOptionText;

/* The option for a key (without "function."), including a "name.*" option;
 * NULL: none. */
const KabOption *kab_option_find(const KabFunction *function, const char *key);

/* Does a value fit an option's type and range? NULL if it does; otherwise a new
 * sentence "found …; wanted …", which does not show a secret. */
char *kab_option_problem(const KabOption *option, const char *value);

/* Is key the option's name, or does it begin with the option's prefix? */
bool kab_option_takes(const KabOption *option, const char *key);

/* Every text must have passed kab_option_problem(). */
KabContext *kab_context_new(const char *binding,
                            const KabFunction *function,
                            const KabOptionText *texts,
                            size_t n_texts,
                            unsigned max_in_flight);
void kab_context_free(KabContext *context);

/* A function's own limits; 0: none. */
typedef struct {
    size_t records, bytes; /* of a batch */
    unsigned calls;        /* in flight */
} KabCeilings;

/* Thread: any. */
KabCeilings kab_context_ceilings(KabContext *context);
/* Calls on_ceilings when the function has changed a ceiling, on the function's
 * thread and with the context's lock held, so it must do nothing but wake
 * somebody. NULL: stop watching. Thread: any. */
void kab_context_watch_ceilings(KabContext *context,
                                void (*on_ceilings)(void *user),
                                void *user);
/* Returns a copy of what the function waits for; NULL: nothing. Thread: any. */
char *kab_context_dup_waiting(KabContext *context);
/* Fills in at most KAB_MAX_UNITS counts and returns how many. Thread: any. */
size_t kab_context_read_units(KabContext *context, KabUnitCount *ret_counts);
/* The message of kab_context_fail(); NULL: none. Borrowed. */
const char *kab_context_failure(const KabContext *context);
