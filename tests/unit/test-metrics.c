/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics and status from snapshots made by hand. */
#include "kab-test.h"

#include <jansson.h>

#include "exposition.h"
#include "metrics.h"
#include "status.h"

static const int64_t now = 100 * G_USEC_PER_SEC;

typedef struct {
    GPtrArray *snapshots;
    KabBindingSnapshot binding;
    KabPartitionSnapshot partition;
    KabReloads reloads;
} Fixture;

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->partition = (KabPartitionSnapshot){.topic = g_strdup("in"),
                                                .number = 3,
                                                .state = KAB_PARTITION_OWNED,
                                                .position = 12,
                                                .committed = 10,
                                                .end = 20,
                                                .lag = 10,
                                                .finished_beyond = 1,
                                                .oldest_unfinished = 10};
    fixture->binding = (KabBindingSnapshot){.name = g_strdup("scoring"),
                                            .state = KAB_STATE_RUNNING,
                                            .made_us = now,
                                            .n_partitions = 1,
                                            .partitions = &fixture->partition};
    fixture->snapshots = g_ptr_array_new();
    g_ptr_array_add(fixture->snapshots, &fixture->binding);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    g_ptr_array_unref(fixture->snapshots);
    g_free(fixture->binding.name);
    g_free(fixture->partition.topic);
    g_free(fixture);
    return 0;
}

static void
assert_well_formed(const char *text)
{
    g_autofree char *fault = exposition_dup_fault(text);
    if (fault)
        fail_msg("%s", fault);
}

static void
assert_value(Fixture *fixture, const char *series, const char *value)
{
    g_autofree char *text =
        kab_metrics_dup_text(fixture->snapshots, &fixture->reloads);
    assert_well_formed(text);
    g_autofree char *found = exposition_dup_value(text, series);
    if (!found)
        fail_msg("no series %s", series);
    assert_string_equal(found, value);
}

/* The checker that the other tests rely on rejects invalid text. */
TEST(a_text_that_is_not_right_is_refused)
{
#define HEAD(type) "# HELP kabridge_x y\n# TYPE kabridge_x " type "\n"
    static const char *const texts[] = {
        HEAD("gauge") "kabridge_x{binding=\"a\"} 1",
        HEAD("gauge") "kabridge_x{binding=\"a\"} 1 \n",
        HEAD("gauge") "kabridge_x{binding=\"a\"} 1,5\n",
        HEAD("gauge") "kabridge_x{binding=\"a\nb\"} 1\n",
        HEAD("gauge") "kabridge_x{binding=\"a\\b\"} 1\n",
        HEAD("gauge") "kabridge_x{a=\"b\",binding=\"a\"} 1\n",
        HEAD("gauge") "kabridge_x{binding=\"a\",binding=\"a\"} 1\n",
        HEAD("gauge") "kabridge_y{binding=\"a\"} 1\n",
        HEAD("gauge") "kabridge_x{binding=\"a\"} 1\n"
                      "kabridge_x{binding=\"a\"} 2\n",
        HEAD("gauge") HEAD("gauge"),
        HEAD("counter"),
        HEAD("number"),
        "kabridge_x{binding=\"a\"} 1\n",
        HEAD("histogram") "kabridge_x_bucket{binding=\"a\",le=\"1\"} 1\n",
        HEAD("histogram") "kabridge_x_bucket{binding=\"a\",le=\"2\"} 2\n"
                          "kabridge_x_bucket{binding=\"a\",le=\"+Inf\"} 1\n",
        HEAD("histogram") "kabridge_x_bucket{binding=\"a\",le=\"+Inf\"} 1\n"
                          "kabridge_x_count{binding=\"a\"} 2\n",
    };
#undef HEAD
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *fault = exposition_dup_fault(texts[i]);
        if (!fault)
            fail_msg("taken: %s", texts[i]);
    }
}

TEST(every_family_is_there_without_a_binding)
{
    static const char *const families[] = {
        "records_consumed_total",
        "records_produced_total",
        "records_finished_total",
        "records_retried_total",
        "dead_letters_total",
        "records_skipped_total",
        "batches_total",
        "batch_records",
        "call_seconds",
        "calls_in_flight",
        "calls_total",
        "call_faults_total",
        "buffer_records",
        "buffer_bytes",
        "oldest_unfinished_seconds",
        "commits_total",
        "commit_seconds",
        "commit_age_seconds",
        "record_seconds",
        "partition_lag",
        "partition_finished_beyond",
        "rebalances_total",
        "rebalance_seconds",
        "sinks_lost_total",
        "calls_abandoned",
        "transactions_total",
        "adaptive_batch_limit",
        "adaptive_in_flight_limit",
        "produce_errors_total",
        "state",
        "log_lines_dropped_total",
        "reloads_total",
        "reload_refused",
        "build_info",
    };
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autofree char *text = kab_metrics_dup_text(none, &(KabReloads){0});
    assert_well_formed(text);
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        g_autofree char *help =
            g_strconcat("# HELP kabridge_", families[i], " ", NULL);
        if (!strstr(text, help))
            fail_msg("no family %s", families[i]);
    }
}

TEST(a_counter_has_a_series_for_each_value_of_its_label)
{
    Fixture *fixture = *state;
    fixture->binding.counters.batches[KAB_TRIGGER_BYTES] = 7;
    assert_value(
        fixture,
        "kabridge_batches_total{binding=\"scoring\",trigger=\"bytes\"}", "7");
    assert_value(
        fixture,
        "kabridge_batches_total{binding=\"scoring\",trigger=\"drain\"}", "0");
}

TEST(a_number_beyond_what_a_double_holds_is_exact)
{
    Fixture *fixture = *state;
    fixture->binding.counters.records_consumed = UINT64_C(9007199254740993);
    assert_value(fixture,
                 "kabridge_records_consumed_total{binding=\"scoring\"}",
                 "9007199254740993");
}

TEST(times_are_seconds_and_buckets_add_up)
{
    Fixture *fixture = *state;
    KabHistogram *calls = &fixture->binding.counters.call_us;
    kab_histogram_add(calls, 3);
    kab_histogram_add(calls, 1023);
    kab_histogram_add(calls, 1024);
    kab_histogram_add(calls, 500 * G_USEC_PER_SEC);
    static const char *const expected[][2] = {
        {"bucket{binding=\"scoring\",le=\"0.000128\"}", "1"},
        {"bucket{binding=\"scoring\",le=\"0.001024\"}", "2"},
        {"bucket{binding=\"scoring\",le=\"0.002048\"}", "3"},
        {"bucket{binding=\"scoring\",le=\"67.108864\"}", "3"},
        {"bucket{binding=\"scoring\",le=\"+Inf\"}", "4"},
        {"sum{binding=\"scoring\"}", "500.002050"},
        {"count{binding=\"scoring\"}", "4"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *series =
            g_strconcat("kabridge_call_seconds_", expected[i][0], NULL);
        assert_value(fixture, series, expected[i][1]);
    }
}

TEST(a_batch_of_a_power_of_two_is_above_the_bound_below_it)
{
    Fixture *fixture = *state;
    kab_histogram_add(&fixture->binding.counters.batch_records, 64);
    assert_value(fixture,
                 "kabridge_batch_records_bucket{binding=\"scoring\",le=\"63\"}",
                 "0");
    assert_value(
        fixture,
        "kabridge_batch_records_bucket{binding=\"scoring\",le=\"127\"}", "1");
    assert_value(fixture, "kabridge_batch_records_sum{binding=\"scoring\"}",
                 "64");
}

TEST(label_values_are_escaped)
{
    Fixture *fixture = *state;
    g_free(fixture->partition.topic);
    fixture->partition.topic = g_strdup("a\"b\\c\nd\xff");
    assert_value(fixture,
                 "kabridge_partition_lag{binding=\"scoring\","
                 "topic=\"a\\\"b\\\\c\\nd\357\277\275\",partition=\"3\"}",
                 "10");
}

TEST(an_unknown_lag_has_no_series)
{
    Fixture *fixture = *state;
    fixture->partition.lag = -1;
    g_autofree char *text =
        kab_metrics_dup_text(fixture->snapshots, &fixture->reloads);
    assert_well_formed(text);
    assert_null(strstr(text, "kabridge_partition_lag{"));
    assert_non_null(strstr(text, "kabridge_partition_finished_beyond{"));
}

TEST(one_state_is_one_and_the_others_are_zero)
{
    Fixture *fixture = *state;
    fixture->binding.state = KAB_STATE_DRAINING;
    assert_value(fixture,
                 "kabridge_state{binding=\"scoring\",state=\"draining\"}", "1");
    assert_value(fixture,
                 "kabridge_state{binding=\"scoring\",state=\"running\"}", "0");
}

TEST(two_bindings_share_each_family)
{
    Fixture *fixture = *state;
    KabBindingSnapshot other = fixture->binding;
    other.name = (char[]){"other"};
    other.reason = (char[]){"waits"};
    g_ptr_array_add(fixture->snapshots, &other);
    assert_value(fixture, "kabridge_ready{binding=\"scoring\"}", "1");
    assert_value(fixture, "kabridge_ready{binding=\"other\"}", "0");
}

TEST(the_page_of_metrics_is_current)
{
    g_autofree char *path =
        g_build_filename(g_getenv("top_srcdir") ? g_getenv("top_srcdir") : ".",
                         "doc", "metrics.md", NULL);
    g_autofree char *found = NULL;
    assert_true(g_file_get_contents(path, &found, NULL, NULL));
    g_autofree char *made = kab_metrics_dup_markdown();
    if (strcmp(found, made) != 0)
        fail_msg("%s is stale: run make doc-metrics", path);
}

static json_t *
parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

TEST(status_has_the_names_of_the_contract)
{
    Fixture *fixture = *state;
    fixture->binding.engine.batch_limit = 64;
    fixture->binding.last_error = (char[]){"say \"hm\"\xff"};
    g_autofree char *text = kab_status_dup_json(fixture->snapshots, "host-1",
                                                &fixture->reloads, now);
    json_t *status = parse(text);
    const char *version, *instance, *name, *binding_state, *topic;
    const char *partition_state, *last_error;
    int batch_limit, calls, records, bytes, number, beyond;
    json_int_t position, committed, end, lag, oldest;
    assert_int_equal(
        json_unpack(
            status,
            "{s:s, s:s, s:[{s:s, s:s, s:n, s:i, s:i, s:i, s:i, s:s,"
            " s:[{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:i, s:I}!]"
            "}!] !}",
            "version", &version, "instance", &instance, "bindings", "name",
            &name, "state", &binding_state, "reason", "batch_limit",
            &batch_limit, "calls_in_flight", &calls, "buffer_records", &records,
            "buffer_bytes", &bytes, "last_error", &last_error, "partitions",
            "topic", &topic, "partition", &number, "state", &partition_state,
            "position", &position, "committed", &committed, "end", &end, "lag",
            &lag, "finished_beyond", &beyond, "oldest_unfinished", &oldest),
        0);
    assert_string_equal(binding_state, "running");
    assert_string_equal(partition_state, "owned");
    assert_int_equal(number, 3);
    assert_int_equal(lag, 10);
    assert_string_equal(last_error, "say \"hm\"\357\277\275");
    json_decref(status);
}

TEST(status_says_where_a_binding_is_stuck_and_why)
{
    Fixture *fixture = *state;
    fixture->binding.obstacle = KAB_OBSTACLE_STALL;
    fixture->binding.stall = (KabStall){.topic = "payments",
                                        .number = 3,
                                        .offset = 41,
                                        .cause = KAB_STALL_CALL,
                                        .waits_for = "the function's answer",
                                        .still_us = 61500000};
    g_autofree char *text = kab_status_dup_json(fixture->snapshots, "host-1",
                                                &fixture->reloads, now);
    json_t *status = parse(text);
    const char *obstacle, *topic, *cause, *waits_for;
    int number, offset;
    double seconds;
    assert_int_equal(
        json_unpack(status, "{s:[{s:s, s:{s:s, s:i, s:i, s:s, s:s, s:f !}}]}",
                    "bindings", "obstacle", &obstacle, "stall", "topic", &topic,
                    "partition", &number, "offset", &offset, "cause", &cause,
                    "waits_for", &waits_for, "seconds", &seconds),
        0);
    assert_string_equal(obstacle, "stall");
    assert_string_equal(topic, "payments");
    assert_int_equal(number, 3);
    assert_int_equal(offset, 41);
    assert_string_equal(cause, "call");
    assert_string_equal(waits_for, "the function's answer");
    assert_true(seconds == 61.5);
    json_decref(status);
}

TEST(unknown_numbers_are_null)
{
    Fixture *fixture = *state;
    fixture->partition.end = fixture->partition.lag = -1;
    g_autofree char *text = kab_status_dup_json(fixture->snapshots, "host-1",
                                                &fixture->reloads, now);
    assert_non_null(strstr(text, "\"end\":null,\"lag\":null"));
}

TEST(ready_names_each_binding_that_is_not)
{
    Fixture *fixture = *state;
    fixture->binding.reason = (char[]){"no broker answers"};
    bool is_ready = true;
    g_autofree char *text =
        kab_status_dup_ready_json(fixture->snapshots, now, &is_ready);
    assert_false(is_ready);
    assert_string_equal(text,
                        "{\"ready\":false,\"reasons\":[{\"binding\":"
                        "\"scoring\",\"reason\":\"no broker answers\"}]}\n");
}

TEST(a_loop_that_does_not_turn_is_not_ready)
{
    Fixture *fixture = *state;
    fixture->binding.made_us = now - 12 * G_USEC_PER_SEC;
    bool is_ready = true;
    g_autofree char *text =
        kab_status_dup_ready_json(fixture->snapshots, now, &is_ready);
    assert_false(is_ready);
    assert_non_null(strstr(text, "has not turned for 12 s"));
}

TEST(a_record_waits_since_a_time_of_the_calendar)
{
    KabWhereabouts whereabouts = {.state = KAB_SLOT_RESOLVED,
                                  .waits_for = "the sink",
                                  .since_us = now - 1500000};
    g_autofree char *text = kab_status_dup_record_json(
        &whereabouts, now, INT64_C(1700000000) * G_USEC_PER_SEC);
    assert_string_equal(text,
                        "{\"state\":\"resolved\",\"waits_for\":\"the sink\","
                        "\"since\":\"2023-11-14T22:13:18.500Z\"}\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_text_that_is_not_right_is_refused),
        T(every_family_is_there_without_a_binding),
        T(a_counter_has_a_series_for_each_value_of_its_label),
        T(a_number_beyond_what_a_double_holds_is_exact),
        T(times_are_seconds_and_buckets_add_up),
        T(a_batch_of_a_power_of_two_is_above_the_bound_below_it),
        T(label_values_are_escaped),
        T(an_unknown_lag_has_no_series),
        T(one_state_is_one_and_the_others_are_zero),
        T(two_bindings_share_each_family),
        T(the_page_of_metrics_is_current),
        T(status_has_the_names_of_the_contract),
        T(status_says_where_a_binding_is_stuck_and_why),
        T(unknown_numbers_are_null),
        T(ready_names_each_binding_that_is_not),
        T(a_loop_that_does_not_turn_is_not_ready),
        T(a_record_waits_since_a_time_of_the_calendar),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
