/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of jobs; they are short, so a linear search is enough. */
#include "worker-internal.h"

void
worker_jobs_push(WorkerJobs *jobs, WorkerJob *job)
{
    job->next = NULL;
    if (jobs->last)
        jobs->last->next = job;
    else
        jobs->first = job;
    jobs->last = job;
    jobs->n++;
}

void
worker_jobs_prepend(WorkerJobs *jobs, WorkerJob *job)
{
    job->next = jobs->first;
    jobs->first = job;
    if (!jobs->last)
        jobs->last = job;
    jobs->n++;
}

void
worker_jobs_remove(WorkerJobs *jobs, WorkerJob *job)
{
    WorkerJob *previous = NULL;
    for (WorkerJob *j = jobs->first; j != job; j = j->next)
        previous = j;
    if (previous)
        previous->next = job->next;
    else
        jobs->first = job->next;
    if (jobs->last == job)
        jobs->last = previous;
    jobs->n--;
    job->next = NULL;
}

WorkerJob *
worker_jobs_pop(WorkerJobs *jobs)
{
    WorkerJob *job = jobs->first;
    if (job)
        worker_jobs_remove(jobs, job);
    return job;
}

WorkerJob *
worker_jobs_find(const WorkerJobs *jobs, uint64_t id)
{
    for (WorkerJob *job = jobs->first; job; job = job->next)
        if (job->id == id)
            return job;
    return NULL;
}

WorkerJob *
worker_jobs_find_batch(const WorkerJobs *jobs, const KabBatch *batch)
{
    for (WorkerJob *job = jobs->first; job; job = job->next)
        if (job->batch == batch)
            return job;
    return NULL;
}
