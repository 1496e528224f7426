/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of RFC 8259 as one walk over the bytes, without recursion.
 *
 * Each scan_...() starts at the first byte of its token and returns the first
 * byte after it. On a fault it sets the walk's fault and returns NULL.
 */
#include "json-span.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef struct {
    const char *begin, *end;
    unsigned flags;
    KabJsonFault fault;
    KabJsonMembers *members; /* NULL: not wanted */
    size_t depth;
    bool is_object[KAB_JSON_MAX_DEPTH]; /* for each open container */
} Walk;

static const char *
fault_at(Walk *walk, const char *at, const char *wanted)
{
    walk->fault =
        (KabJsonFault){.offset = (size_t)(at - walk->begin), .wanted = wanted};
    return NULL;
}

static const char *
skip_blanks(const char *at, const char *end)
{
    while (at < end &&
           (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

static bool
is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Are eight bytes all digits? */
static bool
are_digits(const char *at)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return ((bytes & (bytes + ones * 6) & (ones * 0xf0)) == ones * 0x30);
}

static const char *
skip_digits(const char *at, const char *end)
{
    while (end - at >= 8 && are_digits(at))
        at += 8;
    while (is_digit(at, end))
        at++;
    return at;
}

static const char *
scan_word(Walk *walk, const char *at, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(walk->end - at) < len || memcmp(at, word, len) != 0)
        return fault_at(walk, at, "a value");
    return at + len;
}

static const char *
scan_exponent(Walk *walk, const char *at)
{
    at++;
    if (at < walk->end && (*at == '+' || *at == '-'))
        at++;
    if (!is_digit(at, walk->end))
        return fault_at(walk, at, "a digit of the exponent");
    return skip_digits(at, walk->end);
}

static const char *
scan_number(Walk *walk, const char *at)
{
    const char *end = walk->end;
    if (*at == '-')
        at++;
    if (at < end && *at == 'I' && (walk->flags & KAB_JSON_NONFINITE))
        return scan_word(walk, at, "Infinity");
    if (!is_digit(at, end))
        return fault_at(walk, at, "a digit");
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (at < end && *at == '.') {
        at++;
        if (!is_digit(at, end))
            return fault_at(walk, at, "a digit of the fraction");
        at = skip_digits(at, end);
    }
    if (at < end && (*at == 'e' || *at == 'E'))
        return scan_exponent(walk, at);
    return at;
}

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* Scans an escape, from just after the backslash. */
static const char *
scan_escape(Walk *walk, const char *at)
{
    if (walk->members)
        walk->members->has_escape = true;
    if (at == walk->end || *at == '\0' || !strchr("\"\\/bfnrtu", *at))
        return fault_at(walk, at, "an escape of JSON");
    if (*at != 'u')
        return at + 1;
    at++;
    for (unsigned i = 0; i < 4; i++, at++)
        if (at == walk->end || !is_hex(*at))
            return fault_at(walk, at, "four hexadecimal digits");
    return at;
}

/* The length of the UTF-8 sequence that begins with a byte of 0x80 or above; 0
 * if it is invalid. */
static size_t
measure_sequence(const char *text, const char *end)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = (size_t)(end - text);
    size_t len = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
    if (*at < 0xc2 || *at > 0xf4 || left < len)
        return 0;
    unsigned char low = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
    unsigned char high = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* How many of eight bytes come before the first control byte, quote, backslash
 * or byte of 0x80 or above. A borrow marks only bytes behind that one. */
static size_t
count_plain(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    bytes = le64toh(bytes);
    uint64_t quotes = bytes ^ (ones * '"'), slashes = bytes ^ (ones * '\\');
    uint64_t odd = (bytes - ones * ' ') | (quotes - ones) | (slashes - ones);
    uint64_t marks = (odd | bytes) & tops;
    return marks ? (size_t)__builtin_ctzll(marks) / 8 : 8;
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that needs a closer look. Bytes of 0x80 or
 * above are negative, and so less than a blank like control bytes. */
static unsigned
mark_odd(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(odd);
}
#endif

/* Skips what needs no closer look, but for the last seven bytes of the text. */
static const char *
skip_plain(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        unsigned marks = mark_odd(at);
        if (marks)
            return at + __builtin_ctz(marks);
    }
#endif
    size_t n = 8;
    for (; n == 8 && end - at >= 8; at += n)
        n = count_plain(at);
    return at;
}

static const char *
scan_string(Walk *walk, const char *at)
{
    at++;
    for (;;) {
        at = skip_plain(at, walk->end);
        if (at == walk->end)
            return fault_at(walk, at, "the string's end");
        unsigned char c = (unsigned char)*at;
        if (c == '"')
            return at + 1;
        if (c == '\\') {
            at = scan_escape(walk, at + 1);
            if (!at)
                return NULL;
        } else if (c < ' ') {
            return fault_at(walk, at, "no control character in a string");
        } else if (c < 0x80) {
            at++;
        } else {
            size_t len = measure_sequence(at, walk->end);
            if (len == 0)
                return fault_at(walk, at, "UTF-8");
            at += len;
        }
    }
}

static const char *
scan_scalar(Walk *walk, const char *at)
{
    switch (*at) {
    case '"':
        return scan_string(walk, at);
    case 't':
        return scan_word(walk, at, "true");
    case 'f':
        return scan_word(walk, at, "false");
    case 'n':
        return scan_word(walk, at, "null");
    case '-':
        return scan_number(walk, at);
    case 'N':
        if (walk->flags & KAB_JSON_NONFINITE)
            return scan_word(walk, at, "NaN");
        return fault_at(walk, at, "a value");
    case 'I':
        if (walk->flags & KAB_JSON_NONFINITE)
            return scan_word(walk, at, "Infinity");
        return fault_at(walk, at, "a value");
    default:
        if (is_digit(at, walk->end))
            return scan_number(walk, at);
        return fault_at(walk, at, "a value");
    }
}

static void
begin_member(KabJsonMembers *members, KabSpan name, const char *value)
{
    if (members->n < members->capacity)
        members->at[members->n] = (KabJsonMember){name, {value, 0}};
    members->n++;
}

static void
end_member(KabJsonMembers *members, const char *end)
{
    if (members->n == 0 || members->n > members->capacity)
        return;
    KabSpan *value = &members->at[members->n - 1].value;
    if (value->len == 0)
        value->len = (size_t)(end - value->at);
}

/* Scans a member's name, its colon, and the blanks before its value. */
static const char *
scan_name(Walk *walk, const char *from)
{
    if (from == walk->end || *from != '"')
        return fault_at(walk, from, "a member's name");
    const char *to = scan_string(walk, from);
    if (!to)
        return NULL;
    const char *at = skip_blanks(to, walk->end);
    if (at == walk->end || *at != ':')
        return fault_at(walk, at, "':'");
    at = skip_blanks(at + 1, walk->end);
    if (walk->members && walk->depth == 1)
        begin_member(walk->members, (KabSpan){from, (size_t)(to - from)}, at);
    return at;
}

/* Continues after a value: closes containers and skips one comma. *ret_is_done:
 * the outermost value ended. Otherwise returns the start of the next value. */
static const char *
scan_after(Walk *walk, const char *at, bool *ret_is_done)
{
    for (; walk->depth > 0; walk->depth--, at++) {
        bool is_object = walk->is_object[walk->depth - 1];
        if (walk->members && walk->depth == 1)
            end_member(walk->members, at);
        at = skip_blanks(at, walk->end);
        if (at < walk->end && *at == ',') {
            at = skip_blanks(at + 1, walk->end);
            return is_object ? scan_name(walk, at) : at;
        }
        if (at == walk->end || *at != (is_object ? '}' : ']'))
            return fault_at(walk, at, is_object ? "',' or '}'" : "',' or ']'");
    }
    *ret_is_done = true;
    return at;
}

/* Opens a container. *ret_is_empty: returns the position of its closing
 * bracket. */
static const char *
scan_open(Walk *walk, const char *at, bool *ret_is_empty)
{
    bool is_object = *at == '{';
    if (walk->depth == KAB_JSON_MAX_DEPTH)
        return fault_at(walk, at, "containers nested less deeply");
    walk->is_object[walk->depth++] = is_object;
    at = skip_blanks(at + 1, walk->end);
    *ret_is_empty = at < walk->end && *at == (is_object ? '}' : ']');
    if (*ret_is_empty || !is_object)
        return at;
    return scan_name(walk, at);
}

/* Scans the outermost value; returns its end. */
static const char *
scan_value(Walk *walk, const char *at)
{
    bool is_done = false;
    while (at && !is_done) {
        if (at == walk->end)
            return fault_at(walk, at, "a value");
        bool is_empty = true;
        if (*at == '{' || *at == '[')
            at = scan_open(walk, at, &is_empty);
        else
            at = scan_scalar(walk, at);
        if (at && is_empty)
            at = scan_after(walk, at, &is_done);
    }
    return at;
}

static bool
check_text(Walk *walk,
           bool is_whole,
           KabSpan *ret_value,
           KabJsonFault *ret_fault)
{
    walk->depth = 0;
    const char *from = skip_blanks(walk->begin, walk->end);
    const char *to = scan_value(walk, from);
    if (to && is_whole) {
        const char *rest = skip_blanks(to, walk->end);
        if (rest != walk->end)
            to = fault_at(walk, rest, "nothing behind the value");
    }
    if (to)
        *ret_value = (KabSpan){from, (size_t)(to - from)};
    else if (ret_fault)
        *ret_fault = walk->fault;
    return to != NULL;
}

/* Sets what a walk begins with, but for the depth's flags: they are 512
 * bytes. */
static void
begin_walk(Walk *walk, const char *data, size_t len, unsigned flags)
{
    walk->begin = data ? data : "";
    walk->end = walk->begin + len;
    walk->flags = flags;
    walk->members = NULL;
}

bool
kab_json_check(const char *data,
               size_t len,
               unsigned flags,
               KabSpan *ret_value,
               KabJsonFault *ret_fault)
{
    Walk walk;
    begin_walk(&walk, data, len, flags);
    return check_text(&walk, true, ret_value, ret_fault);
}

bool
kab_json_check_object(const char *data,
                      size_t len,
                      unsigned flags,
                      KabSpan *ret_value,
                      KabJsonFault *ret_fault,
                      KabJsonMembers *members)
{
    Walk walk;
    begin_walk(&walk, data, len, flags);
    members->n = 0;
    members->has_escape = false;
    walk.members = members;
    return check_text(&walk, true, ret_value, ret_fault);
}

bool
kab_json_check_prefix(const char *data,
                      size_t len,
                      unsigned flags,
                      KabSpan *ret_value,
                      KabJsonFault *ret_fault)
{
    Walk walk;
    begin_walk(&walk, data, len, flags);
    return check_text(&walk, false, ret_value, ret_fault);
}

bool
kab_utf8_is_valid(const void *data, size_t len)
{
    const char *at = data, *end = at + len;
    while (at < end) {
        if ((unsigned char)*at < 0x80) {
            at++;
            continue;
        }
        size_t step = measure_sequence(at, end);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
