/* SPDX-License-Identifier: Apache-2.0 */
/* The function "delay": a model that takes a while, for trying out settings.
 *
 * process() only notes when the batch is due. One thread per instance completes
 * each batch at that time, with its inputs as outputs. So any number of calls
 * may be in flight without occupying a pool thread.
 */
#include <kabridge/function.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct Waiting Waiting;

/* One batch, on the list from process() until it is due or cancelled. */
struct Waiting {
    Waiting *next;
    KabBatch *batch;
    int64_t due_us;
};

typedef struct {
    int64_t base_us, per_record_us;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t changed;
    Waiting *first; /* ordered by due_us */
    bool is_closing;
} Delay;

static int64_t
now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Waits until due_us or until something changed. The mutex is held. */
static void
wait_for(Delay *delay, int64_t due_us)
{
    struct timespec until = {.tv_sec = due_us / 1000000,
                             .tv_nsec = due_us % 1000000 * 1000};
    pthread_cond_timedwait(&delay->changed, &delay->mutex, &until);
}

/* Waits for the next due batch; NULL: the instance closes. The mutex is
 * held. */
static KabBatch *
take_due(Delay *delay)
{
    while (!delay->is_closing) {
        Waiting *first = delay->first;
        if (!first) {
            pthread_cond_wait(&delay->changed, &delay->mutex);
        } else if (first->due_us > now_us()) {
            wait_for(delay, first->due_us);
        } else {
            KabBatch *batch = first->batch;
            delay->first = first->next;
            free(first);
            return batch;
        }
    }
    return NULL;
}

static void
complete_batch(KabBatch *batch)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    for (size_t i = 0; i < n; i++) {
        KabOutput output = KAB_OUTPUT_INIT;
        output.key = records[i].key;
        output.value = records[i].value;
        kab_batch_emit(batch, i, &output);
    }
    kab_batch_complete(batch);
}

static void *
run_thread(void *data)
{
    Delay *delay = data;
    KabBatch *batch;
    for (;;) {
        pthread_mutex_lock(&delay->mutex);
        batch = take_due(delay);
        pthread_mutex_unlock(&delay->mutex);
        if (!batch)
            return NULL;
        complete_batch(batch);
    }
}

static void
insert_waiting(Delay *delay, Waiting *waiting)
{
    Waiting **at = &delay->first;
    while (*at && (*at)->due_us <= waiting->due_us)
        at = &(*at)->next;
    waiting->next = *at;
    *at = waiting;
}

static void
delay_process(void *instance, KabBatch *batch)
{
    Delay *delay = instance;
    int64_t n = (int64_t)kab_batch_count(batch);
    Waiting *waiting = malloc(sizeof *waiting);
    if (!waiting)
        abort();
    waiting->batch = batch;
    waiting->due_us = now_us() + delay->base_us + delay->per_record_us * n;
    pthread_mutex_lock(&delay->mutex);
    insert_waiting(delay, waiting);
    pthread_cond_signal(&delay->changed);
    pthread_mutex_unlock(&delay->mutex);
}

/* NULL: the thread has taken the batch already. */
static Waiting *
take_waiting(Delay *delay, const KabBatch *batch)
{
    Waiting **at = &delay->first;
    while (*at && (*at)->batch != batch)
        at = &(*at)->next;
    Waiting *waiting = *at;
    if (waiting)
        *at = waiting->next;
    return waiting;
}

static void
delay_cancel(void *instance, KabBatch *batch)
{
    Delay *delay = instance;
    pthread_mutex_lock(&delay->mutex);
    Waiting *waiting = take_waiting(delay, batch);
    pthread_mutex_unlock(&delay->mutex);
    if (!waiting)
        return;
    free(waiting);
    kab_batch_fail(batch, KAB_FAIL_TRANSIENT, -1, "cancelled");
}

static void
init_lock(Delay *delay)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&delay->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&delay->mutex, NULL);
}

static void
clear_lock(Delay *delay)
{
    pthread_cond_destroy(&delay->changed);
    pthread_mutex_destroy(&delay->mutex);
    free(delay);
}

static bool
delay_open(KabContext *context, void **ret_instance)
{
    Delay *delay = calloc(1, sizeof *delay);
    if (!delay)
        abort();
    delay->base_us = kab_context_get_duration_us(context, "base");
    delay->per_record_us = kab_context_get_duration_us(context, "per.record");
    init_lock(delay);
    if (pthread_create(&delay->thread, NULL, run_thread, delay) != 0) {
        clear_lock(delay);
        return kab_context_fail(context, "cannot make a thread");
    }
    *ret_instance = delay;
    return true;
}

static void
delay_close(void *instance)
{
    Delay *delay = instance;
    pthread_mutex_lock(&delay->mutex);
    delay->is_closing = true;
    pthread_cond_signal(&delay->changed);
    pthread_mutex_unlock(&delay->mutex);
    pthread_join(delay->thread, NULL);
    clear_lock(delay);
}

static const KabOption delay_options[] = {
    {"base", KAB_OPTION_DURATION, "0", "0..1h", "How long each batch takes.",
     0},
    {"per.record", KAB_OPTION_DURATION, "0", "0..1m",
     "How much longer for each of its records.", 0},
};

KAB_FUNCTION_DEFINE(.name = "delay",
                    .summary = "passes every record on after a while",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .options = delay_options,
                    .n_options = sizeof delay_options / sizeof *delay_options,
                    .open = delay_open,
                    .process = delay_process,
                    .cancel = delay_cancel,
                    .close = delay_close);
