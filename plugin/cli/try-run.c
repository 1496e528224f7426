/* SPDX-License-Identifier: Apache-2.0 */
/* The trivial edges around the engine of a trial.
 *
 *   lines (try-lines.h) -> engine -> executor -> engine -> standard output
 *   loop: produce prints at once; its acknowledgement is an event of the next
 *   turn, as every answer to an effect
 */
#include "try.h"

#include <inttypes.h>

#include "context.h"
#include "executor.h"
#include "loop.h"
#include "try-lines.h"

/* A call that timed out is waited for this long when all else is done. */
#define PATIENCE_US (2 * G_USEC_PER_SEC)

typedef struct Trial {
    const KabBindingSettings *settings;
    const KabFunction *function;
    const char *in_name, *topic;
    FILE *in;
    GPtrArray *topics; /* that outputs may name; its strings are settings' */
    KabContext *context;
    void *instance;
    KabEngineOptions options;
    KabEngine *engine;
    KabExecutor *executor;
    KabLoop *loop;
    KabPartition *partition;
    bool is_added; /* records of it may be taken */
    GError *error;

    /* answers to effects, events of the next turn */
    bool has_load, has_sink;
    uint32_t epoch;
    GQueue products; /* KabProduct, printed */
    KabCommitItem *items;
    size_t n_items;

    KabLines *lines;
    uint64_t n_lines;    /* taken */
    int64_t finished_us; /* all but calls that timed out; 0 */
    bool leaves_calls;   /* which do not return */
} Trial;

/* --- Lines ------------------------------------------------------------- */

static bool
take_lines(Trial *trial, int64_t now)
{
    bool has_taken = false;
    while (trial->is_added && kab_engine_want(trial->engine) > 0) {
        KabLine *line = kab_lines_take(trial->lines);
        if (!line)
            break;
        KabRecord record = {.value = {line->text, line->len},
                            .topic = trial->topic,
                            .offset = line->offset,
                            .timestamp_ms = g_get_real_time() / 1000};
        kab_engine_take(trial->engine, trial->partition, &record, line, now);
        trial->n_lines++;
        has_taken = true;
    }
    return has_taken;
}

/* --- Effects ----------------------------------------------------------- */

static void
invoke(void *user, KabAttempt *attempt)
{
    kab_executor_invoke(((Trial *)user)->executor, attempt);
}

static void
cancel(void *user, KabAttempt *attempt)
{
    kab_executor_cancel(((Trial *)user)->executor, attempt);
}

static void
release_attempt(void *user, KabAttempt *attempt)
{
    kab_executor_release(((Trial *)user)->executor, attempt);
}

static void
release_message(void *user, void *message)
{
    kab_line_free(message);
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    return message;
}

static const char *
stage_name(KabStage stage)
{
    switch (stage) {
    case KAB_STAGE_FUNCTION:
        return "function";
    case KAB_STAGE_PRODUCE:
        return "produce";
    case KAB_STAGE_DECODE:
        return "decode";
    }
    g_assert_not_reached();
}

static void
print_letter(const Trial *trial,
             const KabRecord *input,
             const KabDeadLetter *letter)
{
    static const char *const classes[] = {
#define X(NAME, text) [KAB_CLASS_##NAME] = text,
        KAB_CLASSES(X)
#undef X
    };
    fflush(stdout);
    fprintf(stderr, "%s:%" PRIi64 ": %s after %u calls, stage %s: %s\n",
            trial->in_name, input->offset + 1, classes[letter->class_],
            (unsigned)letter->calls, stage_name(letter->stage),
            letter->message);
}

static KabProduceStatus
produce(void *user,
        KabProduct *product,
        const KabRecord *input,
        void *message,
        const KabDeadLetter *letter)
{
    Trial *trial = user;
    KabBytes value = product->output.value;
    if (letter) {
        print_letter(trial, input, letter);
    } else {
        if (value.len)
            fwrite(value.data, 1, value.len, stdout);
        putchar('\n');
    }
    g_queue_push_tail(&trial->products, product);
    return KAB_PRODUCE_OK;
}

static void
replace_sink(void *user, uint32_t epoch)
{
    Trial *trial = user;
    trial->has_sink = true;
    trial->epoch = epoch;
}

static bool
commit(void *user, KabCommitItem *items, size_t n)
{
    Trial *trial = user;
    for (size_t i = 0; i < n; i++)
        items[i].result = KAB_COMMIT_OK;
    trial->items = items;
    trial->n_items = n;
    return true;
}

static void
load(void *user, KabPartition *partition)
{
    ((Trial *)user)->has_load = true;
}

static void
add(void *user, KabPartition *partition, int64_t offset)
{
    ((Trial *)user)->is_added = true;
}

static void
unassign(void *user, KabPartition *partition)
{
    ((Trial *)user)->is_added = false;
}

static void
valve(void *user, KabPartition *partition, bool open)
{
}

static void
stop(void *user, KabStopReason reason, const char *message)
{
    Trial *trial = user;
    if (!trial->error)
        g_set_error_literal(&trial->error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                            message);
}

static const KabEffects effects = {
    .invoke = invoke,
    .cancel = cancel,
    .release_attempt = release_attempt,
    .release_message = release_message,
    .detach_message = detach_message,
    .produce = produce,
    .replace_sink = replace_sink,
    .commit = commit,
    .load = load,
    .add = add,
    .unassign = unassign,
    .valve = valve,
    .stop = stop,
};

/* --- What the executor reports ----------------------------------------- */

static void
on_entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
    kab_engine_entered(((Trial *)user)->engine, attempt, serial, entered_us);
}

static void
on_answered(void *user,
            KabAttempt *attempt,
            uint64_t serial,
            const KabAnswer *answer)
{
    kab_engine_answered(((Trial *)user)->engine, attempt, serial, answer,
                        g_get_monotonic_time());
}

static void
on_answered_twice(void *user)
{
    kab_engine_answered_twice(((Trial *)user)->engine);
}

static size_t
no_headers(void *message, KabHeader *ret, size_t capacity)
{
    return 0;
}

static const KabExecutorEvents events = {
    .entered = on_entered,
    .answered = on_answered,
    .answered_twice = on_answered_twice,
};

/* --- Turned ------------------------------------------------------------ */

/* Answers to the effects of the turn before. */
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

/* No more lines will come: what `batch.period = never` holds back leaves. */
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

/* A call that timed out may return late, or never. */
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
turn(void *user)
{
    Trial *trial = user;
    int64_t now = g_get_monotonic_time();
    bool has_moved =
        kab_mailbox_deliver(kab_loop_mailbox(trial->loop), trial) > 0;
    note_end(trial);
    has_moved |= answer_effects(trial, now);
    has_moved |= take_lines(trial, now);
    kab_executor_turn(trial->executor);
    kab_engine_advance(trial->engine, now);
    fflush(stdout);
    if (is_over(trial, now))
        kab_loop_quit(trial->loop);
    return has_moved || !g_queue_is_empty(&trial->products) || trial->items;
}

static int64_t
deadline(void *user)
{
    Trial *trial = user;
    int64_t due = kab_engine_next_deadline(trial->engine);
    int64_t patience_us = kab_executor_patience_us(trial->executor);
    /* The last thread out of the function does not say so. */
    if (kab_lines_are_read(trial->lines) || trial->error)
        patience_us = MIN(patience_us, 5000);
    if (patience_us == INT64_MAX)
        return due;
    return MIN(due, g_get_monotonic_time() + patience_us);
}

/* --- Made and ended ---------------------------------------------------- */

/* The binding's own, except for what would hide something: every line's
 * result is shown, in order, and a failed one is named. */
static KabEngineOptions
options_of(const Trial *trial)
{
    KabEngineOptions options = trial->settings->engine;
    size_t batch = kab_context_max_batch(trial->context);
    unsigned calls = kab_context_limit_in_flight(trial->context);
    if (batch)
        options.batch_count = MIN(options.batch_count, batch);
    if (calls)
        options.max_in_flight = MIN(options.max_in_flight, calls);
    options.threads = MIN(options.threads, options.max_in_flight);
    options.order = KAB_ORDER_ORDERED;
    options.delivery = KAB_DELIVERY_AT_LEAST_ONCE;
    options.on_failure = KAB_ON_FAILURE_DLQ;
    return options;
}

static bool
open_function(Trial *trial, GError **error)
{
    const KabBindingSettings *settings = trial->settings;
    const GArray *texts = settings->function_texts;
    trial->context = kab_context_new(settings->name, trial->function,
                                     (const void *)texts->data, texts->len,
                                     settings->engine.max_in_flight);
    if (!trial->function->open ||
        trial->function->open(trial->context, &trial->instance))
        return true;
    const char *why = kab_context_failure(trial->context);
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                "binding %s: function %s: %s", settings->name,
                trial->function->name, why ? why : "gave no reason");
    return false;
}

static GPtrArray *
list_topics(const KabBindingSettings *settings)
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
make(Trial *trial)
{
    static const KabLoopWork work = {.turn = turn, .deadline = deadline};
    const KabBindingSettings *settings = trial->settings;
    const char *topic = settings->input_topics[0];
    trial->topic = *topic == '^' ? "lines" : topic;
    trial->topics = list_topics(settings);
    trial->options = options_of(trial);
    trial->loop = kab_loop_new(&work, trial);
    trial->lines = kab_lines_new(trial->in, kab_loop_mailbox(trial->loop));
    trial->engine = kab_engine_new(&trial->options, &effects, trial);
    KabExecutorSetup setup = {
        .binding = settings->name,
        .function = trial->function,
        .instance = trial->instance,
        .has_output_topic = settings->output_topic != NULL,
        .topics = (const char *const *)trial->topics->pdata,
        .get_headers = no_headers,
        .threads = trial->options.threads,
        .mailbox = kab_loop_mailbox(trial->loop),
        .events = &events,
        .user = trial,
    };
    trial->executor = kab_executor_new(&setup);
    trial->partition = kab_engine_assigned(trial->engine, trial->topic, 0, NULL,
                                           g_get_monotonic_time());
}

static void
unmake(Trial *trial)
{
    kab_engine_free(trial->engine);
    kab_executor_free(trial->executor);
    kab_lines_free(trial->lines);
    kab_loop_free(trial->loop);
    g_ptr_array_unref(trial->topics);
}

static KabTryResult
run(Trial *trial)
{
    make(trial);
    kab_loop_run(trial->loop);
    const KabCounters *counters = kab_engine_counters(trial->engine);
    return (KabTryResult){
        .n_lines = trial->n_lines,
        .n_done = counters->records_finished[KAB_END_DONE],
        .n_dropped = counters->records_finished[KAB_END_DROPPED],
        .n_bad = counters->records_finished[KAB_END_REJECTED],
        .n_batches = counters->batch_records.count,
    };
}

bool
kab_try_run(const KabBindingSettings *settings,
            FILE *in,
            const char *in_name,
            KabTryResult *ret_result,
            GError **error)
{
    Trial *trial = g_new0(Trial, 1);
    trial->settings = settings;
    trial->function = settings->module.function;
    trial->in = in;
    trial->in_name = in_name;
    bool is_open = open_function(trial, error);
    if (is_open) {
        *ret_result = run(trial);
        /* A thread that waits for the next line, or is inside the function,
         * cannot be ended. */
        if (!kab_lines_are_read(trial->lines) || trial->leaves_calls) {
            ret_result->has_leaked = true;
            bool is_done = !trial->error;
            if (trial->error)
                g_propagate_error(error, trial->error);
            return is_done;
        }
        unmake(trial);
        if (trial->function->close)
            trial->function->close(trial->instance);
    }
    bool is_done = is_open && !trial->error;
    if (trial->error)
        g_propagate_error(error, trial->error);
    kab_context_free(trial->context);
    g_free(trial);
    return is_done;
}
