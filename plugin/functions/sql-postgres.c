/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL: one read-only session per link, unnamed statements.
 *
 * The server makes the JSON of a row (row_to_json), so numbers keep their
 * digits and JSON columns their text. The columns of the user's query are
 * requested once per connection, with no keys; the query that is then run names
 * the key's columns in front of the row.
 */
#include "sql-postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql-cancel.h"
#include "sql-row.h"

/* Numeric types: int8 int2 int4 oid float4 float8 numeric */
static const Oid number_types[] = {20, 21, 23, 26, 700, 701, 1700};

static bool
is_number_type(Oid type)
{
    for (size_t i = 0; i < sizeof number_types / sizeof *number_types; i++)
        if (number_types[i] == type)
            return true;
    return false;
}

/* --- A session --------------------------------------------------------- */

static bool
run_command(Postgres *postgres, SqlJob *job, const char *command)
{
    PGresult *result = sql_postgres_run(postgres, job, command, 0, NULL);
    PQclear(result);
    return result != NULL;
}

/* Makes the server end a statement by itself when the attempt's time is over,
 * even if our process is no longer there to cancel it. Uses the longest attempt
 * seen: one that waited for a connection has less time left. */
static bool
set_timeout(Postgres *postgres, SqlJob *job)
{
    if (!job->deadline_us)
        return true;
    int64_t left_ms = (job->deadline_us - sql_now_us()) / 1000 + 1;
    bool is_set =
        postgres->timeout_ms >= left_ms && postgres->timeout_ms / 2 <= left_ms;
    if (is_set || left_ms <= 0)
        return true;
    char command[80];
    int64_t timeout_ms = left_ms + left_ms / 10;
    snprintf(command, sizeof command, "SET statement_timeout = %lld",
             (long long)timeout_ms);
    if (!run_command(postgres, job, command))
        return false;
    postgres->timeout_ms = timeout_ms;
    return true;
}

/* --- The query --------------------------------------------------------- */

static bool
read_columns(const PGresult *result,
             unsigned n_parts,
             SqlColumns *columns,
             SqlFailure *failure)
{
    sql_columns_init(columns, (unsigned)PQnfields(result));
    for (unsigned c = 0; c < columns->n; c++)
        sql_column_set_name(&columns->columns[c], PQfname(result, (int)c));
    return sql_columns_check(columns, n_parts, failure);
}

static void
add_words(SqlText *text, const char *words)
{
    sql_text_add(text, words, strlen(words));
}

static void
add_identifier(SqlText *text, const char *name)
{
    sql_text_add_char(text, '"');
    for (; *name; name++) {
        if (*name == '"')
            sql_text_add_char(text, '"');
        sql_text_add_char(text, *name);
    }
    sql_text_add_char(text, '"');
}

/* Puts the user's query between two texts. A newline follows the query, because
 * its last line may be a comment. */
static char *
wrap_query(SqlText *head, const char *query, const char *tail)
{
    add_words(head, " FROM (");
    add_words(head, query);
    add_words(head, "\n) AS kabridge_row LIMIT ");
    add_words(head, tail);
    return sql_text_steal(head);
}

static char *
make_query(const char *query, const SqlColumns *columns, unsigned n_parts)
{
    char limit[16];
    SqlText text = {0};
    add_words(&text, "SELECT ");
    for (unsigned p = 0; p < n_parts; p++) {
        add_identifier(&text, columns->columns[p].name);
        add_words(&text, ", ");
    }
    add_words(&text, "row_to_json(kabridge_row)");
    snprintf(limit, sizeof limit, "%d", SQL_MAX_ROWS + 1);
    return wrap_query(&text, query, limit);
}

static PGresult *
ask_columns(Postgres *postgres, SqlJob *job)
{
    const SqlSetup *setup = postgres->link.setup;
    const char *values[SQL_MAX_PARTS];
    for (unsigned p = 0; p < setup->n_parts; p++)
        values[p] = "{}";
    SqlText text = {0};
    add_words(&text, "SELECT *");
    char *query = wrap_query(&text, setup->query, "0");
    PGresult *result =
        sql_postgres_run(postgres, job, query, setup->n_parts, values);
    free(query);
    return result;
}

static bool
learn_columns(Postgres *postgres, SqlJob *job)
{
    const SqlSetup *setup = postgres->link.setup;
    PGresult *result = ask_columns(postgres, job);
    if (!result)
        return false;
    SqlColumns columns;
    bool is_good =
        read_columns(result, setup->n_parts, &columns, &job->failure);
    for (unsigned p = 0; is_good && p < setup->n_parts; p++)
        postgres->is_number[p] = is_number_type(PQftype(result, (int)p));
    if (is_good)
        postgres->query = make_query(setup->query, &columns, setup->n_parts);
    sql_columns_clear(&columns);
    PQclear(result);
    return is_good;
}

/* Makes sure that the session is connected and read-only, and the query
 * known. */
static bool
ensure_session(Postgres *postgres, SqlJob *job)
{
    bool is_there =
        postgres->connection != NULL || sql_postgres_connect(postgres, job);
    if (!is_there)
        return false;
    if (!postgres->query &&
        !(run_command(postgres, job,
                      "SET default_transaction_read_only = on") &&
          learn_columns(postgres, job))) {
        if (postgres->connection)
            sql_postgres_disconnect(postgres);
        return false;
    }
    return set_timeout(postgres, job);
}

/* --- Keys and rows ----------------------------------------------------- */

static void
add_element(SqlText *text, const SqlPart *part)
{
    sql_text_add_char(text, '"');
    for (size_t i = 0; i < part->len; i++) {
        if (part->data[i] == '"' || part->data[i] == '\\')
            sql_text_add_char(text, '\\');
        sql_text_add_char(text, part->data[i]);
    }
    sql_text_add_char(text, '"');
}

/* Writes an array literal: {"7","8"}. */
static char *
write_array(const SqlKeys *keys, unsigned p)
{
    SqlText text = {0};
    sql_text_add_char(&text, '{');
    for (size_t k = 0; k < keys->n; k++) {
        if (keys->keys[k].entry)
            continue;
        if (text.len > 1)
            sql_text_add_char(&text, ',');
        add_element(&text, &keys->keys[k].parts[p]);
    }
    sql_text_add_char(&text, '}');
    return sql_text_steal(&text);
}

static bool
read_part(Postgres *postgres,
          SqlKeys *keys,
          const PGresult *result,
          int row,
          unsigned p,
          SqlPart *ret_part)
{
    if (PQgetisnull(result, row, (int)p))
        return false;
    const char *text = PQgetvalue(result, row, (int)p);
    size_t len = (size_t)PQgetlength(result, row, (int)p);
    *ret_part = (SqlPart){.data = text, .len = len};
    if (postgres->is_number[p] &&
        !sql_part_set_number(ret_part, &keys->arena, text, len))
        *ret_part = (SqlPart){.data = text, .len = len}; /* e.g. NaN */
    return true;
}

static bool
take_row(Postgres *postgres, SqlJob *job, const PGresult *result, int row)
{
    SqlKeys *keys = &job->keys;
    SqlPart parts[SQL_MAX_PARTS];
    for (unsigned p = 0; p < keys->n_parts; p++)
        if (!read_part(postgres, keys, result, row, p, &parts[p]))
            return sql_fail_stranger(job);
    int json = (int)keys->n_parts;
    return sql_keys_give(keys, parts, PQgetvalue(result, row, json),
                         (size_t)PQgetlength(result, row, json)) ||
           sql_fail_stranger(job);
}

static void
clear_result(void *result)
{
    PQclear(result);
}

static bool
take_rows(Postgres *postgres, SqlJob *job, PGresult *result)
{
    job->result = result;
    job->free_result = clear_result;
    int n = PQntuples(result);
    if (n > SQL_MAX_ROWS)
        return sql_fail_rows(job);
    for (int row = 0; row < n; row++)
        if (!take_row(postgres, job, result, row))
            return false;
    return true;
}

/* --- The driver -------------------------------------------------------- */

static bool
postgres_check(SqlLink *link, SqlJob *job)
{
    return ensure_session((Postgres *)link, job);
}

static PGresult *
ask_once(Postgres *postgres, SqlJob *job)
{
    unsigned n_parts = job->keys.n_parts;
    char *values[SQL_MAX_PARTS];
    if (!ensure_session(postgres, job))
        return NULL;
    for (unsigned p = 0; p < n_parts; p++)
        values[p] = write_array(&job->keys, p);
    PGresult *result = sql_postgres_run(postgres, job, postgres->query, n_parts,
                                        (const char *const *)values);
    for (unsigned p = 0; p < n_parts; p++)
        free(values[p]);
    return result;
}

/* A connection from the pool may have been closed by the server long ago. A new
 * one then shows whether the database is down. */
static bool
postgres_ask(SqlLink *link, SqlJob *job)
{
    Postgres *postgres = (Postgres *)link;
    bool was_connected = postgres->connection != NULL;
    PGresult *result = ask_once(postgres, job);
    bool is_lost = !result && !postgres->connection;
    if (is_lost && was_connected && !atomic_load(&job->is_cancelled) &&
        (!job->deadline_us || sql_now_us() < job->deadline_us))
        result = ask_once(postgres, job);
    return result && take_rows(postgres, job, result);
}

static SqlLink *
postgres_link_new(const SqlSetup *setup)
{
    Postgres *postgres = sql_alloc(sizeof *postgres);
    *postgres = (Postgres){.link.setup = setup};
    return &postgres->link;
}

static void
postgres_link_free(SqlLink *link)
{
    Postgres *postgres = (Postgres *)link;
    sql_postgres_disconnect(postgres);
    free(postgres);
}

/* libpq's message about the connection string may quote a password. */
static bool
postgres_init(SqlSetup *setup, char *ret_why, size_t why_size)
{
    char *message = NULL;
    PQconninfoOption *parsed = PQconninfoParse(setup->connection, &message);
    PQfreemem(message);
    if (!parsed) {
        snprintf(ret_why, why_size,
                 "connection: found text that libpq does not understand; "
                 "wanted key = value pairs, or postgresql://HOST/DATABASE");
        return false;
    }
    PQconninfoFree(parsed);
    setup->canceller = sql_canceller_new();
    if (!setup->canceller)
        snprintf(ret_why, why_size, "cannot make a thread");
    return setup->canceller != NULL;
}

static void
postgres_clear(SqlSetup *setup)
{
    sql_canceller_free(setup->canceller);
}

const SqlDriver sql_postgres = {
    .name = "postgres",
    .init = postgres_init,
    .clear = postgres_clear,
    .link_new = postgres_link_new,
    .check = postgres_check,
    .ask = postgres_ask,
    .link_free = postgres_link_free,
};
