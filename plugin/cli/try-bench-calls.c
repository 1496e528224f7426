/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a bench: what they carry, and what their answers mean. */
#include "try-bench-internal.h"

#include <inttypes.h>

/* --- Calls ------------------------------------------------------------- */

static void
reserve_slot(KabTrySlot *slot, size_t n)
{
    if (n <= slot->capacity)
        return;
    slot->records = g_renew(KabRecord, slot->records, n);
    slot->messages = g_renew(void *, slot->messages, n);
    slot->results = g_renew(KabResult, slot->results, n);
    slot->capacity = n;
}

static void
fill_slot(KabTryBench *bench, KabTrySlot *slot, size_t n)
{
    const KabTrySample *sample = bench->setup.sample;
    reserve_slot(slot, n);
    for (size_t i = 0; i < n; i++) {
        slot->records[i] = sample->records[bench->next];
        slot->messages[i] = sample->lines->pdata[bench->next];
        slot->results[i] = (KabResult){0};
        bench->next = (bench->next + 1) % sample->lines->len;
    }
}

static void
dispatch_slot(KabTryBench *bench, KabTrySlot *slot, size_t n)
{
    fill_slot(bench, slot, n);
    slot->attempt = (KabAttempt){
        .serial = ++bench->serial,
        .n = n,
        .records = slot->records,
        .messages = slot->messages,
        .results = slot->results,
        .number = 1,
        .timeout_us = bench->setup.settings->engine.call_timeout_us,
    };
    slot->is_out = true;
    slot->is_cancelled = false;
    slot->dispatched_us = g_get_monotonic_time();
    slot->epoch = bench->adaptive ? bench->adaptive->epoch : 0;
    bench->n_out++;
    kab_executor_invoke(bench->executor, &slot->attempt);
}

static void
follow_controller(KabTryBench *bench)
{
    if (!bench->adaptive)
        return;
    bench->records = kab_adaptive_records(bench->adaptive);
    bench->calls = MIN(bench->adaptive->calls, bench->setup.max_calls);
}

bool
kab_try_bench_fill(KabTryBench *bench)
{
    bool has_moved = false;
    if (g_get_monotonic_time() < bench->not_before_us)
        return false;
    follow_controller(bench);
    for (unsigned i = 0; i < bench->setup.max_calls; i++) {
        if (bench->is_stopping || bench->n_out >= bench->calls)
            break;
        if (!bench->slots[i].is_out) {
            dispatch_slot(bench, &bench->slots[i], bench->records);
            has_moved = true;
        }
    }
    return has_moved;
}

void
kab_try_bench_cancel(KabTryBench *bench, KabTrySlot *slot)
{
    if (!slot->is_out || slot->is_cancelled)
        return;
    slot->is_cancelled = true;
    kab_executor_cancel(bench->executor, &slot->attempt);
}

void
kab_try_bench_stop(KabTryBench *bench)
{
    if (bench->is_stopping)
        return;
    bench->is_stopping = true;
    bench->stopped_us = g_get_monotonic_time();
}

/* --- Answers ----------------------------------------------------------- */

void
kab_try_bench_refuse(KabTryBench *bench, const char *why, int64_t pause_us)
{
    if (bench->adaptive) {
        bench->not_before_us = g_get_monotonic_time() + pause_us;
        return;
    }
    if (!bench->refusal)
        bench->refusal = g_strdup(why);
    bench->pause_us = MAX(bench->pause_us, pause_us);
    kab_try_bench_stop(bench);
}

void
kab_try_bench_give_up(KabTryBench *bench, KabTryBenchEnd end, char *problem)
{
    if (bench->problem) {
        g_free(problem);
    } else {
        bench->problem = problem;
        bench->end = end;
    }
    kab_try_bench_stop(bench);
}

static uint64_t
line_number(const KabAttempt *attempt, size_t i)
{
    return (uint64_t)((KabLine *)attempt->messages[i])->offset + 1;
}

/* Has each of these records been answered before? Then a failure is not the
 * records' but the size's or the load's. */
static bool
are_known(const KabAttempt *attempt)
{
    for (size_t i = 0; i < attempt->n; i++)
        if (!((KabLine *)attempt->messages[i])->has_result)
            return false;
    return true;
}

/* Either the records or the size of the batch is to blame; see
 * kab_try_bench_acquit(). */
static void
suspect_records(KabTryBench *bench, const KabAttempt *attempt)
{
    if (bench->n_suspects)
        return;
    bench->n_suspects = attempt->n;
    bench->first_suspect = line_number(attempt, 0) - 1;
}

/* As the engine does, where the controller chooses the size. */
static void
lower_ceiling(KabTryBench *bench, size_t refused)
{
    KabAdaptive *adaptive = bench->adaptive;
    if (adaptive && refused > 1)
        kab_adaptive_set_ceilings(adaptive, adaptive->target_us, refused / 2,
                                  adaptive->max_calls);
}

static void
judge_failure(KabTryBench *bench,
              const KabAttempt *attempt,
              const KabAnswer *answer)
{
    const char *why = answer->reason ? answer->reason : "no reason given";
    int64_t pause_us = answer->retry_after_ms > 0
                           ? 1000 * answer->retry_after_ms
                           : G_USEC_PER_SEC;
    bool is_overload = answer->failure == KAB_FAIL_OVERLOAD;
    bool is_too_large = answer->failure == KAB_FAIL_TOO_LARGE && attempt->n > 1;
    if (answer->failure == KAB_FAIL_FATAL)
        kab_try_bench_give_up(bench, KAB_TRY_BENCH_GONE, g_strdup(why));
    else if (is_overload)
        kab_try_bench_refuse(bench, why, pause_us);
    else if (attempt->n == 1 && !are_known(attempt))
        kab_try_bench_give_up(bench, KAB_TRY_BENCH_BAD,
                              g_strdup_printf("%s:%" PRIu64 ": failed: %s",
                                              bench->setup.sample->name,
                                              line_number(attempt, 0), why));
    else {
        if (!is_too_large && !are_known(attempt))
            suspect_records(bench, attempt);
        lower_ceiling(bench, attempt->n);
        kab_try_bench_refuse(bench, why, 0);
    }
}

/* NULL: the record is done. */
static const char *
outcome_word(KabOutcome outcome)
{
    switch (outcome) {
    case KAB_OUTCOME_DONE:
    case KAB_OUTCOME_PASS:
        return NULL;
    case KAB_OUTCOME_NONE:
        return "got no answer";
    case KAB_OUTCOME_RETRY:
        return "is to be retried";
    case KAB_OUTCOME_REJECT:
    case KAB_OUTCOME_REJECT_INPUT:
        return "rejected";
    case KAB_OUTCOME_INVALID:
        return "answered against the rules";
    }
    g_assert_not_reached();
}

static void
judge_record(KabTryBench *bench, const KabAttempt *attempt, size_t i)
{
    KabLine *line = attempt->messages[i];
    const KabResult *result = &attempt->results[i];
    const char *word = outcome_word(result->outcome);
    if (!word) {
        line->has_result = true;
        return;
    }
    const char *why = result->reason ? result->reason : "no reason given";
    if (line->has_result)
        kab_try_bench_refuse(bench, why, MAX(result->delay_ms, 0) * 1000);
    else
        kab_try_bench_give_up(
            bench, KAB_TRY_BENCH_BAD,
            g_strdup_printf("%s:%" PRIu64 ": %s: %s", bench->setup.sample->name,
                            line_number(attempt, i), word, why));
}

static void
count_call(KabTryBench *bench, KabTrySlot *slot, int64_t now)
{
    const KabAttempt *attempt = &slot->attempt;
    int64_t call_us = now - MAX(attempt->entered_us, slot->dispatched_us);
    if (bench->adaptive) {
        KabAdaptiveCall call = {.epoch = slot->epoch,
                                .records = attempt->n,
                                .call_us = call_us,
                                .is_full = true,
                                .leaves_waiting = true};
        kab_adaptive_answered(bench->adaptive, &call);
    }
    int64_t since_us = slot->freed_us ? slot->freed_us : slot->dispatched_us;
    slot->freed_us = now;
    bool is_tail = bench->is_stopping && bench->call_us->len >= bench->calls;
    if (now < bench->counted_from_us || is_tail)
        return;
    g_array_append_val(bench->call_us, call_us);
    bench->n_records += attempt->n;
    bench->cycle_us += MAX(now - since_us, 1);
}

static void
on_entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
    attempt->entered_us = entered_us;
}

static void
on_answered(void *user,
            KabAttempt *attempt,
            uint64_t serial,
            const KabAnswer *answer)
{
    KabTryBench *bench = user;
    KabTrySlot *slot =
        (KabTrySlot *)(void *)((char *)attempt -
                               G_STRUCT_OFFSET(KabTrySlot, attempt));
    slot->is_out = false;
    bench->n_out--;
    bool was_overloaded = answer->failed && bench->adaptive &&
                          answer->failure == KAB_FAIL_OVERLOAD;
    if (slot->is_cancelled)
        ; /* answered too late: it has been judged already */
    else if (answer->failed)
        judge_failure(bench, attempt, answer);
    else {
        for (size_t i = 0; i < attempt->n; i++)
            judge_record(bench, attempt, i);
        count_call(bench, slot, g_get_monotonic_time());
    }
    if (was_overloaded)
        kab_adaptive_overloaded(bench->adaptive, slot->epoch);
    kab_executor_release(bench->executor, attempt);
}

static void
on_answered_twice(void *user)
{
}

const KabExecutorEvents kab_try_bench_events = {
    .entered = on_entered,
    .answered = on_answered,
    .answered_twice = on_answered_twice,
};
