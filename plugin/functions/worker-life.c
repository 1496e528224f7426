/* SPDX-License-Identifier: Apache-2.0 */
/* One worker from its start to its end, and its restart after a pause.
 *
 *   waiting -> starting -> ready -> ending -> waiting -> ...
 *                            | drain  ^
 *                            v        |
 *                         draining ---'           gone: no restart
 *
 * A command is a child process and ends when its pid_fd says so; a worker
 * behind `socket` ends when its connection does.
 */
#include "worker-internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    GRACE_US = 5 * 1000 * 1000, /* between SIGTERM and SIGKILL */
    PING_US = 10 * 1000 * 1000,
    EXIT_US = 1000 * 1000,             /* from a closed channel to SIGTERM */
    BACKOFF_US = 500 * 1000,           /* doubles each time the worker ends
                                        * ... */
    BACKOFF_MAX_US = 30 * 1000 * 1000, /* ... up to this */
};

static void conclude_worker(Worker *worker, const char *how, int exit_status);

void
worker_set_state(Worker *worker, WorkerState state, int64_t due_us)
{
    static const char *const names[] = {
#define X(NAME, text) [WORKER_STATE_##NAME] = text,
        WORKER_STATES(X)
#undef X
    };
    worker_log(worker, KAB_LOG_DEBUG, "%s -> %s", names[worker->state],
               names[state]);
    worker->state = state;
    worker->due_us = due_us;
}

/* --- Its descriptors --------------------------------------------------- */

static void
close_channel(Worker *worker)
{
    if (worker->channel.fd < 0)
        return;
    worker_pool_unwatch(worker->pool, worker->channel.fd);
    worker_channel_close(&worker->channel);
    worker->wants_write = false;
}

/* The other side is gone. The reason is known once its process has ended. */
static void
lose_channel(Worker *worker)
{
    close_channel(worker);
    if (!worker->process.pid) {
        conclude_worker(worker, "closed its connection", -1);
        return;
    }
    worker->next_signal = SIGTERM;
    worker_set_state(worker, WORKER_STATE_ENDING, worker_now_us() + EXIT_US);
}

static void
heed_channel(Worker *worker, WorkerChannelStatus status)
{
    switch (status) {
    case WORKER_CHANNEL_OPEN:
        return;
    case WORKER_CHANNEL_CLOSED:
        lose_channel(worker);
        return;
    case WORKER_CHANNEL_FAULT:
        worker_end(worker, g_strdup(worker->channel.fault));
        return;
    }
}

void
worker_flush(Worker *worker)
{
    WorkerChannel *channel = &worker->channel;
    if (channel->fd < 0)
        return;
    if (worker_channel_has_unsent(channel)) {
        WorkerChannelStatus status = worker_channel_send(channel);
        if (status != WORKER_CHANNEL_OPEN)
            return; /* data sent before the end is read first */
    }
    bool wants_write = worker_channel_has_unsent(channel);
    if (wants_write == worker->wants_write)
        return;
    worker->wants_write = wants_write;
    worker_pool_rewatch(worker->pool, channel->fd, &worker->on_channel,
                        wants_write);
}

static void
on_channel(void *user, uint32_t events)
{
    Worker *worker = user;
    if (worker->channel.fd < 0)
        return; /* an earlier event has closed it */
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        heed_channel(worker, worker_channel_receive(&worker->channel));
    worker_flush(worker);
}

static void
read_stream(Worker *worker, WorkerStream *stream)
{
    GString *tail =
        stream == &worker->process.errors ? worker->process.tail : NULL;
    if (stream->fd < 0 ||
        worker_stream_read(stream, tail, worker_log_line, worker))
        return;
    worker_pool_unwatch(worker->pool, stream->fd);
    close(stream->fd);
    stream->fd = -1;
}

void
worker_forget_words(Worker *worker)
{
    if (!worker->process.tail)
        return;
    /* epoll may tell of the answer first, though it was written last. */
    read_stream(worker, &worker->process.errors);
    g_string_truncate(worker->process.tail, 0);
}

static void
on_output(void *user, uint32_t events)
{
    Worker *worker = user;
    read_stream(worker, &worker->process.output);
}

static void
on_errors(void *user, uint32_t events)
{
    Worker *worker = user;
    read_stream(worker, &worker->process.errors);
}

/* Reads the rest of the process's output. Its own children may hold the pipe
 * open, so do not wait for end of file. */
static void
read_remains(Worker *worker)
{
    for (int turn = 0; worker->channel.fd >= 0 && turn < 64; turn++) {
        struct pollfd pollfd = {.fd = worker->channel.fd, .events = POLLIN};
        if (poll(&pollfd, 1, 0) <= 0 ||
            worker_channel_receive(&worker->channel) != WORKER_CHANNEL_OPEN)
            break;
    }
    read_stream(worker, &worker->process.output);
    read_stream(worker, &worker->process.errors);
}

static void
on_exit_of_process(void *user, uint32_t events)
{
    Worker *worker = user;
    int exit_status;
    if (!worker->process.pid)
        return;
    read_remains(worker);
    char *how = worker_process_dup_end(&worker->process, &exit_status);
    conclude_worker(worker, how, exit_status);
    g_free(how);
}

/* --- Start ------------------------------------------------------------- */

static void
open_session(Worker *worker, int fd)
{
    worker_channel_open(&worker->channel, fd, &worker_session_events, worker);
    worker_pool_watch(worker->pool, fd, &worker->on_channel);
    worker->topics_in =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    worker->topics_out = g_ptr_array_new_with_free_func(g_free);
    worker->usual_us = 0;
    worker_set_state(worker, WORKER_STATE_STARTING,
                     worker_now_us() + worker->pool->start_timeout_us);
    worker_session_begin(worker);
}

static int64_t
next_backoff(Worker *worker)
{
    int64_t backoff_us =
        CLAMP(worker->backoff_us * 2, BACKOFF_US, BACKOFF_MAX_US);
    worker->backoff_us = backoff_us;
    return (int64_t)((double)backoff_us * g_random_double_range(0.8, 1.2));
}

static void
start_later(Worker *worker, const char *why)
{
    worker_tell_waiting(worker->pool, why);
    worker_set_state(worker, WORKER_STATE_WAITING,
                     worker_now_us() + next_backoff(worker));
}

/* If there is no other worker, none will ever be ready. */
static void
leave_for_good(Worker *worker, const char *why)
{
    WorkerPool *pool = worker->pool;
    worker_set_state(worker, WORKER_STATE_GONE, INT64_MAX);
    worker_tell_waiting(pool, why);
    for (unsigned i = 0; i < pool->n_workers; i++)
        if (pool->workers[i].state != WORKER_STATE_GONE)
            return;
    if (pool->is_ending || pool->fatal)
        return;
    pool->fatal = g_strdup(why);
    kab_context_log(pool->context, KAB_LOG_ERROR, "%s", why);
}

/* A command that never ran is a configuration fault. A command that ran before
 * may be in the middle of an upgrade. */
static void
fail_start(Worker *worker, int error)
{
    char *why = g_strdup_printf(
        "found the command %s, which cannot be run: %s; wanted a program in "
        "PATH or its full name in function.command",
        worker->pool->command[0], g_strerror(error));
    bool is_missing = error == ENOENT || error == EACCES || error == ENOTDIR ||
                      error == ENOEXEC;
    if (is_missing && !worker->has_run) {
        leave_for_good(worker, why);
    } else {
        worker_log(worker, KAB_LOG_WARNING, "is not started: %s", why);
        start_later(worker, why);
    }
    g_free(why);
}

static void
start_command(Worker *worker)
{
    WorkerPool *pool = worker->pool;
    int error, pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        fail_start(worker, errno);
        return;
    }
    if (!worker_process_start(&worker->process, pool->command,
                              pool->environment, pair[1], &error)) {
        close(pair[0]);
        fail_start(worker, error);
        return;
    }
    worker->has_run = true;
    worker_pool_watch(pool, worker->process.pid_fd, &worker->on_exit);
    worker_pool_watch(pool, worker->process.output.fd, &worker->on_output);
    worker_pool_watch(pool, worker->process.errors.fd, &worker->on_errors);
    open_session(worker, pair[0]);
}

static void
connect_socket(Worker *worker)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = worker->pool->socket;
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0) {
        open_session(worker, fd);
        return;
    }
    char *why = g_strdup_printf("worker %u: nobody answers at the socket %s: "
                                "%s; wanted a worker that listens there",
                                worker->number, path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    if (worker->backoff_us == 0)
        kab_context_log(worker->pool->context, KAB_LOG_WARNING, "%s", why);
    start_later(worker, why);
    g_free(why);
}

static void
start_worker(Worker *worker)
{
    worker->is_fatal = false;
    if (worker->pool->socket)
        connect_socket(worker);
    else
        start_command(worker);
}

/* --- End --------------------------------------------------------------- */

static void
close_session(Worker *worker)
{
    WorkerProcess *process = &worker->process;
    const int fds[] = {process->pid_fd, process->output.fd, process->errors.fd};
    close_channel(worker);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            worker_pool_unwatch(worker->pool, fds[i]);
    worker_process_clear(process);
    g_clear_pointer(&worker->topics_in, g_hash_table_unref);
    g_clear_pointer(&worker->topics_out, g_ptr_array_unref);
    g_clear_pointer(&worker->fault, g_free);
}

static char *
dup_reason(const Worker *worker, const char *how)
{
    char *tail = worker_process_dup_tail(&worker->process);
    const char *before = *tail ? "; its standard error ends: " : "";
    char *reason = worker->fault
                       ? g_strdup_printf("worker %u was ended: %s",
                                         worker->number, worker->fault)
                       : g_strdup_printf("worker %u %s%s%s", worker->number,
                                         how, before, tail);
    g_free(tail);
    return reason;
}

/* Handles the end of a session, whatever the cause. */
static void
conclude_worker(Worker *worker, const char *how, int exit_status)
{
    WorkerPool *pool = worker->pool;
    char *reason = dup_reason(worker, how);
    bool was_ready = worker->state != WORKER_STATE_STARTING;
    worker->is_fatal |= exit_status == EX_CONFIG;
    if (!pool->is_ending) {
        worker_log(worker, KAB_LOG_WARNING, "%s%s",
                   worker->fault ? "was ended: " : how,
                   worker->fault ? worker->fault : "");
        kab_context_count(pool->context, "worker_ends", 1);
    }
    worker_take_jobs(worker,
                     worker->is_fatal || !was_ready ? WORKER_BLAME_NONE
                                                    : WORKER_BLAME_CRASH,
                     NULL, reason);
    close_session(worker);
    if (pool->is_ending || worker->is_fatal)
        leave_for_good(worker, reason);
    else
        start_later(worker, reason);
    g_free(reason);
}

static void
end_process(Worker *worker, int number)
{
    bool is_last = number == SIGKILL;
    worker_process_signal(&worker->process, number);
    worker->next_signal = is_last ? 0 : SIGKILL;
    worker_set_state(worker, WORKER_STATE_ENDING,
                     is_last ? INT64_MAX : worker_now_us() + GRACE_US);
}

void
worker_end(Worker *worker, char *fault)
{
    if (worker->fault)
        g_free(fault);
    else
        worker->fault = fault;
    char *reason = dup_reason(worker, "ended");
    worker_take_jobs(worker,
                     worker->state == WORKER_STATE_READY && !worker->is_fatal
                         ? WORKER_BLAME_CRASH
                         : WORKER_BLAME_NONE,
                     NULL, reason);
    g_free(reason);
    close_channel(worker);
    if (worker->process.pid)
        end_process(worker, SIGTERM);
    else
        conclude_worker(worker, "ended", -1);
}

void
worker_drain(Worker *worker)
{
    switch (worker->state) {
    case WORKER_STATE_WAITING:
        worker_set_state(worker, WORKER_STATE_GONE, INT64_MAX);
        return;
    case WORKER_STATE_STARTING:
        worker_end(worker, g_strdup("is no longer needed"));
        return;
    case WORKER_STATE_READY:
        worker_set_state(worker, WORKER_STATE_DRAINING,
                         worker_now_us() + GRACE_US);
        worker_channel_push(
            &worker->channel,
            worker_packet_new(WORKER_FRAME_DRAIN, 0, 0, NULL, 0));
        worker_flush(worker);
        return;
    case WORKER_STATE_DRAINING:
    case WORKER_STATE_ENDING:
    case WORKER_STATE_GONE:
        return;
    }
}

/* --- Made, due, freed -------------------------------------------------- */

/* Only logged: code that holds Python's interpreter lock silences a healthy
 * worker. */
static void
ping_worker(Worker *worker, int64_t now)
{
    if (worker->pinged_us > worker->heard_us)
        worker_log(worker, KAB_LOG_DEBUG,
                   "has been silent for %" G_GINT64_FORMAT " s",
                   (now - worker->heard_us) / 1000000);
    worker->pinged_us = now;
    worker->due_us = now + PING_US;
    worker_channel_push(&worker->channel,
                        worker_packet_new(WORKER_FRAME_PING, 0, 0, NULL, 0));
    worker_flush(worker);
}

void
worker_tick(Worker *worker, int64_t now)
{
    if (now < worker->due_us)
        return;
    switch (worker->state) {
    case WORKER_STATE_WAITING:
        start_worker(worker);
        return;
    case WORKER_STATE_STARTING:
        worker_end(worker, g_strdup_printf(
                               "was not ready within function.start.timeout, "
                               "%" G_GINT64_FORMAT " ms",
                               worker->pool->start_timeout_us / 1000));
        return;
    case WORKER_STATE_DRAINING:
        worker_end(worker, g_strdup("did not end within 5 s after DRAIN"));
        return;
    case WORKER_STATE_ENDING:
        end_process(worker, worker->next_signal);
        return;
    case WORKER_STATE_READY:
        ping_worker(worker, now);
        return;
    case WORKER_STATE_GONE:
        worker->due_us = INT64_MAX;
        return;
    }
}

void
worker_init(Worker *worker, WorkerPool *pool, unsigned number)
{
    *worker = (Worker){
        .pool = pool,
        .number = number,
        .state = WORKER_STATE_WAITING,
        .process = WORKER_PROCESS_NONE,
        .channel = {.fd = -1},
        .on_channel = {on_channel, worker},
        .on_exit = {on_exit_of_process, worker},
        .on_output = {on_output, worker},
        .on_errors = {on_errors, worker},
    };
}

void
worker_clear(Worker *worker)
{
    worker_take_jobs(worker, WORKER_BLAME_NONE, NULL, "the function closes");
    close_session(worker);
}
