/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to a database, and a batch's request to one.
 *
 *   process -> SqlJob -> pool: a free SqlLink -> driver: one query -> the
 *   job's keys have their rows
 */
#pragma once

#include <kabridge/function.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "json-span.h"
#include "sql-failure.h"
#include "sql-key.h"

typedef struct SqlCanceller SqlCanceller;

/* The parsed options. Made by open(), constant until close(). */
typedef struct {
    KabContext *context;
    const char *connection;  /* contains a secret; borrowed from the context */
    char *query;             /* with :keys expanded */
    unsigned n_parts;        /* of a key */
    SqlCanceller *canceller; /* PostgreSQL only */
} SqlSetup;

/* State of one record of the batch. */
typedef struct {
    KabSpan document; /* its value; absent: not a JSON object */
    KabSpan into;     /* where the row goes if the join is flat: the text to
                       * replace, or the empty span to insert at */
    uint32_t key;     /* index into the job's keys, or SQL_NO_KEY */
    const char *why;  /* why the record cannot be read; NULL: it can */
} SqlRecord;

#define SQL_NO_KEY UINT32_MAX

/* One call of process(), used by its thread except for the fields marked
 * otherwise. Jobs are reused by later batches.
 */
typedef struct SqlJob SqlJob;
struct SqlJob {
    SqlJob *next;             /* in the instance's lists; under its mutex */
    KabBatch *batch;          /* NULL: the job is free; under the instance's
                               * mutex */
    int wake_fd;              /* becomes readable on cancellation */
    atomic_bool is_cancelled; /* thread: any */
    int64_t deadline_us;      /* 0: none */
    SqlKeys keys;
    SqlRecord *records; /* one per record of the batch */
    size_t capacity;
    SqlFailure failure; /* why the keys have no rows */
    void *result;       /* owner of the rows' text; NULL */
    void (*free_result)(void *result);
};

/* A connection, or none yet; the driver's own fields follow. One thread at a
 * time. */
typedef struct SqlLink SqlLink;
struct SqlLink {
    SqlLink *next; /* next free link of the pool */
    const SqlSetup *setup;
};

typedef struct {
    const char *name;
    /* Optional: checks the connection string and makes what the links share.
     * False: see ret_why. */
    bool (*init)(SqlSetup *setup, char *ret_why, size_t why_size);
    void (*clear)(SqlSetup *setup);
    SqlLink *(*link_new)(const SqlSetup *setup);
    /* Connects if necessary, and has the query checked. False: the job's
     * failure says why. */
    bool (*check)(SqlLink *link, SqlJob *job);
    /* Like check, then gives rows to the job's keys without an entry. */
    bool (*ask)(SqlLink *link, SqlJob *job);
    void (*link_free)(SqlLink *link);
} SqlDriver;

extern const SqlDriver sql_sqlite;
extern const SqlDriver sql_postgres;

/* Maximum of rows per query. */
enum { SQL_MAX_ROWS = 100000 };

/* Microseconds of CLOCK_MONOTONIC. */
int64_t sql_now_us(void);
/* Fails the job because of a row whose key was not asked for; returns false. */
bool sql_fail_stranger(SqlJob *job);
/* Fails the job because of too many rows; returns false. */
bool sql_fail_rows(SqlJob *job);
/* Frees the result that owns the rows' text. */
void sql_job_forget_result(SqlJob *job);
