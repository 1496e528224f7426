/* SPDX-License-Identifier: Apache-2.0 */
/* The function "worker": runs a command, in any language, that speaks
 * kabridge-worker/1. See worker-internal.h for its files.
 */
#include "worker-internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int64_t
worker_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- epoll ------------------------------------------------------------- */

static void
control_epoll(WorkerPool *pool,
              int operation,
              int fd,
              WorkerWatch *watch,
              uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    epoll_ctl(pool->epoll_fd, operation, fd, &event);
}

void
worker_pool_watch(WorkerPool *pool, int fd, WorkerWatch *watch)
{
    control_epoll(pool, EPOLL_CTL_ADD, fd, watch, EPOLLIN);
}

void
worker_pool_rewatch(WorkerPool *pool,
                    int fd,
                    WorkerWatch *watch,
                    bool wants_write)
{
    control_epoll(pool, EPOLL_CTL_MOD, fd, watch,
                  EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0));
}

void
worker_pool_unwatch(WorkerPool *pool, int fd)
{
    control_epoll(pool, EPOLL_CTL_DEL, fd, NULL, 0);
}

/* --- The I/O thread ---------------------------------------------------- */

static void
on_wake(void *user, uint32_t events)
{
    WorkerPool *pool = user;
    uint64_t count;
    ssize_t ignored = read(pool->wake_fd, &count, sizeof count);
    (void)ignored;
}

static void
take_posted(WorkerPool *pool)
{
    WorkerJob *job;
    pthread_mutex_lock(&pool->mutex);
    WorkerJobs posted = pool->posted;
    GArray *cancelled = pool->cancelled;
    pool->posted = (WorkerJobs){NULL, NULL, 0};
    if (cancelled->len)
        pool->cancelled = g_array_new(FALSE, FALSE, sizeof(KabBatch *));
    pool->is_woken = false;
    pool->is_ending = pool->is_closing;
    pthread_mutex_unlock(&pool->mutex);
    while ((job = worker_jobs_pop(&posted)))
        worker_jobs_push(&pool->queue, job);
    if (!cancelled->len)
        return;
    for (unsigned i = 0; i < cancelled->len; i++)
        worker_cancel(pool, g_array_index(cancelled, KabBatch *, i));
    g_array_unref(cancelled);
}

static bool
are_all_gone(const WorkerPool *pool)
{
    for (unsigned i = 0; i < pool->n_workers; i++)
        if (pool->workers[i].state != WORKER_STATE_GONE)
            return false;
    return true;
}

/* Performs what is due. Returns the time until more is due, for
 * epoll_wait(). */
static int
work_due(WorkerPool *pool)
{
    int64_t now = worker_now_us();
    int64_t next = worker_check_deadlines(pool, now);
    for (unsigned i = 0; i < pool->n_workers; i++) {
        Worker *worker = &pool->workers[i];
        if (pool->is_ending)
            worker_drain(worker);
        worker_tick(worker, now);
        next = MIN(next, worker->due_us);
    }
    if (pool->fatal)
        worker_fail_queue(pool, KAB_FAIL_FATAL, pool->fatal);
    worker_dispatch(pool);
    worker_tell_bridge(pool);
    if (next == INT64_MAX)
        return -1;
    return (int)CLAMP((next - worker_now_us() + 999) / 1000, 0, 60000);
}

/* An earlier event may have closed a watch's descriptor. Watches live as long
 * as their workers, and each checks its own descriptor. */
static void *
run_pool(void *data)
{
    WorkerPool *pool = data;
    struct epoll_event events[16];
    for (;;) {
        take_posted(pool);
        int timeout_ms = work_due(pool);
        if (pool->is_ending && are_all_gone(pool))
            return NULL;
        int n = epoll_wait(pool->epoll_fd, events, 16, timeout_ms);
        for (int i = 0; i < n; i++) {
            WorkerWatch *watch = events[i].data.ptr;
            watch->on_ready(watch->user, events[i].events);
        }
    }
}

/* The mutex is held. */
static void
wake_pool(WorkerPool *pool)
{
    uint64_t one = 1;
    if (pool->is_woken)
        return;
    pool->is_woken = true;
    ssize_t ignored = write(pool->wake_fd, &one, sizeof one);
    (void)ignored;
}

/* --- The module -------------------------------------------------------- */

static void
worker_process(void *instance, KabBatch *batch)
{
    WorkerPool *pool = instance;
    WorkerJob *job = worker_job_new(batch);
    pthread_mutex_lock(&pool->mutex);
    worker_jobs_push(&pool->posted, job);
    wake_pool(pool);
    pthread_mutex_unlock(&pool->mutex);
}

static void
worker_cancel_batch(void *instance, KabBatch *batch)
{
    WorkerPool *pool = instance;
    pthread_mutex_lock(&pool->mutex);
    g_array_append_val(pool->cancelled, batch);
    wake_pool(pool);
    pthread_mutex_unlock(&pool->mutex);
}

/* The installed package; in a build tree the one beside the module. */
static char *
dup_python_directory(void)
{
    Dl_info info;
    char *uninstalled = NULL;
    if (dladdr((void *)(uintptr_t)worker_now_us, &info) && info.dli_fname) {
        char *directory = g_path_get_dirname(info.dli_fname);
        uninstalled = g_build_filename(directory, "..", "python", NULL);
        char *base = g_path_get_basename(directory);
        char *package = g_build_filename(uninstalled, "kabridge", NULL);
        if (strcmp(base, ".libs") != 0 ||
            !g_file_test(package, G_FILE_TEST_IS_DIR))
            g_clear_pointer(&uninstalled, g_free);
        g_free(base);
        g_free(package);
        g_free(directory);
    }
    char *absolute =
        uninstalled ? g_canonicalize_filename(uninstalled, NULL) : NULL;
    g_free(uninstalled);
    return absolute ? absolute : g_strdup(KAB_PYTHON_DIR);
}

static char **
make_environment(void)
{
    char **environment = g_get_environ();
    const char *before = g_environ_getenv(environment, "PYTHONPATH");
    char *directory = dup_python_directory();
    char *path = before && *before ? g_strconcat(before, ":", directory, NULL)
                                   : g_strdup(directory);
    environment = g_environ_setenv(environment, "PYTHONPATH", path, TRUE);
    environment =
        g_environ_setenv(environment, "KABRIDGE_WORKER_FD", "3", TRUE);
    g_free(directory);
    g_free(path);
    return environment;
}

static bool
read_command(WorkerPool *pool, KabContext *context)
{
    const char *command = kab_context_get_string(context, "command");
    bool has_command = command && *command;
    pool->socket = kab_context_get_string(context, "socket");
    if (has_command == (pool->socket && *pool->socket))
        return kab_context_fail(
            context, "found %s; wanted one of them",
            has_command ? "both function.command and function.socket"
                        : "neither function.command nor function.socket");
    if (!has_command)
        return strlen(pool->socket) < 108 ||
               kab_context_fail(context,
                                "found a function.socket of %zu "
                                "bytes; wanted at most 107",
                                strlen(pool->socket));
    pool->socket = NULL;
    GError *error = NULL;
    if (g_shell_parse_argv(command, NULL, &pool->command, &error))
        return true;
    kab_context_fail(context,
                     "found a function.command that does not split into "
                     "words (%s); wanted words as a shell would split them",
                     error->message);
    g_error_free(error);
    return false;
}

static void
free_pool(WorkerPool *pool)
{
    for (unsigned i = 0; i < pool->n_workers; i++)
        worker_clear(&pool->workers[i]);
    worker_fail_queue(pool, KAB_FAIL_TRANSIENT, "the function closes");
    if (pool->epoll_fd >= 0)
        close(pool->epoll_fd);
    if (pool->wake_fd >= 0)
        close(pool->wake_fd);
    pthread_mutex_destroy(&pool->mutex);
    g_array_unref(pool->cancelled);
    g_strfreev(pool->command);
    g_strfreev(pool->environment);
    g_free(pool->workers);
    g_free(pool->waiting);
    g_free(pool->fatal);
    g_free(pool);
}

static void
make_workers(WorkerPool *pool, unsigned n)
{
    pool->workers = g_new0(Worker, n);
    pool->n_workers = n;
    for (unsigned i = 0; i < n; i++)
        worker_init(&pool->workers[i], pool, i);
}

/* Blocks signals in the thread: the bridge's own threads handle them. */
static int
start_thread(WorkerPool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&pool->thread, NULL, run_pool, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static bool
worker_open(KabContext *context, void **ret_instance)
{
    WorkerPool *pool = g_new0(WorkerPool, 1);
    pool->context = context;
    pool->on_wake = (WorkerWatch){on_wake, pool};
    pool->cancelled = g_array_new(FALSE, FALSE, sizeof(KabBatch *));
    pool->start_timeout_us =
        kab_context_get_duration_us(context, "start.timeout");
    pthread_mutex_init(&pool->mutex, NULL);
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!read_command(pool, context)) {
        free_pool(pool);
        return false;
    }
    pool->environment = make_environment();
    worker_pool_watch(pool, pool->wake_fd, &pool->on_wake);
    make_workers(pool, (unsigned)kab_context_get_integer(context, "workers"));
    worker_tell_waiting(pool, "no worker is ready yet");
    int error = start_thread(pool);
    if (error) {
        free_pool(pool);
        return kab_context_fail(context, "cannot make a thread: %s",
                                g_strerror(error));
    }
    *ret_instance = pool;
    return true;
}

static void
worker_close(void *instance)
{
    WorkerPool *pool = instance;
    pthread_mutex_lock(&pool->mutex);
    pool->is_closing = true;
    wake_pool(pool);
    pthread_mutex_unlock(&pool->mutex);
    pthread_join(pool->thread, NULL);
    free_pool(pool);
}

static const KabOption worker_options[] = {
    {"command", KAB_OPTION_STRING, NULL, NULL,
     "The command, split into words as a shell would; no shell is run.", 0},
    {"workers", KAB_OPTION_INTEGER, "1", "1..64",
     "Number of processes, or of connections to the socket.", 0},
    {"start.timeout", KAB_OPTION_DURATION, "60s", "10ms..1h",
     "How long a worker may take until it is ready.", 0},
    {"socket", KAB_OPTION_STRING, NULL, NULL,
     "Unix socket at which a worker listens, instead of a command.", 0},
};

KAB_FUNCTION_DEFINE(.name = "worker",
                    .summary = "runs a command that speaks the worker "
                               "protocol: Python, or any language",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .options = worker_options,
                    .n_options = sizeof worker_options / sizeof *worker_options,
                    .open = worker_open,
                    .process = worker_process,
                    .cancel = worker_cancel_batch,
                    .close = worker_close);
