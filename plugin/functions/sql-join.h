/* SPDX-License-Identifier: Apache-2.0 */
/* Joins a batch with its rows: extracts keys from the records, puts rows into
 * them.
 *
 *   sql_join_read(): each record's key; distinct keys once
 *   ... the cache and the database give rows to the keys ...
 *   sql_join_answer(): each record's outcome
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sql-link.h"

typedef enum {
    SQL_MISSING_PASS,
    SQL_MISSING_DROP,
    SQL_MISSING_REJECT,
    SQL_MISSING_RETRY,
} SqlMissing;

/* The parsed options; constant. */
typedef struct {
    char *pointers;                 /* owns the strings below */
    const char *key[SQL_MAX_PARTS]; /* JSON Pointers */
    size_t key_len[SQL_MAX_PARTS];
    unsigned n_pointers;            /* 0: the record's key is used */
    const char *into;               /* JSON Pointer */
    size_t into_len;
    /* All pointers name members of the record itself, by names without escapes:
     * then one walk over the members finds everything. */
    bool is_flat;
    char *member; /* text that adds the new member: ,"row": */
    size_t member_len;
    SqlMissing missing;
    int64_t missing_delay_ms;
    unsigned missing_attempts;
} SqlJoin;

/* Parses `key` and `into`; false: ret_why tells what was found and wanted. */
bool sql_join_init(SqlJoin *join,
                   const char *key,
                   const char *into,
                   char *ret_why,
                   size_t why_size);
void sql_join_clear(SqlJoin *join);
/* Fills in the job's keys and its records. */
void sql_join_read(const SqlJoin *join, SqlJob *job);
/* Gives each record its outcome. If the query failed, records whose key has no
 * answer get none. */
void sql_join_answer(const SqlJoin *join, SqlJob *job, bool has_failed);
/* Is the batch waiting for rows that were missing at an earlier call? */
bool sql_join_is_late(const SqlJoin *join, const SqlJob *job);
