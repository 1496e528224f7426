/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch: which set is called next, and what a time-out means.
 *
 * A free call slot and a rate token go to the oldest set that is due again,
 * then to a new batch, formed at that moment.
 */
#include "turn.h"

static void
fill_call(KabCall *call, KabSet *set)
{
    const KabRoom room = *call->room;
    KabSlot *const *slots = set->slots;
    for (size_t i = 0, n = set->n; i < n; i++) {
        KabSlot *slot = slots[i];
        room.slots[i] = slot;
        room.records[i] = slot->record;
        room.messages[i] = slot->message;
        room.results[i] = (KabResult){0};
        slot->call = call;
        slot->calls++;
        slot->partition->n_called++;
    }
}

static void
count_dispatch(KabEngine *engine, KabSet *set)
{
    KabCounters *counters = &engine->counters;
    KabTrigger trigger = set->is_first ? set->trigger : KAB_TRIGGER_RETRY;
    if (!set->is_first)
        counters->records_retried += set->n;
    set->is_first = false;
    counters->batches[trigger]++;
    kab_histogram_add(&counters->batch_records, set->n);
}

/* Whoever dies takes every call with it that it was working on. The next crash
 * of a single record is its last: that call is made with no other in flight, so
 * that no record is blamed for another one's crash. */
static bool
must_be_alone(const KabSet *set)
{
    return set->n == 1 && set->crashes;
}

static void
dispatch_set(KabEngine *engine, KabSet *set)
{
    KabCall *call = kab_call_open(engine, set->n);
    fill_call(call, set);
    call->set = set;
    set->call = call;
    call->wanted = set->n;
    call->attempt.number = ++set->number;
    kab_limits_dispatched(engine, call);
    engine->is_alone = must_be_alone(set);
    kab_limiter_take(engine);
    count_dispatch(engine, set);
    engine->ports.call->invoke(engine->ports.call_user, &call->attempt);
}

static bool
may_call(KabEngine *engine)
{
    unsigned slots = engine->limits.calls;
    unsigned threads = MIN(engine->options.threads, slots);
    bool is_kept_alone = engine->in_flight && engine->is_alone;
    return !engine->is_stopping && !engine->is_overdue && !is_kept_alone &&
           engine->in_flight < slots && engine->abandoned < threads;
}

/* The due set to be called next. One above the learned ceiling is halved; no
 * call is counted for it. */
static KabSet *
find_due(KabEngine *engine)
{
    KabSet *set;
    while ((set = kab_set_find_due(engine)) && engine->ceiling &&
           set->n > engine->ceiling) {
        kab_set_take_due(engine);
        kab_set_halve(engine, set, 0, false, false);
    }
    return set;
}

/* While probing, a set that was probed with before lets a new batch go first,
 * every other time: the set may be the cause itself. */
static KabSet *
next_set(KabEngine *engine)
{
    KabTrigger trigger;
    bool has_batch = kab_buffer_is_triggered(engine, &trigger);
    KabSet *due = engine->is_draining ? NULL : find_due(engine);
    bool yields = engine->limiter.is_probing && has_batch && due &&
                  due->uncounted > 1 && (due->uncounted & 1);
    if (due && must_be_alone(due) && engine->in_flight)
        return NULL;
    if (due && !yields)
        return kab_set_take_due(engine);
    return has_batch ? kab_buffer_form(engine, trigger) : NULL;
}

static bool
has_work(KabEngine *engine)
{
    return (engine->due_first && !engine->is_draining) || engine->ready_records;
}

void
kab_calls_advance(KabEngine *engine)
{
    if (engine->is_flushing && kab_limiter_is_paused(engine))
        engine->is_flushing = false;
    kab_buffer_arm_period(engine);
    while (has_work(engine) && may_call(engine)) {
        if (!kab_limiter_allows(engine))
            return;
        KabSet *set = next_set(engine);
        if (!set)
            return;
        dispatch_set(engine, set);
        kab_buffer_arm_period(engine);
    }
}

void
kab_call_timed_out(KabEngine *engine, KabCall *call)
{
    KabSet *set = g_steal_pointer(&call->set);
    for (size_t i = 0; i < call->attempt.n; i++)
        if (call->room->slots[i]->call == call)
            kab_call_leave_early(call->room->slots[i]);
    call->is_timed_out = true;
    engine->counters.calls[KAB_CALL_TIMEOUT]++;
    kab_limits_answered(engine, call, KAB_CALL_TIMEOUT,
                        call->attempt.timeout_us);
    kab_call_abandon(engine, call);
    if (!set)
        return;
    set->call = NULL;
    if (!kab_set_park_leaving(engine, set))
        return;
    kab_retry_failed(engine, set, KAB_FAIL_TRANSIENT, KAB_CLASS_TIMEOUT, -1,
                     "the function did not answer within call.timeout");
}

void
kab_engine_entered(KabEngine *engine,
                   KabAttempt *attempt,
                   uint64_t serial,
                   int64_t now)
{
    KabCall *call = (KabCall *)attempt;
    if (attempt->serial != serial || !call->is_open || call->is_unwanted)
        return;
    call->entered_us = now;
    if (attempt->timeout_us)
        kab_timers_arm(&engine->timers, &call->timer,
                       now + attempt->timeout_us);
}
