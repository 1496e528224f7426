/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { FIRST_PAUSE_MS = 100, MAX_PAUSE_MS = 10000 };

struct SqlPool {
    const SqlDriver *driver;
    const SqlSetup *setup;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t changed;
    SqlLink *free;
    unsigned n_left;   /* links that may still be made */
    int64_t pause_ms;  /* length of the next pause; 0: the database is up */
    int64_t resume_us; /* no connection attempt before this time */
};

int64_t
sql_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

SqlPool *
sql_pool_new(const SqlDriver *driver, const SqlSetup *setup, unsigned n_links)
{
    SqlPool *pool = sql_alloc(sizeof *pool);
    *pool = (SqlPool){.driver = driver, .setup = setup, .n_left = n_links};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&pool->mutex, NULL);
    return pool;
}

void
sql_pool_free(SqlPool *pool)
{
    if (!pool)
        return;
    for (SqlLink *link = pool->free, *next; link; link = next) {
        next = link->next;
        pool->driver->link_free(link);
    }
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

/* --- A link for a job -------------------------------------------------- */

static bool
fail_pause(SqlJob *job, int64_t left_us)
{
    sql_fail(&job->failure, KAB_FAIL_OVERLOAD,
             "the database could not be reached a moment ago");
    job->failure.retry_after_ms = left_us / 1000 + 1;
    return false;
}

/* Waits until a link is free or the job is cancelled. The mutex is held. */
static void
wait_for_change(SqlPool *pool, const SqlJob *job)
{
    if (!job->deadline_us) {
        pthread_cond_wait(&pool->changed, &pool->mutex);
        return;
    }
    struct timespec until = {.tv_sec = job->deadline_us / 1000000,
                             .tv_nsec = job->deadline_us % 1000000 * 1000};
    pthread_cond_timedwait(&pool->changed, &pool->mutex, &until);
}

static bool
is_wanted(const SqlJob *job)
{
    return !atomic_load(&job->is_cancelled) &&
           (!job->deadline_us || sql_now_us() < job->deadline_us);
}

/* The mutex is held. NULL: the job's failure says why. */
static SqlLink *
take_link(SqlPool *pool, SqlJob *job)
{
    while (is_wanted(job)) {
        int64_t left_us = pool->resume_us - sql_now_us();
        if (left_us > 0) {
            fail_pause(job, left_us);
            return NULL;
        }
        SqlLink *link = pool->free;
        if (link) {
            pool->free = link->next;
            return link;
        }
        if (pool->n_left > 0) {
            pool->n_left--;
            return pool->driver->link_new(pool->setup);
        }
        wait_for_change(pool, job);
    }
    sql_fail(&job->failure, KAB_FAIL_TRANSIENT,
             "no connection was free before the call's time was over");
    return NULL;
}

/* --- What became of it ------------------------------------------------- */

/* Sets the next pause. The mutex is held. Jobs already running when the first
 * one failed do not lengthen it. True: this is the first failure. */
static bool
note_failure(SqlPool *pool, SqlJob *job)
{
    int64_t now = sql_now_us();
    bool is_first = pool->pause_ms == 0;
    if (now >= pool->resume_us) {
        pool->pause_ms = is_first ? FIRST_PAUSE_MS : 2 * pool->pause_ms;
        if (pool->pause_ms > MAX_PAUSE_MS)
            pool->pause_ms = MAX_PAUSE_MS;
        pool->resume_us = now + pool->pause_ms * 1000;
    }
    job->failure.retry_after_ms = (pool->resume_us - now) / 1000 + 1;
    return is_first;
}

static bool
note_success(SqlPool *pool)
{
    bool was_away = pool->pause_ms != 0;
    pool->pause_ms = 0;
    pool->resume_us = 0;
    return was_away;
}

/* Logs one line when the database goes away and one when it is back. */
static void
tell_failure(SqlPool *pool, const SqlFailure *failure)
{
    KabContext *context = pool->setup->context;
    kab_context_set_waiting(context, failure ? failure->reason : NULL);
    if (failure)
        kab_context_log(context, KAB_LOG_WARNING,
                        "the database cannot be reached, and is tried again "
                        "until it can: %s",
                        failure->reason);
    else
        kab_context_log(context, KAB_LOG_INFO, "the database answers again");
}

static bool
use_link(SqlPool *pool, SqlJob *job, bool (*use)(SqlLink *, SqlJob *))
{
    pthread_mutex_lock(&pool->mutex);
    SqlLink *link = take_link(pool, job);
    pthread_mutex_unlock(&pool->mutex);
    if (!link)
        return false;
    bool is_done = use(link, job);
    bool is_unreachable = !is_done && job->failure.is_unreachable;
    bool is_news = false;
    pthread_mutex_lock(&pool->mutex);
    if (is_unreachable)
        is_news = note_failure(pool, job);
    else if (is_done)
        is_news = note_success(pool);
    link->next = pool->free;
    pool->free = link;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    if (is_news)
        tell_failure(pool, is_unreachable ? &job->failure : NULL);
    return is_done;
}

bool
sql_pool_check(SqlPool *pool, SqlJob *job)
{
    return use_link(pool, job, pool->driver->check);
}

bool
sql_pool_ask(SqlPool *pool, SqlJob *job)
{
    return use_link(pool, job, pool->driver->ask);
}

void
sql_pool_wake(SqlPool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

/* --- Shared by the drivers --------------------------------------------- */

bool
sql_fail_stranger(SqlJob *job)
{
    return sql_fail(
        &job->failure, KAB_FAIL_FATAL,
        "found a row whose first columns are not a key of the batch; "
        "wanted the key as it was asked for, letter by letter: "
        "the query compares otherwise (a collation, blanks at the "
        "end), or its first columns are not the key");
}

bool
sql_fail_rows(SqlJob *job)
{
    bool is_alone = job->keys.n == 1;
    return sql_fail(&job->failure,
                    is_alone ? KAB_FAIL_PERMANENT : KAB_FAIL_TOO_LARGE,
                    "found more than %d rows, or 64 MiB, for %s; wanted fewer",
                    SQL_MAX_ROWS, is_alone ? "one key" : "the keys of a batch");
}

void
sql_job_forget_result(SqlJob *job)
{
    if (job->result)
        job->free_result(job->result);
    job->result = NULL;
}
