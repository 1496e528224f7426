/* SPDX-License-Identifier: Apache-2.0 */
/* Why a binding is not ready; checked once a second on its loop. */
#include "binding-internal.h"

#include <inttypes.h>

#define SECOND G_USEC_PER_SEC
/* A dead broker must show within 10 s. */
#define SILENCE_US (7 * SECOND)

/* --- Obstacles, the most basic one first ------------------------------- */

static char *
dup_stop_reason(const KabBinding *binding, const KabBindingSnapshot *snapshot)
{
    if (binding->error)
        return g_strdup(binding->error->message);
    return g_strdup(snapshot->state == KAB_STATE_STOPPED ? "it has stopped"
                                                         : "it stops");
}

/* The coordinator answers JoinGroup only when every member has joined, and the
 * client sends it no other request until then. */
static char *
dup_silence(const KabBinding *binding,
            const KabSourceState *source,
            int64_t silence_us)
{
    if (source->is_joining)
        return g_strdup_printf(
            "no broker has answered for %" PRIi64 " s, nor the coordinator of "
            "group %s its JoinGroup: it waits for other members, each until "
            "its session.timeout.ms is over, or cannot be reached",
            silence_us / SECOND, binding->settings->group);
    return g_strdup_printf("no broker has answered for %" PRIi64 " s",
                           silence_us / SECOND);
}

/* A refused request is tried again every second or two. */
static const char *
recent_source_error(const KabBinding *binding, int64_t now)
{
    bool is_recent =
        binding->source_error && now - binding->source_error_us < SILENCE_US;
    return is_recent ? binding->source_error : NULL;
}

static char *
dup_broker_reason(const KabBinding *binding,
                  const KabBindingSnapshot *snapshot,
                  int64_t now)
{
    const KabSourceState *source = &snapshot->source;
    const char *error = recent_source_error(binding, now);
    if (source->has_silent_broker)
        return g_strdup_printf("broker %s does not answer%s%s",
                               source->silent_broker, error ? "; " : "",
                               error ? error : "");
    /* The client repeats itself every 30 s, and there is no other error yet. */
    if (!source->answered_us)
        return g_strdup_printf(
            "no broker has answered yet%s%s", binding->source_error ? "; " : "",
            binding->source_error ? binding->source_error : "");
    if (now - source->answered_us > SILENCE_US)
        return dup_silence(binding, source, now - source->answered_us);
    return NULL;
}

static char *
dup_producer_reason(const KabBinding *binding,
                    const KabBindingSnapshot *snapshot,
                    int64_t now)
{
    const KabProducerState *producer = &snapshot->producer;
    return producer->is_ready ? NULL : g_strdup(producer->waits_for);
}

static char *
dup_topic_reason(const KabBinding *binding,
                 const KabBindingSnapshot *snapshot,
                 int64_t now)
{
    return g_strdup(snapshot->source.waits_for);
}

static char *
dup_group_reason(const KabBinding *binding,
                 const KabBindingSnapshot *snapshot,
                 int64_t now)
{
    if (snapshot->source.is_member)
        return NULL;
    const char *error = recent_source_error(binding, now);
    return g_strdup_printf("waits for its place in group %s%s%s",
                           binding->settings->group, error ? "; " : "",
                           error ? error : "");
}

static char *
dup_transaction_reason(const KabBinding *binding,
                       const KabBindingSnapshot *snapshot,
                       int64_t now)
{
    size_t n = snapshot->source.n_waiting_for_transaction;
    return n ? g_strdup_printf("%zu partitions wait for an open transaction "
                               "of a previous owner",
                               n)
             : NULL;
}

/* What the function reports itself takes precedence over what is observed. */
static char *
dup_function_reason(const KabBinding *binding,
                    const KabBindingSnapshot *snapshot,
                    int64_t now)
{
    char *waiting = binding->instance
                        ? kab_context_dup_waiting(binding->instance->context)
                        : NULL;
    if (waiting)
        return waiting;
    const KabEngineOptions *options = kab_engine_get_options(binding->engine);
    unsigned n = snapshot->engine.calls_abandoned;
    if (n < MIN(options->threads, options->max_in_flight))
        return NULL;
    return g_strdup_printf("the function does not return: %u calls that timed "
                           "out are still inside it",
                           n);
}

static char *
dup_overload_reason(const KabBinding *binding,
                    const KabBindingSnapshot *snapshot,
                    int64_t now)
{
    if (!snapshot->engine.is_paused)
        return NULL;
    return g_strdup_printf(
        "%s: %s",
        binding->is_overloaded ? "paused by overload"
                               : "no call succeeds, and one at a time is tried",
        binding->last_error ? binding->last_error : "no reason");
}

static char *
dup_stall_reason(const KabBinding *binding,
                 const KabBindingSnapshot *snapshot,
                 int64_t now)
{
    return snapshot->stall.topic ? kab_stall_dup_sentence(&snapshot->stall)
                                 : NULL;
}

typedef char *DupReason(const KabBinding *binding,
                        const KabBindingSnapshot *snapshot,
                        int64_t now);

static const struct {
    KabObstacle obstacle;
    DupReason *dup_reason;
} obstacles[] = {
    {KAB_OBSTACLE_BROKER, dup_broker_reason},
    {KAB_OBSTACLE_PRODUCER, dup_producer_reason},
    {KAB_OBSTACLE_TOPIC, dup_topic_reason},
    {KAB_OBSTACLE_GROUP, dup_group_reason},
    {KAB_OBSTACLE_TRANSACTION, dup_transaction_reason},
    {KAB_OBSTACLE_FUNCTION, dup_function_reason},
    {KAB_OBSTACLE_OVERLOAD, dup_overload_reason},
    {KAB_OBSTACLE_STALL, dup_stall_reason},
};

void
kab_binding_find_obstacle(const KabBinding *binding,
                          KabBindingSnapshot *snapshot,
                          int64_t now)
{
    if (snapshot->state >= KAB_STATE_DRAINING || binding->error) {
        snapshot->obstacle = KAB_OBSTACLE_STOP;
        snapshot->reason = dup_stop_reason(binding, snapshot);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(obstacles) && !snapshot->reason; i++) {
        snapshot->obstacle = obstacles[i].obstacle;
        snapshot->reason = obstacles[i].dup_reason(binding, snapshot, now);
    }
    if (!snapshot->reason)
        snapshot->obstacle = KAB_OBSTACLE_NONE;
}

/* --- Stalls ------------------------------------------------------------ */

void
kab_binding_find_stall(const KabBinding *binding,
                       KabBindingSnapshot *snapshot,
                       int64_t now)
{
    KabStall stall;
    if (!kab_engine_find_stall(binding->engine, now, &stall) &&
        !kab_intake_find_stall(binding->watch.intake, now, &stall))
        return;
    snapshot->stall = stall;
    snapshot->stall.topic = g_strdup(stall.topic);
}

/* --- A function that does not answer ------------------------------------ */

/* A function counts as silent after this time or after this many times the
 * usual duration of its calls, whichever is longer. */
#define SILENT_FUNCTION_US (8 * SECOND)
enum { USUAL_CALLS = 4 };

static int64_t
patience_us(const KabCounters *counters)
{
    uint64_t n = counters->call_us.count;
    int64_t usual_us = n ? (int64_t)(counters->call_us.sum / n) : 0;
    return MAX(SILENT_FUNCTION_US, USUAL_CALLS * usual_us);
}

static void
log_answer_again(KabBinding *binding, int64_t silent_us)
{
    g_autofree char *message =
        g_strdup_printf("the function answers again: it gave no answer for "
                        "%" PRIi64 " s",
                        silent_us / SECOND);
    kab_binding_log(binding, KAB_LOG_INFO, KAB_NOWHERE, message);
}

static void
log_silence(KabBinding *binding, unsigned n_calls, int64_t silent_us)
{
    g_autofree char *message = g_strdup_printf(
        "the function has given no answer for %" PRIi64 " s (calls in "
        "flight: %u)",
        silent_us / SECOND, n_calls);
    kab_binding_log(binding, KAB_LOG_WARNING, KAB_NOWHERE, message);
}

static void
watch_function(KabBinding *binding,
               const KabBindingSnapshot *snapshot,
               int64_t now)
{
    KabWatch *watch = &binding->watch;
    const KabCounters *counters = &snapshot->counters;
    uint64_t n_answers = 0;
    for (size_t i = 0; i < KAB_N_CALL_RESULTS; i++)
        n_answers += counters->calls[i];
    int64_t silent_us = now - watch->answered_us;
    if (n_answers != watch->n_answers || !snapshot->engine.calls_in_flight) {
        if (watch->is_silence_told && n_answers != watch->n_answers)
            log_answer_again(binding, silent_us);
        watch->is_silence_told = false;
        watch->n_answers = n_answers;
        watch->answered_us = now;
    } else if (!watch->is_silence_told && silent_us >= patience_us(counters)) {
        watch->is_silence_told = true;
        log_silence(binding, snapshot->engine.calls_in_flight, silent_us);
    }
}

/* --- Watched ----------------------------------------------------------- */

static void
log_readiness(KabBinding *binding,
              const KabBindingSnapshot *snapshot,
              int64_t now)
{
    KabLogLevel level;
    g_autofree char *sentence =
        kab_readiness_note(&binding->watch.readiness, snapshot->obstacle,
                           snapshot->reason, now, &level);
    if (!sentence)
        return;
    KabPlace place = KAB_NOWHERE;
    if (snapshot->obstacle == KAB_OBSTACLE_STALL)
        place = (KabPlace){snapshot->stall.topic, snapshot->stall.number,
                           snapshot->stall.offset};
    kab_binding_log(binding, level, place, sentence);
}

void
kab_binding_start_watch(KabBinding *binding, int64_t now)
{
    binding->watch = (KabWatch){
        .readiness = {.since_us = now},
        .intake = kab_intake_new(),
    };
}

void
kab_binding_turn_watch(KabBinding *binding, int64_t now)
{
    if (now < binding->watch.due_us)
        return;
    binding->watch.due_us = now + SECOND;
    KabBindingSnapshot *snapshot = kab_binding_make_snapshot(binding, now);
    kab_intake_look(binding->watch.intake, snapshot,
                    binding->options.stall_timeout_us, now);
    watch_function(binding, snapshot, now);
    log_readiness(binding, snapshot, now);
    snapshot->ready_since_us = binding->watch.readiness.since_us;
    kab_binding_keep_snapshot(binding, snapshot);
}

void
kab_binding_end_watch(KabBinding *binding)
{
    g_clear_pointer(&binding->watch.intake, kab_intake_free);
}
