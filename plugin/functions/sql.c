/* SPDX-License-Identifier: Apache-2.0 */
/* The function "sql": a look-up join, one query per batch.
 *
 *   process (a pool thread) -> sql-join.c: the batch's distinct keys ->
 *   sql-cache.c -> sql-pool.c: a connection -> sql-sqlite.c, sql-postgres.c:
 *   one query for the keys that are not cached -> sql-join.c: outputs
 *
 * A call occupies its thread while the database works, so max.in.flight calls
 * need as many threads and connections. cancel() only sets a flag and wakes the
 * call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <pthread.h>

#include "sql-cache.h"
#include "sql-join.h"
#include "sql-pool.h"
#include "sql-query.h"

/* Time-out of the database check at start. */
enum { CHECK_US = 3000000 };

typedef struct {
    SqlSetup setup;
    const SqlDriver *driver;
    SqlJoin join;
    SqlCache *cache; /* NULL: none */
    SqlPool *pool;
    uint64_t seed;
    pthread_mutex_t mutex; /* guards the fields below */
    SqlJob *jobs;          /* jobs in use */
    SqlJob *free_jobs;
} Sql;

/* --- Jobs -------------------------------------------------------------- */

static SqlJob *
job_new(const Sql *sql)
{
    SqlJob *job = sql_alloc(sizeof *job);
    *job = (SqlJob){.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    sql_keys_init(&job->keys, sql->setup.n_parts, sql->seed);
    return job;
}

static void
job_free(SqlJob *job)
{
    sql_job_forget_result(job);
    sql_keys_clear(&job->keys);
    free(job->records);
    if (job->wake_fd >= 0)
        close(job->wake_fd);
    free(job);
}

/* Clears a cancellation left over from the job's previous batch. */
static void
calm_job(SqlJob *job)
{
    uint64_t count;
    if (atomic_exchange(&job->is_cancelled, false))
        while (read(job->wake_fd, &count, sizeof count) > 0)
            continue;
}

static SqlJob *
take_job(Sql *sql, KabBatch *batch)
{
    pthread_mutex_lock(&sql->mutex);
    SqlJob *job = sql->free_jobs;
    if (job)
        sql->free_jobs = job->next;
    else
        job = job_new(sql);
    calm_job(job);
    job->batch = batch;
    job->next = sql->jobs;
    sql->jobs = job;
    pthread_mutex_unlock(&sql->mutex);
    job->deadline_us = kab_batch_deadline_us(batch);
    return job;
}

/* Must come before the batch is answered: a handle that has ended may be reused
 * for another batch. */
static void
give_job(Sql *sql, SqlJob *job)
{
    sql_job_forget_result(job);
    pthread_mutex_lock(&sql->mutex);
    SqlJob **at = &sql->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    job->next = sql->free_jobs;
    sql->free_jobs = job;
    pthread_mutex_unlock(&sql->mutex);
}

static void
free_jobs(SqlJob *job)
{
    for (SqlJob *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
}

/* --- A batch ----------------------------------------------------------- */

static bool
find_rows(Sql *sql, SqlJob *job)
{
    int64_t now = sql_now_us();
    size_t n_unknown = sql_cache_get(sql->cache, &job->keys, now,
                                     sql_join_is_late(&sql->join, job));
    kab_context_count(sql->setup.context, "cached_keys",
                      job->keys.n - n_unknown);
    if (n_unknown == 0)
        return true;
    kab_context_count(sql->setup.context, "queries", 1);
    kab_context_count(sql->setup.context, "asked_keys", n_unknown);
    if (!sql_pool_ask(sql->pool, job))
        return false;
    sql_cache_put(sql->cache, &job->keys, now);
    return true;
}

static void
sql_process(void *instance, KabBatch *batch)
{
    Sql *sql = instance;
    SqlJob *job = take_job(sql, batch);
    sql_join_read(&sql->join, job);
    bool has_failed = !find_rows(sql, job);
    sql_join_answer(&sql->join, job, has_failed);
    sql_cache_release(sql->cache, &job->keys);
    SqlFailure failure = job->failure;
    give_job(sql, job);
    if (has_failed)
        kab_batch_fail(batch, failure.failure, failure.retry_after_ms,
                       failure.reason);
    else
        kab_batch_complete(batch);
}

static void
sql_cancel(void *instance, KabBatch *batch)
{
    Sql *sql = instance;
    uint64_t one = 1;
    pthread_mutex_lock(&sql->mutex);
    for (SqlJob *job = sql->jobs; job; job = job->next) {
        if (job->batch != batch)
            continue;
        atomic_store(&job->is_cancelled, true);
        while (write(job->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
            continue;
    }
    pthread_mutex_unlock(&sql->mutex);
    sql_pool_wake(sql->pool);
}

/* --- Opened and closed ------------------------------------------------- */

static void
sql_close(void *instance)
{
    Sql *sql = instance;
    free_jobs(sql->jobs);
    free_jobs(sql->free_jobs);
    sql_pool_free(sql->pool);
    sql_cache_free(sql->cache);
    sql_join_clear(&sql->join);
    if (sql->setup.canceller)
        sql->driver->clear(&sql->setup);
    free(sql->setup.query);
    pthread_mutex_destroy(&sql->mutex);
    free(sql);
}

static SqlMissing
read_missing(const char *word)
{
    static const char *const words[] = {
        [SQL_MISSING_PASS] = "pass",
        [SQL_MISSING_DROP] = "drop",
        [SQL_MISSING_REJECT] = "reject",
        [SQL_MISSING_RETRY] = "retry",
    };
    unsigned i = 0;
    while (strcmp(words[i], word) != 0)
        i++;
    return (SqlMissing)i;
}

static bool
read_join(Sql *sql, KabContext *context, char *ret_why, size_t why_size)
{
    SqlJoin *join = &sql->join;
    if (!sql_join_init(join, kab_context_get_string(context, "key"),
                       kab_context_get_string(context, "into"), ret_why,
                       why_size))
        return false;
    join->missing = read_missing(kab_context_get_string(context, "missing"));
    join->missing_delay_ms =
        kab_context_get_duration_us(context, "missing.delay") / 1000;
    join->missing_attempts =
        (unsigned)kab_context_get_integer(context, "missing.attempts");
    return true;
}

static bool
read_setup(Sql *sql, KabContext *context, char *ret_why, size_t why_size)
{
    const char *driver = kab_context_get_string(context, "driver");
    SqlSetup *setup = &sql->setup;
    bool is_sqlite = strcmp(driver, sql_sqlite.name) == 0;
    sql->driver = is_sqlite ? &sql_sqlite : &sql_postgres;
    setup->context = context;
    setup->connection = kab_context_get_string(context, "connection");
    setup->n_parts = sql->join.n_pointers ? sql->join.n_pointers : 1;
    setup->query = sql_query_expand(kab_context_get_string(context, "query"),
                                    is_sqlite ? SQL_SQLITE : SQL_POSTGRES,
                                    setup->n_parts, ret_why, why_size);
    return setup->query != NULL &&
           (!sql->driver->init || sql->driver->init(setup, ret_why, why_size));
}

static void
make_parts(Sql *sql, KabContext *context)
{
    const SqlCacheLimits limits = {
        .ttl_us = kab_context_get_duration_us(context, "cache.ttl"),
        .missing_ttl_us =
            kab_context_get_duration_us(context, "cache.missing.ttl"),
        .max_bytes = (size_t)kab_context_get_size(context, "cache.max.bytes"),
    };
    int64_t n_links = kab_context_get_integer(context, "connections");
    if (n_links == 0)
        n_links = kab_context_get_max_in_flight(context);
    if (getrandom(&sql->seed, sizeof sql->seed, 0) < 0)
        abort();
    sql->cache = sql_cache_new(&limits);
    sql->pool = sql_pool_new(sql->driver, &sql->setup, (unsigned)n_links);
}

/* A query that the database refuses is a configuration fault. An unreachable
 * database is waited for, but a missing file means a wrong name. */
static bool
check_database(Sql *sql, KabContext *context)
{
    SqlJob *job = job_new(sql);
    job->deadline_us = sql_now_us() + CHECK_US;
    bool is_good = sql_pool_check(sql->pool, job);
    bool is_fault = !is_good && (job->failure.failure == KAB_FAIL_FATAL ||
                                 sql->driver == &sql_sqlite);
    if (is_fault)
        kab_context_fail(context, "%s", job->failure.reason);
    job_free(job);
    return !is_fault;
}

static bool
sql_open(KabContext *context, void **ret_instance)
{
    char why[512];
    Sql *sql = sql_alloc(sizeof *sql);
    *sql = (Sql){0};
    pthread_mutex_init(&sql->mutex, NULL);
    bool is_good = read_join(sql, context, why, sizeof why) &&
                   read_setup(sql, context, why, sizeof why);
    if (!is_good) {
        kab_context_fail(context, "%s", why);
    } else {
        make_parts(sql, context);
        is_good = check_database(sql, context);
    }
    if (!is_good) {
        sql_close(sql);
        return false;
    }
    *ret_instance = sql;
    return true;
}

static const KabOption sql_options[] = {
    {"driver", KAB_OPTION_CHOICE, NULL, "sqlite|postgres",
     "The kind of database.", KAB_OPTION_REQUIRED},
    {"connection", KAB_OPTION_STRING, NULL, NULL,
     "SQLite: the file or a file: URI. PostgreSQL: key = value pairs or a "
     "postgresql: URI, as libpq takes them.",
     KAB_OPTION_REQUIRED | KAB_OPTION_SECRET},
    {"query", KAB_OPTION_STRING, NULL, NULL,
     "A SELECT with :keys where the keys of a batch go; its first columns are "
     "the key.",
     KAB_OPTION_REQUIRED},
    {"key", KAB_OPTION_STRING, NULL, NULL,
     "JSON Pointer to the key in the value; several, comma-separated: a "
     "composite key; none: the record's key.",
     0},
    {"into", KAB_OPTION_STRING, "/row", NULL,
     "JSON Pointer where the row goes, as an object.", 0},
    {"missing", KAB_OPTION_CHOICE, "pass", "pass|drop|reject|retry",
     "What becomes of a record without a row; retry passes it in the end.", 0},
    {"missing.delay", KAB_OPTION_DURATION, "1s", "0..1h",
     "missing = retry: how long until the row is looked for again.", 0},
    {"missing.attempts", KAB_OPTION_INTEGER, "3", "1..1000",
     "missing = retry: calls until the record passes without a row; not above "
     "retry.max.attempts.",
     0},
    {"connections", KAB_OPTION_INTEGER, "0", "0..1000",
     "Maximum number of connections; 0: max.in.flight.", 0},
    {"cache.ttl", KAB_OPTION_DURATION, "0", "0..720h",
     "How long rows are cached; 0: not at all.", 0},
    {"cache.missing.ttl", KAB_OPTION_DURATION, "0", "0..720h",
     "How long the absence of a row is cached; 0: not at all.", 0},
    {"cache.max.bytes", KAB_OPTION_SIZE, "64MiB", "64KiB..1024GiB",
     "Maximum memory of the cache, beside buffer.bytes.", 0},
};

KAB_FUNCTION_DEFINE(.name = "sql",
                    .summary = "joins each record with the rows of its key",
                    .options = sql_options,
                    .n_options = sizeof sql_options / sizeof *sql_options,
                    .open = sql_open,
                    .process = sql_process,
                    .cancel = sql_cancel,
                    .close = sql_close);
