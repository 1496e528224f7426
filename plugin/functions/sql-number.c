/* SPDX-License-Identifier: Apache-2.0 */
/* A number is parsed into digits × 10^exponent, where the digits have no zeros
 * at either end, and written as a plain decimal if that is not much longer. */
#include "sql-number.h"

#include <stdio.h>
#include <string.h>

/* With more zeros than this, an exponent is written instead. */
enum { MAX_ZEROS = 40, MAX_EXPONENT = 1000000 };

/* The digits are stored in the caller's buffer. */
typedef struct {
    bool is_negative;
    char *digits;
    size_t n_digits;
    long exponent;
} Decimal;

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
sql_number_is_plain(const char *text, size_t len)
{
    if (len == 1 && text[0] == '0')
        return true;
    size_t i = len > 0 && text[0] == '-';
    if (i >= len || text[i] < '1' || text[i] > '9')
        return false;
    while (i < len && is_digit(text[i]))
        i++;
    return i == len;
}

/* Appends the digits at *at; false: there are none. */
static bool
read_digits(Decimal *decimal, const char **at, const char *end, bool is_part)
{
    const char *from = *at;
    for (; *at < end && is_digit(**at); (*at)++) {
        decimal->exponent -= is_part;
        if (decimal->n_digits || **at != '0')
            decimal->digits[decimal->n_digits++] = **at;
    }
    return *at > from;
}

static bool
read_exponent(Decimal *decimal, const char **at, const char *end)
{
    (*at)++;
    bool is_negative = *at < end && **at == '-';
    if (*at < end && (**at == '-' || **at == '+'))
        (*at)++;
    const char *from = *at;
    long exponent = 0;
    for (; *at < end && is_digit(**at); (*at)++)
        if (exponent < MAX_EXPONENT)
            exponent = exponent * 10 + (**at - '0');
    decimal->exponent += is_negative ? -exponent : exponent;
    return *at > from;
}

static bool
read_decimal(Decimal *decimal, const char *at, const char *end)
{
    decimal->is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    bool has_digits = read_digits(decimal, &at, end, false);
    if (at < end && *at == '.') {
        at++;
        has_digits |= read_digits(decimal, &at, end, true);
    }
    if (!has_digits)
        return false;
    if (at < end && (*at == 'e' || *at == 'E') &&
        !read_exponent(decimal, &at, end))
        return false;
    while (decimal->n_digits && decimal->digits[decimal->n_digits - 1] == '0') {
        decimal->n_digits--;
        decimal->exponent++;
    }
    return at == end;
}

static char *
append_bytes(char *to, const char *text, size_t len)
{
    memmove(to, text, len);
    return to + len;
}

static char *
append_zeros(char *to, size_t n)
{
    memset(to, '0', n);
    return to + n;
}

static char *
write_fraction(char *to, const Decimal *decimal, size_t n_after)
{
    const char *digits = decimal->digits;
    size_t n = decimal->n_digits;
    if (n_after >= n) {
        to = append_bytes(to, "0.", 2);
        return append_bytes(append_zeros(to, n_after - n), digits, n);
    }
    to = append_bytes(to, digits, n - n_after);
    *to++ = '.';
    return append_bytes(to, digits + n - n_after, n_after);
}

static char *
write_decimal(char *to, const Decimal *decimal)
{
    size_t n = decimal->n_digits;
    long exponent = decimal->exponent;
    if (!n) {
        *to++ = '0';
        return to;
    }
    if (decimal->is_negative)
        *to++ = '-';
    if (exponent >= 0 && exponent <= MAX_ZEROS)
        return append_zeros(append_bytes(to, decimal->digits, n),
                            (size_t)exponent);
    if (exponent < 0 && -exponent <= (long)n + MAX_ZEROS)
        return write_fraction(to, decimal, (size_t)-exponent);
    to = append_bytes(to, decimal->digits, n);
    return to + sprintf(to, "e%ld", exponent);
}

size_t
sql_number_write(const char *text, size_t len, char *ret_text)
{
    while (len && is_blank(text[len - 1]))
        len--;
    while (len && is_blank(*text)) {
        text++;
        len--;
    }
    /* The digits are collected at the end of the output buffer: writing never
     * overtakes reading. */
    Decimal decimal = {.digits = ret_text + SQL_NUMBER_CAPACITY(len) - len};
    if (!len || !read_decimal(&decimal, text, text + len))
        return 0;
    return (size_t)(write_decimal(ret_text, &decimal) - ret_text);
}
