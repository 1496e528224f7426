/* SPDX-License-Identifier: Apache-2.0 */
/* A binding's life on its loop: made, turned, drained, left, unmade.
 *
 *   starting -> running -> draining -> leaving -> stopped
 *
 * Upstream first: the engine drains (nothing is taken, what is called is
 * finished and committed), the member leaves its group, then the producer
 * ends, then everything is freed. What cannot be ended in time is leaked:
 * librdkafka's destroy would hang while a message lives or a close has not
 * ended, and a function that never returns cannot be unloaded.
 */
#include "binding-internal.h"

#include <inttypes.h>

#define SECOND G_USEC_PER_SEC
/* Leaving takes milliseconds; with its broker gone, 5 s (LeaveGroup's own
 * limit). This long at least, whatever shutdown.timeout has left. */
#define LEAVE_US (6 * SECOND)
/* So long at least for a call that has just been answered to return. */
#define RETURN_US (SECOND / 2)
#define MISSING_TOPIC_US (60 * SECOND)

static void
set_state(KabBinding *binding, KabState state)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_STATE_##NAME] = text,
        KAB_STATES(X)
#undef X
    };
    g_assert(state > binding->state);
    kab_log(KAB_LOG_INFO, binding->settings->name, "%s -> %s",
            names[binding->state], names[state]);
    binding->state = state;
}

/* --- Made -------------------------------------------------------------- */

KabBinding *
kab_binding_new(const KabBindingSettings *settings,
                const KabFunction *function,
                void (*on_ended)(void *user),
                void *user)
{
    KabBinding *binding = g_new0(KabBinding, 1);
    binding->settings = settings;
    binding->function = function;
    binding->on_ended = on_ended;
    binding->user = user;
    pthread_mutex_init(&binding->mutex, NULL);
    pthread_mutex_init(&binding->lines.mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&binding->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    return binding;
}

bool
kab_binding_open(KabBinding *binding, GError **error)
{
    const KabBindingSettings *settings = binding->settings;
    GArray *texts = settings->function_texts;
    binding->context =
        kab_context_new(settings->name, binding->function, (void *)texts->data,
                        texts->len, settings->engine.max_in_flight);
    if (binding->function->open &&
        !binding->function->open(binding->context, &binding->instance)) {
        const char *why = kab_context_failure(binding->context);
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "binding %s: function %s: %s", settings->name,
                    binding->function->name, why ? why : "gave no reason");
        return false;
    }
    binding->is_open = true;
    binding->options = kab_binding_limit_options(binding, settings);
    return true;
}

static void
list_topics(KabBinding *binding)
{
    const KabBindingSettings *settings = binding->settings;
    g_autoptr(GPtrArray) topics = g_ptr_array_new();
    if (settings->output_topic)
        g_ptr_array_add(topics, settings->output_topic);
    for (char **topic = settings->output_topics; topic && *topic; topic++)
        g_ptr_array_add(topics, *topic);
    g_autoptr(GPtrArray) outputs = g_ptr_array_copy(topics, NULL, NULL);
    if (settings->dead_letter_topic)
        g_ptr_array_add(outputs, settings->dead_letter_topic);
    g_ptr_array_add(topics, NULL);
    g_ptr_array_add(outputs, NULL);
    binding->topics = (char **)g_ptr_array_steal(topics, NULL);
    binding->outputs = (char **)g_ptr_array_steal(outputs, NULL);
}

static bool
make_source(KabBinding *binding, GError **error)
{
    const KabBindingSettings *settings = binding->settings;
    KabSourceSetup setup = {
        .edge = &binding->source_edge,
        .engine = binding->engine,
        .group = settings->group,
        .topics = (const char *const *)settings->input_topics,
        .outputs = (const char *const *)binding->outputs,
        .properties = (void *)settings->consumer->data,
        .n_properties = settings->consumer->len,
        .passes_headers = settings->passes_headers,
        .missing_topic_us = MISSING_TOPIC_US,
    };
    binding->source = kab_source_new(&setup, error);
    return binding->source != NULL;
}

static bool
make_producer(KabBinding *binding, GError **error)
{
    const KabBindingSettings *settings = binding->settings;
    KabProducerSetup setup = {
        .edge = &binding->edge,
        .engine = binding->engine,
        .source = binding->source,
        .delivery = settings->engine.delivery,
        .group = settings->group,
        .output_topic = settings->output_topic,
        .output_topics = (const char *const *)settings->output_topics,
        .dead_letter_topic = settings->dead_letter_topic,
        .input_topics = (const char *const *)settings->input_topics,
        .partition_is_same = settings->partition_is_same,
        .timestamp_is_now = settings->timestamp_is_now,
        .passes_headers = settings->passes_headers,
        .transactional_id = settings->transactional_id,
        .properties = (void *)settings->producer->data,
        .n_properties = settings->producer->len,
        .missing_topic_us = MISSING_TOPIC_US,
    };
    binding->producer = kab_producer_new(&setup, error);
    return binding->producer != NULL;
}

static void
make_executor(KabBinding *binding)
{
    KabExecutorSetup setup = {
        .binding = binding->settings->name,
        .function = binding->function,
        .instance = binding->instance,
        .has_output_topic = binding->settings->output_topic != NULL,
        .topics = (const char *const *)binding->topics,
        .get_headers = kab_source_get_headers,
        .threads = binding->options.threads,
        .mailbox = kab_loop_mailbox(binding->loop),
        .events = &kab_binding_executor_events,
        .user = binding,
    };
    binding->executor = kab_executor_new(&setup);
}

static bool
make(KabBinding *binding, GError **error)
{
    binding->edge = (KabEdge){
        .user = binding,
        .binding = binding->settings->name,
        .log = kab_binding_log,
        .wake_fd = kab_mailbox_fd(kab_loop_mailbox(binding->loop)),
    };
    binding->source_edge = binding->edge;
    binding->source_edge.log = kab_binding_log_of_source;
    list_topics(binding);
    binding->engine =
        kab_engine_new(&binding->options, &kab_binding_effects, binding);
    make_executor(binding);
    return make_source(binding, error) && make_producer(binding, error);
}

/* --- Turned ------------------------------------------------------------ */

static void
start_draining(KabBinding *binding, int64_t now)
{
    if (binding->state >= KAB_STATE_DRAINING)
        return;
    kab_engine_drain(binding->engine, now);
    kab_source_part(binding->source, now);
    set_state(binding, KAB_STATE_DRAINING);
    binding->drain_end_us = now + binding->options.shutdown_timeout_us;
}

static void
watch_start(KabBinding *binding, int64_t now)
{
    KabSourceState source;
    KabProducerState producer;
    kab_source_get_state(binding->source, now, &source);
    kab_producer_get_state(binding->producer, &producer);
    if (source.is_member && producer.is_ready)
        set_state(binding, KAB_STATE_RUNNING);
}

static void
note_unfinished(KabBinding *binding, int64_t now)
{
    KabEngineState engine;
    kab_engine_get_state(binding->engine, now, &engine);
    binding->n_left = engine.records;
    if (!kab_engine_is_overdue(binding->engine))
        return;
    unsigned calls = engine.calls_in_flight + engine.calls_abandoned;
    binding->has_leaked = calls || engine.emitted;
    if (!binding->error)
        g_set_error(&binding->error, KAB_ERROR, KAB_ERROR_UNFINISHED,
                    "binding %s: %zu records were not finished within "
                    "shutdown.timeout and will be delivered again (%u calls "
                    "not answered, %zu records not acknowledged, %zu never "
                    "called)",
                    binding->settings->name, engine.records, calls,
                    engine.emitted, engine.never_called);
}

static void
start_leaving(KabBinding *binding, int64_t now)
{
    note_unfinished(binding, now);
    set_state(binding, KAB_STATE_LEAVING);
    binding->return_end_us = MAX(binding->drain_end_us, now + RETURN_US);
    binding->leave_end_us = MAX(binding->drain_end_us, now + LEAVE_US);
    kab_source_close(binding->source);
}

/* Says what the end waited for in vain. */
static void
give_up(KabBinding *binding)
{
    const char *name = binding->settings->name;
    binding->has_leaked = true;
    if (!kab_source_is_closed(binding->source))
        kab_log(KAB_LOG_WARNING, name,
                "leaving the group did not end in time: given up");
    else if (!kab_producer_is_closed(binding->producer))
        kab_log(KAB_LOG_WARNING, name,
                "the producer did not end in time: given up");
    else
        kab_log(KAB_LOG_WARNING, name,
                "function %s has not returned from calls that timed out: it "
                "is not closed",
                binding->function->name);
}

/* True: the group is left and the producer ended, or given up. */
static bool
has_left(KabBinding *binding, int64_t now)
{
    if (now >= binding->leave_end_us) {
        give_up(binding);
        return true;
    }
    if (!kab_source_is_closed(binding->source))
        return false;
    if (binding->has_leaked)
        return true;
    kab_producer_close(binding->producer);
    binding->has_leaked = kab_producer_has_leaked(binding->producer);
    if (!kab_producer_is_closed(binding->producer))
        return false;
    if (kab_executor_is_idle(binding->executor))
        return true;
    if (now < binding->return_end_us)
        return false;
    give_up(binding);
    return true;
}

/* True: it moved on. */
static bool
live(KabBinding *binding, int64_t now)
{
    KabState before = binding->state;
    if (atomic_load(&binding->is_stop_asked) || binding->error)
        start_draining(binding, now);
    switch (binding->state) {
    case KAB_STATE_STARTING:
        watch_start(binding, now);
        break;
    case KAB_STATE_DRAINING:
        if (kab_engine_is_drained(binding->engine))
            start_leaving(binding, now);
        break;
    case KAB_STATE_LEAVING:
        if (has_left(binding, now))
            kab_loop_quit(binding->loop);
        break;
    case KAB_STATE_RUNNING:
    case KAB_STATE_STOPPED:
        break;
    }
    return binding->state != before;
}

/* Records that were left in the queue when the engine wanted no more give no
 * event: when it wants again, it turns again. */
static bool
turn(void *user)
{
    KabBinding *binding = user;
    int64_t now = g_get_monotonic_time();
    atomic_store_explicit(&binding->turned_us, now, memory_order_relaxed);
    bool has_moved =
        kab_mailbox_deliver(kab_loop_mailbox(binding->loop), binding) > 0;
    bool was_full = kab_engine_want(binding->engine) == 0;
    has_moved |= kab_source_turn(binding->source, now);
    has_moved |= kab_producer_turn(binding->producer, now);
    kab_executor_turn(binding->executor);
    kab_engine_advance(binding->engine, now);
    has_moved |= was_full && kab_engine_want(binding->engine) > 0;
    return live(binding, now) || has_moved;
}

/* At least once a second, so that others see it turn. */
static int64_t
deadline(void *user)
{
    KabBinding *binding = user;
    int64_t now = g_get_monotonic_time();
    int64_t due = now + SECOND;
    due = MIN(due, kab_engine_next_deadline(binding->engine));
    due = MIN(due, kab_source_deadline(binding->source));
    due = MIN(due, kab_producer_deadline(binding->producer));
    int64_t patience = kab_executor_patience_us(binding->executor);
    if (binding->state == KAB_STATE_LEAVING)
        patience = MIN(patience, 5000);
    return MIN(due, patience == INT64_MAX ? due : now + patience);
}

static const KabLoopWork work = {.turn = turn, .deadline = deadline};

/* --- Unmade ------------------------------------------------------------ */

static void
unmake(KabBinding *binding)
{
    kab_engine_free(g_steal_pointer(&binding->engine));
    kab_producer_free(g_steal_pointer(&binding->producer));
    kab_source_free(g_steal_pointer(&binding->source));
    kab_executor_free(g_steal_pointer(&binding->executor));
}

static gpointer
run(gpointer data)
{
    KabBinding *binding = data;
    g_autoptr(GError) error = NULL;
    if (make(binding, &error)) {
        kab_loop_run(binding->loop);
    } else {
        g_set_error(&binding->error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "binding %s: %s", binding->settings->name, error->message);
        binding->has_leaked = false;
    }
    int64_t now = g_get_monotonic_time();
    set_state(binding, KAB_STATE_STOPPED);
    KabBindingSnapshot *last = kab_binding_make_snapshot(binding, now);
    kab_binding_end_requests(binding, last);
    if (!binding->has_leaked)
        unmake(binding);
    atomic_store(&binding->has_ended, true);
    binding->on_ended(binding->user);
    return NULL;
}

void
kab_binding_start(KabBinding *binding)
{
    binding->loop = kab_loop_new(&work, binding);
    atomic_store(&binding->turned_us, g_get_monotonic_time());
    pthread_mutex_lock(&binding->mutex);
    binding->takes_requests = true;
    pthread_mutex_unlock(&binding->mutex);
    g_autofree char *name =
        g_strdup_printf("kab:%.11s", binding->settings->name);
    binding->thread = g_thread_new(name, run, binding);
}

bool
kab_binding_was_started(const KabBinding *binding)
{
    return binding->thread != NULL;
}

void
kab_binding_refuse(KabBinding *binding, const GError *error)
{
    binding->error = g_error_copy(error);
    set_state(binding, KAB_STATE_STOPPED);
    KabBindingSnapshot *last = g_new0(KabBindingSnapshot, 1);
    last->name = g_strdup(binding->settings->name);
    last->state = KAB_STATE_STOPPED;
    last->reason = g_strdup(error->message);
    binding->snapshot = last;
    atomic_store(&binding->has_ended, true);
}

void
kab_binding_stop(KabBinding *binding)
{
    atomic_store(&binding->is_stop_asked, true);
    if (binding->loop)
        kab_mailbox_kick(kab_loop_mailbox(binding->loop));
}

/* --- Ended ------------------------------------------------------------- */

bool
kab_binding_has_ended(const KabBinding *binding)
{
    return atomic_load(&binding->has_ended);
}

const GError *
kab_binding_error(const KabBinding *binding)
{
    return binding->error;
}

bool
kab_binding_has_leaked(const KabBinding *binding)
{
    return binding->has_leaked;
}

size_t
kab_binding_n_left(const KabBinding *binding)
{
    return binding->n_left;
}

int64_t
kab_binding_turned_us(const KabBinding *binding)
{
    return atomic_load(&binding->turned_us);
}

void
kab_binding_free(KabBinding *binding)
{
    if (!binding || binding->has_leaked)
        return;
    if (binding->thread)
        g_thread_join(binding->thread);
    if (binding->is_open && binding->function->close)
        binding->function->close(binding->instance);
    kab_context_free(binding->context);
    kab_loop_free(binding->loop);
    kab_binding_snapshot_free(binding->snapshot);
    pthread_cond_destroy(&binding->answered);
    pthread_mutex_destroy(&binding->mutex);
    pthread_mutex_destroy(&binding->lines.mutex);
    g_clear_error(&binding->error);
    g_free(binding->last_error);
    g_free(binding->source_error);
    g_free(binding->topics);
    g_free(binding->outputs);
    g_free(binding);
}
