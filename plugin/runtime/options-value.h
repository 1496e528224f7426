/* SPDX-License-Identifier: Apache-2.0 */
/* Values as a user writes them: sizes, times, numbers, words.
 *
 * One rule describes the accepted values, for the bridge's own options and for
 * those of functions. Pure. Thread: any, for everything here.
 */
#pragma once

#include "kabridge/error.h"

/* X(NAME, name, description of accepted values, examples) */
#define KAB_VALUE_TYPES(X)                                                     \
    X(STRING, "text", "a text", "")                                            \
    X(INTEGER, "integer", "a whole number", "")                                \
    X(SIZE, "size", "a size", ", like 4096, 64KiB or 1MiB")                    \
    X(DURATION, "time", "a time", ", like 250us, 10ms, 5s or 2m")              \
    X(BOOLEAN, "boolean", "true or false", "")                                 \
    X(CHOICE, "choice", "one of", "")                                          \
    X(LIST, "list", "a list, separated by commas", "")                         \
    X(RATIO, "number", "a number", ", like 0.2")                               \
    X(RATE, "rate", "a number per time", ", like 100/s or 5/10ms")

/* The first six have the values of KabOptionType. */
typedef enum {
    KAB_VALUE_NONE,
#define X(NAME, name, wanted, like) KAB_VALUE_##NAME,
    KAB_VALUE_TYPES(X)
#undef X
} KabValueType;

/* Which values are accepted. Everything is borrowed. */
typedef struct {
    KabValueType type;
    const char *range; /* "1..1000", "1ms..10m", "a|b|c"; NULL: any */
    const char *word;  /* a word that stands for `number`; NULL: none */
    int64_t number;
} KabValueRule;

/* A parsed value; which fields are used depends on the type. */
typedef struct {
    int64_t number;      /* bytes, microseconds, 0 or 1, index of the choice */
    int64_t interval_us; /* of a rate: `number` per this time */
    double ratio;
} KabValue;

/* False: the text does not fit, and *ret_value is untouched. A string always
 * fits. */
bool kab_value_parse(const KabValueRule *rule,
                     const char *text,
                     KabValue *ret_value);
/* "found …; wanted …"; does not show a secret. Returns a new string. */
char *kab_value_dup_problem(const KabValueRule *rule,
                            const char *text,
                            bool is_secret);
/* "a time, 1ms..10m, like 250us, 10ms, 5s or 2m". Returns a new string. */
char *kab_value_dup_wanted(const KabValueRule *rule);
/* Is the range valid for the type? For tables written by others. */
bool kab_value_rule_is_sound(const KabValueRule *rule);
const char *kab_value_type_name(KabValueType type);

/* The text in double quotes, shortened, control characters escaped. Returns a
 * new string. */
char *kab_quote(const char *text);
/* The name nearest to word; NULL if none is near enough to be meant. Borrowed
 * from names. */
const char *
kab_nearest(const char *word, const char *const *names, size_t n_names);
