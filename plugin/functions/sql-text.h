/* SPDX-License-Identifier: Apache-2.0 */
/* Growable text, and JSON written into it. */
#pragma once

#include <stddef.h>

/* Embedded; all zero is an empty one. data is NULL before the first byte. */
typedef struct {
    char *data;
    size_t len, capacity;
} SqlText;

void sql_text_clear(SqlText *text);
void sql_text_add(SqlText *text, const char *data, size_t len);
void sql_text_add_char(SqlText *text, char c);
/* Adds a JSON string with quotes and escapes; the bytes must be UTF-8. */
void sql_text_add_json(SqlText *text, const char *data, size_t len);
/* Adds the bytes of a blob as PostgreSQL writes them: "\\x00FF". */
void sql_text_add_hex(SqlText *text, const void *data, size_t len);
/* Returns the text, NUL-terminated, for free(), and empties it. */
char *sql_text_steal(SqlText *text);
