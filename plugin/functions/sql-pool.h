/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of an instance: made on demand and used by one job at a time.
 * After a failure, reconnects only after a pause that doubles each time.
 *
 * Thread: any.
 */
#pragma once

#include "sql-link.h"

typedef struct SqlPool SqlPool;

/* Returns a new pool of at most n_links. Borrows the setup. */
SqlPool *
sql_pool_new(const SqlDriver *driver, const SqlSetup *setup, unsigned n_links);
/* Call when no job is running. */
void sql_pool_free(SqlPool *pool);
/* Connects once and has the query checked; false: see the job's failure. */
bool sql_pool_check(SqlPool *pool, SqlJob *job);
/* Gives rows to the job's keys; false: the job's failure says why. */
bool sql_pool_ask(SqlPool *pool, SqlJob *job);
/* Makes jobs that wait for a connection check whether they are cancelled. */
void sql_pool_wake(SqlPool *pool);
