/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the PostgreSQL driver: a connection, and waiting for
 * it while still reacting to cancel() and to the call's deadline.
 */
#pragma once

#include <libpq-fe.h>

#include "sql-link.h"

typedef struct {
    SqlLink link;
    PGconn *connection; /* NULL: not connected */
    char *query;        /* built for the connection's columns; NULL: not known
                         * yet */
    bool is_number[SQL_MAX_PARTS]; /* per column of the key */
    int64_t timeout_ms;            /* the session's statement_timeout;
                                    * 0: none */
} Postgres;

/* Connects before the job's deadline; false: see the job's failure. */
bool sql_postgres_connect(Postgres *postgres, SqlJob *job);
void sql_postgres_disconnect(Postgres *postgres);
/* Runs a statement with n text parameters whose types the server infers. Ends
 * it if the job is cancelled or out of time. Returns a new result of rows or of
 * a command; NULL: see the job's failure. */
PGresult *sql_postgres_run(Postgres *postgres,
                           SqlJob *job,
                           const char *query,
                           unsigned n,
                           const char *const *values);
