/* SPDX-License-Identifier: Apache-2.0 */
/* The function of a member: takes its time; succeeds, fails, answers late,
 * twice or out of order; and fails every call with a poison record.
 */
#include "sim.h"

/* Does the engine want this record's answer? */
static bool
is_wanted(const Call *call, const Message *message)
{
    return !call->is_cancelled && message->call == call &&
           !message->fetcher->is_gone;
}

/* --- Results ------------------------------------------------------------ */

static void
emit_product(Call *call, size_t i, KabResult *result, Effect *effect)
{
    Sim *sim = call->member->sim;
    const Record *record = effect->record;
    Product *product = sim_alloc(sim, sizeof *product);
    product->base.output = (KabOutput)KAB_OUTPUT_INIT;
    const KabRecord *input = &call->attempt->records[i];
    product->base.output.key = input->key;
    product->base.output.value = input->value;
    product->effect = effect;
    product->index = effect->n++;
    product->call = call;
    result->bytes += record->size;
    result->n_products++;
    if (result->last)
        result->last->next = &product->base;
    else
        result->first = &product->base;
    result->last = &product->base;
}

static Effect *
make_effect(Sim *sim, Message *message)
{
    Effect *effect = sim_alloc(sim, sizeof *effect);
    effect->record = message->record;
    effect->message = message;
    return effect;
}

static void
give_done(Call *call, size_t i)
{
    Message *message = call->messages[i];
    Effect *effect = make_effect(call->member->sim, message);
    KabResult *result = &call->attempt->results[i];
    result->outcome = KAB_OUTCOME_DONE;
    for (unsigned j = 0; j < message->record->n_outputs; j++)
        emit_product(call, i, result, effect);
    if (!is_wanted(call, message))
        return;
    message->effect = effect;
    message->is_resolved = true;
    message->charge += result->bytes + (size_t)512 * result->n_products;
    call->member->charge += result->bytes + (size_t)512 * result->n_products;
    if (!effect->n)
        message->record->is_covered = true; /* dropped: that is its end */
    count_outcome(message);
}

static void
give_reject(Call *call, size_t i, KabOutcome outcome)
{
    Message *message = call->messages[i];
    call->attempt->results[i].outcome = outcome;
    call->attempt->results[i].reason = "rejected";
    if (!is_wanted(call, message))
        return;
    message->is_resolved = true;
    count_may_fail(message);
    count_outcome(message);
}

static void
give_pass(Call *call, size_t i)
{
    call->attempt->results[i].outcome = KAB_OUTCOME_PASS;
    if (!is_wanted(call, call->messages[i]))
        return;
    call->messages[i]->is_resolved = true;
    call->messages[i]->is_passed = true;
}

static void
give_result(Call *call, size_t i)
{
    Sim *sim = call->member->sim;
    KabResult *result = &call->attempt->results[i];
    if (call->messages[i]->record->nature == NATURE_REJECTED ||
        sim_strikes(sim, FAULT_REJECT)) {
        give_reject(call, i,
                    (KabOutcome)(KAB_OUTCOME_REJECT + sim_below(sim, 3)));
    } else if (sim_strikes(sim, FAULT_REJECT)) {
        give_pass(call, i);
    } else if (sim_strikes(sim, FAULT_RETRY)) {
        result->outcome = KAB_OUTCOME_RETRY;
        result->reason = sim_below(sim, 2) ? "not now" : NULL;
        result->delay_ms = (int64_t)sim_below(sim, 12) - 1;
    } else if (!sim_strikes(sim, FAULT_NO_ANSWER)) {
        give_done(call, i);
    }
}

/* --- Answers ------------------------------------------------------------ */

static bool
fails_by_chance(Call *call, KabFailure *ret_failure)
{
    static const struct {
        Fault fault;
        KabFailure failure;
    } table[] = {
        {FAULT_TRANSIENT, KAB_FAIL_TRANSIENT},
        {FAULT_PERMANENT, KAB_FAIL_PERMANENT},
        {FAULT_OVERLOAD, KAB_FAIL_OVERLOAD},
        {FAULT_FN_CRASH, KAB_FAIL_CRASH},
    };
    Sim *sim = call->member->sim;
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (sim_strikes(sim, table[i].fault)) {
            *ret_failure = table[i].failure;
            return true;
        }
    *ret_failure = KAB_FAIL_TOO_LARGE;
    if (sim_strikes(sim, FAULT_TOO_LARGE) && call->n > 2)
        return true;
    *ret_failure = KAB_FAIL_FATAL;
    return sim_strikes(sim, FAULT_FATAL) && sim_below(sim, 8) == 0;
}

/* A record that fails every call may look like an outage, which is waited out.
 * After the faults such records heal, so that everything can finish. */
static bool
is_healed(const Sim *sim, Record *record)
{
    enum { MOST_CALLS = 12 };
    bool is_outage =
        record->nature == NATURE_TRANSIENT || record->nature == NATURE_CRASH;
    return is_outage && sim->is_calm && ++record->calm_calls > MOST_CALLS;
}

static bool
fails_by_nature(const Call *call, KabFailure *ret_failure)
{
    for (size_t i = 0; i < call->n; i++) {
        Record *record = call->messages[i]->record;
        if (is_healed(call->member->sim, record))
            continue;
        switch (record->nature) {
        case NATURE_PERMANENT:
            *ret_failure = KAB_FAIL_PERMANENT;
            return true;
        case NATURE_OVERLOAD:
            *ret_failure = KAB_FAIL_OVERLOAD;
            return true;
        case NATURE_TRANSIENT:
            *ret_failure = KAB_FAIL_TRANSIENT;
            return true;
        case NATURE_CRASH:
            *ret_failure = KAB_FAIL_CRASH;
            return true;
        case NATURE_FLAKY:
            *ret_failure = KAB_FAIL_TRANSIENT;
            if (record->failures_left && record->failures_left--)
                return true;
            break;
        case NATURE_NORMAL:
        case NATURE_REJECTED:
        case NATURE_UNWRITABLE:
            break;
        }
    }
    return false;
}

/* Is the record to be called again? Not if its partition is leaving. */
static bool
is_left(const Call *call, const Message *message)
{
    return message->call == call && !message->is_resolved &&
           !message->fetcher->is_gone && !message->fetcher->revoked_at;
}

static size_t
count_left(const Call *call)
{
    size_t left = 0;
    for (size_t i = 0; i < call->n; i++)
        left += is_left(call, call->messages[i]);
    return left;
}

/* A call of several, none of which was resolved, is halved or repeated. */
static void
note_cut(Call *call, Message *message, bool is_whole)
{
    if (call->n == 1) {
        message->own++;
        return;
    }
    message->cut_from = is_whole ? call : NULL;
    message->own = 0;
}

static void
note_crash(Call *call, Message *message, bool is_alone)
{
    Member *member = call->member;
    message->crashed++;
    if (!is_alone || member->health.is_ill ||
        !member->options.retry_max_attempts)
        return;
    message->is_suspect = true;
    member->has_suspects = true;
}

/* Counts a failed call against retry.max.attempts, as the function sees it. */
static void
count_failure(Call *call, bool has_failed, KabFailure failure)
{
    const KabEngineOptions *options = &call->member->options;
    size_t left = count_left(call);
    bool is_overload = has_failed && failure == KAB_FAIL_OVERLOAD;
    for (size_t i = 0; i < call->n; i++)
        if (is_left(call, call->messages[i]))
            note_cut(call, call->messages[i], has_failed && left == call->n);
    if ((is_overload && left > 1) || (has_failed && failure == KAB_FAIL_FATAL))
        return;
    bool is_sure = !is_overload && !call->member->health.is_ill;
    bool is_final =
        has_failed &&
        ((failure == KAB_FAIL_PERMANENT && (left == 1 || !options->bisect)) ||
         (failure == KAB_FAIL_TOO_LARGE && left == 1));
    for (size_t i = 0; i < call->n; i++) {
        Message *message = call->messages[i];
        if (!is_left(call, message))
            continue;
        message->was_failed_whole |= has_failed;
        message->counted += is_sure;
        message->counted_at_most++;
        if (has_failed && failure == KAB_FAIL_CRASH)
            note_crash(call, message, left == 1);
        if (is_final ||
            (options->retry_max_attempts &&
             (message->counted_at_most >= options->retry_max_attempts ||
              message->crashed >= SIM_CRASHES_TO_END)))
            count_may_fail(message);
    }
}

static void
let_go(Call *call)
{
    for (size_t i = 0; i < call->n; i++)
        if (call->messages[i]->call == call)
            call->messages[i]->call = NULL;
}

/* Wanted records that were given no outcome. */
static unsigned
count_missing(const Call *call)
{
    unsigned n = 0;
    for (size_t i = 0; i < call->n; i++)
        n += call->attempt->results[i].outcome == KAB_OUTCOME_NONE &&
             is_wanted(call, call->messages[i]);
    return n;
}

static void
tell_answer(Call *call, const KabAnswer *answer)
{
    Member *member = call->member;
    count_answer(call, answer, answer->failed ? 0 : count_missing(call));
    TRACE(member->sim, "%u: call %" PRIu64 " answers %s %d%s", member->number,
          call->serial, answer->failed ? "failure" : "done",
          (int)answer->failure, call->is_cancelled ? ", unwanted" : "");
    if (!call->is_cancelled)
        health_note_end(call, answer);
    member->charge -= call->memory;
    if (!call->is_cancelled)
        count_failure(call, answer->failed, answer->failure);
    member->must_stop |= !call->is_cancelled && answer->failed &&
                         answer->failure == KAB_FAIL_FATAL;
    let_go(call);
    member->calls_wanted -= !call->is_cancelled;
    member->calls_open--;
    call->is_answered = true;
    kab_engine_answered(member->engine, call->attempt, call->serial, answer,
                        member->sim->now);
    member_touch(member);
}

static void
answer_again(Sim *sim, Member *member, void *data)
{
    Call *call = data;
    member->counted.call_faults[KAB_FAULT_DOUBLE]++;
    kab_engine_answered(member->engine, call->attempt, call->serial,
                        &(KabAnswer){.retry_after_ms = -1}, sim->now);
    member_touch(member);
}

static void
answer_call(Sim *sim, Member *member, void *data)
{
    Call *call = data;
    KabAnswer answer = {.retry_after_ms = -1, .reason = "as it is"};
    answer.failed = fails_by_chance(call, &answer.failure) ||
                    fails_by_nature(call, &answer.failure);
    for (size_t i = 0; i < call->n; i++)
        if (!answer.failed || sim_below(sim, 16) == 0)
            if (!answer.failed ||
                call->messages[i]->record->nature <= NATURE_FLAKY)
                give_result(call, i);
    if (answer.failed && sim_below(sim, 4) == 0)
        answer.retry_after_ms = sim_below(sim, 10);
    if (sim_strikes(sim, FAULT_DOUBLE))
        sim_after(sim, sim_between(sim, 0, 20 * MS), member, answer_again,
                  call);
    tell_answer(call, &answer);
}

static void
grow_memory(Call *call, size_t bytes)
{
    call->memory += bytes;
    call->member->charge += bytes;
    kab_engine_attempt_grew(call->member->engine, call->attempt, call->serial,
                            bytes);
}

static void
enter_call(Sim *sim, Member *member, void *data)
{
    Call *call = data;
    call->is_entered = true;
    call->entered_at = sim->now;
    kab_engine_entered(member->engine, call->attempt, call->serial, sim->now);
    if (sim_below(sim, 4) == 0)
        grow_memory(call, sim_below(sim, 3000));
    int64_t takes = sim_between(sim, 0, sim->plan.call_us * 2);
    if (sim_strikes(sim, FAULT_SLOW))
        takes += sim_between(sim, 0, sim_below(sim, 8) ? 150 * MS : 3 * SECOND);
    sim_after(sim, takes, member, answer_call, call);
    member_touch(member);
}

/* --- Effects ------------------------------------------------------------ */

static Call *
make_call(Member *member, KabAttempt *attempt)
{
    Sim *sim = member->sim;
    Call *call = sim_alloc(sim, sizeof *call);
    *call = (Call){.member = member,
                   .attempt = attempt,
                   .serial = attempt->serial,
                   .n = attempt->n};
    call->messages = sim_alloc(sim, attempt->n * sizeof *call->messages);
    for (size_t i = 0; i < call->n; i++)
        call->messages[i] = attempt->messages[i];
    attempt->call = call;
    return call;
}

static void
note_call(Call *call, Message *message)
{
    message->call = call;
    message->single += call->n == 1;
    if (!message->calls++)
        message->fetcher->waiting_charge -= message->charge;
}

void
function_invoke(void *user, KabAttempt *attempt)
{
    Member *member = user;
    Call *call = make_call(member, attempt);
    member->n_effects++;
    member->attempts_out++;
    count_invoke(member, attempt);
    member->calls_wanted++;
    member->calls_open++;
    TRACE(member->sim, "%u: call %" PRIu64 " of %zu from %u/%" PRIi64,
          member->number, call->serial, call->n,
          call->messages[0]->record->partition,
          call->messages[0]->record->offset);
    check_invoke(member, call);
    health_note_call(member, call);
    for (size_t i = 0; i < call->n; i++) {
        if (call->messages[i]->call)
            sim_fail(member->sim, "a record is in a batch twice");
        note_call(call, call->messages[i]);
    }
    sim_after(member->sim, sim_below(member->sim, 100), member, enter_call,
              call);
}

/* The call timed out, or its partitions are gone. */
void
function_cancel(void *user, KabAttempt *attempt)
{
    Member *member = user;
    Call *call = attempt->call;
    member->n_effects++;
    TRACE(member->sim, "%u: call %" PRIu64 " is cancelled", member->number,
          call->serial);
    if (call->is_cancelled || call->is_answered)
        sim_fail(member->sim, "an attempt is cancelled that has ended");
    call->is_cancelled = true;
    count_cancel(call);
    if (call->is_timed_out)
        health_note_end(call, NULL);
    member->calls_wanted--;
    count_failure(call, true, KAB_FAIL_TRANSIENT);
    let_go(call);
}

void
function_release(void *user, KabAttempt *attempt)
{
    Member *member = user;
    Call *call = attempt->call;
    if (call->is_released)
        sim_fail(member->sim, "an attempt is released twice");
    call->is_released = true;
    member->attempts_out--;
}
