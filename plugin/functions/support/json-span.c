/* SPDX-License-Identifier: Apache-2.0 */
/* Walks and searches text that json-check.c accepted.
 *
 * The grammar is trusted, so a value is skipped by looking only at quotes and
 * brackets; every loop still ends at the end of its span.
 */
#include "json-span.h"
#include "json-internal.h"

#include <stdint.h>
#include <string.h>

static const char *
skip_blanks(const char *at, const char *end)
{
    while (at < end &&
           (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* From the opening quote to just after the closing one: the first quote with an
 * even number of backslashes before it. The opening quote stops the count of
 * backslashes. */
static const char *
skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        at = memchr(at, '"', (size_t)(end - at));
        if (!at)
            break;
        const char *before = at;
        while (before[-1] == '\\')
            before--;
        if ((at - before) % 2 == 0)
            return at + 1;
    }
    return end;
}

/* Do eight bytes contain no bracket, brace or quote? Brackets and braces differ
 * only in the bits 0x20 and 0x06, and all have 0x58 set. So do most letters,
 * which are then checked one by one.
 */
static bool
are_flat(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    uint64_t quotes = bytes ^ (ones * '"');
    uint64_t letters = bytes + ones * (0x80 - 'A');
    return (((quotes - ones) | letters | bytes) & tops) == 0;
}

static const char *
skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        while (end - at >= 8 && are_flat(at))
            at += 8;
        if (at == end)
            break;
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '[':
        case '{':
            depth++;
            break;
        case ']':
        case '}':
            if (--depth == 0)
                return at + 1;
            break;
        default:
            break;
        }
        at++;
    }
    return end;
}

static const char *
skip_scalar(const char *at, const char *end)
{
    while (at < end && *at != ',' && *at != ']' && *at != '}' &&
           (unsigned char)*at > ' ')
        at++;
    return at;
}

static const char *
skip_value(const char *at, const char *end)
{
    if (at == end)
        return end;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '[' || *at == '{')
        return skip_container(at, end);
    return skip_scalar(at, end);
}

KabJsonType
kab_json_type(KabSpan value)
{
    if (!value.at || value.len == 0)
        return KAB_JSON_ABSENT;
    switch (*value.at) {
    case '{':
        return KAB_JSON_OBJECT;
    case '[':
        return KAB_JSON_ARRAY;
    case '"':
        return KAB_JSON_STRING;
    case 't':
        return KAB_JSON_TRUE;
    case 'f':
        return KAB_JSON_FALSE;
    case 'n':
        return KAB_JSON_NULL;
    default:
        return KAB_JSON_NUMBER;
    }
}

KabJsonIter
kab_json_iter(KabSpan container)
{
    KabJsonType type = kab_json_type(container);
    if (type != KAB_JSON_OBJECT && type != KAB_JSON_ARRAY)
        return (KabJsonIter){NULL, NULL};
    return (KabJsonIter){container.at + 1, container.at + container.len - 1};
}

/* Skips the blanks and the comma before the next value; false: there is
 * none. */
static bool
pass_comma(KabJsonIter *iter)
{
    if (!iter->at)
        return false;
    iter->at = skip_blanks(iter->at, iter->end);
    if (iter->at < iter->end && *iter->at == ',')
        iter->at = skip_blanks(iter->at + 1, iter->end);
    return iter->at < iter->end;
}

static KabSpan
take_value(KabJsonIter *iter)
{
    const char *from = iter->at;
    iter->at = skip_value(from, iter->end);
    return (KabSpan){from, (size_t)(iter->at - from)};
}

bool
kab_json_next_element(KabJsonIter *iter, KabSpan *ret_value)
{
    if (!pass_comma(iter))
        return false;
    *ret_value = take_value(iter);
    return true;
}

bool
kab_json_next_member(KabJsonIter *iter, KabSpan *ret_name, KabSpan *ret_value)
{
    if (!pass_comma(iter))
        return false;
    *ret_name = take_value(iter);
    iter->at = skip_blanks(iter->at, iter->end);
    if (iter->at < iter->end)
        iter->at = skip_blanks(iter->at + 1, iter->end);
    *ret_value = take_value(iter);
    return true;
}

size_t
kab_json_count(KabSpan container)
{
    KabJsonIter iter = kab_json_iter(container);
    KabSpan name, value;
    size_t n = 0;
    if (kab_json_type(container) == KAB_JSON_OBJECT)
        while (kab_json_next_member(&iter, &name, &value))
            n++;
    else
        while (kab_json_next_element(&iter, &value))
            n++;
    return n;
}

bool
kab_json_next_token(const char **pointer, KabSpan *ret_token)
{
    if (**pointer != '/')
        return false;
    const char *from = *pointer + 1;
    size_t len = strcspn(from, "/");
    *ret_token = (KabSpan){from, len};
    *pointer = from + len;
    return true;
}

bool
kab_json_pointer_is_valid(const char *pointer)
{
    if (*pointer != '\0' && *pointer != '/')
        return false;
    size_t levels = 0;
    for (const char *at = pointer; (at = strchr(at, '/')); at++)
        levels++;
    if (levels > KAB_JSON_POINTER_MAX_LEVELS)
        return false;
    for (const char *at = strchr(pointer, '~'); at; at = strchr(at + 1, '~'))
        if (at[1] != '0' && at[1] != '1')
            return false;
    return kab_utf8_is_valid(pointer, strlen(pointer));
}

static KabSpan
find_member(KabSpan object, KabSpan token)
{
    KabJsonIter iter = kab_json_iter(object);
    KabSpan name, value, found = KAB_SPAN_ABSENT;
    while (kab_json_next_member(&iter, &name, &value))
        if (kab_json_string_says(name, token, true))
            found = value;
    return found;
}

size_t
kab_json_token_index(KabSpan token)
{
    size_t index = 0;
    if (token.len == 0 || token.len > 9 ||
        (token.at[0] == '0' && token.len > 1))
        return SIZE_MAX;
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] < '0' || token.at[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(token.at[i] - '0');
    }
    return index;
}

static KabSpan
find_element(KabSpan array, KabSpan token)
{
    size_t index = kab_json_token_index(token);
    KabJsonIter iter = kab_json_iter(array);
    KabSpan value;
    while (index != SIZE_MAX && kab_json_next_element(&iter, &value))
        if (index-- == 0)
            return value;
    return KAB_SPAN_ABSENT;
}

KabSpan
kab_json_step(KabSpan value, KabSpan token)
{
    switch (kab_json_type(value)) {
    case KAB_JSON_OBJECT:
        return find_member(value, token);
    case KAB_JSON_ARRAY:
        return find_element(value, token);
    case KAB_JSON_STRING:
    case KAB_JSON_NUMBER:
    case KAB_JSON_TRUE:
    case KAB_JSON_FALSE:
    case KAB_JSON_NULL:
    case KAB_JSON_ABSENT:
        break;
    }
    return KAB_SPAN_ABSENT;
}

KabSpan
kab_json_find(KabSpan value, const char *pointer)
{
    KabSpan token;
    while (value.at && kab_json_next_token(&pointer, &token))
        value = kab_json_step(value, token);
    return value;
}

KabSpan
kab_json_member(KabSpan object, const char *name)
{
    KabJsonIter iter = kab_json_iter(object);
    KabSpan key, value, found = KAB_SPAN_ABSENT;
    if (kab_json_type(object) != KAB_JSON_OBJECT)
        return found;
    while (kab_json_next_member(&iter, &key, &value))
        if (kab_json_string_is(key, name, strlen(name)))
            found = value;
    return found;
}

static bool
is_of_number(unsigned char c)
{
    return (c >= '+' && c <= '9' && c != '/') || c == 'e' || c == 'E' ||
           c <= ' ';
}

/* Can all of eight bytes be of numbers, whatever their letters are? Letters and
 * brackets have the bit 0x40; of what is below, a checked array has only blanks
 * and '"' besides. */
static bool
are_of_numbers(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t quotes = bytes ^ (ones * '"');
    return (((quotes - ones) | bytes | bytes << 1) & tops) == 0;
}

static size_t
count_commas(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, lows = ones * 0x7f;
    uint64_t other = bytes ^ (ones * ',');
    uint64_t commas = ~(((other & lows) + lows) | other | lows) >> 7;
    return (size_t)(commas * ones >> 56);
}

bool
kab_json_is_vector(KabSpan value, size_t *ret_n)
{
    KabJsonIter iter = kab_json_iter(value);
    if (kab_json_type(value) != KAB_JSON_ARRAY || !pass_comma(&iter)) {
        *ret_n = 0;
        return false;
    }
    size_t n_commas = 0, n_odd = 0;
    const char *at = iter.at;
    while (at < iter.end) {
        uint64_t bytes;
        if (iter.end - at >= 8) {
            memcpy(&bytes, at, sizeof bytes);
            if (are_of_numbers(bytes)) {
                n_commas += count_commas(bytes);
                at += sizeof bytes;
                continue;
            }
        }
        n_commas += *at == ',';
        n_odd += !is_of_number((unsigned char)*at);
        at++;
    }
    *ret_n = n_commas + 1;
    return n_odd == 0;
}

bool
kab_json_to_integer(KabSpan value, long long *ret_number)
{
    bool is_negative = value.len > 0 && *value.at == '-';
    long long number = 0;
    if (kab_json_type(value) != KAB_JSON_NUMBER || value.len > 18)
        return false;
    for (size_t i = is_negative; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        number = number * 10 + (value.at[i] - '0');
    }
    *ret_number = is_negative ? -number : number;
    return true;
}
