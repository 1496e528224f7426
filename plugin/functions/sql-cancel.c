/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-cancel.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_WAITING = 64, PATIENCE_S = 2 };

/* Shared by its owner and its thread; the last of the two frees it. */
struct SqlCanceller {
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t changed;
    PGcancel *waiting[MAX_WAITING];
    unsigned n;
    bool is_closing; /* the owner is gone, or waits for has_ended */
    bool has_ended;  /* the thread has ended */
    bool is_left;    /* the owner no longer waits */
};

static void
destroy_canceller(SqlCanceller *canceller)
{
    for (unsigned i = 0; i < canceller->n; i++)
        PQfreeCancel(canceller->waiting[i]);
    pthread_cond_destroy(&canceller->changed);
    pthread_mutex_destroy(&canceller->mutex);
    free(canceller);
}

/* Waits for a request to cancel; NULL: the instance closes. The mutex is
 * held. */
static PGcancel *
await_cancel(SqlCanceller *canceller)
{
    while (!canceller->n && !canceller->is_closing)
        pthread_cond_wait(&canceller->changed, &canceller->mutex);
    if (canceller->is_closing)
        return NULL;
    return canceller->waiting[--canceller->n];
}

static void
end_thread(SqlCanceller *canceller)
{
    canceller->has_ended = true;
    bool is_left = canceller->is_left;
    pthread_cond_signal(&canceller->changed);
    pthread_mutex_unlock(&canceller->mutex);
    if (is_left)
        destroy_canceller(canceller);
}

/* The answer to the cancel request is ignored: the statement's own result shows
 * whether it was cancelled. */
static void *
run_thread(void *user)
{
    SqlCanceller *canceller = user;
    PGcancel *cancel;
    char error[256];
    pthread_mutex_lock(&canceller->mutex);
    while ((cancel = await_cancel(canceller))) {
        pthread_mutex_unlock(&canceller->mutex);
        PQcancel(cancel, error, sizeof error);
        PQfreeCancel(cancel);
        pthread_mutex_lock(&canceller->mutex);
    }
    end_thread(canceller);
    return NULL;
}

static bool
start_thread(SqlCanceller *canceller)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool is_made =
        pthread_create(&thread, &attributes, run_thread, canceller) == 0;
    pthread_attr_destroy(&attributes);
    return is_made;
}

SqlCanceller *
sql_canceller_new(void)
{
    SqlCanceller *canceller = sql_alloc(sizeof *canceller);
    *canceller = (SqlCanceller){0};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&canceller->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&canceller->mutex, NULL);
    if (start_thread(canceller))
        return canceller;
    destroy_canceller(canceller);
    return NULL;
}

void
sql_canceller_add(SqlCanceller *canceller, PGcancel *cancel)
{
    pthread_mutex_lock(&canceller->mutex);
    bool has_room = cancel && canceller->n < MAX_WAITING;
    if (has_room) {
        canceller->waiting[canceller->n++] = cancel;
        pthread_cond_signal(&canceller->changed);
    }
    pthread_mutex_unlock(&canceller->mutex);
    if (!has_room)
        PQfreeCancel(cancel);
}

void
sql_canceller_free(SqlCanceller *canceller)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&canceller->mutex);
    canceller->is_closing = true;
    pthread_cond_signal(&canceller->changed);
    int status = 0;
    while (!canceller->has_ended && status == 0)
        status = pthread_cond_timedwait(&canceller->changed, &canceller->mutex,
                                        &until);
    bool has_ended = canceller->has_ended;
    canceller->is_left = !has_ended;
    pthread_mutex_unlock(&canceller->mutex);
    if (has_ended)
        destroy_canceller(canceller);
}
