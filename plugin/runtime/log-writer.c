/* SPDX-License-Identifier: Apache-2.0 */
#include "log-writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

/* About two thousand lines. */
enum { BUFFER_BYTES = 256 * 1024 };

/* `mutex` guards `pending` and the flags; it is never held during a write. */
struct KabLogWriter {
    KabLogSink *sink;
    void *user;
    pthread_t thread;
    atomic_uint_fast64_t n_dropped, n_untold; /* untold: not reported yet */

    pthread_mutex_t mutex;
    pthread_cond_t has_lines, is_empty;
    GString *pending;
    bool is_writing, is_ending;
    unsigned n_references; /* held by the owner and by the thread */
};

static uint64_t
count_lines(const char *text, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static void
count_dropped(KabLogWriter *writer, uint64_t n)
{
    atomic_fetch_add(&writer->n_dropped, n);
    atomic_fetch_add(&writer->n_untold, n);
}

/* The sink of a descriptor. */
static uint64_t
write_lines(void *user, const char *text, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(GPOINTER_TO_INT(user), text + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return count_lines(text + done, len - done);
}

/* Waits for lines; returns the text to write now, NULL at the end. The mutex is
 * held. */
static GString *
await_lines(KabLogWriter *writer)
{
    writer->is_writing = false;
    if (!writer->pending->len)
        pthread_cond_broadcast(&writer->is_empty);
    while (!writer->pending->len && !writer->is_ending)
        pthread_cond_wait(&writer->has_lines, &writer->mutex);
    if (!writer->pending->len)
        return NULL;
    GString *lines = writer->pending;
    writer->pending = g_string_sized_new(1024);
    writer->is_writing = true;
    return lines;
}

/* The mutex is held; releases it. */
static void
unref_and_unlock(KabLogWriter *writer)
{
    bool is_last = --writer->n_references == 0;
    pthread_mutex_unlock(&writer->mutex);
    if (!is_last)
        return;
    pthread_mutex_destroy(&writer->mutex);
    pthread_cond_destroy(&writer->has_lines);
    pthread_cond_destroy(&writer->is_empty);
    g_string_free(writer->pending, TRUE);
    g_free(writer);
}

static void *
run_writer(void *user)
{
    KabLogWriter *writer = user;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        GString *lines = await_lines(writer);
        if (!lines)
            break;
        pthread_mutex_unlock(&writer->mutex);
        count_dropped(writer,
                      writer->sink(writer->user, lines->str, lines->len));
        g_string_free(lines, TRUE);
        pthread_mutex_lock(&writer->mutex);
    }
    unref_and_unlock(writer);
    return NULL;
}

/* Blocks all signals in the thread: other threads handle them, and SIGPIPE
 * stays an error of write(). */
static bool
start_thread(KabLogWriter *writer)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status =
        pthread_create(&writer->thread, &attributes, run_writer, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status == 0;
}

KabLogWriter *
kab_log_writer_new(int fd)
{
    return kab_log_writer_new_for(write_lines, GINT_TO_POINTER(fd));
}

KabLogWriter *
kab_log_writer_new_for(KabLogSink *sink, void *user)
{
    KabLogWriter *writer = g_new0(KabLogWriter, 1);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->is_empty, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_cond_init(&writer->has_lines, NULL);
    pthread_mutex_init(&writer->mutex, NULL);
    writer->sink = sink;
    writer->user = user;
    writer->pending = g_string_sized_new(1024);
    writer->n_references = 2;
    if (start_thread(writer))
        return writer;
    writer->n_references = 1;
    pthread_mutex_lock(&writer->mutex);
    unref_and_unlock(writer);
    return NULL;
}

void
kab_log_writer_free(KabLogWriter *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->is_ending = true;
    pthread_cond_signal(&writer->has_lines);
    unref_and_unlock(writer);
}

bool
kab_log_writer_try(KabLogWriter *writer, const char *line, size_t len)
{
    pthread_mutex_lock(&writer->mutex);
    bool has_room = writer->pending->len + len <= BUFFER_BYTES;
    if (has_room) {
        g_string_append_len(writer->pending, line, (gssize)len);
        pthread_cond_signal(&writer->has_lines);
    }
    pthread_mutex_unlock(&writer->mutex);
    return has_room;
}

bool
kab_log_writer_push(KabLogWriter *writer, const char *line, size_t len)
{
    bool has_room = kab_log_writer_try(writer, line, len);
    if (!has_room)
        count_dropped(writer, 1);
    return has_room;
}

uint64_t
kab_log_writer_n_dropped(KabLogWriter *writer)
{
    return atomic_load(&writer->n_dropped);
}

uint64_t
kab_log_writer_steal_dropped(KabLogWriter *writer)
{
    return atomic_exchange(&writer->n_untold, 0);
}

void
kab_log_writer_return_dropped(KabLogWriter *writer, uint64_t n)
{
    atomic_fetch_add(&writer->n_untold, n);
}

static struct timespec
monotonic_after(int64_t timeout_us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_us % G_USEC_PER_SEC * 1000;
    until.tv_sec += timeout_us / G_USEC_PER_SEC + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return until;
}

void
kab_log_writer_flush(KabLogWriter *writer, int64_t timeout_us)
{
    struct timespec until = monotonic_after(timeout_us);
    int status = 0;
    pthread_mutex_lock(&writer->mutex);
    while ((writer->pending->len || writer->is_writing) && !status)
        status =
            pthread_cond_timedwait(&writer->is_empty, &writer->mutex, &until);
    pthread_mutex_unlock(&writer->mutex);
}
