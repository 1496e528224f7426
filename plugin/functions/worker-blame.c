/* SPDX-License-Identifier: Apache-2.0 */
/* Decides which batches are to blame when a worker ends.
 *
 * A worker takes batches in the order they were sent, `concurrency` at a time.
 * Batches behind those were not touched and go to another worker; the bridge
 * does not notice. Among several suspects nobody knows which one is guilty, so
 * each is called once more on a worker of its own. So a record is blamed for a
 * crash only if no other record can be the cause.
 */
#include "worker-internal.h"

/* Could the worker have been processing this job? */
static bool
is_suspect(const Worker *worker, size_t position, const WorkerJob *job)
{
    return position < worker->concurrency && !job->is_sending;
}

static size_t
count_suspects(const Worker *worker)
{
    size_t n = 0, position = 0;
    for (WorkerJob *job = worker->jobs.first; job; job = job->next)
        n += is_suspect(worker, position++, job);
    return n;
}

/* A partly answered batch cannot be resent as a whole. */
static bool
can_send_again(const WorkerJob *job)
{
    return job->batch && !job->first && !job->is_cancelled;
}

static void
forget_session(WorkerJob *job)
{
    job->is_sending = false;
    job->incoming = NULL;
}

static void
fail_job(Worker *worker, WorkerJob *job, KabFailure failure, const char *reason)
{
    worker_job_fail(job, worker, failure, -1, reason);
    worker_job_free(job);
}

/* Decides about one job: it is freed, or goes back to the queue. */
static void
judge_job(Worker *worker,
          WorkerJob *job,
          bool is_guilty,
          bool is_suspected,
          WorkerJobs *again,
          const char *reason)
{
    forget_session(job);
    if (is_guilty) {
        fail_job(worker, job, KAB_FAIL_CRASH, reason);
    } else if (can_send_again(job)) {
        job->is_alone |= is_suspected;
        worker_jobs_push(again, job);
    } else {
        /* The job is not the cause that the rest was not answered. */
        fail_job(worker, job, KAB_FAIL_OVERLOAD, reason);
    }
}

static void
queue_again(WorkerPool *pool, WorkerJobs *again)
{
    while (pool->queue.first)
        worker_jobs_push(again, worker_jobs_pop(&pool->queue));
    pool->queue = *again;
}

void
worker_take_jobs(Worker *worker,
                 WorkerBlame blame,
                 WorkerJob *guilty,
                 const char *reason)
{
    WorkerJobs again = {NULL, NULL, 0};
    size_t n_suspects =
        blame == WORKER_BLAME_CRASH ? count_suspects(worker) : 0;
    size_t position = 0;
    WorkerJob *job = worker->jobs.first;
    while (job) {
        WorkerJob *next = job->next;
        bool is_suspected = n_suspects && is_suspect(worker, position, job);
        bool is_guilty = job == guilty || (is_suspected && n_suspects == 1);
        judge_job(worker, job, is_guilty, is_suspected, &again, reason);
        position++;
        job = next;
    }
    worker->jobs = (WorkerJobs){NULL, NULL, 0};
    worker->is_exclusive = false;
    queue_again(worker->pool, &again);
}
