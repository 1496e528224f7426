/* SPDX-License-Identifier: Apache-2.0 */
/* Prepares the user's query for a database: replaces `:keys` by that database's
 * form of the batch's keys.
 *
 *   WHERE id IN (:keys)        SQLite: IN (SELECT value FROM json_each(?1))
 *                              PostgreSQL: = ANY ($1)
 *   WHERE (a, b) IN (:keys)    the same with a composite key
 *   :keys anywhere else        SQLite: ?1, a JSON array;
 *                              PostgreSQL: $1, or $1, $2 …: an array per column
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum { SQL_SQLITE, SQL_POSTGRES } SqlDialect;

/* Returns a new string for free(), without a final semicolon; NULL: ret_why
 * tells what was found and what was wanted. */
char *sql_query_expand(const char *query,
                       SqlDialect dialect,
                       unsigned n_parts,
                       char *ret_why,
                       size_t why_size);
