/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a trial: its turns, its start and its end. */
#include "try-internal.h"

/* How long a timed-out call is awaited when everything else is done. */
#define PATIENCE_US (2 * G_USEC_PER_SEC)

/* --- Turned ------------------------------------------------------------ */

/* Delivers the answers to the effects of the previous turn. */
static bool
answer_effects(Trial *trial, int64_t now)
{
    bool has_moved = trial->has_load || trial->has_sink || trial->items ||
                     !g_queue_is_empty(&trial->products);
    if (trial->has_sink) {
        trial->has_sink = false;
        kab_engine_sink_ready(trial->engine, trial->epoch, now);
    }
    if (trial->has_load) {
        static const KabCommitted from_the_first = {.has_offset = true};
        trial->has_load = false;
        kab_engine_loaded(trial->engine, trial->partition, &from_the_first,
                          now);
    }
    KabProduct *product;
    while ((product = g_queue_pop_head(&trial->products)))
        kab_engine_acknowledged(trial->engine, product, now);
    if (trial->items)
        kab_engine_commit_done(trial->engine, g_steal_pointer(&trial->items),
                               trial->n_items, now);
    return has_moved;
}

/* No more lines will come: releases the batch that `batch.period = never` holds
 * back. */
static void
note_end(Trial *trial)
{
    if (!kab_lines_are_read(trial->lines) ||
        trial->options.batch_period_us != KAB_NEVER)
        return;
    trial->options.batch_period_us = 0;
    kab_engine_set_options(trial->engine, &trial->options);
}

static bool
is_finished(Trial *trial, int64_t now)
{
    KabEngineState state;
    kab_engine_get_state(trial->engine, now, &state);
    if (trial->items || !g_queue_is_empty(&trial->products))
        return false;
    if (trial->error)
        return kab_engine_is_drained(trial->engine);
    return kab_lines_are_taken(trial->lines) && state.records == 0;
}

/* A timed-out call may return late, or never. */
static bool
is_over(Trial *trial, int64_t now)
{
    if (!is_finished(trial, now))
        return false;
    if (kab_executor_is_idle(trial->executor))
        return true;
    if (!trial->finished_us)
        trial->finished_us = now;
    trial->leaves_calls = now - trial->finished_us >= PATIENCE_US;
    return trial->leaves_calls;
}

static bool
turn_trial(void *user)
{
    Trial *trial = user;
    int64_t now = g_get_monotonic_time();
    bool has_moved =
        kab_mailbox_deliver(kab_loop_mailbox(trial->loop), trial) > 0;
    note_end(trial);
    has_moved |= answer_effects(trial, now);
    has_moved |= kab_try_take_lines(trial, now);
    kab_executor_turn(trial->executor);
    kab_engine_advance(trial->engine, now);
    if (kab_engine_want(trial->engine) > 0 && is_finished(trial, now))
        kab_try_print_drops(&trial->printer);
    fflush(stdout);
    kab_try_wait_look(&trial->wait, trial->engine, trial->instance->context,
                      now);
    if (is_over(trial, now))
        kab_loop_quit(trial->loop);
    return has_moved || !g_queue_is_empty(&trial->products) || trial->items;
}

static int64_t
trial_deadline(void *user)
{
    Trial *trial = user;
    int64_t due =
        MIN(kab_engine_next_deadline(trial->engine), trial->wait.due_us);
    int64_t patience_us = kab_executor_patience_us(trial->executor);
    /* No wake-up comes when the last thread leaves the function, so poll. */
    if (kab_lines_are_read(trial->lines) || trial->error)
        patience_us = MIN(patience_us, 5000);
    if (patience_us == INT64_MAX)
        return due;
    return MIN(due, g_get_monotonic_time() + patience_us);
}

/* --- Made and ended ---------------------------------------------------- */

/* The binding's own options, except those that would hide something: every
 * line's result is shown, in order, and a failed line is named. */
static KabEngineOptions
options_of(const Trial *trial)
{
    KabEngineOptions options = trial->settings->engine;
    kab_instance_limit(trial->instance, &options);
    options.order = KAB_ORDER_ORDERED;
    options.delivery = KAB_DELIVERY_AT_LEAST_ONCE;
    options.on_failure = KAB_ON_FAILURE_DLQ;
    options.is_trial = true;
    return options;
}

GPtrArray *
kab_try_list_topics(const KabBindingSettings *settings)
{
    GPtrArray *topics = g_ptr_array_new();
    if (settings->output_topic)
        g_ptr_array_add(topics, settings->output_topic);
    for (char **topic = settings->output_topics; topic && *topic; topic++)
        g_ptr_array_add(topics, *topic);
    g_ptr_array_add(topics, NULL);
    return topics;
}

static void
make_trial(Trial *trial)
{
    static const KabLoopWork work = {.turn = turn_trial,
                                     .deadline = trial_deadline};
    const KabBindingSettings *settings = trial->settings;
    const char *topic = settings->input_topics[0];
    trial->topic = *topic == '^' ? "lines" : topic;
    trial->topics = kab_try_list_topics(settings);
    trial->options = options_of(trial);
    g_autoptr(GError) error = NULL;
    trial->loop = kab_loop_new(&work, trial, &error);
    if (!trial->loop)
        g_error("%s", error->message);
    trial->lines = kab_lines_new(trial->in, kab_loop_mailbox(trial->loop));
    trial->engine = kab_engine_new(&trial->options);
    kab_try_connect(trial);
    KabExecutorSetup setup = {
        .binding = settings->name,
        .function = trial->function,
        .instance = trial->instance->handle,
        .has_output_topic = settings->output_topic != NULL,
        .topics = (const char *const *)trial->topics->pdata,
        .get_headers = kab_try_get_headers,
        .threads = trial->options.threads,
        .mailbox = kab_loop_mailbox(trial->loop),
        .events = &kab_try_events,
        .user = trial,
    };
    trial->executor = kab_executor_new(&setup);
    trial->partition = kab_engine_assigned(trial->engine, trial->topic, 0, NULL,
                                           g_get_monotonic_time());
}

static void
unmake_trial(Trial *trial)
{
    kab_engine_free(trial->engine);
    kab_executor_free(trial->executor);
    kab_lines_free(trial->lines);
    kab_loop_free(trial->loop);
    g_ptr_array_unref(trial->topics);
}

static KabTryResult
run_trial(Trial *trial)
{
    int64_t began_us = g_get_monotonic_time();
    make_trial(trial);
    kab_loop_run(trial->loop);
    kab_try_print_drops(&trial->printer);
    const KabCounters *counters = kab_engine_counters(trial->engine);
    return (KabTryResult){
        .n_lines = trial->n_lines,
        .n_done = counters->records_finished[KAB_END_DONE] +
                  counters->records_finished[KAB_END_PASSED],
        .n_dropped = counters->records_finished[KAB_END_DROPPED],
        .n_bad = counters->records_finished[KAB_END_REJECTED] + trial->n_unread,
        .n_batches = counters->batch_records.count,
        .n_batched = counters->batch_records.sum,
        .max_batch = trial->calls.max_records,
        .n_calls = trial->calls.n,
        .call_us = trial->calls.sum_us,
        .longest_us = trial->calls.longest_us,
        .took_us = g_get_monotonic_time() - began_us,
    };
}

bool
kab_try_run(const KabBindingSettings *settings,
            FILE *in,
            const char *in_name,
            KabTryFormat format,
            KabTryResult *ret_result,
            GError **error)
{
    Trial *trial = g_new0(Trial, 1);
    trial->settings = settings;
    trial->function = settings->module.function;
    trial->in = in;
    kab_try_printer_init(&trial->printer, format, in_name);
    kab_try_calls_init(&trial->calls);
    trial->instance = kab_instance_open(settings, trial->function, error);
    bool is_open = trial->instance != NULL;
    if (is_open) {
        *ret_result = run_trial(trial);
        /* A thread that waits for the next line, or is inside the function,
         * cannot be ended. */
        if (!kab_lines_are_read(trial->lines) || trial->leaves_calls) {
            ret_result->has_leaked = true;
            bool is_done = !trial->error;
            if (trial->error)
                g_propagate_error(error, trial->error);
            return is_done;
        }
        unmake_trial(trial);
        kab_instance_close(trial->instance);
    }
    bool is_done = is_open && !trial->error;
    if (trial->error)
        g_propagate_error(error, trial->error);
    kab_try_calls_clear(&trial->calls);
    kab_try_wait_clear(&trial->wait);
    kab_try_printer_clear(&trial->printer);
    g_free(trial);
    return is_done;
}
