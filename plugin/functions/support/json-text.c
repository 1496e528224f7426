/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: decodes their content, and encodes text as a string. */
#include "json-span.h"
#include "json-internal.h"

#include <string.h>

static unsigned
read_hex(const char *at)
{
    unsigned code = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned c = (unsigned char)at[i];
        code = code << 4 | (c <= '9' ? c - '0' : (c | ' ') - 'a' + 10);
    }
    return code;
}

static size_t
write_utf8(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Decodes "uXXXX", with the second surrogate if there is one; moves *at past
 * it. */
static unsigned
read_character(const char **at, const char *end)
{
    unsigned code = read_hex(*at + 1);
    *at += 5;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return 0xfffd;
    unsigned low = read_hex(*at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0xfffd;
    *at += 6;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static char
read_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

size_t
kab_json_decode(KabSpan string, char *out)
{
    const char *at = string.at + 1, *end = string.at + string.len - 1;
    char *to = out;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash ? slash : end) - at);
        memmove(to, at, plain);
        to += plain;
        at += plain;
        if (!slash)
            break;
        at++;
        if (*at == 'u')
            to += write_utf8(read_character(&at, end), to);
        else
            *to++ = read_escape(*at++);
    }
    return (size_t)(to - out);
}

/* The text's next byte, with the "~" of a pointer's token decoded; -1: end. */
static int
next_byte(KabSpan *text, bool is_token)
{
    if (text->len == 0)
        return -1;
    char c = *text->at;
    bool is_tilde = is_token && c == '~';
    if (is_tilde)
        c = text->at[1] == '1' ? '/' : '~';
    text->at += 1 + is_tilde;
    text->len -= 1 + is_tilde;
    return (unsigned char)c;
}

bool
kab_json_string_says(KabSpan string, KabSpan text, bool is_token)
{
    const char *at = string.at + 1, *end = string.at + string.len - 1;
    while (at < end) {
        char piece[4];
        size_t n = 1;
        if (*at != '\\')
            piece[0] = *at++;
        else if (*++at == 'u')
            n = write_utf8(read_character(&at, end), piece);
        else
            piece[0] = read_escape(*at++);
        for (size_t i = 0; i < n; i++)
            if (next_byte(&text, is_token) != (unsigned char)piece[i])
                return false;
    }
    return text.len == 0;
}

bool
kab_json_string_is(KabSpan string, const char *text, size_t len)
{
    return kab_json_type(string) == KAB_JSON_STRING &&
           kab_json_string_says(string, (KabSpan){text, len}, false);
}

/* The second byte of a two-byte escape; 'u' if six bytes are needed; 0: no
 * escape. */
static char
escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < ' ' ? 'u' : '\0';
    }
}

static bool
needs_escape(unsigned char c)
{
    return c < ' ' || c == '"' || c == '\\';
}

size_t
kab_json_encoded_len(const void *text, size_t len)
{
    const unsigned char *bytes = text;
    size_t total = len + 2;
    for (size_t i = 0; i < len; i++)
        if (needs_escape(bytes[i]))
            total += escape_of(bytes[i]) == 'u' ? 5 : 1;
    return total;
}

size_t
kab_json_encode(const void *text, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = text;
    char *to = out;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = bytes[i];
        if (!needs_escape(c)) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '\\';
        *to++ = escape_of(c);
        if (to[-1] == 'u') {
            memcpy(to, "00", 2);
            to[2] = digits[c >> 4];
            to[3] = digits[c & 15];
            to += 4;
        }
    }
    *to++ = '"';
    return (size_t)(to - out);
}
