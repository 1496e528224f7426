/* SPDX-License-Identifier: Apache-2.0 */
/* Parses values: a number and a unit, or one word of several.
 *
 * A range is written in the same syntax as the values it bounds, so the same
 * code parses its ends.
 */
#include "options-value.h"

#include <stdlib.h>
#include <string.h>

#include "edit-distance.h"
#include "printable.h"

G_STATIC_ASSERT((int)KAB_VALUE_STRING == (int)KAB_OPTION_STRING);
G_STATIC_ASSERT((int)KAB_VALUE_CHOICE == (int)KAB_OPTION_CHOICE);

/* A unit, the suffix of a number. */
typedef struct {
    const char *name;
    int64_t factor;
} KabUnit;

static const KabUnit size_units[] = {
    {"", 1},          {"B", 1},       {"KiB", 1 << 10}, {"MiB", 1 << 20},
    {"GiB", 1 << 30}, {"k", 1 << 10}, {"K", 1 << 10},   {"m", 1 << 20},
    {"M", 1 << 20},   {"g", 1 << 30}, {"G", 1 << 30},
};
static const KabUnit time_units[] = {
    {"us", 1},
    {"ms", 1000},
    {"s", G_USEC_PER_SEC},
    {"m", 60 * (int64_t)G_USEC_PER_SEC},
    {"h", 3600 * (int64_t)G_USEC_PER_SEC},
};

typedef struct {
    const char *name;
    const char *wanted; /* used when the rule has no range */
    const char *like;
} KabTypeWords;

static const KabTypeWords words[] = {
#define X(NAME, name, wanted, like) [KAB_VALUE_##NAME] = {name, wanted, like},
    KAB_VALUE_TYPES(X)
#undef X
};

const char *
kab_value_type_name(KabValueType type)
{
    return words[type].name;
}

/* Parses digits and sets what follows them. */
static bool
parse_digits(const char *text, int64_t *ret_number, const char **ret_rest)
{
    int64_t number = 0;
    const char *at = text;
    for (; g_ascii_isdigit(*at); at++) {
        int digit = *at - '0';
        if (number > (INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    *ret_rest = at;
    return at != text;
}

static bool
parse_integer(const char *text, int64_t *ret_number)
{
    bool is_negative = *text == '-';
    const char *rest;
    int64_t number;
    if (!parse_digits(text + is_negative, &number, &rest) || *rest)
        return false;
    *ret_number = is_negative ? -number : number;
    return true;
}

static bool
parse_with_unit(const char *text,
                const KabUnit *units,
                size_t n_units,
                int64_t *ret_number)
{
    const char *rest;
    int64_t number;
    if (!parse_digits(text, &number, &rest))
        return false;
    if (!number && !*rest) {
        *ret_number = 0;
        return true;
    }
    while (*rest == ' ')
        rest++;
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (number > INT64_MAX / units[i].factor)
            return false;
        *ret_number = number * units[i].factor;
        return true;
    }
    return false;
}

static bool
parse_time(const char *text, int64_t *ret_us)
{
    return parse_with_unit(text, time_units, G_N_ELEMENTS(time_units), ret_us);
}

static bool
parse_boolean(const char *text, int64_t *ret_number)
{
    static const char *const names[] = {"false", "true", "no", "yes",
                                        "off",   "on",   "0",  "1"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_ascii_strcasecmp(text, names[i]) == 0) {
            *ret_number = i % 2;
            return true;
        }
    return false;
}

static bool
parse_choice(const char *range, const char *text, int64_t *ret_index)
{
    g_auto(GStrv) choices = g_strsplit(range ? range : "", "|", -1);
    for (int64_t i = 0; choices[i]; i++)
        if (strcmp(choices[i], text) == 0) {
            *ret_index = i;
            return true;
        }
    return false;
}

static bool
parse_ratio(const char *text, double *ret_ratio)
{
    char *end;
    if (!g_ascii_isdigit(*text) || strspn(text, "0123456789.") != strlen(text))
        return false;
    double ratio = g_ascii_strtod(text, &end);
    if (*end)
        return false;
    *ret_ratio = ratio;
    return true;
}

/* "100/s", "5/10ms" */
static bool
parse_rate(const char *text, KabValue *ret_value)
{
    const char *rest;
    int64_t number, interval_us;
    if (!parse_digits(text, &number, &rest) || !number || *rest != '/')
        return false;
    g_autofree char *one = g_strconcat("1", rest + 1, NULL);
    const char *time = g_ascii_isdigit(rest[1]) ? rest + 1 : one;
    if (!parse_time(time, &interval_us) || !interval_us)
        return false;
    ret_value->number = number;
    ret_value->interval_us = interval_us;
    return true;
}

static bool
parse_scalar(KabValueType type, const char *text, int64_t *ret_number)
{
    switch (type) {
    case KAB_VALUE_INTEGER:
    case KAB_VALUE_RATE: /* the range applies to the number, not to the time */
        return parse_integer(text, ret_number);
    case KAB_VALUE_SIZE:
        return parse_with_unit(text, size_units, G_N_ELEMENTS(size_units),
                               ret_number);
    case KAB_VALUE_DURATION:
        return parse_time(text, ret_number);
    case KAB_VALUE_BOOLEAN:
        return parse_boolean(text, ret_number);
    case KAB_VALUE_NONE:
    case KAB_VALUE_STRING:
    case KAB_VALUE_CHOICE:
    case KAB_VALUE_LIST:
    case KAB_VALUE_RATIO:
        break;
    }
    return false;
}

static bool
parse_typed(const KabValueRule *rule, const char *text, KabValue *value)
{
    switch (rule->type) {
    case KAB_VALUE_STRING:
    case KAB_VALUE_LIST:
        return true;
    case KAB_VALUE_CHOICE:
        return parse_choice(rule->range, text, &value->number);
    case KAB_VALUE_RATIO:
        return parse_ratio(text, &value->ratio);
    case KAB_VALUE_RATE:
        return parse_rate(text, value);
    case KAB_VALUE_INTEGER:
    case KAB_VALUE_SIZE:
    case KAB_VALUE_DURATION:
    case KAB_VALUE_BOOLEAN:
        return parse_scalar(rule->type, text, &value->number);
    case KAB_VALUE_NONE:
        break;
    }
    return false;
}

/* The two ends of "1..1000"; either may be missing. */
static bool
parse_ends(const KabValueRule *rule, double *ret_from, double *ret_to)
{
    const char *dots = strstr(rule->range, "..");
    if (!dots)
        return false;
    g_autofree char *from =
        g_strndup(rule->range, (size_t)(dots - rule->range));
    const char *to = dots + 2;
    const char *ends[2] = {from, to};
    double numbers[2] = {-(double)INT64_MAX, (double)INT64_MAX};
    for (int i = 0; i < 2; i++) {
        int64_t number;
        if (!*ends[i])
            continue;
        if (rule->type == KAB_VALUE_RATIO) {
            if (!parse_ratio(ends[i], &numbers[i]))
                return false;
        } else if (parse_scalar(rule->type, ends[i], &number)) {
            numbers[i] = (double)number;
        } else {
            return false;
        }
    }
    *ret_from = numbers[0];
    *ret_to = numbers[1];
    return numbers[0] <= numbers[1];
}

static bool
has_ends(const KabValueRule *rule)
{
    return rule->range && rule->type != KAB_VALUE_CHOICE &&
           rule->type != KAB_VALUE_STRING && rule->type != KAB_VALUE_LIST;
}

static bool
is_within(const KabValueRule *rule, const KabValue *value)
{
    double from, to;
    if (!has_ends(rule))
        return true;
    if (!parse_ends(rule, &from, &to))
        return false;
    double number =
        rule->type == KAB_VALUE_RATIO ? value->ratio : (double)value->number;
    return number >= from && number <= to;
}

bool
kab_value_parse(const KabValueRule *rule, const char *text, KabValue *ret_value)
{
    KabValue value = {0};
    if (rule->word && strcmp(text, rule->word) == 0) {
        value.number = rule->number;
    } else if (!parse_typed(rule, text, &value) || !is_within(rule, &value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool
kab_value_rule_is_sound(const KabValueRule *rule)
{
    double from, to;
    if (rule->type == KAB_VALUE_CHOICE)
        return rule->range && *rule->range;
    return !has_ends(rule) || parse_ends(rule, &from, &to);
}

char *
kab_value_dup_wanted(const KabValueRule *rule)
{
    const KabTypeWords *type = &words[rule->type];
    GString *wanted = g_string_new(type->wanted);
    if (rule->type == KAB_VALUE_CHOICE) {
        g_auto(GStrv) choices = g_strsplit(rule->range, "|", -1);
        g_autofree char *list = g_strjoinv(", ", choices);
        g_string_append_printf(wanted, " %s", list);
    } else if (rule->range) {
        g_string_append_printf(wanted, " %s", rule->range);
    }
    g_string_append(wanted, type->like);
    if (rule->word)
        g_string_append_printf(wanted, ", or %s", rule->word);
    return g_string_free(wanted, FALSE);
}

char *
kab_quote(const char *text)
{
    enum { LONGEST = 80 };
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    bool is_long = g_utf8_strlen(valid, -1) > LONGEST;
    if (is_long)
        *g_utf8_offset_to_pointer(valid, LONGEST) = '\0';
    g_autofree char *shown = kab_dup_printable(valid);
    return g_strconcat("\"", shown, is_long ? "…\"" : "\"", NULL);
}

char *
kab_value_dup_problem(const KabValueRule *rule,
                      const char *text,
                      bool is_secret)
{
    g_autofree char *wanted = kab_value_dup_wanted(rule);
    g_autofree char *quoted = kab_quote(text);
    const char *found = is_secret ? "something else"
                        : *text   ? quoted
                                  : "nothing";
    return g_strdup_printf("found %s; wanted %s", found, wanted);
}

/* The same words with other separators: batch_count, batch-count. */
static bool
has_same_words(const char *a, const char *b)
{
    g_autofree char *one = g_ascii_strdown(a, -1);
    g_autofree char *other = g_ascii_strdown(b, -1);
    return strcmp(g_strdelimit(one, "_-. ", '.'),
                  g_strdelimit(other, "_-. ", '.')) == 0;
}

const char *
kab_nearest(const char *word, const char *const *names, size_t n_names)
{
    const char *nearest = NULL;
    size_t least = MAX(2, strlen(word) / 4) + 1;
    for (size_t i = 0; i < n_names; i++) {
        if (has_same_words(word, names[i]))
            return names[i];
        size_t edits = kab_edit_distance(word, names[i], least);
        if (edits < least && edits < strlen(names[i])) {
            least = edits;
            nearest = names[i];
        }
    }
    return nearest;
}
