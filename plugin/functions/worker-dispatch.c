/* SPDX-License-Identifier: Apache-2.0 */
/* Decides which batch goes to which worker, and how long it may stay there.
 *
 * A worker has as many batches as it can process concurrently, plus one waiting
 * in its socket if batches are short. A long batch would only wait there while
 * another worker is idle, or until its time runs out.
 */
#include "worker-internal.h"

enum {
    /* One batch is sent ahead if a batch usually takes less than this. */
    AHEAD_BELOW_US = 100 * 1000,
    /* A batch that waits for a worker is returned this long before its
     * deadline, or a tenth of its time: its call then counts as refused, not as
     * failed. */
    MARGIN_US = 500 * 1000,
    /* Results received are saved this long before the deadline. */
    SALVAGE_US = 50 * 1000,
    /* A job expires this long after its deadline. The binding's own timer has
     * the same deadline and so fires first: the call then counts as timed out,
     * not as failed. */
    EXPIRE_US = 100 * 1000,
};

/* --- Sending ----------------------------------------------------------- */

static unsigned
credits_of(const Worker *worker)
{
    if (worker->state != WORKER_STATE_READY)
        return 0;
    return worker->concurrency + (worker->usual_us < AHEAD_BELOW_US);
}

/* The worker with the most room; NULL: none has room. */
static Worker *
choose_worker(WorkerPool *pool, const WorkerJob *job)
{
    Worker *best = NULL;
    for (unsigned i = 0; i < pool->n_workers; i++) {
        Worker *worker = &pool->workers[i];
        if (worker->is_exclusive || worker->jobs.n >= credits_of(worker) ||
            (job->is_alone && worker->jobs.n))
            continue;
        if (!best || worker->jobs.n < best->jobs.n)
            best = worker;
    }
    return best;
}

/* False: the worker cannot take a batch of this size. */
static bool
fits_worker(const Worker *worker, const WorkerJob *job, size_t size)
{
    size_t n = job->answers.n_records;
    size_t payload = size - WORKER_BATCH_HEAD_SIZE - n * WORKER_RECORD_SIZE;
    return n <= worker->max_batch && size <= worker->channel.max_frame &&
           (payload <= worker->max_batch_bytes || n == 1);
}

static void
refuse_size(const Worker *worker, WorkerJob *job, size_t size)
{
    char *reason = g_strdup_printf(
        "found a batch of %zu records and %zu bytes; wanted one within the "
        "worker's limits: frames of %u bytes, and max_batch and "
        "max_batch_bytes if it gave them",
        job->answers.n_records, size, worker->channel.max_frame);
    worker_job_fail(job, worker, KAB_FAIL_TOO_LARGE, -1, reason);
    worker_job_free(job);
    g_free(reason);
}

void
worker_dispatch(WorkerPool *pool)
{
    int64_t now = worker_now_us();
    while (pool->queue.first) {
        WorkerJob *job = pool->queue.first;
        Worker *worker = choose_worker(pool, job);
        if (!worker)
            break;
        worker_jobs_remove(&pool->queue, job);
        size_t size = worker_batch_size(job->batch);
        if (!fits_worker(worker, job, size)) {
            refuse_size(worker, job, size);
            continue;
        }
        job->id = ++pool->last_id;
        worker->is_exclusive = job->is_alone;
        worker_jobs_push(&worker->jobs, job);
        worker_session_send_batch(worker, job, now);
    }
    for (unsigned i = 0; i < pool->n_workers; i++)
        worker_flush(&pool->workers[i]);
}

void
worker_fail_queue(WorkerPool *pool, KabFailure failure, const char *why)
{
    WorkerJob *job;
    while ((job = worker_jobs_pop(&pool->queue))) {
        worker_job_fail(job, NULL, failure, -1, why);
        worker_job_free(job);
    }
}

/* --- Cancelled --------------------------------------------------------- */

static void
cancel_queued(WorkerPool *pool, WorkerJob *job)
{
    worker_jobs_remove(&pool->queue, job);
    worker_job_fail(job, NULL, KAB_FAIL_TRANSIENT, -1, "cancelled");
    worker_job_free(job);
}

/* The worker may stop early, but owns the batch until it answers. */
static void
cancel_sent(Worker *worker, WorkerJob *job)
{
    job->is_cancelled = true;
    worker_channel_push(
        &worker->channel,
        worker_packet_new(WORKER_FRAME_CANCEL, 0, job->id, NULL, 0));
    worker_flush(worker);
    if (!job->is_sending && !job->incoming)
        worker_job_fail(job, worker, KAB_FAIL_TRANSIENT, -1, "cancelled");
}

void
worker_cancel(WorkerPool *pool, const KabBatch *batch)
{
    WorkerJob *job = worker_jobs_find_batch(&pool->queue, batch);
    if (job) {
        cancel_queued(pool, job);
        return;
    }
    for (unsigned i = 0; i < pool->n_workers; i++) {
        job = worker_jobs_find_batch(&pool->workers[i].jobs, batch);
        if (job) {
            cancel_sent(&pool->workers[i], job);
            return;
        }
    }
}

/* --- Deadlines --------------------------------------------------------- */

static int64_t
give_back_at(const WorkerJob *job)
{
    int64_t tenth = (job->deadline_us - job->posted_us) / 10;
    return job->deadline_us - MIN(MARGIN_US, tenth);
}

static int64_t
check_queue(WorkerPool *pool, int64_t now)
{
    int64_t next = INT64_MAX;
    WorkerJob *following;
    for (WorkerJob *job = pool->queue.first; job; job = following) {
        following = job->next;
        if (!job->deadline_us)
            continue;
        if (give_back_at(job) > now) {
            next = MIN(next, give_back_at(job));
            continue;
        }
        worker_jobs_remove(&pool->queue, job);
        worker_job_fail(job, NULL, KAB_FAIL_OVERLOAD, -1,
                        pool->waiting ? pool->waiting : "all workers are busy");
        worker_job_free(job);
    }
    return next;
}

static bool
can_salvage(const WorkerJob *job)
{
    return job->batch && job->answers.n_answered && !job->is_sending &&
           !job->incoming;
}

/* A batch behind a slow one has not been started. It is returned in time, so it
 * is called again and not counted as timed out. */
static bool
is_stuck_behind(const Worker *worker, const WorkerJob *job, size_t position)
{
    return position >= worker->concurrency && job->batch && !job->is_sending &&
           !job->incoming;
}

/* Returns when to check the job next; 0: its time is over. */
static int64_t
check_job(Worker *worker, WorkerJob *job, size_t position, int64_t now)
{
    int64_t save_at = job->deadline_us - SALVAGE_US;
    if (!job->deadline_us)
        return INT64_MAX;
    if (now >= job->deadline_us + EXPIRE_US)
        return 0;
    if (is_stuck_behind(worker, job, position)) {
        if (now < give_back_at(job))
            return give_back_at(job);
        worker_job_fail(job, worker, KAB_FAIL_OVERLOAD, -1,
                        "the worker was still at an earlier batch");
    }
    if (can_salvage(job) && now < save_at)
        return save_at;
    if (can_salvage(job))
        worker_job_salvage(job, worker, "no answer within call.timeout");
    return job->deadline_us + EXPIRE_US;
}

static void
expire_job(Worker *worker, WorkerJob *job, int64_t now)
{
    char *reason = g_strdup_printf(
        "worker %u did not answer within %" G_GINT64_FORMAT " ms",
        worker->number, (now - job->posted_us) / 1000);
    worker_take_jobs(worker, WORKER_BLAME_JOB, job, reason);
    worker_end(worker, g_strdup("did not answer a batch within call.timeout"));
    g_free(reason);
}

static int64_t
check_worker(Worker *worker, int64_t now)
{
    int64_t next = INT64_MAX;
    size_t position = 0;
    for (WorkerJob *job = worker->jobs.first; job; job = job->next) {
        int64_t at = check_job(worker, job, position++, now);
        if (!at) {
            expire_job(worker, job, now);
            return INT64_MAX;
        }
        next = MIN(next, at);
    }
    return next;
}

int64_t
worker_check_deadlines(WorkerPool *pool, int64_t now)
{
    int64_t next = check_queue(pool, now);
    for (unsigned i = 0; i < pool->n_workers; i++)
        next = MIN(next, check_worker(&pool->workers[i], now));
    return next;
}

/* --- What the bridge is told ------------------------------------------- */

static unsigned
sum_credits(const WorkerPool *pool)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < pool->n_workers; i++)
        sum += credits_of(&pool->workers[i]);
    return sum;
}

static void
tell_ceilings(WorkerPool *pool)
{
    unsigned credits = sum_credits(pool);
    size_t max_batch = SIZE_MAX, max_bytes = SIZE_MAX;
    if (!credits || credits == pool->credits)
        return;
    pool->credits = credits;
    for (unsigned i = 0; i < pool->n_workers; i++) {
        const Worker *worker = &pool->workers[i];
        if (worker->state != WORKER_STATE_READY)
            continue;
        max_batch = MIN(max_batch, worker->max_batch);
        max_bytes = MIN(max_bytes, worker->max_batch_bytes);
    }
    kab_context_set_max_in_flight(pool->context, credits);
    if (max_batch != SIZE_MAX)
        kab_context_set_max_batch(pool->context, max_batch);
    if (max_bytes != SIZE_MAX)
        kab_context_set_max_batch_bytes(pool->context, max_bytes);
}

static bool
is_any_ready(const WorkerPool *pool)
{
    for (unsigned i = 0; i < pool->n_workers; i++)
        if (pool->workers[i].state == WORKER_STATE_READY)
            return true;
    return false;
}

void
worker_tell_bridge(WorkerPool *pool)
{
    bool is_ready = is_any_ready(pool);
    tell_ceilings(pool);
    if (is_ready && !pool->was_ready) {
        g_clear_pointer(&pool->waiting, g_free);
        kab_context_set_waiting(pool->context, NULL);
    }
    pool->was_ready = is_ready;
}

void
worker_tell_waiting(WorkerPool *pool, const char *why)
{
    if (is_any_ready(pool))
        return;
    g_free(pool->waiting);
    pool->waiting = g_strdup(why);
    pool->was_ready = false;
    kab_context_set_waiting(pool->context, why);
}
