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
    engine->in_flight--;
    engine->abandoned++;
    engine->effects.cancel(engine->user, &call->attempt);
}

static void
forget(KabSlot *slot)
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
    forget(slot);
    if (!call->wanted) {
        engine->counters.calls[KAB_CALL_ABANDONED]++;
        abandon(engine, call);
    }
}

/* Records of partitions that drain are not called again. False: that was
 * all of the set, and it is freed. */
static bool
park_drained(KabEngine *engine, KabSet *set)
{
    for (size_t i = set->n; i-- > 0;) {
        KabSlot *slot = set->slots[i];
        if (!kab_partition_is_leaving(slot->partition))
            continue;
        bool is_last = set->n == 1;
        kab_partition_park(engine, slot);
        if (is_last)
            return false;
    }
    return true;
}

void
kab_call_timed_out(KabEngine *engine, KabCall *call)
{
    KabSet *set = g_steal_pointer(&call->set);
    for (size_t i = 0; i < call->attempt.n; i++)
        if (call->slots[i]->call == call)
            forget(call->slots[i]);
    call->is_timed_out = true;
    engine->counters.calls[KAB_CALL_TIMEOUT]++;
    abandon(engine, call);
    if (!set)
        return;
    set->call = NULL;
    if (!park_drained(engine, set))
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

static void
take_products(KabEngine *engine, KabSlot *slot, const KabResult *result)
{
    slot->products = slot->next_product = result->first;
    slot->unacknowledged = result->n_products;
    if (!result->first)
        return;
    slot->memory = (KabCall *)(void *)slot->call;
    slot->memory->references++;
    for (KabProduct *product = result->first; product; product = product->next)
        product->slot = slot;
    size_t overhead = result->n_products * (size_t)KAB_RECORD_OVERHEAD;
    kab_slot_add_charge(engine, slot, result->bytes + overhead);
}

/* What the answers of a call amount to. */
typedef struct {
    size_t resolved;
    int64_t delay_ms;   /* the longest asked for; -1: none */
    const char *reason; /* of a retry; NULL */
} Tally;

static void
tally_retry(Tally *tally, const KabResult *result)
{
    tally->delay_ms = MAX(tally->delay_ms, result->delay_ms);
    if (result->reason)
        tally->reason = result->reason;
}

static void
fail_result(KabEngine *engine, KabSlot *slot, const KabResult *result)
{
    bool is_input = result->outcome == KAB_OUTCOME_REJECT_INPUT;
    bool is_invalid = result->outcome == KAB_OUTCOME_INVALID;
    KabClass class_ = is_invalid ? KAB_CLASS_PERMANENT : KAB_CLASS_REJECTED;
    KabStage stage = is_input ? KAB_STAGE_DECODE : KAB_STAGE_FUNCTION;
    const char *reason = result->reason;
    kab_retry_fail_slot(engine, slot, stage, class_,
                        reason ? reason : "rejected");
}

/* Applies one outcome; false: the slot stays in the set. */
static bool
apply(KabEngine *engine,
      KabSlot *slot,
      const KabResult *result,
      bool has_failed,
      Tally *tally)
{
    switch (result->outcome) {
    case KAB_OUTCOME_DONE:
        take_products(engine, slot, result);
        forget(slot);
        slot->set = NULL;
        kab_slot_set_state(engine, slot, KAB_SLOT_RESOLVED);
        kab_slot_resolve(engine, slot);
        return true;
    case KAB_OUTCOME_REJECT:
    case KAB_OUTCOME_REJECT_INPUT:
    case KAB_OUTCOME_INVALID:
        forget(slot);
        slot->set = NULL;
        fail_result(engine, slot, result);
        return true;
    case KAB_OUTCOME_RETRY:
        tally_retry(tally, result);
        break;
    case KAB_OUTCOME_NONE:
        if (!has_failed) {
            engine->counters.call_faults[KAB_FAULT_NO_ANSWER]++;
            if (!tally->reason)
                tally->reason = "the function gave no outcome";
        }
        break;
    }
    forget(slot);
    return false;
}

/* Leaves in the set what is not resolved, in order. */
static void
apply_all(KabEngine *engine, KabCall *call, bool has_failed, Tally *tally)
{
    KabSet *set = call->set;
    size_t kept = 0;
    for (size_t i = 0; i < call->attempt.n; i++) {
        KabSlot *slot = call->slots[i];
        if (slot->call != call)
            continue;
        if (apply(engine, slot, &call->results[i], has_failed, tally)) {
            tally->resolved++;
            set->bytes -= slot->bytes;
        } else {
            set->slots[kept++] = slot;
        }
    }
    set->n = kept;
}

static void
learn(KabEngine *engine, KabSet *set)
{
    KabCut *cut = set->cut;
    if (!cut || ++cut->successes < 2)
        return;
    if (!engine->ceiling || cut->records < engine->ceiling)
        engine->ceiling = cut->records;
}

static void
succeeded(KabEngine *engine, KabCall *call, const Tally *tally)
{
    if (!tally->resolved)
        return;
    engine->successes++;
    kab_limiter_succeeded(engine);
    if (call->set && !call->set->n)
        learn(engine, call->set);
}

static KabCallResult
result_of(const KabAnswer *answer)
{
    if (!answer->failed)
        return KAB_CALL_OK;
    switch (answer->failure) {
    case KAB_FAIL_TRANSIENT:
        return KAB_CALL_TRANSIENT;
    case KAB_FAIL_PERMANENT:
        return KAB_CALL_PERMANENT;
    case KAB_FAIL_OVERLOAD:
        return KAB_CALL_OVERLOAD;
    case KAB_FAIL_TOO_LARGE:
        return KAB_CALL_TOO_LARGE;
    case KAB_FAIL_CRASH:
        return KAB_CALL_CRASH;
    case KAB_FAIL_FATAL:
        return KAB_CALL_FATAL;
    }
    return KAB_CALL_TRANSIENT;
}

/* -1: not said. The function's number may be any: at most a year. */
static int64_t
to_us(int64_t delay_ms)
{
    const int64_t most_ms = INT64_C(365) * 24 * 3600 * 1000;
    return delay_ms < 0 ? -1 : MIN(delay_ms, most_ms) * 1000;
}

/* What a failure says of the function as a whole is true although none of
 * the call's records is to be called again. */
static void
heed(KabEngine *engine, const KabAnswer *answer)
{
    if (answer->failed && answer->failure == KAB_FAIL_FATAL)
        kab_engine_stop(engine, KAB_STOP_FUNCTION,
                        answer->reason ? answer->reason
                                       : "the function gave no reason");
    if (answer->failed && answer->failure == KAB_FAIL_OVERLOAD)
        kab_limiter_pause(engine, to_us(answer->retry_after_ms));
}

static void
settle(KabEngine *engine, KabCall *call, const KabAnswer *answer)
{
    Tally tally = {.delay_ms = -1};
    KabCallResult result = result_of(answer);
    engine->counters.calls[result]++;
    apply_all(engine, call, answer->failed, &tally);
    if (result == KAB_CALL_OK)
        succeeded(engine, call, &tally);
    else if (result == KAB_CALL_PERMANENT || result == KAB_CALL_TOO_LARGE)
        kab_limiter_succeeded(engine); /* it answers: no overload */
    KabSet *set = call->set;
    set->call = NULL;
    if (!set->n) {
        kab_set_free(engine, set);
        heed(engine, answer);
        return;
    }
    if (!park_drained(engine, set)) {
        heed(engine, answer);
        return;
    }
    kab_cut_unref(g_steal_pointer(&set->cut));
    int64_t delay_us = to_us(tally.delay_ms);
    if (!answer->failed) {
        kab_retry_remainder(engine, set, delay_us, tally.reason);
        return;
    }
    int64_t asked_us = to_us(answer->retry_after_ms);
    KabClass class_ =
        result == KAB_CALL_CRASH ? KAB_CLASS_CRASH : KAB_CLASS_TRANSIENT;
    kab_retry_failed(engine, set, answer->failure, class_,
                     asked_us < 0 ? delay_us : MAX(asked_us, delay_us),
                     answer->reason);
}

void
kab_engine_answered(KabEngine *engine,
                    KabAttempt *attempt,
                    uint64_t serial,
                    const KabAnswer *answer,
                    int64_t now)
{
    KabCall *call = (KabCall *)attempt;
    engine->now = now;
    if (attempt->serial != serial || !call->is_open) {
        kab_engine_answered_twice(engine);
        return;
    }
    if (call->is_unwanted) {
        engine->abandoned--;
        engine->counters.call_faults[KAB_FAULT_LATE] += call->is_timed_out;
    } else {
        engine->in_flight--;
        kab_timers_disarm(&engine->timers, &call->timer);
        int64_t entered = call->entered_us ? call->entered_us : now;
        kab_histogram_add(&engine->counters.call_us,
                          (uint64_t)MAX(now - entered, 0));
        settle(engine, call, answer);
    }
    call->set = NULL;
    kab_call_end(engine, call);
}

void
kab_engine_answered_twice(KabEngine *engine)
{
    engine->counters.call_faults[KAB_FAULT_DOUBLE]++;
}
