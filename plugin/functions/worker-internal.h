/* SPDX-License-Identifier: Apache-2.0 */
/* The function "worker": shared by its files.
 *
 *   process() -> posted -> queue -> a worker's jobs -> kab_batch_complete()
 *
 * process() and cancel() only post, under the mutex. Everything else belongs to
 * the instance's I/O thread, which alone starts workers, talks to them and
 * answers batches; it never blocks on a worker.
 *
 *   worker.c           the module: options, the thread, its timers
 *   worker-dispatch.c  which batch goes to which worker, and until when
 *   worker-blame.c     which batches are to blame when a worker ends
 *   worker-answer.c    the results of a batch, applied to its handle
 *   worker-life.c      starting and ending a worker
 *   worker-session.c   the frames that a worker sends
 */
#pragma once

#include <pthread.h>

#include <glib.h>

#include <kabridge/function.h>

#include "worker-channel.h"
#include "worker-process.h"
#include "worker-result.h"

typedef struct WorkerPool WorkerPool;
typedef struct Worker Worker;
typedef struct WorkerJob WorkerJob;
typedef struct WorkerChunk WorkerChunk;

/* The payload of one RESULT, checked; in the batch's own memory. */
struct WorkerChunk {
    WorkerChunk *next;
    size_t len;
    uint8_t bytes[];
};

/* One batch from process() to its answer.
 *
 * Made by process(), then owned by the I/O thread. It is on exactly one list:
 * posted, the queue, or the jobs of its worker. batch NULL: the handle has been
 * released, and only the worker still has the batch.
 */
struct WorkerJob {
    WorkerJob *next;
    KabBatch *batch;
    uint64_t id;                    /* id in the frames */
    int64_t posted_us, deadline_us; /* deadline_us 0: none */
    WorkerAnswers answers;
    WorkerChunk *first, *last; /* results received so far */
    WorkerChunk *incoming;     /* payload being received */
    size_t result_bytes;
    bool is_refused; /* `first` is a refusal, not entries */
    bool is_sending; /* a frame being sent borrows from the batch */
    bool is_cancelled;
    bool is_alone; /* must not share a worker: it was one of several jobs that a
                    * worker had when it ended */
};

typedef struct {
    WorkerJob *first, *last;
    size_t n;
} WorkerJobs;

/* A descriptor that epoll watches. */
typedef struct {
    void (*on_ready)(void *user, uint32_t events);
    void *user;
} WorkerWatch;

/* The states of a worker, and what the worker waits for in each. */
#define WORKER_STATES(X)                                                       \
    X(WAITING, "waiting")   /* for its back-off to end */                      \
    X(STARTING, "starting") /* for READY */                                    \
    X(READY, "ready")       /* for batches and results */                      \
    X(DRAINING, "draining") /* for its end after DRAIN */                      \
    X(ENDING, "ending")     /* for its exit; its channel is closed */          \
    X(GONE, "gone")         /* final */

typedef enum {
#define X(NAME, text) WORKER_STATE_##NAME,
    WORKER_STATES(X)
#undef X
} WorkerState;

/* Lives as long as the pool, while its processes and channels come and go. */
struct Worker {
    WorkerPool *pool;
    unsigned number;
    WorkerState state;
    int64_t due_us;  /* end of the state; INT64_MAX: none */
    int next_signal; /* ENDING: signal to send at due_us; 0: none */
    int64_t backoff_us;

    WorkerProcess process;
    WorkerChannel channel;
    bool wants_write; /* epoll reports when the channel is writable */
    WorkerWatch on_channel, on_exit, on_output, on_errors;
    char *fault;   /* why we end it; NULL: it ended by itself */
    bool is_fatal; /* it asked not to be restarted */
    bool has_run;  /* its command has run at least once */

    /* from its READY frame */
    unsigned concurrency;
    size_t max_batch, max_batch_bytes; /* SIZE_MAX: any */

    WorkerJobs jobs;             /* jobs sent to it, in that order */
    bool is_exclusive;           /* has a job that is_alone */
    int64_t answered_us;         /* time of its last answer */
    int64_t usual_us;            /* usual duration of a batch, smoothed */
    int64_t pinged_us, heard_us; /* last PING sent; last frame received */
    GHashTable *topics_in;       /* name -> number + 1, sent by TOPIC */
    GPtrArray *topics_out;       /* names that it sent */

    int64_t line_us; /* start of the current second of output */
    unsigned n_lines;
    uint64_t lines_left_out;
};

/* One instance of the function. */
struct WorkerPool {
    KabContext *context;
    char **command, **environment;
    const char *socket; /* NULL: workers are started as commands */
    int64_t start_timeout_us;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards the next four */
    WorkerJobs posted;
    GArray *cancelled; /* KabBatch * */
    bool is_closing;
    bool is_woken;

    int wake_fd, epoll_fd;
    WorkerWatch on_wake;
    Worker *workers;
    unsigned n_workers;
    WorkerJobs queue; /* not sent to any worker yet */
    uint64_t last_id;
    bool is_ending;
    bool was_ready;   /* last readiness reported to the bridge */
    char *waiting;    /* last reason reported for not being ready */
    char *fatal;      /* why no worker will ever be ready */
    unsigned credits; /* limit of calls last reported to the bridge */
};

int64_t worker_now_us(void);

/* worker.c */
void worker_pool_watch(WorkerPool *pool, int fd, WorkerWatch *watch);
void worker_pool_rewatch(WorkerPool *pool,
                         int fd,
                         WorkerWatch *watch,
                         bool wants_write);
void worker_pool_unwatch(WorkerPool *pool, int fd);

/* worker-jobs.c; they return NULL if there is none */
void worker_jobs_push(WorkerJobs *jobs, WorkerJob *job);
void worker_jobs_prepend(WorkerJobs *jobs, WorkerJob *job);
void worker_jobs_remove(WorkerJobs *jobs, WorkerJob *job);
WorkerJob *worker_jobs_pop(WorkerJobs *jobs);
WorkerJob *worker_jobs_find(const WorkerJobs *jobs, uint64_t id);
WorkerJob *worker_jobs_find_batch(const WorkerJobs *jobs,
                                  const KabBatch *batch);

/* worker-dispatch.c */
/* Sends queued batches to workers with room. */
void worker_dispatch(WorkerPool *pool);
/* worker-blame.c: why a worker loses its jobs. */
typedef enum {
    WORKER_BLAME_CRASH, /* it ended, perhaps because of a job it was
                         * processing */
    WORKER_BLAME_JOB,   /* one known job is the cause */
    WORKER_BLAME_NONE,  /* no job is the cause */
} WorkerBlame;
/* Takes all jobs from a worker. guilty: the job for WORKER_BLAME_JOB. */
void worker_take_jobs(Worker *worker,
                      WorkerBlame blame,
                      WorkerJob *guilty,
                      const char *reason);

/* Cancels a batch whose answer is no longer wanted. */
void worker_cancel(WorkerPool *pool, const KabBatch *batch);
/* Ends jobs past their deadline; returns the next deadline. */
int64_t worker_check_deadlines(WorkerPool *pool, int64_t now);
/* Fails all queued jobs. */
void worker_fail_queue(WorkerPool *pool, KabFailure failure, const char *why);
/* Reports changes of readiness and ceilings to the bridge. */
void worker_tell_bridge(WorkerPool *pool);
/* Reports why no worker is ready, if none is. */
void worker_tell_waiting(WorkerPool *pool, const char *why);

/* worker-answer.c: each frees the job or releases its handle, as stated. */
WorkerJob *worker_job_new(KabBatch *batch);
/* Answers the handle with the results received; the rest fails. */
void worker_job_complete(WorkerJob *job, const Worker *worker);
void worker_job_fail(WorkerJob *job,
                     const Worker *worker,
                     KabFailure failure,
                     int64_t retry_after_ms,
                     const char *reason);
/* The same, but records without a result are called again and counted. */
void
worker_job_salvage(WorkerJob *job, const Worker *worker, const char *reason);
void worker_job_free(WorkerJob *job);

/* worker-life.c */
void worker_init(Worker *worker, WorkerPool *pool, unsigned number);
void worker_clear(Worker *worker);
void worker_set_state(Worker *worker, WorkerState state, int64_t due_us);
/* Ends a worker that can no longer be trusted; takes fault. */
void worker_end(Worker *worker, char *fault);
/* The caller takes its jobs. */
void worker_drain(Worker *worker);
/* Performs what is due by now. */
void worker_tick(Worker *worker, int64_t now);
/* Sends queued packets, and lets epoll report when there is room for more. */
void worker_flush(Worker *worker);
/* Forgets what it has written to standard error: it is answered for. */
void worker_forget_words(Worker *worker);

/* worker-session.c */
extern const WorkerChannelEvents worker_session_events;
void worker_session_begin(Worker *worker);
void worker_session_send_batch(Worker *worker, WorkerJob *job, int64_t now);

/* worker-log.c */
void
worker_log(const Worker *worker, KabLogLevel level, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Logs a line of a worker's output, rate-limited. */
void worker_log_line(void *worker, const char *line);
