/* SPDX-License-Identifier: Apache-2.0 */
/* Classifies database errors for the batch, by error code. */
#pragma once

#include <kabridge/function.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SQL_REASON_BYTES = 640 };

/* Why a query gave no rows. The reason may be logged: it contains no values of
 * records. */
typedef struct {
    KabFailure failure;
    bool is_unreachable;    /* no connection: reconnect after a pause */
    int64_t retry_after_ms; /* -1: unspecified */
    char reason[SQL_REASON_BYTES];
} SqlFailure;

/* Sets failure, with a printf-style reason; returns false. */
bool sql_fail(SqlFailure *failure, KabFailure class_, const char *format, ...)
    KAB_PRINTF(3, 4);

/* The class for a SQLSTATE of five characters; NULL is allowed. */
KabFailure sql_state_class(const char *state);
/* Is the SQLSTATE about data? Such a message quotes the data and must not be
 * shown. */
bool sql_state_is_about_data(const char *state);
/* The class for a result code of SQLite, extended or not. is_running: the
 * statement was prepared and has started. */
KabFailure sql_sqlite_class(int code, bool is_running);
/* Finds the SQLSTATE in a message of libpq ("FATAL:  28P01: …") and copies it
 * to ret_state, which has room for six; false: there is none. */
bool sql_state_find(const char *message, char *ret_state);
