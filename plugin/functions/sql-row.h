/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of a query's rows, and their values as JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "sql-failure.h"
#include "sql-text.h"

enum { SQL_DOUBLE_CAPACITY = 32 };

typedef struct {
    char *name;
    char *prefix; /* text before the value: {"a": or ,"b": */
    size_t prefix_len;
    bool is_json;     /* the column's text is JSON already */
    bool is_computed; /* not a table column: a value may be JSON */
} SqlColumn;

/* Embedded; all zero is a valid, empty set of columns. */
typedef struct {
    SqlColumn *columns;
    unsigned n;
} SqlColumns;

void sql_columns_init(SqlColumns *columns, unsigned n);
void sql_columns_clear(SqlColumns *columns);
void sql_column_set_name(SqlColumn *column, const char *name);
/* Makes the prefixes. False: there are fewer columns than key parts, or two
 * columns have the same name. */
bool
sql_columns_check(SqlColumns *columns, unsigned n_parts, SqlFailure *failure);

/* Writes the shortest text that parses as the same number, not NUL-terminated.
 * Returns its length. */
size_t sql_double_write(double number, char *ret_text);
/* Adds a text: verbatim if it should be JSON and is valid, otherwise as a
 * string. False: the text is not UTF-8. */
bool
sql_text_add_value(SqlText *text, const char *data, size_t len, bool is_json);
