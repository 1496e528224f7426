/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers as text: 7, 7.0, 70e-1 and +07 are the same number and have
 * the same canonical text. No digits are lost.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Buffer size for the canonical text of a number of `len` bytes. */
#define SQL_NUMBER_CAPACITY(len) ((len) + 96)

/* Is it an integer whose text is canonical already? */
bool sql_number_is_plain(const char *text, size_t len);
/* Writes the canonical text, not NUL-terminated; returns its length, or 0 if
 * the text is not a number. Accepts surrounding blanks, a sign and leading
 * zeros. */
size_t sql_number_write(const char *text, size_t len, char *ret_text);
