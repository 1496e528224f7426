/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: joins the modules of plugin/core. See engine.h.
 *
 * One turn (kab_engine_advance) does what events and time allow, until
 * nothing moves: timers, calls, sink, emission, commits, partitions. Each
 * module changes only what it owns; the modules after it in the turn act on
 * the change.
 */
#include "turn.h"

/* How long a record may be held before it is copied out. */
#define PARK_US KAB_SECOND

KabEngine *
kab_engine_new(const KabEngineOptions *options)
{
    KabEngine *engine = g_new0(KabEngine, 1);
    engine->options = *options;
    engine->random = options->seed;
    engine->metadata_cap = options->metadata_cap;
    engine->partitions = g_ptr_array_new();
    engine->resets =
        g_ptr_array_new_with_free_func((GDestroyNotify)kab_partition_free);
    engine->slot_chunks = g_ptr_array_new_with_free_func(g_aligned_free);
    kab_transaction_size_init(&engine->sink.size,
                              kab_sink_charge_limit(engine));
    engine->commit.asked_us = INT64_MIN / 2;
    engine->sink.ended_us = engine->sink.fenced_us = INT64_MIN / 2;
    engine->limiter.tokens = options->rate_limit_calls;
    kab_lanes_init(engine);
    kab_limits_update(engine);
    return engine;
}

void
kab_engine_connect(KabEngine *engine, const KabPorts *ports)
{
    g_assert(ports->n_sinks == 1);
    engine->ports = *ports;
}

static void
free_sets(KabEngine *engine)
{
    while (engine->free_sets) {
        KabSet *set = engine->free_sets;
        engine->free_sets = set->next;
        g_free(set->slots);
        g_free(set);
    }
}

static void
ignore_attempt(void *user, KabAttempt *attempt)
{
    (void)user;
    (void)attempt;
}

/* Frees slots that still wait for a report or an answer: none will come. */
static void
clear_reported_never(KabEngine *engine)
{
    while (engine->open_first)
        kab_call_end(engine, engine->open_first);
    for (guint i = 0; i < engine->slot_chunks->len; i++) {
        KabSlot *chunk = engine->slot_chunks->pdata[i];
        for (size_t j = 0; j < KAB_SLOT_CHUNK; j++)
            if (kab_slot_is_used(&chunk[j])) {
                chunk[j].references = chunk[j].unreported = 0;
                kab_slot_free(engine, &chunk[j]);
            }
    }
}

static void
forget_all(KabEngine *engine)
{
    while (engine->partitions->len) {
        KabPartition *partition = engine->partitions->pdata[0];
        kab_timers_disarm(&engine->timers, &partition->revoke_timer);
        kab_partition_drop_slots(engine, partition);
        kab_partition_forget_changes(engine, partition);
        g_ptr_array_remove_index(engine->partitions, 0);
        kab_partition_free(partition);
    }
}

void
kab_engine_free(KabEngine *engine)
{
    if (!engine)
        return;
    engine->is_draining = true;
    KabCallPort quiet = {0};
    if (engine->ports.call)
        quiet = *engine->ports.call;
    quiet.cancel = ignore_attempt;
    engine->ports.call = &quiet;
    kab_commit_clear(&engine->commit);
    kab_commit_clear(&engine->transaction);
    engine->commit.n = engine->transaction.n = 0;
    forget_all(engine);
    g_ptr_array_unref(engine->partitions);
    g_ptr_array_unref(engine->resets);
    clear_reported_never(engine);
    kab_calls_clear(engine);
    free_sets(engine);
    kab_lanes_clear(engine);
    kab_timers_clear(&engine->timers);
    g_ptr_array_unref(engine->slot_chunks);
    g_free(engine->stop_message);
    g_free(engine);
}

void
kab_engine_set_options(KabEngine *engine, const KabEngineOptions *options)
{
    engine->options = *options;
    kab_limits_update(engine);
    kab_limits_check_valves(engine);
    kab_lanes_forget_period(engine);
}

const KabEngineOptions *
kab_engine_get_options(const KabEngine *engine)
{
    return &engine->options;
}

void
kab_engine_set_joining(KabEngine *engine, bool is_joining)
{
    engine->is_joining = is_joining;
}

void
kab_engine_hold_commits(KabEngine *engine, int64_t until_us)
{
    engine->commit.held_until_us = until_us;
}

/* --- Stop -------------------------------------------------------------- */

void
kab_engine_fail(KabEngine *engine,
                KabStopReason reason,
                const char *message,
                int64_t now)
{
    kab_engine_set_now(engine, now);
    if (reason == KAB_STOP_SINK)
        kab_sink_give_up(engine, reason, message);
    else
        kab_engine_stop(engine, reason, message);
}

static void
tell_stop(KabEngine *engine)
{
    if (!engine->is_stopping || engine->stop_told)
        return;
    engine->stop_told = true;
    const KabPorts *ports = &engine->ports;
    ports->owner->stop(ports->owner_user, engine->stop_reason,
                       engine->stop_message);
}

static bool
is_sink_quiet(const KabEngine *engine)
{
    const KabSink *sink = &engine->sink;
    switch (sink->state) {
    case KAB_SINK_OPEN:
        if (sink->is_given_up)
            return !sink->unreported;
        return !sink->outgoing.n && !sink->unreported;
    case KAB_SINK_NONE:
    case KAB_SINK_OPENING:
    case KAB_SINK_READY:
    case KAB_SINK_RECOVERING:
    case KAB_SINK_LOST:
        if (sink->is_given_up)
            return true;
        return !sink->outgoing.n && !sink->unreported;
    case KAB_SINK_BEGINNING:
    case KAB_SINK_IN_TRANSACTION:
    case KAB_SINK_SETTLING:
    case KAB_SINK_ENDING:
    case KAB_SINK_ABORTING:
    case KAB_SINK_ABORTED:
        break;
    }
    return false;
}

/* Past the deadline an open transaction has one second left to be aborted. */
static bool
is_overdue_over(const KabEngine *engine)
{
    switch (engine->sink.state) {
    case KAB_SINK_IN_TRANSACTION:
    case KAB_SINK_SETTLING:
    case KAB_SINK_ABORTING:
    case KAB_SINK_ABORTED:
        return engine->now >= engine->overdue_us + KAB_SECOND;
    case KAB_SINK_NONE:
    case KAB_SINK_OPENING:
    case KAB_SINK_READY:
    case KAB_SINK_RECOVERING:
    case KAB_SINK_OPEN:
    case KAB_SINK_LOST:
    case KAB_SINK_BEGINNING:
    case KAB_SINK_ENDING:
        break;
    }
    return true;
}

static bool
has_flush(const KabEngine *engine)
{
    return engine->is_flushing && engine->ready_records;
}

bool
kab_engine_is_drained(const KabEngine *engine)
{
    if (!engine->is_draining)
        return false;
    if (engine->is_overdue)
        return is_overdue_over(engine);
    return !engine->in_flight && !has_flush(engine) && is_sink_quiet(engine) &&
           !engine->commit.is_outstanding && !kab_commit_is_wanted(engine);
}

bool
kab_engine_is_overdue(const KabEngine *engine)
{
    return engine->is_overdue;
}

/* --- Time -------------------------------------------------------------- */

/* A message that is held for long must not pin its fetch response. */
static void
detach_old(KabEngine *engine)
{
    int64_t limit = engine->now - PARK_US;
    for (guint i = 0; i < engine->partitions->len; i++) {
        KabPartition *partition = engine->partitions->pdata[i];
        for (KabSlot *slot = partition->slots.head;
             slot && slot->taken_us <= limit; slot = slot->in_partition.next)
            kab_slot_detach(engine, slot);
    }
}

static void
on_drain_time(KabEngine *engine)
{
    if (!engine->is_overdue)
        engine->overdue_us = engine->now;
    engine->is_overdue = true;
    engine->drain_timer.kind = KAB_TIMER_DRAIN;
    if (engine->now < engine->overdue_us + KAB_SECOND)
        kab_timers_arm(&engine->timers, &engine->drain_timer,
                       engine->overdue_us + KAB_SECOND);
}

static void
on_timer(KabEngine *engine, KabTimer *timer)
{
    switch (timer->kind) {
    case KAB_TIMER_RETRY:
        engine->n_sets_waiting--;
        kab_set_set_due(engine, timer->owner);
        break;
    case KAB_TIMER_CALL:
        kab_call_timed_out(engine, timer->owner);
        break;
    case KAB_TIMER_PAUSE:
        engine->limiter.paused_until = 0;
        break;
    case KAB_TIMER_REVOKE:
        engine->partitions_changed = true;
        break;
    case KAB_TIMER_DRAIN:
        on_drain_time(engine);
        break;
    case KAB_TIMER_PARK:
        detach_old(engine);
        break;
    case KAB_TIMER_PERIOD:
    case KAB_TIMER_RATE:
    case KAB_TIMER_COMMIT:
    case KAB_TIMER_TRANSACTION:
    case KAB_TIMER_SINK:
    case KAB_TIMER_FLUSH:
        break; /* they only wake the loop */
    }
}

static void
arm_park(KabEngine *engine)
{
    if (!engine->n_slots || kab_timer_is_armed(&engine->park_timer))
        return;
    engine->park_timer.kind = KAB_TIMER_PARK;
    kab_timers_arm(&engine->timers, &engine->park_timer, engine->now + PARK_US);
}

/* A check looks at every slot of the pool. */
static void
check_turn(KabEngine *engine)
{
    size_t slots = engine->slot_chunks->len * (size_t)KAB_SLOT_CHUNK;
    if (++engine->turns_unchecked * KAB_CHECK_SLOTS < slots)
        return;
    engine->turns_unchecked = 0;
    kab_engine_check(engine);
}

void
kab_engine_advance(KabEngine *engine, int64_t now)
{
    kab_engine_set_now(engine, now);
    for (KabTimer *timer;
         (timer = kab_timers_pop(&engine->timers, engine->now));)
        on_timer(engine, timer);
    uint64_t before;
    do {
        before = engine->moves;
        /* First, so that nothing is done for a lost partition. */
        kab_partitions_advance(engine);
        kab_calls_advance(engine);
        kab_sink_advance(engine);
        kab_emission_advance(engine);
        kab_commit_advance(engine);
        kab_partitions_advance(engine);
    } while (engine->moves != before);
    kab_sink_flush(engine);
    tell_stop(engine);
    arm_park(engine);
    if (KAB_CHECK_SLOTS)
        check_turn(engine);
}

int64_t
kab_engine_next_deadline(const KabEngine *engine)
{
    return kab_timers_next(&engine->timers);
}
