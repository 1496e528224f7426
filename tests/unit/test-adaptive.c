/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of adaptive batching against model services in virtual time.
 * Each scenario fixes ranges; the best of a grid of static limits stands
 * beside it.
 */
#include "kab-test.h"
#include "plant.h"

#include <math.h>
#include <stdio.h>

#include <glib.h>

#define TARGET_MS 200
#define TARGET_US (TARGET_MS * 1000)

static const Plant one_gpu = {
    .name = "one GPU", .base_ms = 8, .record_ms = 0.25, .replicas = 1};
static const Plant host_gap = {.name = "one GPU, 4 ms on the host",
                               .base_ms = 8,
                               .record_ms = 0.25,
                               .replicas = 1,
                               .gap_ms = 4};
static const Plant four_replicas = {
    .name = "4 replicas", .base_ms = 20, .record_ms = 1, .replicas = 4};
static const Plant padded = {.name = "cost in steps of 32",
                             .base_ms = 8,
                             .record_ms = 0.25,
                             .replicas = 1,
                             .step = 32};
static const Plant stragglers = {.name = "4 replicas, 0.5 % three times slower",
                                 .base_ms = 20,
                                 .record_ms = 1,
                                 .replicas = 4,
                                 .slow_share = 0.005};
static const Plant noisy = {.name = "4 replicas, 30 % noise",
                            .base_ms = 20,
                            .record_ms = 1,
                            .replicas = 4,
                            .noise = 0.3};
static const Plant many_replicas = {
    .name = "16 replicas", .base_ms = 10, .record_ms = 5, .replicas = 16};
static const Plant self_batching = {.name = "self-batching",
                                    .base_ms = 8,
                                    .record_ms = 0.25,
                                    .replicas = 1,
                                    .merges = true};

static const Plant *const plants[] = {
    &one_gpu,    &host_gap, &four_replicas, &padded,
    &stragglers, &noisy,    &many_replicas, &self_batching};

static KabAdaptive
new_controller(void)
{
    KabAdaptive adaptive;
    kab_adaptive_init(&adaptive, TARGET_US, 4096, 64);
    return adaptive;
}

static PlantResult
run_adaptive(const Plant *plant,
             KabAdaptive *adaptive,
             double seconds,
             double from_s,
             double arrivals,
             uint64_t seed)
{
    *adaptive = new_controller();
    PlantRun run = {.seconds = seconds,
                    .from_s = from_s,
                    .arrivals = arrivals,
                    .seed = seed,
                    .adaptive = adaptive};
    PlantResult result = plant_run(plant, &run);
    assert_true(adaptive->records >= 1 && adaptive->records <= 4096);
    assert_in_range(adaptive->calls, 1, 64);
    assert_int_equal(result.reductions_in_epoch, 0);
    return result;
}

TEST(throughput_matches_the_best_static_limits)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plants); i++) {
        double oracle = plant_oracle(plants[i], TARGET_MS, 20);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            KabAdaptive adaptive;
            PlantResult result =
                run_adaptive(plants[i], &adaptive, 240, 60, 0, seed);
            print_message("# %s: %.3f of the best static limits (%.0f "
                          "records/s), p99 call %.0f ms, %.0f records, %u "
                          "calls\n",
                          plants[i]->name, result.throughput / oracle, oracle,
                          result.p99_call_ms, adaptive.records, adaptive.calls);
            assert_true(result.throughput >= 0.97 * oracle);
            assert_true(result.p99_call_ms <= 1.1 * TARGET_MS);
        }
    }
}

TEST(most_of_the_throughput_is_reached_within_seconds)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plants); i++) {
        double oracle = plant_oracle(plants[i], TARGET_MS, 20);
        KabAdaptive adaptive;
        PlantResult result = run_adaptive(plants[i], &adaptive, 10, 0.5, 0, 7);
        assert_true(result.throughput >= 0.88 * oracle);
    }
}

/* Each static setting suits some services. On others it takes a part of what
 * they could do, or their calls are far too long. */
TEST(no_static_limits_suit_every_service)
{
    static const struct {
        size_t records;
        unsigned calls;
    } settings[] = {{1, 1}, {16, 8}, {64, 4}, {256, 2}, {512, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
        double least = 9, longest_ms = 0;
        for (size_t j = 0; j < G_N_ELEMENTS(plants); j++) {
            PlantRun run = {.seconds = 60,
                            .from_s = 10,
                            .seed = 1,
                            .records = settings[i].records,
                            .calls = settings[i].calls};
            PlantResult result = plant_run(plants[j], &run);
            double oracle = plant_oracle(plants[j], TARGET_MS, 20);
            least = MIN(least, result.throughput / oracle);
            longest_ms = MAX(longest_ms, result.p99_call_ms);
        }
        print_message("# batch.count = %zu, max.in.flight = %u: at worst %.2f "
                      "of the best, p99 call up to %.0f ms\n",
                      settings[i].records, settings[i].calls, least,
                      longest_ms);
        assert_true(least < 0.9 || longest_ms > 1.5 * TARGET_MS);
    }
}

TEST(calls_are_short_again_soon_after_a_service_slows_down)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plants); i++) {
        Plant plant = *plants[i];
        plant.factor = 3;
        plant.from_s = 60;
        plant.until_s = INFINITY;
        KabAdaptive adaptive;
        PlantResult result = run_adaptive(&plant, &adaptive, 90, 0, 0, 1);
        print_message("# %s, three times slower: %.1f s\n", plant.name,
                      result.within_s);
        assert_true(result.within_s >= 0 && result.within_s <= 5);
    }
}

TEST(records_that_arrive_below_capacity_are_done_within_the_target)
{
    static const struct {
        const Plant *plant;
        double arrivals;
    } cases[] = {{&four_replicas, 50},   {&four_replicas, 1000},
                 {&four_replicas, 2000}, {&one_gpu, 50},
                 {&one_gpu, 1000},       {&one_gpu, 2500}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        KabAdaptive adaptive;
        PlantResult result = run_adaptive(cases[i].plant, &adaptive, 120, 20,
                                          cases[i].arrivals, 1);
        print_message("# %s, %.0f records/s arrive: p50 %.0f ms, p99 %.0f ms, "
                      "%.0f records, %u calls\n",
                      cases[i].plant->name, cases[i].arrivals,
                      result.p50_record_ms, result.p99_record_ms,
                      adaptive.records, adaptive.calls);
        assert_true(result.p99_record_ms <= TARGET_MS);
        assert_true(result.throughput >= 0.99 * cases[i].arrivals);
    }
}

/* What the tries cost where there is no room for them. */
TEST(close_to_capacity_records_wait_for_a_few_calls)
{
    static const double arrivals[] = {3000, 3200, 3400};
    for (size_t i = 0; i < G_N_ELEMENTS(arrivals); i++) {
        KabAdaptive adaptive;
        PlantResult result =
            run_adaptive(&four_replicas, &adaptive, 180, 30, arrivals[i], 1);
        PlantRun run = {.seconds = 180,
                        .from_s = 30,
                        .arrivals = arrivals[i],
                        .seed = 1,
                        .records = 128,
                        .calls = 4};
        PlantResult by_hand = plant_run(&four_replicas, &run);
        print_message("# 4 replicas, %.0f records/s arrive: p99 %.0f ms; with "
                      "128 records and 4 calls %.0f ms\n",
                      arrivals[i], result.p99_record_ms, by_hand.p99_record_ms);
        assert_true(result.p99_record_ms <= 5 * TARGET_MS);
        assert_true(result.throughput >= 0.98 * arrivals[i]);
    }
}

TEST(calls_in_flight_stay_while_slots_are_free)
{
    KabAdaptive adaptive;
    PlantResult result = run_adaptive(&four_replicas, &adaptive, 60, 0, 20, 1);
    assert_int_equal(result.calls_changed, 0);
    assert_int_equal(adaptive.calls, 1);
}

TEST(a_service_with_a_rate_limit_is_refused_seldom)
{
    Plant plant = one_gpu;
    plant.rate_limit = 20;
    KabAdaptive adaptive;
    PlantResult result = run_adaptive(&plant, &adaptive, 60, 10, 0, 1);
    print_message("# 20 calls/s allowed: %.0f records/s, %u refused\n",
                  result.throughput, result.n_refused);
    assert_true(result.n_refused <= 120);
    assert_true(result.throughput >= 700);
}

TEST(a_service_that_dies_for_half_a_minute_is_used_again)
{
    Plant plant = four_replicas;
    plant.factor = INFINITY;
    plant.from_s = 30;
    plant.until_s = 60;
    KabAdaptive adaptive;
    PlantResult result = run_adaptive(&plant, &adaptive, 180, 120, 0, 1);
    double oracle = plant_oracle(&four_replicas, TARGET_MS, 20);
    assert_true(result.throughput >= 0.9 * oracle);
}

TEST(one_seed_gives_one_trace)
{
    KabAdaptive one, two;
    uint64_t digest = run_adaptive(&noisy, &one, 30, 0, 0, 11).digest;
    assert_true(digest == run_adaptive(&noisy, &two, 30, 0, 0, 11).digest);
    assert_true(digest != run_adaptive(&noisy, &two, 30, 0, 0, 12).digest);
}

/* Services at random, all with rising cost: the end is near the best of the
 * grid, and a higher target never costs throughput. */
TEST(services_at_random_are_used_well)
{
    uint64_t random = 42;
    for (unsigned i = 0; i < 12; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        Plant plant = {.name = "random",
                       .base_ms =
                           2 + (double)(random >> 33) / 4294967296.0 * 40,
                       .record_ms = 0.1 + (double)(random >> 40 & 0xff) / 64,
                       .replicas = 1 + (unsigned)(random >> 50) % 8};
        double oracle = plant_oracle(&plant, TARGET_MS, 20);
        KabAdaptive adaptive;
        PlantResult result = run_adaptive(&plant, &adaptive, 240, 60, 0, i);
        if (result.throughput < 0.93 * oracle)
            fail_msg("%.1f ms + %.2f ms a record, %u replicas: %.3f",
                     plant.base_ms, plant.record_ms, plant.replicas,
                     result.throughput / oracle);
    }
}

static KabAdaptiveCall
call_of(const KabAdaptive *adaptive, int64_t call_us)
{
    return (KabAdaptiveCall){.epoch = adaptive->epoch,
                             .records = kab_adaptive_records(adaptive),
                             .call_us = call_us,
                             .is_full = true,
                             .leaves_waiting = true};
}

TEST(calls_of_an_older_epoch_do_not_change_the_limits)
{
    KabAdaptive adaptive = new_controller();
    KabAdaptiveCall old = call_of(&adaptive, 1000);
    while (adaptive.epoch == 0) {
        KabAdaptiveCall call = call_of(&adaptive, 1000);
        kab_adaptive_answered(&adaptive, &call);
    }
    uint32_t epoch = adaptive.epoch;
    old.call_us = 10 * TARGET_US;
    for (unsigned i = 0; i < 1000; i++)
        kab_adaptive_answered(&adaptive, &old);
    assert_int_equal(adaptive.epoch, epoch);
}

TEST(overload_halves_the_calls_once_per_epoch)
{
    KabAdaptive adaptive = new_controller();
    adaptive.calls = 32;
    uint32_t epoch = adaptive.epoch;
    for (unsigned i = 0; i < 10; i++)
        kab_adaptive_overloaded(&adaptive, epoch);
    assert_int_equal(adaptive.calls, 16);
    assert_int_equal(adaptive.reason, KAB_ADAPTIVE_REASON_OVERLOAD);
}

TEST(lowered_ceilings_apply_at_once)
{
    KabAdaptive adaptive = new_controller();
    adaptive.records = 1000;
    adaptive.calls = 32;
    kab_adaptive_set_ceilings(&adaptive, TARGET_US, 64, 4);
    assert_int_equal(kab_adaptive_records(&adaptive), 64);
    assert_int_equal(adaptive.calls, 4);
    assert_int_equal(adaptive.reason, KAB_ADAPTIVE_REASON_CEILING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throughput_matches_the_best_static_limits),
        cmocka_unit_test(most_of_the_throughput_is_reached_within_seconds),
        cmocka_unit_test(no_static_limits_suit_every_service),
        cmocka_unit_test(calls_are_short_again_soon_after_a_service_slows_down),
        cmocka_unit_test(
            records_that_arrive_below_capacity_are_done_within_the_target),
        cmocka_unit_test(close_to_capacity_records_wait_for_a_few_calls),
        cmocka_unit_test(calls_in_flight_stay_while_slots_are_free),
        cmocka_unit_test(a_service_with_a_rate_limit_is_refused_seldom),
        cmocka_unit_test(a_service_that_dies_for_half_a_minute_is_used_again),
        cmocka_unit_test(one_seed_gives_one_trace),
        cmocka_unit_test(services_at_random_are_used_well),
        cmocka_unit_test(calls_of_an_older_epoch_do_not_change_the_limits),
        cmocka_unit_test(overload_halves_the_calls_once_per_epoch),
        cmocka_unit_test(lowered_ceilings_apply_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
