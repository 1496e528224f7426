/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-text.h"

#include <stdlib.h>
#include <string.h>

#include "json-span.h"

static void
reserve_bytes(SqlText *text, size_t more)
{
    if (more <= text->capacity - text->len)
        return;
    text->capacity = 2 * text->capacity + more;
    char *grown = realloc(text->data, text->capacity);
    if (!grown)
        abort();
    text->data = grown;
}

void
sql_text_clear(SqlText *text)
{
    free(text->data);
    *text = (SqlText){0};
}

void
sql_text_add(SqlText *text, const char *data, size_t len)
{
    if (!len)
        return;
    reserve_bytes(text, len);
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

void
sql_text_add_char(SqlText *text, char c)
{
    sql_text_add(text, &c, 1);
}

char *
sql_text_steal(SqlText *text)
{
    sql_text_add_char(text, '\0');
    char *data = text->data;
    *text = (SqlText){0};
    return data;
}

static void
add_hex_byte(SqlText *text, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    sql_text_add_char(text, digits[byte >> 4]);
    sql_text_add_char(text, digits[byte & 15]);
}

void
sql_text_add_json(SqlText *text, const char *data, size_t len)
{
    size_t encoded = kab_json_encoded_len(data, len);
    reserve_bytes(text, encoded);
    text->len += kab_json_encode(data, len, text->data + text->len);
}

void
sql_text_add_hex(SqlText *text, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    sql_text_add(text, "\"\\\\x", 4);
    for (size_t i = 0; i < len; i++)
        add_hex_byte(text, bytes[i]);
    sql_text_add_char(text, '"');
}
