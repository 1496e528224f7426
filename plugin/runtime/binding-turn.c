/* SPDX-License-Identifier: Apache-2.0 */
/* A binding's life on its loop: made, turned, drained, left, unmade.
 *
 *   starting -> running -> draining -> leaving -> stopped
 *      ^                                  |
 *      +------- with new clients ---------+
 *
 * Upstream first: the engine drains (it takes no more records, and finishes and
 * commits what is called), the member leaves its group, the producer is closed,
 * everything is freed, then binding.c closes the function. What cannot be ended
 * in time is leaked: librdkafka's destroy would hang while a message is alive
 * or a close is unfinished, and a module cannot be unloaded while its function
 * never returns.
 */
#include "binding-internal.h"

#include <inttypes.h>

#define SECOND G_USEC_PER_SEC
/* Minimum time for a call that has just been answered to return. */
#define RETURN_US (SECOND / 2)

void
kab_binding_set_state(KabBinding *binding, KabState state)
{
    g_assert(state > binding->state);
    kab_log(KAB_LOG_INFO, binding->settings->name, "%s -> %s",
            kab_state_name(binding->state), kab_state_name(state));
    binding->state = state;
}

static void
start_draining(KabBinding *binding, int64_t now)
{
    if (binding->state >= KAB_STATE_DRAINING)
        return;
    kab_engine_drain(binding->engine, now);
    kab_source_part(binding->source, now);
    kab_binding_set_state(binding, KAB_STATE_DRAINING);
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
        kab_binding_set_state(binding, KAB_STATE_RUNNING);
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
    kab_binding_set_state(binding, KAB_STATE_LEAVING);
    binding->return_end_us = MAX(binding->drain_end_us, now + RETURN_US);
    binding->leave_end_us = binding->drain_end_us + KAB_LEAVE_US;
    kab_source_close(binding->source);
}

/* Logs what the shutdown was waiting for in vain. */
static void
give_up(KabBinding *binding)
{
    const char *name = binding->settings->name;
    binding->has_leaked = true;
    if (!kab_source_is_closed(binding->source))
        kab_log(KAB_LOG_WARNING, name,
                "LeaveGroup was not answered within shutdown.timeout: left "
                "without it; the group's other members get these partitions "
                "when session.timeout.ms is over");
    else if (!kab_producer_is_closed(binding->producer))
        kab_log(KAB_LOG_WARNING, name,
                "the producer did not close within shutdown.timeout: left as "
                "it is; the broker aborts a transaction that is open after "
                "transaction.timeout.ms");
    else
        kab_log(KAB_LOG_WARNING, name,
                "function %s has not returned from calls that timed out: "
                "close() is not called",
                binding->function->name);
}

/* True: the group is left and the producer closed, or both were given up. */
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

/* Advances the state of the binding. True: it moved on. */
static bool
advance_state(KabBinding *binding, int64_t now)
{
    KabState before = binding->state;
    if (atomic_load(&binding->is_stop_asked) || binding->error ||
        binding->is_to_renew)
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

/* Records left in the queue while the engine wanted none raise no event, so
 * when the engine wants records again, the loop must turn again. */
static bool
turn_binding(void *user)
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
    kab_binding_heed_limits(binding);
    kab_engine_advance(binding->engine, now);
    kab_binding_turn_watch(binding, now);
    has_moved |= was_full && kab_engine_want(binding->engine) > 0;
    return advance_state(binding, now) || has_moved;
}

/* At least once a second, so that the watchdog sees the loop turn. */
static int64_t
binding_deadline(void *user)
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

static const KabLoopWork work = {.turn = turn_binding,
                                 .deadline = binding_deadline};

/* --- From the start to the end ------------------------------------------ */

/* Thread: any. */
static void
on_ceilings(void *user)
{
    KabBinding *binding = user;
    atomic_store(&binding->are_limits_changed, true);
    kab_mailbox_kick(kab_loop_mailbox(binding->loop));
}

static bool
start_loop(KabBinding *binding, GError **error)
{
    KabLoop *loop = kab_loop_new(&work, binding, error);
    if (!loop)
        return false;
    pthread_mutex_lock(&binding->mutex);
    binding->loop = loop;
    binding->takes_requests = true;
    pthread_mutex_unlock(&binding->mutex);
    kab_context_watch_ceilings(binding->instance->context, on_ceilings,
                               binding);
    /* Options and ceilings may have changed since they were read. */
    atomic_store(&binding->are_limits_changed, true);
    int64_t now = g_get_monotonic_time();
    atomic_store(&binding->turned_us, now);
    kab_binding_start_watch(binding, now);
    return true;
}

static void
end_loop(KabBinding *binding)
{
    int64_t now = g_get_monotonic_time();
    atomic_store(&binding->turned_us, 0);
    kab_binding_end_requests(binding, kab_binding_make_snapshot(binding, now));
    kab_binding_end_watch(binding);
}

static void
note_fault(KabBinding *binding, KabError code, const GError *error)
{
    g_set_error(&binding->error, KAB_ERROR, code, "binding %s: %s",
                binding->settings->name, error->message);
}

/* The configuration has made clients before: a second run fails for want of
 * something else. */
static void
run_once(KabBinding *binding)
{
    g_autoptr(GError) error = NULL;
    if (kab_binding_make(binding, &error)) {
        kab_loop_run(binding->loop);
        return;
    }
    note_fault(binding,
               binding->renewed_us ? KAB_ERROR_UNAVAILABLE : KAB_ERROR_CONFIG,
               error);
    binding->has_leaked = false;
}

/* True: it is to run again, with new clients. */
static bool
renew(KabBinding *binding)
{
    if (!binding->is_to_renew || atomic_load(&binding->is_stop_asked))
        return false;
    if (binding->has_leaked) {
        if (!binding->error)
            g_set_error(&binding->error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                        "binding %s: %s; it cannot begin again in this process",
                        binding->settings->name, binding->last_error);
        return false;
    }
    kab_mailbox_deliver(kab_loop_mailbox(binding->loop), binding);
    kab_binding_unmake(binding);
    g_clear_error(&binding->error);
    binding->is_to_renew = false;
    binding->n_left = 0;
    binding->renewed_us = g_get_monotonic_time();
    kab_log(KAB_LOG_INFO, binding->settings->name, "%s -> %s",
            kab_state_name(binding->state), kab_state_name(KAB_STATE_STARTING));
    binding->state = KAB_STATE_STARTING;
    atomic_store(&binding->are_limits_changed, true);
    return true;
}

void
kab_binding_live(KabBinding *binding)
{
    g_autoptr(GError) error = NULL;
    kab_binding_limit_options(binding);
    if (!start_loop(binding, &error)) {
        note_fault(binding, error->code, error);
        return;
    }
    do
        run_once(binding);
    while (renew(binding));
    end_loop(binding);
    if (!binding->has_leaked)
        kab_binding_unmake(binding);
}
