/* SPDX-License-Identifier: Apache-2.0 */
#include "try-curve.h"

#include <inttypes.h>

#include <jansson.h>

#define RATE_WIDTH 20
#define TIME_WIDTH 14
/* Static defaults that a large batch needs more of. */
#define DEFAULT_BATCH_BYTES (1024 * 1024)
#define DEFAULT_BUFFER_BYTES (64 * 1024 * 1024)
#define RECORD_CHARGE 512
/* The controller has found what is recommended if it has this share of its
 * throughput, and has not settled while calls exceed the budget by this. */
#define FOUND 0.9
#define SETTLED 1.1

static double
as_ms(int64_t us)
{
    return (double)us / 1000;
}

/* --- Reasons ----------------------------------------------------------- */

static char *
dup_example(const KabTryCell *cell, bool is_of_calls)
{
    if (is_of_calls)
        return g_strdup_printf("%u calls in flight", cell->calls);
    return g_strdup_printf("batches of %zu", cell->records);
}

static char *
dup_reason(const KabTryReport *report,
           KabTryLimit limit,
           const KabTryCell *more,
           bool is_of_calls,
           const char *ceiling)
{
    g_autofree char *example = more ? dup_example(more, is_of_calls) : NULL;
    switch (limit) {
    case KAB_TRY_LIMIT_GAIN:
        return g_strdup_printf("%s gain nothing: %.0f records/s", example,
                               more->throughput);
    case KAB_TRY_LIMIT_BUDGET:
        return g_strdup_printf("%s take %.1f ms a call, more than %.0f ms",
                               example, as_ms(more->p99_us),
                               as_ms(report->search->budget_us));
    case KAB_TRY_LIMIT_REFUSED:
        return g_strdup_printf("%s are refused: %s", example, more->reason);
    case KAB_TRY_LIMIT_CEILING:
        return g_strdup_printf("the ceiling, from %s: more was not tried",
                               ceiling);
    case KAB_TRY_LIMIT_UNKNOWN:
        return g_strdup("the time was over before more was tried: --seconds");
    }
    g_assert_not_reached();
}

char *
kab_try_report_dup_records_reason(const KabTryReport *report)
{
    return dup_reason(report, report->advice.records_limit,
                      report->advice.more_records, false,
                      report->records_ceiling);
}

char *
kab_try_report_dup_calls_reason(const KabTryReport *report)
{
    return dup_reason(report, report->advice.calls_limit,
                      report->advice.more_calls, true, report->calls_ceiling);
}

/* --- The curve --------------------------------------------------------- */

/* A bar of exactly `width` cells, blanks included. Returns a new string. */
static char *
dup_bar(const KabTerminal *terminal, double share, unsigned width)
{
    static const char *const eighths[] = {"",  "▏", "▎", "▍",
                                          "▌", "▋", "▊", "▉"};
    bool is_fine = terminal->is_terminal && g_get_charset(NULL);
    unsigned parts = (unsigned)(CLAMP(share, 0, 1) * width * 8 + 0.5);
    if (!is_fine)
        parts = (parts + 4) / 8 * 8;
    GString *bar = g_string_new(NULL);
    for (unsigned i = 0; i < parts / 8; i++)
        g_string_append(bar, is_fine ? "█" : "#");
    g_string_append(bar, eighths[parts % 8]);
    unsigned used = parts / 8 + (parts % 8 > 0);
    g_string_append_printf(bar, "%*s", (int)(width - used), "");
    return g_string_free(bar, FALSE);
}

static double
share_of(double value, double most)
{
    return most > 0 ? value / most : 0;
}

static void
print_cell(const KabTerminal *terminal,
           const KabTryCell *cell,
           double most_rate,
           double most_us,
           bool is_chosen)
{
    bool is_beyond = cell->end == KAB_TRY_CELL_BEYOND;
    printf("%s%9zu  ",
           kab_terminal_style(terminal, is_chosen   ? KAB_STYLE_GREEN
                                        : is_beyond ? KAB_STYLE_YELLOW
                                                    : KAB_STYLE_PLAIN),
           cell->records);
    if (cell->end == KAB_TRY_CELL_REFUSED) {
        printf("refused: %s%s\n", cell->reason,
               kab_terminal_style(terminal, KAB_STYLE_PLAIN));
        return;
    }
    g_autofree char *rate =
        dup_bar(terminal, share_of(cell->throughput, most_rate), RATE_WIDTH);
    g_autofree char *time =
        dup_bar(terminal, share_of((double)cell->p99_us, most_us), TIME_WIDTH);
    printf("%11.0f  %s %9.1f  %9.1f  %s%s%s\n", cell->throughput, rate,
           as_ms(cell->p50_us), as_ms(cell->p99_us), time,
           is_chosen   ? "*"
           : is_beyond ? "!"
                       : "",
           kab_terminal_style(terminal, KAB_STYLE_PLAIN));
}

static void
print_curve(const KabTryReport *report, const KabTerminal *terminal)
{
    const KabTryCell *chosen = report->advice.cell;
    const GArray *cells = report->search->cells;
    double most_rate = 0, most_us = 0;
    for (guint i = 0; i < cells->len; i++) {
        const KabTryCell *cell = &g_array_index(cells, KabTryCell, i);
        if (cell->calls != chosen->calls)
            continue;
        most_rate = MAX(most_rate, cell->throughput);
        most_us = MAX(most_us, (double)cell->p99_us);
    }
    printf("%u call%s in flight\n  records    records/s  %-*s    p50 ms     "
           "p99 ms\n",
           chosen->calls, chosen->calls == 1 ? "" : "s", RATE_WIDTH, "");
    for (size_t size = 1; size > 0;
         size = kab_try_search_larger(report->search, size)) {
        const KabTryCell *cell =
            kab_try_search_find(report->search, size, chosen->calls);
        if (cell)
            print_cell(terminal, cell, most_rate, most_us, cell == chosen);
    }
    printf("* recommended   ! beyond %.0f ms\n\n",
           as_ms(report->search->budget_us));
}

static void
print_rows(const KabTryReport *report, const KabTerminal *terminal)
{
    const KabTrySearch *search = report->search;
    const KabTryCell *best = kab_try_search_best(search, 0);
    if (!best)
        return;
    printf("each number of calls in flight, with its best batch\n"
           "    calls  records    records/s\n");
    for (unsigned calls = 1; calls > 0;
         calls = kab_try_search_more(search, calls)) {
        const KabTryCell *cell = kab_try_search_best(search, calls);
        if (!cell)
            continue;
        g_autofree char *bar = dup_bar(
            terminal, share_of(cell->throughput, best->throughput), RATE_WIDTH);
        printf("%9u %8zu  %11.0f  %s\n", calls, cell->records, cell->throughput,
               g_strchomp(bar));
    }
    putchar('\n');
}

/* --- Options to set ---------------------------------------------------- */

/* What a batch needs of batch.bytes, in KiB, rounded up generously; 0: the
 * default suffices. */
static size_t
batch_kib(const KabTryReport *report)
{
    size_t bytes = report->advice.cell->records * report->record_bytes;
    return bytes > DEFAULT_BATCH_BYTES / 2 ? 2 * bytes / 1024 : 0;
}

/* The engine takes as many records again as are in calls, and charges each
 * with its output, too. */
static size_t
buffer_mib(const KabTryReport *report)
{
    const KabTryCell *cell = report->advice.cell;
    size_t charge = 2 * report->record_bytes + 2 * RECORD_CHARGE;
    size_t bytes = 2 * cell->records * cell->calls * charge;
    return bytes > DEFAULT_BUFFER_BYTES ? bytes / 1024 / 1024 + 1 : 0;
}

static void
print_options(const KabTryReport *report)
{
    const KabTryCell *cell = report->advice.cell;
    g_autofree char *records = kab_try_report_dup_records_reason(report);
    g_autofree char *calls = kab_try_report_dup_calls_reason(report);
    printf("[binding %s]\n# %s\nbatch.count = %zu\n# %s\nmax.in.flight = %u\n",
           report->binding, records, cell->records, calls, cell->calls);
    if (batch_kib(report))
        printf("# twice what %zu of these records take\nbatch.bytes = "
               "%zuKiB\n",
               cell->records, batch_kib(report));
    if (buffer_mib(report))
        printf("# for the records in calls, and as many that wait\n"
               "buffer.bytes = %zuMiB\n",
               buffer_mib(report));
    printf("\n%.0f records/s; 99 %% of the calls within %.1f ms",
           cell->throughput, as_ms(cell->p99_us));
    if (cell->end == KAB_TRY_CELL_BEYOND)
        printf(", which is beyond %.0f ms: nothing was within it",
               as_ms(report->search->budget_us));
    printf("\n");
}

static const char *
adaptive_verdict(const KabTryReport *report)
{
    const KabTryCell *cell = report->adaptive;
    if ((double)cell->p99_us > SETTLED * (double)report->search->budget_us)
        return "was still searching";
    return cell->throughput >= FOUND * report->advice.cell->throughput
               ? "finds this"
               : "did not find this";
}

static void
print_adaptive(const KabTryReport *report)
{
    const KabTryCell *cell = report->adaptive;
    if (!cell) {
        printf("batching = adaptive was not tried: no time was left\n");
        return;
    }
    printf("batching = adaptive %s: after %.0f s batches of %zu, %u call%s in "
           "flight, %.0f records/s, 99 %% of the calls within %.1f ms\n",
           adaptive_verdict(report), (double)report->adaptive_us / 1e6,
           cell->records, cell->calls, cell->calls == 1 ? "" : "s",
           cell->throughput, as_ms(cell->p99_us));
}

void
kab_try_report_print(const KabTryReport *report, const KabTerminal *terminal)
{
    print_curve(report, terminal);
    print_rows(report, terminal);
    print_options(report);
    print_adaptive(report);
}

/* --- JSON -------------------------------------------------------------- */

static const char *const ends[] = {
    [KAB_TRY_CELL_OK] = "ok",
    [KAB_TRY_CELL_BEYOND] = "beyond",
    [KAB_TRY_CELL_REFUSED] = "refused",
};

static json_t *
cell_as_json(const KabTryCell *cell)
{
    return json_pack(
        "{s:I, s:I, s:s, s:f, s:f, s:f, s:I, s:s*}", "records",
        (json_int_t)cell->records, "calls", (json_int_t)cell->calls, "end",
        ends[cell->end], "records_per_second", cell->throughput, "p50_ms",
        as_ms(cell->p50_us), "p99_ms", as_ms(cell->p99_us), "calls_measured",
        (json_int_t)cell->n_calls, "reason", cell->reason);
}

/* Takes the object. */
static void
print_object(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

void
kab_try_report_print_json(const KabTryReport *report)
{
    const GArray *cells = report->search->cells;
    const KabTryCell *chosen = report->advice.cell;
    for (guint i = 0; i < cells->len; i++)
        print_object(cell_as_json(&g_array_index(cells, KabTryCell, i)));
    g_autofree char *records = kab_try_report_dup_records_reason(report);
    g_autofree char *calls = kab_try_report_dup_calls_reason(report);
    json_t *object = json_pack(
        "{s:{s:I, s:s, s:I, s:s}, s:f, s:f, s:o*}", "recommended",
        "batch.count", (json_int_t)chosen->records, "batch.count.reason",
        records, "max.in.flight", (json_int_t)chosen->calls,
        "max.in.flight.reason", calls, "records_per_second", chosen->throughput,
        "p99_ms", as_ms(chosen->p99_us), "adaptive",
        report->adaptive ? cell_as_json(report->adaptive) : NULL);
    print_object(object);
}
