/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-span.h"
#include "sql-arena.h"

void
sql_columns_init(SqlColumns *columns, unsigned n)
{
    size_t size = n * sizeof *columns->columns;
    columns->columns = sql_alloc(size);
    columns->n = n;
    memset(columns->columns, 0, size);
}

void
sql_columns_clear(SqlColumns *columns)
{
    for (unsigned c = 0; c < columns->n; c++) {
        free(columns->columns[c].name);
        free(columns->columns[c].prefix);
    }
    free(columns->columns);
    *columns = (SqlColumns){0};
}

void
sql_column_set_name(SqlColumn *column, const char *name)
{
    if (!name)
        abort(); /* out of memory */
    size_t size = strlen(name) + 1;
    column->name = sql_alloc(size);
    memcpy(column->name, name, size);
}

static void
set_prefix(SqlColumn *column, bool is_first)
{
    SqlText text = {0};
    sql_text_add_char(&text, is_first ? '{' : ',');
    sql_text_add_json(&text, column->name, strlen(column->name));
    sql_text_add_char(&text, ':');
    column->prefix_len = text.len;
    column->prefix = sql_text_steal(&text);
}

bool
sql_columns_check(SqlColumns *columns, unsigned n_parts, SqlFailure *failure)
{
    if (columns->n < n_parts)
        return sql_fail(failure, KAB_FAIL_FATAL,
                        "found a query of %u columns, and %u parts of a key; "
                        "wanted the key as its first columns",
                        columns->n, n_parts);
    for (unsigned c = 0; c < columns->n; c++) {
        const char *name = columns->columns[c].name;
        for (unsigned other = 0; other < c; other++)
            if (strcmp(columns->columns[other].name, name) == 0)
                return sql_fail(failure, KAB_FAIL_FATAL,
                                "found two columns of the name %s; wanted one: "
                                "rename the other with AS",
                                name);
        set_prefix(&columns->columns[c], c == 0);
    }
    return true;
}

size_t
sql_double_write(double number, char *ret_text)
{
    if (isinf(number))
        return (size_t)sprintf(ret_text, number < 0 ? "-9e999" : "9e999");
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(ret_text, SQL_DOUBLE_CAPACITY, "%.*g", digits, number);
        if (strtod(ret_text, NULL) == number)
            break;
    }
    /* The process's locale may write a decimal comma. */
    char *comma = memchr(ret_text, ',', (size_t)len);
    if (comma)
        *comma = '.';
    return (size_t)len;
}

bool
sql_text_add_value(SqlText *text, const char *data, size_t len, bool is_json)
{
    KabSpan value;
    if (is_json && kab_json_check(data, len, KAB_JSON_STRICT, &value, NULL)) {
        sql_text_add(text, data, len);
        return true;
    }
    if (!kab_utf8_is_valid(data, len))
        return false;
    sql_text_add_json(text, data, len);
    return true;
}
