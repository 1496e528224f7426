/* SPDX-License-Identifier: Apache-2.0 */
/* Connects and runs statements, by polling.
 *
 * A call that is cancelled or out of time asks the server to cancel the
 * statement and waits briefly. If the server does not respond even to that, the
 * connection is closed.
 */
#include "sql-postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql-cancel.h"

enum { CONNECT_US = 10000000, GRACE_US = 1000000 };

typedef enum { WAIT_READY, WAIT_OVER, WAIT_CANCELLED } Wait;

/* Waits until the socket is ready, the time is over, or, with heeds_cancel, the
 * job is cancelled. until_us 0: no time limit. */
static Wait
wait_socket(Postgres *postgres,
            const SqlJob *job,
            short events,
            int64_t until_us,
            bool heeds_cancel)
{
    struct pollfd fds[] = {
        {.fd = PQsocket(postgres->connection), .events = events},
        {.fd = heeds_cancel ? job->wake_fd : -1, .events = POLLIN},
    };
    for (;;) {
        int64_t left_us = until_us ? until_us - sql_now_us() : 1000000000;
        if (left_us <= 0)
            return WAIT_OVER;
        int n = poll(fds, 2, (int)((left_us + 999) / 1000));
        if (n < 0 && errno != EINTR)
            return WAIT_OVER;
        if (n > 0 && fds[1].revents)
            return WAIT_CANCELLED;
        if (n > 0)
            return WAIT_READY;
    }
}

/* --- Failures ---------------------------------------------------------- */

static bool
fail_unreachable(SqlJob *job, KabFailure class_, const char *why)
{
    sql_fail(&job->failure, class_, "PostgreSQL is not connected: %s", why);
    job->failure.is_unreachable = true;
    return false;
}

/* Copies the server's message without the line about its source code. */
static void
copy_words(const char *message, char *ret_words, size_t size)
{
    snprintf(ret_words, size, "%s", message);
    char *location = strstr(ret_words, "\nLOCATION:");
    if (location)
        *location = '\0';
    for (size_t len = strlen(ret_words);
         len && strchr(" \n", ret_words[len - 1]);)
        ret_words[--len] = '\0';
    for (char *line = ret_words; (line = strchr(line, '\n'));)
        *line = ' ';
}

/* If the server answered and refused, uses its message and class; otherwise the
 * server is unreachable. */
static bool
fail_connect(Postgres *postgres, SqlJob *job)
{
    char state[6], words[SQL_REASON_BYTES / 2];
    const char *message = PQerrorMessage(postgres->connection);
    copy_words(message, words, sizeof words);
    KabFailure class_ = KAB_FAIL_OVERLOAD;
    if (sql_state_find(message, state) &&
        sql_state_class(state) == KAB_FAIL_FATAL)
        class_ = KAB_FAIL_FATAL;
    return fail_unreachable(job, class_, words);
}

/* A message about data quotes the data: shows only its SQLSTATE. */
static void
fail_result(SqlJob *job, const PGresult *result)
{
    char words[SQL_REASON_BYTES / 2];
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    KabFailure class_ = sql_state_class(state);
    copy_words(message ? message : "", words, sizeof words);
    if (sql_state_is_about_data(state))
        sql_fail(&job->failure, class_,
                 "PostgreSQL refuses a key, or a value it meets (SQLSTATE %s)",
                 state);
    else
        sql_fail(&job->failure, class_, "PostgreSQL: %s (SQLSTATE %s)", words,
                 state ? state : "unknown");
}

/* --- Connected --------------------------------------------------------- */

void
sql_postgres_disconnect(Postgres *postgres)
{
    PQfinish(postgres->connection);
    postgres->connection = NULL;
    free(postgres->query);
    postgres->query = NULL;
    postgres->timeout_ms = 0;
}

static void
ignore_notice(void *user, const PGresult *result)
{
}

static void
start_connection(Postgres *postgres)
{
    const char *const names[] = {"dbname", "fallback_application_name",
                                 "client_encoding", NULL};
    const char *const values[] = {postgres->link.setup->connection, "kabridge",
                                  "UTF8", NULL};
    postgres->connection = PQconnectStartParams(names, values, 1);
    PQsetNoticeReceiver(postgres->connection, ignore_notice, NULL);
    /* Only verbose errors give the SQLSTATE of a refused connection. */
    PQsetErrorVerbosity(postgres->connection, PQERRORS_VERBOSE);
}

static int64_t
sooner_of(int64_t until_us, int64_t deadline_us)
{
    return deadline_us && deadline_us < until_us ? deadline_us : until_us;
}

static bool
poll_connection(Postgres *postgres, SqlJob *job)
{
    int64_t until_us = sooner_of(sql_now_us() + CONNECT_US, job->deadline_us);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (PQstatus(postgres->connection) != CONNECTION_BAD) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        switch (wait_socket(postgres, job, events, until_us, true)) {
        case WAIT_READY:
            break;
        case WAIT_OVER:
            return fail_unreachable(job, KAB_FAIL_OVERLOAD,
                                    "it did not answer in time");
        case WAIT_CANCELLED:
            return sql_fail(&job->failure, KAB_FAIL_TRANSIENT,
                            "cancelled while connecting");
        }
        status = PQconnectPoll(postgres->connection);
        if (status == PGRES_POLLING_OK)
            return true;
        if (status == PGRES_POLLING_FAILED)
            break;
    }
    return fail_connect(postgres, job);
}

bool
sql_postgres_connect(Postgres *postgres, SqlJob *job)
{
    start_connection(postgres);
    if (!postgres->connection)
        abort(); /* out of memory */
    if (!poll_connection(postgres, job)) {
        sql_postgres_disconnect(postgres);
        return false;
    }
    PQsetErrorVerbosity(postgres->connection, PQERRORS_DEFAULT);
    PQsetnonblocking(postgres->connection, 1);
    return true;
}

/* --- A statement ------------------------------------------------------- */

/* Sends what libpq has buffered and reads until the whole result has
 * arrived. */
static Wait
drive_connection(Postgres *postgres,
                 SqlJob *job,
                 int64_t until_us,
                 bool heeds_cancel)
{
    for (;;) {
        int unsent = PQflush(postgres->connection);
        if (unsent == 0 && !PQisBusy(postgres->connection))
            return WAIT_READY;
        /* libpq closes the socket when it finds that the server has; poll()
         * would wait for it for ever. PQgetResult() tells the loss. */
        if (PQsocket(postgres->connection) < 0)
            return WAIT_READY;
        short events = POLLIN | (unsent > 0 ? POLLOUT : 0);
        Wait wait = wait_socket(postgres, job, events, until_us, heeds_cancel);
        if (wait != WAIT_READY)
            return wait;
        if (!PQconsumeInput(postgres->connection))
            return WAIT_READY;
    }
}

/* Waits briefly for the statement's own result after a cancel. */
static bool
end_statement(Postgres *postgres, SqlJob *job, Wait wait)
{
    sql_canceller_add(postgres->link.setup->canceller,
                      PQgetCancel(postgres->connection));
    sql_fail(&job->failure, KAB_FAIL_TRANSIENT, "%s",
             wait == WAIT_OVER
                 ? "PostgreSQL did not answer before the call's time was over"
                 : "the call was cancelled");
    return drive_connection(postgres, job, sql_now_us() + GRACE_US, false) ==
           WAIT_READY;
}

/* Returns the first result; libpq requires that all results are read. */
static PGresult *
read_result(Postgres *postgres, SqlJob *job, Wait *ret_wait)
{
    PGresult *first = NULL;
    for (;;) {
        *ret_wait = drive_connection(postgres, job, job->deadline_us, true);
        if (*ret_wait != WAIT_READY)
            return first;
        PGresult *result = PQgetResult(postgres->connection);
        if (!result)
            return first;
        if (first)
            PQclear(result);
        else
            first = result;
    }
}

static void
drain_results(Postgres *postgres)
{
    PGresult *result;
    while ((result = PQgetResult(postgres->connection)))
        PQclear(result);
}

/* Cleans up after a statement that was cancelled or timed out. */
static PGresult *
cut_short(Postgres *postgres, SqlJob *job, Wait wait, PGresult *result)
{
    PQclear(result);
    if (end_statement(postgres, job, wait))
        drain_results(postgres);
    else
        sql_postgres_disconnect(postgres);
    return NULL;
}

PGresult *
sql_postgres_run(Postgres *postgres,
                 SqlJob *job,
                 const char *query,
                 unsigned n,
                 const char *const *values)
{
    Wait wait = WAIT_READY;
    PGresult *result = NULL;
    if (PQsendQueryParams(postgres->connection, query, (int)n, NULL, values,
                          NULL, NULL, 0))
        result = read_result(postgres, job, &wait);
    if (wait != WAIT_READY)
        return cut_short(postgres, job, wait, result);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    if (PQstatus(postgres->connection) == CONNECTION_BAD) {
        char words[SQL_REASON_BYTES / 2];
        copy_words(PQerrorMessage(postgres->connection), words, sizeof words);
        sql_fail(&job->failure, KAB_FAIL_TRANSIENT,
                 "PostgreSQL has closed the connection: %s", words);
        sql_postgres_disconnect(postgres);
    } else {
        fail_result(job, result);
    }
    PQclear(result);
    return NULL;
}
