/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge try --find-batch: measures a function at growing batch sizes and
 * numbers of calls in flight, and recommends some.
 *
 *   first answer -> search (try-search.h): two thirds of the time
 *                -> `batching = adaptive` on the same function: one third
 */
#include "try-find.h"

#include <inttypes.h>
#include <sysexits.h>

#include "cli.h"
#include "session.h"
#include "try-bench.h"
#include "try-curve.h"

/* Measurements that the time of the search is divided into. */
#define SHARES 40
#define MIN_SHARE_US (50 * 1000)
/* A worker or a model may need this long before its first answer. */
#define FIRST_ANSWER_US (60 * G_USEC_PER_SEC)
/* Too short a time for the controller to be judged. */
#define MIN_ADAPTIVE_US G_USEC_PER_SEC

/* Made and ended by kab_try_find_batch(). */
typedef struct {
    const KabBindingSettings *settings;
    const KabTryFindSetup *setup;
    KabTerminal progress;
    KabInstance *instance;
    KabEngineOptions options; /* with the ceilings of the function */
    KabTrySample sample;
    KabTryBench *bench;
    KabTrySearch search;
    KabTryCell present; /* being measured; calls 0: the controller's turn */
    int64_t began_us, search_end_us, end_us;
    char *records_ceiling, *calls_ceiling; /* which option or what set them */
    KabAdaptive adaptive;
    KabTryCell adaptive_cell;
    int64_t adaptive_us; /* 0: not tried */
} Find;

/* --- Ceilings ---------------------------------------------------------- */

/* Records that fit into batch.bytes. */
static size_t
fitting_records(const Find *find)
{
    size_t each = find->sample.bytes / find->sample.lines->len;
    return MAX(find->options.batch_bytes / MAX(each, 1u), 1u);
}

/* The function may learn its ceilings from what it calls, so they are looked at
 * again before each measurement. */
static void
read_ceilings(Find *find)
{
    const KabEngineOptions *given = &find->settings->engine;
    find->options = *given;
    kab_instance_limit(find->instance, &find->options);
    size_t fitting = fitting_records(find);
    find->search.max_records = MIN(find->options.batch_count, fitting);
    find->search.max_calls = find->options.max_in_flight;
    g_free(find->records_ceiling);
    g_free(find->calls_ceiling);
    find->records_ceiling = g_strdup(
        fitting < find->options.batch_count              ? "batch.bytes"
        : find->options.batch_count < given->batch_count ? "the function"
                                                         : "batch.count");
    find->calls_ceiling = g_strdup(
        find->options.max_in_flight < given->max_in_flight ? "the function"
                                                           : "max.in.flight");
}

/* --- Progress ---------------------------------------------------------- */

static void
show_progress(void *user)
{
    const Find *find = user;
    double spent = (double)(g_get_monotonic_time() - find->began_us) / 1e6;
    g_autofree char *what =
        !find->began_us ? g_strdup("waiting for the first answer")
        : find->present.calls
            ? g_strdup_printf(
                  "%u call%s in flight, batches of %zu", find->present.calls,
                  find->present.calls == 1 ? "" : "s", find->present.records)
            : g_strdup_printf("batching = adaptive: batches of %zu, %u calls "
                              "in flight",
                              kab_adaptive_records(&find->adaptive),
                              find->adaptive.calls);
    g_autofree char *line = find->began_us
                                ? g_strdup_printf("%s  %.0f of %d s", what,
                                                  spent, find->setup->seconds)
                                : g_strdup(what);
    kab_terminal_progress(&find->progress, line);
}

/* --- Measured ---------------------------------------------------------- */

static int64_t
share_us(const Find *find)
{
    return MAX((find->search_end_us - find->began_us) / SHARES, MIN_SHARE_US);
}

/* What a service asks for after a refusal. */
static void
pause_calls(const Find *find, int64_t pause_us)
{
    int64_t left_us = find->search_end_us - g_get_monotonic_time();
    g_usleep((gulong)CLAMP(pause_us, 0, MAX(left_us, 0)));
}

static KabTryBenchEnd
measure_cell(Find *find)
{
    int64_t pause_us = 0;
    KabTryBenchEnd end = kab_try_bench_measure(
        find->bench, &find->present, find->search.budget_us, share_us(find),
        find->search_end_us, &pause_us);
    if (end != KAB_TRY_BENCH_MEASURED)
        return end;
    kab_try_search_add(&find->search, &find->present);
    pause_calls(find, pause_us);
    if (find->present.end == KAB_TRY_CELL_REFUSED)
        end = kab_try_bench_acquit(find->bench, find->search_end_us);
    return end;
}

static KabTryBenchEnd
search_batches(Find *find)
{
    KabTryBenchEnd end = KAB_TRY_BENCH_MEASURED;
    size_t records;
    unsigned calls;
    while (end == KAB_TRY_BENCH_MEASURED &&
           g_get_monotonic_time() < find->search_end_us) {
        read_ceilings(find);
        if (!kab_try_search_next(&find->search, &records, &calls))
            break;
        find->present = (KabTryCell){.records = records, .calls = calls};
        end = measure_cell(find);
    }
    return end;
}

/* The time-out of one call does not count while a worker or a model starts. */
static KabTryBenchEnd
await_first_answer(Find *find)
{
    KabTryCell first = {.records = 1, .calls = 1};
    int64_t pause_us, deadline_us = g_get_monotonic_time() + FIRST_ANSWER_US;
    KabTryBenchEnd end = kab_try_bench_measure(find->bench, &first, INT64_MAX,
                                               0, deadline_us, &pause_us);
    if (end == KAB_TRY_BENCH_MEASURED && first.end == KAB_TRY_CELL_REFUSED) {
        fprintf(stderr, "kabridge: the function refuses a single record: %s\n",
                first.reason);
        end = KAB_TRY_BENCH_LATE;
    } else if (end == KAB_TRY_BENCH_LATE) {
        fprintf(stderr, "kabridge: the function gave no answer within %d s\n",
                (int)(FIRST_ANSWER_US / G_USEC_PER_SEC));
    }
    g_free(first.reason);
    return end;
}

static KabTryBenchEnd
try_controller(Find *find)
{
    int64_t began_us = g_get_monotonic_time();
    int64_t left_us = (find->end_us - find->search_end_us);
    find->present.calls = 0;
    if (left_us < MIN_ADAPTIVE_US)
        return KAB_TRY_BENCH_MEASURED;
    kab_adaptive_init(&find->adaptive, find->options.latency_target_us,
                      find->search.max_records, find->search.max_calls);
    KabTryBenchEnd end = kab_try_bench_follow(
        find->bench, &find->adaptive, began_us + left_us, &find->adaptive_cell);
    if (end == KAB_TRY_BENCH_MEASURED)
        find->adaptive_us = g_get_monotonic_time() - began_us;
    return end == KAB_TRY_BENCH_LATE ? KAB_TRY_BENCH_MEASURED : end;
}

static KabTryBenchEnd
measure_all(Find *find)
{
    KabTryBenchEnd end = await_first_answer(find);
    if (end != KAB_TRY_BENCH_MEASURED)
        return end;
    int64_t all_us = find->setup->seconds * G_USEC_PER_SEC;
    find->began_us = g_get_monotonic_time();
    find->search_end_us = find->began_us + all_us * 2 / 3;
    find->end_us = find->began_us + all_us;
    end = search_batches(find);
    if (end == KAB_TRY_BENCH_LATE && find->search.cells->len == 0)
        fprintf(stderr,
                "kabridge: no call was answered in time; --seconds gives "
                "more\n");
    if ((end == KAB_TRY_BENCH_MEASURED || end == KAB_TRY_BENCH_LATE) &&
        find->search.cells->len > 0)
        end = try_controller(find);
    return end;
}

/* --- Reported ---------------------------------------------------------- */

static void
print_head(const Find *find)
{
    guint n = find->sample.lines->len;
    printf("%s with the %s%u line%s of %s, repeated; a call may take %.0f ms, "
           "half of latency.target\n\n",
           find->instance->function->name, find->sample.is_cut ? "first " : "",
           n, n == 1 ? "" : "s", find->sample.name,
           (double)find->search.budget_us / 1000);
}

static void
report_found(Find *find)
{
    KabTerminal terminal = kab_terminal_of(stdout);
    KabTryReport report = {
        .search = &find->search,
        .advice = kab_try_search_advise(&find->search),
        .binding = find->settings->name,
        .records_ceiling = find->records_ceiling,
        .calls_ceiling = find->calls_ceiling,
        .record_bytes = find->sample.bytes / find->sample.lines->len,
        .adaptive = find->adaptive_us ? &find->adaptive_cell : NULL,
        .adaptive_us = find->adaptive_us,
    };
    kab_terminal_progress(&find->progress, "");
    if (!report.advice.cell)
        return;
    if (find->setup->is_json) {
        kab_try_report_print_json(&report);
        return;
    }
    print_head(find);
    kab_try_report_print(&report, &terminal);
}

static int
status_of(const Find *find, KabTryBenchEnd end)
{
    const char *problem = kab_try_bench_problem(find->bench);
    switch (end) {
    case KAB_TRY_BENCH_MEASURED:
        return EX_OK;
    case KAB_TRY_BENCH_LATE:
        return find->search.cells->len ? EX_OK : EX_UNAVAILABLE;
    case KAB_TRY_BENCH_BAD:
        fprintf(stderr,
                "kabridge: %s\nkabridge: --find-batch needs records that the "
                "function takes; kabridge try without it says what becomes of "
                "each\n",
                problem);
        return EX_DATAERR;
    case KAB_TRY_BENCH_GONE:
        fprintf(stderr, "kabridge: %s\n", problem);
        return EX_UNAVAILABLE;
    }
    g_assert_not_reached();
}

/* --- The whole --------------------------------------------------------- */

static bool
read_sample(Find *find, FILE *in)
{
    const char *topic = find->settings->input_topics[0];
    g_autofree char *problem = NULL;
    if (kab_try_sample_read(&find->sample, in, find->setup->in_name,
                            find->setup->is_json,
                            *topic == '^' ? "lines" : topic, &problem))
        return true;
    fprintf(stderr, "kabridge: %s\n", problem);
    return false;
}

static int
measure_and_report(Find *find)
{
    KabTryBenchSetup setup = {
        .settings = find->settings,
        .instance = find->instance,
        .sample = &find->sample,
        .max_calls = find->options.max_in_flight,
        .threads = find->options.threads,
        .on_wait = show_progress,
        .user = find,
    };
    find->bench = kab_try_bench_new(&setup);
    KabTryBenchEnd end = measure_all(find);
    report_found(find);
    int status = status_of(find, end);
    if (!kab_try_bench_free(find->bench))
        kab_cli_leave(status);
    return status;
}

static int
open_and_measure(Find *find)
{
    g_autoptr(GError) error = NULL;
    find->instance = kab_instance_open(find->settings,
                                       find->settings->module.function, &error);
    if (!find->instance)
        return kab_cli_fail(g_steal_pointer(&error));
    kab_try_search_init(&find->search,
                        find->settings->engine.latency_target_us / 2, 1, 1);
    read_ceilings(find);
    int status = measure_and_report(find);
    kab_instance_close(find->instance);
    kab_try_search_clear(&find->search);
    return status;
}

int
kab_try_find_batch(const KabBindingSettings *settings,
                   FILE *in,
                   const KabTryFindSetup *setup)
{
    Find find = {
        .settings = settings,
        .setup = setup,
        .progress = kab_terminal_of(stderr),
    };
    int status = EX_DATAERR;
    if (read_sample(&find, in))
        status = open_and_measure(&find);
    kab_try_sample_clear(&find.sample);
    g_free(find.adaptive_cell.reason);
    g_free(find.records_ceiling);
    g_free(find.calls_ceiling);
    return status;
}
