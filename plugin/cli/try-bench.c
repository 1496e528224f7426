/* SPDX-License-Identifier: Apache-2.0 */
/* The measurements of a bench; try-bench-calls.c makes the calls. */
#include "try-bench-internal.h"

#include <poll.h>

#include "try-internal.h"

/* Calls that are enough for a percentile, if a quarter of the time has gone. */
#define ENOUGH_CALLS 100
/* Calls of each slot that are wanted, and the shares of time they may take. */
#define FEW_CALLS 3
#define LONG_SHARES 4
/* The part of a measurement that is not counted: the first calls all come at
 * once, and some open connections. */
#define WARM_UP 5
/* How long a call that is awaited at the end may take, before it is cancelled
 * and again after that. */
#define PATIENCE_US (2 * G_USEC_PER_SEC)
#define WAIT_MS 50

/* --- A measurement ----------------------------------------------------- */

/* The time of a call begins when process() is entered. */
static bool
is_late(const KabTrySlot *slot, int64_t timeout_us, int64_t now)
{
    int64_t entered_us = slot->attempt.entered_us;
    return slot->is_out && timeout_us && entered_us >= slot->dispatched_us &&
           now - entered_us > timeout_us;
}

static void
cancel_late_calls(KabTryBench *bench, int64_t now)
{
    int64_t timeout_us = bench->setup.settings->engine.call_timeout_us;
    bool is_last_call =
        bench->is_stopping && now - bench->stopped_us > PATIENCE_US;
    for (unsigned i = 0; bench->n_out && i < bench->setup.max_calls; i++) {
        KabTrySlot *slot = &bench->slots[i];
        bool has_timed_out = is_late(slot, timeout_us, now);
        if (has_timed_out && !slot->is_cancelled)
            kab_try_bench_refuse(bench, "no answer within call.timeout", 0);
        if (has_timed_out || is_last_call)
            kab_try_bench_cancel(bench, slot);
    }
}

static bool
turn_bench(KabTryBench *bench)
{
    bool has_moved = kab_mailbox_deliver(bench->mailbox, bench) > 0;
    kab_executor_turn(bench->executor);
    cancel_late_calls(bench, g_get_monotonic_time());
    return kab_try_bench_fill(bench) || has_moved;
}

static void
sleep_bench(KabTryBench *bench)
{
    struct pollfd fd = {.fd = kab_mailbox_fd(bench->mailbox), .events = POLLIN};
    if (kab_mailbox_arm(bench->mailbox))
        poll(&fd, 1, WAIT_MS);
    kab_mailbox_wake(bench->mailbox);
}

/* All calls have ended, or one never will. */
static bool
is_over(KabTryBench *bench, int64_t now)
{
    if (!bench->is_stopping)
        return false;
    if (!bench->n_out)
        return true;
    bench->has_leaked = now - bench->stopped_us > 2 * PATIENCE_US;
    return bench->has_leaked;
}

static void
begin_measurement(KabTryBench *bench, size_t records, unsigned calls)
{
    bench->records = records;
    bench->calls = calls;
    bench->is_stopping = false;
    bench->n_records = 0;
    bench->cycle_us = bench->pause_us = bench->not_before_us = 0;
    bench->n_suspects = 0;
    bench->end = KAB_TRY_BENCH_MEASURED;
    for (unsigned i = 0; i < bench->setup.max_calls; i++)
        bench->slots[i].freed_us = 0;
    g_array_set_size(bench->call_us, 0);
    g_clear_pointer(&bench->refusal, g_free);
}

/* Enough for a percentile; or a few calls a slot, so that one that is disturbed
 * does not count for all; of long calls, one. */
static bool
has_enough(const KabTryBench *bench, int64_t spent_us, int64_t share_us)
{
    guint n = bench->call_us->len;
    if (n >= ENOUGH_CALLS && 4 * spent_us >= share_us)
        return true;
    if (n >= FEW_CALLS * bench->calls && spent_us >= share_us)
        return true;
    return n >= bench->calls && spent_us / LONG_SHARES >= share_us;
}

static void
run_measurement(KabTryBench *bench, int64_t share_us, int64_t deadline_us)
{
    int64_t began_us = g_get_monotonic_time(), told_us = 0;
    int64_t now = began_us;
    for (; !is_over(bench, now); now = g_get_monotonic_time()) {
        if (!turn_bench(bench))
            sleep_bench(bench);
        if (now >= deadline_us || has_enough(bench, now - began_us, share_us))
            kab_try_bench_stop(bench);
        if (now - told_us > 200 * 1000) {
            bench->setup.on_wait(bench->setup.user);
            told_us = now;
        }
    }
    if (bench->has_leaked)
        kab_try_bench_give_up(bench, KAB_TRY_BENCH_GONE,
                              g_strdup_printf("%s, and the call does not end",
                                              bench->refusal
                                                  ? bench->refusal
                                                  : "the time is over"));
}

static int
compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One call in a hundred may be longer; of fewer, one. */
static int64_t
find_percentile(const GArray *sorted, double share)
{
    guint at = (guint)(share * (sorted->len - 1));
    return g_array_index(sorted, int64_t, at);
}

static void
sum_up(KabTryBench *bench, KabTryCell *cell)
{
    cell->n_calls = bench->call_us->len;
    if (!cell->n_calls)
        return;
    g_array_sort(bench->call_us, compare_times);
    cell->p50_us = find_percentile(bench->call_us, 0.5);
    cell->p99_us = find_percentile(bench->call_us, 0.99);
    /* Little's law: no error at the edges of the measurement. */
    cell->throughput = (double)cell->calls * (double)bench->n_records * 1e6 /
                       (double)bench->cycle_us;
}

KabTryBenchEnd
kab_try_bench_measure(KabTryBench *bench,
                      KabTryCell *cell,
                      int64_t budget_us,
                      int64_t share_us,
                      int64_t deadline_us,
                      int64_t *ret_pause_us)
{
    begin_measurement(bench, cell->records, cell->calls);
    bench->counted_from_us = g_get_monotonic_time() + share_us / WARM_UP;
    run_measurement(bench, share_us, deadline_us);
    if (bench->end != KAB_TRY_BENCH_MEASURED)
        return bench->end;
    sum_up(bench, cell);
    *ret_pause_us = bench->pause_us;
    if (bench->refusal) {
        cell->end = KAB_TRY_CELL_REFUSED;
        cell->reason = g_steal_pointer(&bench->refusal);
        return KAB_TRY_BENCH_MEASURED;
    }
    cell->end =
        cell->p99_us > budget_us ? KAB_TRY_CELL_BEYOND : KAB_TRY_CELL_OK;
    return cell->n_calls >= cell->calls ? KAB_TRY_BENCH_MEASURED
                                        : KAB_TRY_BENCH_LATE;
}

/* Calls half of the suspects, from line `first` on. */
static KabTryBenchEnd
call_half(KabTryBench *bench, size_t first, size_t n, int64_t deadline_us)
{
    KabTryCell half = {.records = n, .calls = 1};
    int64_t pause_us;
    bench->next = first % bench->setup.sample->lines->len;
    KabTryBenchEnd end = kab_try_bench_measure(bench, &half, INT64_MAX, 0,
                                               deadline_us, &pause_us);
    if (end == KAB_TRY_BENCH_MEASURED && half.end == KAB_TRY_CELL_REFUSED) {
        end = KAB_TRY_BENCH_BAD;
        kab_try_bench_give_up(
            bench, end,
            g_strdup_printf("%s: %zu records from line %zu on: failed: %s",
                            bench->setup.sample->name, n, first + 1,
                            half.reason));
    }
    g_free(half.reason);
    return end;
}

KabTryBenchEnd
kab_try_bench_acquit(KabTryBench *bench, int64_t deadline_us)
{
    size_t n = bench->n_suspects, first = bench->first_suspect;
    if (n < 2)
        return KAB_TRY_BENCH_MEASURED;
    KabTryBenchEnd end = call_half(bench, first, n / 2, deadline_us);
    if (end == KAB_TRY_BENCH_MEASURED)
        end = call_half(bench, first + n / 2, n - n / 2, deadline_us);
    return end == KAB_TRY_BENCH_LATE ? KAB_TRY_BENCH_MEASURED : end;
}

KabTryBenchEnd
kab_try_bench_follow(KabTryBench *bench,
                     KabAdaptive *adaptive,
                     int64_t until_us,
                     KabTryCell *ret_cell)
{
    int64_t began_us = g_get_monotonic_time();
    bench->adaptive = adaptive;
    begin_measurement(bench, 1, 1);
    bench->counted_from_us = began_us + (until_us - began_us) / 2;
    run_measurement(bench, INT64_MAX, until_us);
    bench->adaptive = NULL;
    if (bench->end != KAB_TRY_BENCH_MEASURED)
        return bench->end;
    *ret_cell = (KabTryCell){.records = kab_adaptive_records(adaptive),
                             .calls = adaptive->calls};
    sum_up(bench, ret_cell);
    /* The calls in flight have changed, so Little's law does not hold. */
    ret_cell->throughput = (double)bench->n_records * 1e6 /
                           (double)(until_us - bench->counted_from_us);
    return ret_cell->n_calls ? KAB_TRY_BENCH_MEASURED : KAB_TRY_BENCH_LATE;
}

/* --- Made and ended ---------------------------------------------------- */

KabTryBench *
kab_try_bench_new(const KabTryBenchSetup *setup)
{
    KabTryBench *bench = g_new0(KabTryBench, 1);
    const KabBindingSettings *settings = setup->settings;
    bench->setup = *setup;
    bench->mailbox = kab_mailbox_new(NULL);
    bench->topics = kab_try_list_topics(settings);
    bench->slots = g_new0(KabTrySlot, setup->max_calls);
    bench->call_us = g_array_new(FALSE, FALSE, sizeof(int64_t));
    KabExecutorSetup executor = {
        .binding = settings->name,
        .function = setup->instance->function,
        .instance = setup->instance->handle,
        .has_output_topic = settings->output_topic != NULL,
        .topics = (const char *const *)bench->topics->pdata,
        .get_headers = kab_try_get_headers,
        .threads = setup->threads,
        .mailbox = bench->mailbox,
        .events = &kab_try_bench_events,
        .user = bench,
    };
    bench->executor = kab_executor_new(&executor);
    return bench;
}

/* A function may answer before process() returns. */
static bool
await_threads(const KabTryBench *bench)
{
    int64_t until_us = g_get_monotonic_time() + PATIENCE_US;
    while (!bench->has_leaked && !kab_executor_is_idle(bench->executor)) {
        if (g_get_monotonic_time() > until_us)
            return false;
        g_usleep(1000);
    }
    return !bench->has_leaked;
}

bool
kab_try_bench_free(KabTryBench *bench)
{
    if (!bench)
        return true;
    if (!await_threads(bench))
        return false;
    kab_executor_free(bench->executor);
    kab_mailbox_free(bench->mailbox);
    for (unsigned i = 0; i < bench->setup.max_calls; i++) {
        g_free(bench->slots[i].records);
        g_free(bench->slots[i].messages);
        g_free(bench->slots[i].results);
    }
    g_free(bench->slots);
    g_ptr_array_unref(bench->topics);
    g_array_unref(bench->call_us);
    g_free(bench->refusal);
    g_free(bench->problem);
    g_free(bench);
    return true;
}

const char *
kab_try_bench_problem(const KabTryBench *bench)
{
    return bench->problem;
}
