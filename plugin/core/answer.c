/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: applies the outcomes of a call to each of its records and to the
 * set that is left.
 */
#include "turn.h"

static void
take_products(KabEngine *engine,
              KabSlot *slot,
              KabCall *call,
              const KabResult *result)
{
    slot->products = slot->next_product = result->first;
    slot->unacknowledged = result->n_products;
    if (!result->first)
        return;
    slot->memory = call;
    call->references++;
    for (KabProduct *product = result->first; product; product = product->next)
        product->slot = slot;
    size_t overhead = result->n_products * (size_t)KAB_RECORD_OVERHEAD;
    kab_slot_add_charge(engine, slot, result->bytes + overhead);
}

/* Summary of a call's outcomes. */
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
    kab_failure_apply(engine, slot, stage, class_,
                      reason ? reason : "rejected");
    kab_slot_resolve(engine, slot);
}

static void
apply_done(KabEngine *engine,
           KabSlot *slot,
           KabCall *call,
           const KabResult *result)
{
    take_products(engine, slot, call, result);
    slot->set = NULL;
    kab_slot_move(engine, slot, KAB_SLOT_CALLED, KAB_SLOT_RESOLVED);
    kab_slot_resolve(engine, slot);
}

static void
note_no_answer(KabEngine *engine, Tally *tally)
{
    engine->counters.call_faults[KAB_FAULT_NO_ANSWER]++;
    if (!tally->reason)
        tally->reason = "the function gave no outcome";
}

/* Applies an outcome other than DONE; false: the slot stays in the set. */
static bool
apply_other(KabEngine *engine,
            KabSlot *slot,
            const KabResult *result,
            bool has_failed,
            Tally *tally)
{
    switch (result->outcome) {
    case KAB_OUTCOME_DONE:
        break;
    case KAB_OUTCOME_REJECT:
    case KAB_OUTCOME_REJECT_INPUT:
    case KAB_OUTCOME_INVALID:
        slot->set = NULL;
        fail_result(engine, slot, result);
        return true;
    case KAB_OUTCOME_PASS:
        slot->set = NULL;
        kab_failure_pass(engine, slot,
                         result->reason ? result->reason : "passed on");
        kab_slot_resolve(engine, slot);
        return true;
    case KAB_OUTCOME_RETRY:
        tally_retry(tally, result);
        break;
    case KAB_OUTCOME_NONE:
        if (!has_failed)
            note_no_answer(engine, tally);
        break;
    }
    return false;
}

static void
keep_slot(KabSet *set, KabSlot *slot)
{
    set->slots[set->n++] = slot;
    set->bytes += slot->bytes;
}

/* Keeps the unresolved slots in the set, in order. */
static void
apply_all(KabEngine *engine, KabCall *call, bool has_failed, Tally *tally)
{
    KabSet *set = call->set;
    const KabRoom *room = call->room;
    size_t wanted = call->wanted;
    set->n = set->bytes = 0;
    for (size_t i = 0, n = call->attempt.n; i < n; i++) {
        KabSlot *slot = room->slots[i];
        const KabResult *result = &room->results[i];
        if (slot->call != call) {
            kab_slot_unref(engine, slot); /* it has left early */
            continue;
        }
        kab_call_leave(slot);
        if (result->outcome == KAB_OUTCOME_DONE)
            apply_done(engine, slot, call, result);
        else if (!apply_other(engine, slot, result, has_failed, tally))
            keep_slot(set, slot);
    }
    tally->resolved = wanted - set->n;
}

static void
note_success(KabEngine *engine, KabCall *call, const Tally *tally)
{
    if (!tally->resolved)
        return;
    engine->successes++;
    kab_limiter_note_success(engine, call->attempt.serial);
    if (!call->set->n)
        kab_ceiling_note_success(engine, call->set, call->attempt.n);
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

/* -1: not given. The function may pass any number: at most a year counts. */
static int64_t
to_us(int64_t delay_ms)
{
    const int64_t most_ms = INT64_C(365) * 24 * 3600 * 1000;
    return delay_ms < 0 ? -1 : MIN(delay_ms, most_ms) * 1000;
}

/* Applies what a failure says about the function as a whole, for a call whose
 * records are all settled. */
static void
heed_failure(KabEngine *engine, const KabAnswer *answer)
{
    if (answer->failed && answer->failure == KAB_FAIL_FATAL)
        kab_engine_stop(engine, KAB_STOP_FUNCTION,
                        answer->reason ? answer->reason
                                       : "the function gave no reason");
    if (answer->failed && answer->failure == KAB_FAIL_OVERLOAD)
        kab_limiter_pause(engine, to_us(answer->retry_after_ms));
}

static void
settle_call(KabEngine *engine, KabCall *call, const KabAnswer *answer)
{
    Tally tally = {.delay_ms = -1};
    KabCallResult result = result_of(answer);
    engine->counters.calls[result]++;
    apply_all(engine, call, answer->failed, &tally);
    if (result == KAB_CALL_OK)
        note_success(engine, call, &tally);
    else if (result == KAB_CALL_PERMANENT || result == KAB_CALL_TOO_LARGE)
        kab_limiter_note_success(engine, call->attempt.serial);
    KabSet *set = call->set;
    set->call = NULL;
    if (!set->n) {
        kab_set_free(engine, set);
        heed_failure(engine, answer);
        return;
    }
    if (!kab_set_park_leaving(engine, set)) {
        heed_failure(engine, answer);
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
    kab_engine_set_now(engine, now);
    g_assert(serial <= engine->serials);
    if (attempt->serial != serial || !call->is_open) {
        kab_engine_answered_twice(engine);
        return;
    }
    if (call->is_unwanted) {
        engine->abandoned--;
        engine->counters.call_faults[KAB_FAULT_LATE] += call->is_timed_out;
    } else {
        kab_call_leave_flight(engine, call);
        kab_timers_disarm(&engine->timers, &call->timer);
        int64_t entered = call->entered_us ? call->entered_us : now;
        int64_t call_us = MAX(now - entered, 0);
        kab_histogram_add(&engine->counters.call_us, (uint64_t)call_us);
        kab_limits_answered(engine, call, result_of(answer), call_us);
        settle_call(engine, call, answer);
    }
    call->set = NULL;
    kab_call_end(engine, call);
}

void
kab_engine_answered_twice(KabEngine *engine)
{
    engine->counters.call_faults[KAB_FAULT_DOUBLE]++;
}

void
kab_engine_blocked(KabEngine *engine)
{
    engine->counters.call_faults[KAB_FAULT_BLOCKED]++;
}
