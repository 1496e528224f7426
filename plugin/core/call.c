/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the function: dispatch, answers, time-outs.
 *
 * A call holds a reference to each of its slots while it is open, so that
 * the function may read them to the end. Its answer is wanted for a slot as
 * long as slot->call points at it: a time-out, or the end of the slot's
 * partition, takes that away. The call's memory lives until the last slot
 * whose outputs are in it lets go.
 */
#include "internal.h"

static void
reserve(KabCall *call, size_t n)
{
    if (call->capacity >= n)
        return;
    call->capacity = n;
    call->slots = g_renew(KabSlot *, call->slots, n);
    call->records = g_renew(KabRecord, call->records, n);
    call->messages = g_renew(void *, call->messages, n);
    call->results = g_renew(KabResult, call->results, n);
}

static KabCall *
take_free(KabEngine *engine)
{
    KabCall *call = engine->free_calls;
    if (!call)
        return g_new0(KabCall, 1);
    engine->free_calls = call->next;
    KabCall kept = *call;
    *call = (KabCall){.slots = kept.slots,
                      .records = kept.records,
                      .messages = kept.messages,
                      .results = kept.results,
                      .capacity = kept.capacity};
    return call;
}

static void
open_call(KabEngine *engine, KabCall *call)
{
    call->is_open = true;
    call->references = 1;
    call->previous = NULL;
    call->next = engine->open_first;
    if (call->next)
        call->next->previous = call;
    engine->open_first = call;
    engine->in_flight++;
}

void
kab_call_leave_flight(KabEngine *engine, const KabCall *call)
{
    engine->in_flight--;
    kab_limiter_give_back(engine, call->attempt.serial);
}

static void
leave_open(KabEngine *engine, KabCall *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        engine->open_first = call->next;
    if (call->next)
        call->next->previous = call->previous;
    call->is_open = false;
}

void
kab_call_unref(KabEngine *engine, KabCall *call)
{
    g_assert(call->references > 0);
    if (--call->references)
        return;
    engine->effects.release_attempt(engine->user, &call->attempt);
    call->next = engine->free_calls;
    engine->free_calls = call;
}

void
kab_call_end(KabEngine *engine, KabCall *call)
{
    leave_open(engine, call);
    for (size_t i = 0; i < call->attempt.n; i++)
        kab_slot_unref(engine, call->slots[i]);
    kab_call_unref(engine, call);
}

static void
free_call(KabCall *call)
{
    g_free(call->slots);
    g_free(call->records);
    g_free(call->messages);
    g_free(call->results);
    g_free(call);
}

void
kab_calls_clear(KabEngine *engine)
{
    while (engine->free_calls) {
        KabCall *call = engine->free_calls;
        engine->free_calls = call->next;
        free_call(call);
    }
}

static void
fill(KabCall *call, KabSet *set)
{
    for (size_t i = 0; i < set->n; i++) {
        KabSlot *slot = set->slots[i];
        call->slots[i] = slot;
        call->records[i] = slot->record;
        call->messages[i] = slot->message;
        slot->call = call;
        slot->calls++;
        slot->references++;
        slot->partition->n_called++;
    }
    memset(call->results, 0, set->n * sizeof *call->results);
}

static void
dispatch(KabEngine *engine, KabSet *set)
{
    KabCall *call = take_free(engine);
    reserve(call, set->n);
    fill(call, set);
    call->set = set;
    set->call = call;
    call->wanted = set->n;
    call->successes = engine->successes;
    call->timer.kind = KAB_TIMER_CALL;
    call->timer.owner = call;
    call->attempt = (KabAttempt){
        .serial = ++engine->serials,
        .n = set->n,
        .records = call->records,
        .messages = call->messages,
        .results = call->results,
        .number = ++set->number,
        .timeout_us = engine->options.call_timeout_us,
    };
    open_call(engine, call);
    kab_limiter_take(engine);
    KabTrigger trigger = set->is_first ? set->trigger : KAB_TRIGGER_RETRY;
    if (!set->is_first)
        engine->counters.records_retried += set->n;
    set->is_first = false;
    engine->counters.batches[trigger]++;
    kab_histogram_add(&engine->counters.batch_records, set->n);
    engine->effects.invoke(engine->user, &call->attempt);
}

static bool
may_call(KabEngine *engine)
{
    unsigned slots = engine->options.max_in_flight;
    unsigned threads = MIN(engine->options.threads, slots);
    return !engine->is_stopping && !engine->is_overdue &&
           engine->in_flight < slots && engine->abandoned < threads;
}

/* A waiting set above a ceiling that was learned is cut, uncounted. */
static KabSet *
take_due(KabEngine *engine)
{
    for (;;) {
        KabSet *set = kab_set_take_due(engine);
        if (!set || !engine->ceiling || set->n <= engine->ceiling)
            return set;
        kab_set_halve(engine, set, 0, false, false);
    }
}

/* While it tries whether an overload is over, a set that was overloaded
 * before lets a new batch go first: it may be the reason itself. */
static KabSet *
next_set(KabEngine *engine)
{
    KabTrigger trigger;
    bool has_batch = kab_buffer_is_triggered(engine, &trigger);
    KabSet *due = engine->due_first;
    bool yields = engine->limiter.is_probing && has_batch && due &&
                  due->overloads > 1 && (due->overloads & 1);
    KabSet *set = NULL;
    if (!engine->is_draining && !yields)
        set = take_due(engine);
    if (!set && has_batch)
        set = kab_buffer_form(engine, trigger);
    if (!set && yields)
        set = take_due(engine);
    return set;
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
        dispatch(engine, set);
        kab_buffer_arm_period(engine);
    }
}

/* Its answer is wanted for no record any more. */
static void
abandon(KabEngine *engine, KabCall *call)
{
    kab_timers_disarm(&engine->timers, &call->timer);
    call->is_unwanted = true;
    kab_call_leave_flight(engine, call);
    engine->abandoned++;
    engine->effects.cancel(engine->user, &call->attempt);
}

void
kab_call_leave(KabSlot *slot)
{
    slot->call->wanted--;
    slot->call = NULL;
    slot->partition->n_called--;
}

void
kab_call_forget(KabEngine *engine, KabSlot *slot)
{
    KabCall *call = slot->call;
    if (!call)
        return;
    kab_call_leave(slot);
    if (!call->wanted) {
        engine->counters.calls[KAB_CALL_ABANDONED]++;
        abandon(engine, call);
    }
}

void
kab_call_timed_out(KabEngine *engine, KabCall *call)
{
    KabSet *set = g_steal_pointer(&call->set);
    for (size_t i = 0; i < call->attempt.n; i++)
        if (call->slots[i]->call == call)
            kab_call_leave(call->slots[i]);
    call->is_timed_out = true;
    engine->counters.calls[KAB_CALL_TIMEOUT]++;
    abandon(engine, call);
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
