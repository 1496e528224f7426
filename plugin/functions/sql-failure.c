/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

bool
sql_fail(SqlFailure *failure, KabFailure class_, const char *format, ...)
{
    failure->failure = class_;
    failure->is_unreachable = false;
    failure->retry_after_ms = -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->reason, sizeof failure->reason, format, arguments);
    va_end(arguments);
    return false;
}

/* --- PostgreSQL -------------------------------------------------------- */

/* A SQLSTATE, or the two characters of its class; specific states come
 * first. */
static const struct {
    const char *state;
    KabFailure class_;
} states[] = {
    {"57P01", KAB_FAIL_TRANSIENT}, /* admin_shutdown */
    {"57P02", KAB_FAIL_TRANSIENT}, /* crash_shutdown */
    {"57P03", KAB_FAIL_OVERLOAD},  /* cannot_connect_now */
    {"57P04", KAB_FAIL_FATAL},     /* database_dropped */
    {"57014", KAB_FAIL_TRANSIENT}, /* query_canceled */
    {"40001", KAB_FAIL_TRANSIENT}, /* serialization_failure */
    {"40P01", KAB_FAIL_TRANSIENT}, /* deadlock_detected */
    {"55P03", KAB_FAIL_TRANSIENT}, /* lock_not_available */
    {"25006", KAB_FAIL_FATAL},     /* read_only_sql_transaction */
    {"08", KAB_FAIL_TRANSIENT},    /* connection exception */
    {"0A", KAB_FAIL_FATAL},        /* feature not supported */
    {"21", KAB_FAIL_PERMANENT},    /* cardinality violation */
    {"22", KAB_FAIL_PERMANENT},    /* data exception */
    {"28", KAB_FAIL_FATAL},        /* invalid authorization */
    {"3D", KAB_FAIL_FATAL},        /* invalid catalog name */
    {"3F", KAB_FAIL_FATAL},        /* invalid schema name */
    {"42", KAB_FAIL_FATAL},        /* syntax error or access rule */
    {"53", KAB_FAIL_OVERLOAD},     /* insufficient resources */
    {"P0", KAB_FAIL_PERMANENT},    /* raised by a function of the user */
};

KabFailure
sql_state_class(const char *state)
{
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            return states[i].class_;
    return KAB_FAIL_TRANSIENT;
}

bool
sql_state_is_about_data(const char *state)
{
    return sql_state_class(state) == KAB_FAIL_PERMANENT;
}

static bool
is_state(const char *text)
{
    static const char in_state[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return strspn(text, in_state) == 5 && (text[5] == ':' || text[5] == '\n');
}

bool
sql_state_find(const char *message, char *ret_state)
{
    for (const char *at = strstr(message, ":  "); at; at = strstr(at, ":  ")) {
        at += 3;
        if (is_state(at)) {
            memcpy(ret_state, at, 5);
            ret_state[5] = '\0';
            return true;
        }
    }
    return false;
}

/* --- SQLite ------------------------------------------------------------ */

KabFailure
sql_sqlite_class(int code, bool is_running)
{
    switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_SCHEMA:
    case SQLITE_PROTOCOL:
        return KAB_FAIL_TRANSIENT;
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT: /* the file may be in the middle of being copied */
    case SQLITE_NOTADB:
        return KAB_FAIL_OVERLOAD;
    case SQLITE_TOOBIG:
        return KAB_FAIL_TOO_LARGE;
    case SQLITE_ERROR: /* an error in the SQL text, or in evaluating it */
    case SQLITE_MISMATCH:
        return is_running ? KAB_FAIL_PERMANENT : KAB_FAIL_FATAL;
    default:
        return KAB_FAIL_FATAL;
    }
}
