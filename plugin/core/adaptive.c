/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of `batching = adaptive`; adaptive.h has the method. */
#include "adaptive.h"

#include <glib.h>

/* Calls before a decision. */
#define EPOCH_CALLS 32
#define START_CALLS 8
#define SEARCH_CALLS 128
/* Epochs that are ignored after a change of the calls in flight. */
#define SETTLING_EPOCHS 2
/* The part of the calls that must be full, or saturated, to count as most. */
#define MOST 0.9
#define GROWTH (1.0 + 1.0 / 16)
#define DECREASE (1.0 - 1.0 / 8)
#define FAR_BEYOND 1.5
/* After doubling: a little above the last size that was within the budget. */
#define OVERSHOOT 0.6
/* Throughput must rise to this when the calls are doubled, */
#define START_GAIN 1.25
/* to this after a step up, and stay above this after a step down. */
#define GAIN 1.05
#define COST 0.98
/* A probe below this after HOPELESS_CALLS calls is given up. */
#define HOPELESS 0.9
#define HOPELESS_CALLS 16
#define MIN_PAUSE 2
#define MAX_PAUSE 32

static const char *const phase_names[] = {
#define X(NAME, text) text,
    KAB_ADAPTIVE_PHASES(X)
#undef X
};

static const char *const reason_texts[] = {
#define X(NAME, text) text,
    KAB_ADAPTIVE_REASONS(X)
#undef X
};

const char *
kab_adaptive_phase_name(KabAdaptivePhase phase)
{
    return phase_names[phase];
}

const char *
kab_adaptive_reason_text(KabAdaptiveReason reason)
{
    return reason_texts[reason];
}

size_t
kab_adaptive_records(const KabAdaptive *adaptive)
{
    return (size_t)adaptive->records;
}

static void
tally_clear(KabAdaptiveTally *tally)
{
    *tally = (KabAdaptiveTally){0};
}

static void
tally_add(KabAdaptiveTally *tally, const KabAdaptiveCall *call, bool is_lagging)
{
    tally->n++;
    tally->full += call->is_full;
    tally->saturated += call->is_full && call->leaves_waiting;
    tally->lagging += is_lagging;
    tally->records += call->records;
    tally->time_us += MAX(call->call_us, 1);
}

static bool
is_most(unsigned part, const KabAdaptiveTally *tally)
{
    return part >= MOST * tally->n;
}

/* Records per second of `calls` slots that were all in use. */
static double
tally_rate(const KabAdaptiveTally *tally, unsigned calls)
{
    return tally->time_us > 0
               ? calls * (double)tally->records * 1e6 / (double)tally->time_us
               : 0;
}

/* The one place where limits change. */
static void
set_limits(KabAdaptive *adaptive,
           double records,
           unsigned calls,
           KabAdaptiveReason reason)
{
    adaptive->records = CLAMP(records, 1.0, adaptive->max_records);
    adaptive->calls = CLAMP(calls, 1u, adaptive->max_calls);
    adaptive->reason = reason;
    adaptive->epoch++;
    adaptive->was_overloaded = false;
    tally_clear(&adaptive->tally);
}

static void
open_window(KabAdaptive *adaptive)
{
    adaptive->probe_epoch = adaptive->epoch;
    adaptive->window_epoch = adaptive->epoch + SETTLING_EPOCHS;
    adaptive->is_settled = false;
    tally_clear(&adaptive->window);
}

/* Measures the present number of calls anew. */
static void
restart_search(KabAdaptive *adaptive)
{
    adaptive->search = KAB_ADAPTIVE_SEARCH_BASE;
    open_window(adaptive);
}

static void
enter_steady(KabAdaptive *adaptive)
{
    adaptive->phase = KAB_ADAPTIVE_STEADY;
    /* Doubling is more likely to have found too many calls than too few. */
    adaptive->is_downward = true;
    adaptive->pause = MIN_PAUSE;
    adaptive->pause_left = 0;
    restart_search(adaptive);
}

void
kab_adaptive_init(KabAdaptive *adaptive,
                  int64_t target_us,
                  size_t max_records,
                  unsigned max_calls)
{
    g_assert(target_us > 0 && max_records > 0 && max_calls > 0);
    *adaptive = (KabAdaptive){
        .records = 1,
        .calls = 1,
        .target_us = target_us,
        .budget_us = target_us / 2,
        .max_records = (double)max_records,
        .max_calls = max_calls,
    };
}

void
kab_adaptive_set_ceilings(KabAdaptive *adaptive,
                          int64_t target_us,
                          size_t max_records,
                          unsigned max_calls)
{
    bool was_above =
        adaptive->records > (double)max_records || adaptive->calls > max_calls;
    adaptive->target_us = target_us;
    adaptive->max_records = (double)MAX(max_records, 1u);
    adaptive->max_calls = MAX(max_calls, 1u);
    if (was_above) {
        set_limits(adaptive, adaptive->records, adaptive->calls,
                   KAB_ADAPTIVE_REASON_CEILING);
        restart_search(adaptive);
    }
}

/* Below capacity a record waits for about one call and then takes its own:
 * half of the target each. When lagging, shorter calls do not shorten the
 * wait; longer ones, which carry more records, do: the whole target. */
static int64_t
budget_of(const KabAdaptive *adaptive, const KabAdaptiveTally *tally)
{
    bool lags = tally->n > 0 && 2 * tally->lagging >= tally->n;
    return lags ? adaptive->target_us : adaptive->target_us / 2;
}

/* --- Phase CALLS ------------------------------------------------------- */

static void
leave_calls(KabAdaptive *adaptive)
{
    adaptive->phase = KAB_ADAPTIVE_RECORDS;
    set_limits(adaptive, adaptive->records, adaptive->calls / 2,
               KAB_ADAPTIVE_REASON_CALLS_FOUND);
}

static void
decide_calls(KabAdaptive *adaptive, bool is_too_long)
{
    if (is_too_long) {
        leave_calls(adaptive);
        return;
    }
    if (adaptive->tally.n < MAX(START_CALLS, 2 * adaptive->calls))
        return;
    if (!is_most(adaptive->tally.saturated, &adaptive->tally)) {
        tally_clear(&adaptive->tally);
        return;
    }
    double rate = tally_rate(&adaptive->tally, adaptive->calls);
    adaptive->throughput = rate;
    if (rate < START_GAIN * adaptive->best_rate) {
        leave_calls(adaptive);
    } else if (adaptive->calls == adaptive->max_calls) {
        adaptive->phase = KAB_ADAPTIVE_RECORDS;
        tally_clear(&adaptive->tally);
    } else {
        adaptive->best_rate = rate;
        set_limits(adaptive, adaptive->records, 2 * adaptive->calls,
                   KAB_ADAPTIVE_REASON_CALLS_PAY);
    }
}

/* --- Phase RECORDS ----------------------------------------------------- */

static void
decide_records(KabAdaptive *adaptive, bool is_too_long)
{
    if (is_too_long) {
        set_limits(adaptive, OVERSHOOT * adaptive->records, adaptive->calls,
                   KAB_ADAPTIVE_REASON_TOO_LONG);
        enter_steady(adaptive);
        return;
    }
    if (adaptive->tally.n < MAX(START_CALLS, 2 * adaptive->calls))
        return;
    if (!is_most(adaptive->tally.full, &adaptive->tally)) {
        tally_clear(&adaptive->tally);
    } else if (adaptive->records >= adaptive->max_records) {
        enter_steady(adaptive);
    } else {
        set_limits(adaptive, 2 * adaptive->records, adaptive->calls,
                   KAB_ADAPTIVE_REASON_ROOM);
    }
}

/* --- Phase STEADY: records --------------------------------------------- */

/* Is a step down being tried, which put more records into each call? */
static bool
is_daring(const KabAdaptive *adaptive)
{
    return adaptive->search == KAB_ADAPTIVE_SEARCH_PROBE &&
           adaptive->is_downward && adaptive->epoch == adaptive->probe_epoch;
}

/* One call may be slow by chance; the second in a row that is far beyond the
 * budget means that the service has become slower. */
static double
decrease_for(const KabAdaptive *adaptive, int64_t call_us)
{
    bool is_far = call_us > FAR_BEYOND * (double)adaptive->budget_us;
    bool is_second = adaptive->reason == KAB_ADAPTIVE_REASON_TOO_LONG;
    return is_far && is_second ? DECREASE * DECREASE : DECREASE;
}

static void
shrink_steady(KabAdaptive *adaptive, int64_t call_us)
{
    if (is_daring(adaptive)) {
        set_limits(adaptive, adaptive->base_records, adaptive->calls,
                   KAB_ADAPTIVE_REASON_TOO_LONG);
    } else if (adaptive->records > 1) {
        set_limits(adaptive,
                   decrease_for(adaptive, call_us) * adaptive->records,
                   adaptive->calls, KAB_ADAPTIVE_REASON_TOO_LONG);
    } else if (adaptive->calls > 1) {
        unsigned fewer = MIN(adaptive->calls - 1, adaptive->calls * 7 / 8);
        set_limits(adaptive, 1, fewer, KAB_ADAPTIVE_REASON_FEWER_CALLS);
        restart_search(adaptive);
    } else {
        tally_clear(&adaptive->tally);
    }
}

static void
decide_steady(KabAdaptive *adaptive, bool is_too_long, int64_t call_us)
{
    if (is_too_long) {
        shrink_steady(adaptive, call_us);
        return;
    }
    if (adaptive->tally.n < EPOCH_CALLS)
        return;
    if (is_most(adaptive->tally.full, &adaptive->tally) &&
        adaptive->records < adaptive->max_records)
        set_limits(adaptive, GROWTH * adaptive->records, adaptive->calls,
                   KAB_ADAPTIVE_REASON_ROOM);
    else
        tally_clear(&adaptive->tally);
}

/* --- Phase STEADY: calls in flight ------------------------------------- */

static void
begin_probe(KabAdaptive *adaptive)
{
    unsigned step = MAX(adaptive->calls / 8, 1u);
    if (adaptive->calls == adaptive->max_calls)
        adaptive->is_downward = true;
    if (adaptive->calls == 1)
        adaptive->is_downward = false;
    if (adaptive->max_calls == 1)
        return;
    unsigned tried = adaptive->is_downward
                         ? adaptive->calls - step
                         : MIN(adaptive->calls + step, adaptive->max_calls);
    adaptive->base_calls = adaptive->calls;
    adaptive->base_records = adaptive->records;
    adaptive->search = KAB_ADAPTIVE_SEARCH_PROBE;
    /* As many records in flight as before: only their split changes. */
    set_limits(adaptive, adaptive->records * adaptive->calls / (double)tried,
               tried,
               adaptive->is_downward ? KAB_ADAPTIVE_REASON_PROBE_DOWN
                                     : KAB_ADAPTIVE_REASON_PROBE_UP);
    open_window(adaptive);
}

static void
undo_probe(KabAdaptive *adaptive)
{
    set_limits(adaptive, adaptive->base_records, adaptive->base_calls,
               KAB_ADAPTIVE_REASON_PROBE_UNDONE);
    adaptive->is_downward = !adaptive->is_downward;
    adaptive->pause_left = adaptive->pause;
    adaptive->pause = MIN(2 * adaptive->pause, MAX_PAUSE);
    restart_search(adaptive);
}

static void
judge_probe(KabAdaptive *adaptive, double rate)
{
    double bound = adaptive->is_downward ? COST : GAIN;
    if (rate < bound * adaptive->base_rate) {
        undo_probe(adaptive);
        return;
    }
    adaptive->reason = KAB_ADAPTIVE_REASON_PROBE_KEPT;
    adaptive->search = KAB_ADAPTIVE_SEARCH_BASE;
    adaptive->pause = MIN_PAUSE;
    adaptive->base_rate = rate;
    begin_probe(adaptive);
}

/* The measurement is complete. */
static void
end_window(KabAdaptive *adaptive, double rate)
{
    bool is_saturated = is_most(adaptive->window.saturated, &adaptive->window);
    tally_clear(&adaptive->window);
    if (!is_saturated) {
        if (adaptive->search == KAB_ADAPTIVE_SEARCH_PROBE)
            undo_probe(adaptive);
        return;
    }
    adaptive->throughput = rate;
    if (adaptive->search == KAB_ADAPTIVE_SEARCH_PROBE) {
        judge_probe(adaptive, rate);
    } else if (adaptive->pause_left > 0) {
        adaptive->pause_left--;
    } else {
        adaptive->base_rate = rate;
        begin_probe(adaptive);
    }
}

static void
search_calls(KabAdaptive *adaptive, const KabAdaptiveCall *call)
{
    bool is_probe = adaptive->search == KAB_ADAPTIVE_SEARCH_PROBE;
    bool is_settled = (int32_t)(call->epoch - adaptive->window_epoch) >= 0;
    bool is_older = (int32_t)(call->epoch - adaptive->probe_epoch) < 0;
    if (is_older || (!is_settled && !is_probe))
        return;
    if (is_settled && !adaptive->is_settled)
        tally_clear(&adaptive->window);
    adaptive->is_settled = is_settled;
    tally_add(&adaptive->window, call, false);
    double rate = tally_rate(&adaptive->window, adaptive->calls);
    if (is_probe && adaptive->window.n >= HOPELESS_CALLS &&
        rate < HOPELESS * adaptive->base_rate)
        undo_probe(adaptive);
    else if (is_settled && adaptive->window.n >= SEARCH_CALLS)
        end_window(adaptive, rate);
}

/* --- Events ------------------------------------------------------------ */

void
kab_adaptive_answered(KabAdaptive *adaptive, const KabAdaptiveCall *call)
{
    if (adaptive->phase == KAB_ADAPTIVE_STEADY)
        search_calls(adaptive, call);
    if (call->epoch != adaptive->epoch)
        return;
    tally_add(&adaptive->tally, call,
              call->oldest_us > adaptive->target_us / 2);
    adaptive->budget_us = budget_of(adaptive, &adaptive->tally);
    bool is_too_long = call->call_us > adaptive->budget_us;
    adaptive->violations += is_too_long;
    switch (adaptive->phase) {
    case KAB_ADAPTIVE_CALLS:
        decide_calls(adaptive, is_too_long);
        break;
    case KAB_ADAPTIVE_RECORDS:
        decide_records(adaptive, is_too_long);
        break;
    case KAB_ADAPTIVE_STEADY:
        decide_steady(adaptive, is_too_long, call->call_us);
        break;
    }
}

void
kab_adaptive_overloaded(KabAdaptive *adaptive, uint32_t epoch)
{
    if (epoch != adaptive->epoch || adaptive->was_overloaded)
        return;
    if (adaptive->phase == KAB_ADAPTIVE_CALLS)
        adaptive->phase = KAB_ADAPTIVE_RECORDS;
    if (adaptive->calls > 1)
        set_limits(adaptive, adaptive->records, adaptive->calls / 2,
                   KAB_ADAPTIVE_REASON_OVERLOAD);
    adaptive->was_overloaded = true;
    restart_search(adaptive);
}
