/* SPDX-License-Identifier: Apache-2.0 */
/* The search of `kabridge try --find-batch`, over functions whose best batch
 * size is known and over model services in virtual time. */
#include "kab-test.h"
#include "plant.h"

#include "try-search.h"

#include <math.h>
#include <stdio.h>

#include <glib.h>

#define BUDGET_US (100 * 1000)

/* A function that takes base + per_record * n for a call, worked on by so many
 * calls side by side. */
typedef struct {
    double base_us, record_us;
    unsigned side_by_side;
    size_t refused_records; /* from this size on; 0: none */
} Formula;

static KabTryCell
measure_formula(const Formula *formula, size_t records, unsigned calls)
{
    double waves = fmax(1, (double)calls / formula->side_by_side);
    double call_us =
        waves * (formula->base_us + formula->record_us * (double)records);
    bool is_refused =
        formula->refused_records && records >= formula->refused_records;
    return (KabTryCell){
        .records = records,
        .calls = calls,
        .end = is_refused            ? KAB_TRY_CELL_REFUSED
               : call_us > BUDGET_US ? KAB_TRY_CELL_BEYOND
                                     : KAB_TRY_CELL_OK,
        .reason = is_refused ? g_strdup("too large") : NULL,
        .throughput = calls * (double)records * 1e6 / call_us,
        .p50_us = (int64_t)call_us,
        .p99_us = (int64_t)call_us,
        .n_calls = 100,
    };
}

/* Measures until the search is complete, `most` cells at most. */
static void
search_formula(KabTrySearch *search, const Formula *formula, guint most)
{
    size_t records;
    unsigned calls;
    while (search->cells->len < most &&
           kab_try_search_next(search, &records, &calls)) {
        assert_null(kab_try_search_find(search, records, calls));
        KabTryCell cell = measure_formula(formula, records, calls);
        kab_try_search_add(search, &cell);
    }
}

TEST(the_largest_batch_within_the_budget_is_recommended)
{
    /* 512 records take 61 ms, 1024 take 112 ms. */
    Formula formula = {10000, 100, 1, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    search_formula(&search, &formula, 1000);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_int_equal(advice.cell->records, 512);
    assert_int_equal(advice.cell->calls, 1);
    assert_int_equal(advice.records_limit, KAB_TRY_LIMIT_BUDGET);
    assert_int_equal(advice.more_records->records, 1024);
    assert_int_equal(advice.calls_limit, KAB_TRY_LIMIT_GAIN);
    kab_try_search_clear(&search);
}

TEST(calls_in_flight_stop_where_they_gain_nothing)
{
    Formula formula = {10000, 100, 4, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    search_formula(&search, &formula, 1000);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_int_equal(advice.cell->records, 512);
    assert_int_equal(advice.cell->calls, 4);
    assert_null(kab_try_search_best(&search, 16));
    kab_try_search_clear(&search);
}

/* 64 records take 20.6 ms, 4096 take 61 ms: the work of a record hardly counts,
 * so only the number of records in flight does. */
TEST(ceilings_end_the_search_and_are_named)
{
    Formula formula = {20000, 10, 64, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 100, 6);
    search_formula(&search, &formula, 1000);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_int_equal(advice.cell->records, 100);
    assert_int_equal(advice.cell->calls, 6);
    assert_int_equal(advice.records_limit, KAB_TRY_LIMIT_CEILING);
    assert_int_equal(advice.calls_limit, KAB_TRY_LIMIT_CEILING);
    kab_try_search_clear(&search);
}

TEST(a_size_that_gains_nothing_is_not_recommended)
{
    /* 16 records take 0.5 ms, 4096 take 82 ms: 32 is 94 % of the best. */
    Formula formula = {20, 20, 1, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    search_formula(&search, &formula, 1000);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_true(advice.cell->records <= 32);
    assert_int_equal(advice.cell->calls, 1);
    assert_int_equal(advice.records_limit, KAB_TRY_LIMIT_GAIN);
    kab_try_search_clear(&search);
}

TEST(what_is_refused_bounds_the_search)
{
    Formula formula = {10000, 100, 4, 64};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    search_formula(&search, &formula, 1000);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_int_equal(advice.cell->records, 32);
    assert_int_equal(advice.cell->calls, 4);
    assert_int_equal(advice.records_limit, KAB_TRY_LIMIT_REFUSED);
    assert_string_equal(advice.more_records->reason, "too large");
    assert_null(kab_try_search_find(&search, 128, 1));
    assert_null(kab_try_search_find(&search, 64, 2));
    kab_try_search_clear(&search);
}

TEST(the_recommended_row_is_a_whole_curve)
{
    Formula formula = {10000, 100, 4, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    search_formula(&search, &formula, 1000);
    for (size_t records = 1; records <= 1024; records *= 2)
        assert_non_null(kab_try_search_find(&search, records, 4));
    kab_try_search_clear(&search);
}

TEST(a_search_that_is_cut_short_says_so)
{
    Formula formula = {10000, 100, 4, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    assert_null(kab_try_search_advise(&search).cell);
    search_formula(&search, &formula, 3);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_int_equal(advice.cell->records, 4);
    assert_int_equal(advice.records_limit, KAB_TRY_LIMIT_UNKNOWN);
    assert_int_equal(advice.calls_limit, KAB_TRY_LIMIT_UNKNOWN);
    kab_try_search_clear(&search);
}

TEST(the_shortest_calls_are_recommended_if_all_are_too_long)
{
    Formula formula = {200000, 1000, 1, 0};
    KabTrySearch search;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    search_formula(&search, &formula, 1000);
    KabTryAdvice advice = kab_try_search_advise(&search);
    assert_int_equal(advice.cell->end, KAB_TRY_CELL_BEYOND);
    assert_int_equal(advice.cell->records, 1);
    assert_int_equal(advice.cell->calls, 1);
    kab_try_search_clear(&search);
}

/* --- Services in virtual time ------------------------------------------ */

static KabTryCell
measure_plant(const Plant *plant, size_t records, unsigned calls)
{
    PlantRun run = {.seconds = 20,
                    .from_s = 5,
                    .seed = 1,
                    .records = records,
                    .calls = calls};
    PlantResult result = plant_run(plant, &run);
    int64_t p99_us = (int64_t)(1000 * result.p99_call_ms);
    return (KabTryCell){.records = records,
                        .calls = calls,
                        .end = p99_us > BUDGET_US ? KAB_TRY_CELL_BEYOND
                                                  : KAB_TRY_CELL_OK,
                        .throughput = result.throughput,
                        .p99_us = p99_us,
                        .n_calls = result.n_calls};
}

static double
advised_share(const Plant *plant, guint *ret_n_cells)
{
    KabTrySearch search;
    size_t records;
    unsigned calls;
    kab_try_search_init(&search, BUDGET_US, 4096, 64);
    while (kab_try_search_next(&search, &records, &calls)) {
        KabTryCell cell = measure_plant(plant, records, calls);
        kab_try_search_add(&search, &cell);
    }
    const KabTryCell *cell = kab_try_search_advise(&search).cell;
    double best = plant_oracle(plant, BUDGET_US / 1000.0, 20);
    print_message("# %s: %.2f of the best, %zu records, %u calls, %u cells "
                  "measured\n",
                  plant->name, cell->throughput / best, cell->records,
                  cell->calls, search.cells->len);
    *ret_n_cells = search.cells->len;
    double share = cell->throughput / best;
    kab_try_search_clear(&search);
    return share;
}

TEST(services_get_most_of_what_the_best_limits_give)
{
    static const Plant plants[] = {
        {.name = "one GPU", .base_ms = 8, .record_ms = 0.25, .replicas = 1},
        {.name = "one GPU, 4 ms on the host",
         .base_ms = 8,
         .record_ms = 0.25,
         .replicas = 1,
         .gap_ms = 4},
        {.name = "4 replicas", .base_ms = 20, .record_ms = 1, .replicas = 4},
        {.name = "16 replicas", .base_ms = 10, .record_ms = 5, .replicas = 16},
        {.name = "self-batching",
         .base_ms = 8,
         .record_ms = 0.25,
         .replicas = 1,
         .merges = true}};
    for (size_t i = 0; i < G_N_ELEMENTS(plants); i++) {
        guint n_cells;
        assert_true(advised_share(&plants[i], &n_cells) >= 0.93);
        assert_in_range(n_cells, 5, 45);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_batch_within_the_budget_is_recommended),
        cmocka_unit_test(calls_in_flight_stop_where_they_gain_nothing),
        cmocka_unit_test(ceilings_end_the_search_and_are_named),
        cmocka_unit_test(a_size_that_gains_nothing_is_not_recommended),
        cmocka_unit_test(what_is_refused_bounds_the_search),
        cmocka_unit_test(the_recommended_row_is_a_whole_curve),
        cmocka_unit_test(a_search_that_is_cut_short_says_so),
        cmocka_unit_test(
            the_shortest_calls_are_recommended_if_all_are_too_long),
        cmocka_unit_test(services_get_most_of_what_the_best_limits_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
