/* SPDX-License-Identifier: Apache-2.0 */
/* What holds the engine back: rate, overload, budget, valve, abandoned calls.
 */
#include "kab-test.h"

#include "engine-test.h"

TEST(the_rate_limit_spaces_calls)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    edge->options.max_in_flight = edge->options.threads = 100;
    edge->options.rate_limit_calls = 10;
    edge->options.rate_limit_interval_us = 1000000;
    fake_edge_start(edge);
    fake_edge_advance(edge, 10000000);
    fake_edge_take_range(edge, 0, 50);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_invoked, 1);
    for (int i = 0; i < 10; i++) {
        int64_t due = kab_engine_next_deadline(edge->engine);
        assert_true(due > edge->now && due <= edge->now + 100001);
        fake_edge_advance(edge, 100001);
    }
    assert_int_equal(edge->n_invoked, 11);
}

TEST(overload_pauses_new_calls_and_then_probes_with_one)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_OVERLOAD, 500);
    fake_edge_take_range(edge, 4, 12);
    fake_edge_advance(edge, 499999);
    assert_int_equal(edge->calls->len, 0);
    fake_edge_advance(edge, 1);
    assert_int_equal(edge->calls->len, 1);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_int_equal(edge->calls->len, 2);
}

/* A call that began before the overload is no probe. */
TEST(a_slow_call_does_not_delay_the_probe_after_a_pause)
{
    FakeEdge *edge = *state;
    edge->options.max_in_flight = edge->options.threads = 3;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_fail(edge, fake_edge_call(edge, 1), KAB_FAIL_OVERLOAD, 500);
    fake_edge_take_range(edge, 8, 16);
    fake_edge_advance(edge, 500000);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_advance(edge, 10000000);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_fail(edge, fake_edge_call(edge, 1), KAB_FAIL_OVERLOAD, 500);
    fake_edge_advance(edge, 500000);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_fail(edge, fake_edge_call(edge, 1), KAB_FAIL_TRANSIENT, -1);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    fake_edge_advance(edge, edge->options.retry_backoff_max_us);
    assert_int_equal(edge->calls->len, 3);
}

TEST(a_poison_record_answered_with_overload_does_not_hold_its_neighbours)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 40);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 400; i++) {
        if (!edge->calls->len)
            fake_edge_advance(edge, edge->options.retry_backoff_max_us);
        if (!edge->calls->len)
            break;
        KabAttempt *attempt = fake_edge_call(edge, 0);
        bool has_poison = false;
        for (size_t j = 0; j < attempt->n; j++)
            has_poison |= attempt->records[j].offset == 2;
        if (has_poison)
            fake_edge_fail(edge, attempt, KAB_FAIL_OVERLOAD, -1);
        else
            fake_edge_answer(edge, attempt);
    }
    fake_edge_acknowledge(edge);
    const KabCounters *counters = kab_engine_counters(edge->engine);
    assert_int_equal(counters->records_finished[KAB_END_DONE], 39);
    assert_false(edge->is_stopped);
}

TEST(no_call_is_made_while_every_thread_holds_an_abandoned_one)
{
    FakeEdge *edge = *state;
    edge->options.call_timeout_us = 1000;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 20);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 2; i++) {
        KabAttempt *attempt = fake_edge_call(edge, (size_t)i);
        kab_engine_entered(edge->engine, attempt, attempt->serial, edge->now);
    }
    fake_edge_advance(edge, 1000);
    fake_edge_advance(edge, 60000000);
    assert_int_equal(edge->n_invoked, 2);
    KabEngineState engine_state;
    kab_engine_get_state(edge->engine, edge->now, &engine_state);
    assert_int_equal(engine_state.calls_abandoned, 2);
    assert_int_equal(engine_state.calls_in_flight, 0);
    fake_edge_complete(edge, fake_edge_call(edge, 0));
    assert_int_equal(edge->n_invoked, 3); /* two sets failed: one probe */
}

TEST(intake_takes_no_more_than_the_engine_wants)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assert_int_equal(kab_engine_want(edge->engine), 8);
    assert_int_equal(kab_engine_want_in_a_row(edge->engine), 8);
    fake_edge_take_range(edge, 0, 8);
    assert_int_equal(kab_engine_want(edge->engine), 0);
}

/* Otherwise a thousand partitions would start one after the other. */
TEST(a_partition_gives_one_record_until_its_start_offset_is_committed)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assert_int_equal(kab_engine_want_from(edge->partition, 8), 8);
    kab_engine_hold_commits(edge->engine, INT64_MAX);
    edge->partition =
        kab_engine_assigned(edge->engine, "in", 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    kab_engine_loaded(edge->engine, edge->partition,
                      &(KabCommitted){.has_offset = false}, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(kab_engine_want_from(edge->partition, 8), 1);
    fake_edge_take(edge, 5, NULL);
    assert_int_equal(kab_engine_want_from(edge->partition, 8), 0);
    kab_engine_hold_commits(edge->engine, 0);
    fake_edge_advance(edge, 0);
    assert_int_equal(kab_engine_want_from(edge->partition, 8), 8);
}

TEST(a_record_is_charged_until_it_is_finished)
{
    FakeEdge *edge = *state;
    edge->options.buffer_bytes = 4 * 514;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    assert_int_equal(kab_engine_want(edge->engine), 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_int_equal(kab_engine_want(edge->engine), 0);
    fake_edge_acknowledge(edge);
    assert_true(kab_engine_want(edge->engine) > 0);
}

TEST(a_partition_behind_a_busy_lane_is_closed)
{
    FakeEdge *edge = *state;
    edge->options.order = KAB_ORDER_PARTITION;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    KabPartition *others[7];
    for (int i = 0; i < 7; i++)
        others[i] =
            kab_engine_assigned(edge->engine, "in", i + 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    KabCommitted committed = {.has_offset = true};
    for (int i = 0; i < 7; i++)
        kab_engine_loaded(edge->engine, others[i], &committed, edge->now);
    fake_edge_advance(edge, 0);
    fake_edge_take_range(edge, 0, 6);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_closed, 1);
    assert_true(kab_engine_want(edge->engine) > 0);
}

TEST(records_that_do_not_wait_keep_no_valve_closed)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = edge->options.max_in_flight = 1;
    fake_edge_start(edge);
    for (int i = 0; i < 40; i++) {
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 0);
        fake_edge_answer(edge, fake_edge_call(edge, 0));
    }
    assert_int_equal(edge->produced->len, 40);
    assert_int_equal(edge->n_closed, 0);
}

TEST(a_record_that_waits_for_long_is_copied_out)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 12);
    fake_edge_advance(edge, 0);
    fake_edge_advance(edge, 1000000);
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_detached, 4);
}

/* New calls enter the function; deadline_us keeps the time of entry. */
static void
enter_calls(FakeEdge *edge)
{
    for (guint at = 0; at < edge->calls->len; at++) {
        KabAttempt *attempt = fake_edge_call(edge, at);
        if (attempt->deadline_us)
            continue;
        kab_engine_entered(edge->engine, attempt, attempt->serial, edge->now);
        attempt->deadline_us = edge->now;
    }
}

/* A service that works on one call at a time: 8 ms plus `record_us` per record.
 * The engine always has records, until `n` answers. Returns how long the last
 * call took. */
static int64_t
serve_calls(FakeEdge *edge, int64_t *offset, int64_t record_us, unsigned n)
{
    int64_t took = 0;
    for (unsigned i = 0; i < n; i++) {
        for (size_t want; (want = kab_engine_want(edge->engine)) > 0;) {
            fake_edge_take_range(edge, *offset, *offset + (int64_t)want);
            *offset += (int64_t)want;
        }
        fake_edge_advance(edge, 0);
        enter_calls(edge);
        KabAttempt *attempt = fake_edge_call(edge, 0);
        edge->now += 8000 + record_us * (int64_t)attempt->n;
        took = edge->now - attempt->deadline_us;
        fake_edge_answer(edge, attempt);
        fake_edge_acknowledge(edge);
    }
    return took;
}

TEST(adaptive_limits_follow_the_time_that_calls_take)
{
    FakeEdge *edge = *state;
    edge->options.is_adaptive = true;
    edge->options.latency_target_us = 200000;
    edge->options.batch_count = 4096;
    edge->options.max_in_flight = edge->options.threads = 16;
    edge->options.buffer_bytes = 1 << 30;
    edge->auto_commit = true;
    fake_edge_start(edge);
    KabEngineState now;
    kab_engine_get_state(edge->engine, edge->now, &now);
    assert_int_equal(now.batch_limit, 1);
    assert_int_equal(now.calls_limit, 1);
    int64_t offset = 0;
    int64_t took = serve_calls(edge, &offset, 250, 600);
    kab_engine_get_state(edge->engine, edge->now, &now);
    assert_in_range(now.batch_limit * now.calls_limit, 300, 1200);
    assert_in_range(took, 80000, 240000);
    assert_string_equal(now.adaptive.phase, "steady");
    size_t before = now.batch_limit * now.calls_limit;
    took = serve_calls(edge, &offset, 750, 200);
    kab_engine_get_state(edge->engine, edge->now, &now);
    assert_in_range(took, 80000, 240000);
    assert_true(now.batch_limit * now.calls_limit < before / 2);
}

/* A record resolved behind a straggler of its order group waits, and its
 * outputs point into its input. */
TEST(outputs_move_with_a_record_that_is_copied_out)
{
    FakeEdge *edge = *state;
    edge->options.order = KAB_ORDER_ORDERED;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, "key");
    fake_edge_take(edge, 1, "key");
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 1);
    fake_edge_output(edge, attempt, 0);
    attempt->results[0].first->output.key = attempt->records[0].key;
    fake_edge_complete(edge, attempt);
    fake_edge_advance(edge, 1000000);
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_detached, 1);
    answer_first(edge);
    assert_string_equal(edge->values->pdata[1], "k1");
    const KabProduct *product = edge->produced->pdata[1];
    assert_memory_equal(product->output.key.data, "key", 3);
}

TEST(a_ceiling_of_the_function_holds_at_once_and_may_rise_again)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_set_ceilings(edge->engine,
                            &(KabLimits){.records = 2, .calls = 1});
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 1);
    assert_offsets(fake_edge_call(edge, 0), "0,1");
    kab_engine_set_ceilings(edge->engine, &(KabLimits){0});
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 2);
    assert_offsets(fake_edge_call(edge, 1), "2,3,4,5");
}

TEST(the_memory_of_an_attempt_is_charged_until_it_is_answered)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    assert_true(kab_engine_want(edge->engine) > 0);
    kab_engine_attempt_grew(edge->engine, attempt, attempt->serial,
                            edge->options.buffer_bytes);
    assert_int_equal(kab_engine_want(edge->engine), 0);
    fake_edge_answer(edge, attempt);
    assert_true(kab_engine_want(edge->engine) > 0);
}

/* Each attempt keeps the memory of its outputs until they are acknowledged. */
TEST(intake_waits_while_too_many_attempts_are_not_released)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    edge->options.max_attempts = 3;
    fake_edge_start(edge);
    for (int64_t i = 0; kab_engine_want(edge->engine); i++) {
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 0);
        answer_first(edge);
    }
    assert_int_equal(edge->attempts_out, 3);
    fake_edge_acknowledge(edge);
    assert_true(kab_engine_want(edge->engine) > 0);
}

/* Each of them may be called alone. */
TEST(intake_wants_no_more_records_than_attempts_remain)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 16;
    edge->options.max_attempts = 5;
    fake_edge_start(edge);
    assert_int_equal(kab_engine_want(edge->engine), 5);
    fake_edge_take_range(edge, 0, 2);
    assert_int_equal(kab_engine_want(edge->engine), 3);
}

static void
overload_while_another_is_out(FakeEdge *edge, int64_t retry_after_ms)
{
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_OVERLOAD,
                   retry_after_ms);
}

TEST(a_call_made_before_the_pause_does_not_end_it)
{
    FakeEdge *edge = *state;
    overload_while_another_is_out(edge, 1500);
    answer_first(edge);
    fake_edge_advance(edge, 1490000);
    assert_int_equal(edge->calls->len, 0);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->calls->len, 1);
}

TEST(a_call_made_after_the_pause_ends_the_probing)
{
    FakeEdge *edge = *state;
    overload_while_another_is_out(edge, 1500);
    answer_first(edge);
    fake_edge_advance(edge, 1500000);
    answer_first(edge);
    assert_int_equal(edge->calls->len, 2);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_rate_limit_spaces_calls),
        T(overload_pauses_new_calls_and_then_probes_with_one),
        T(a_slow_call_does_not_delay_the_probe_after_a_pause),
        T(a_poison_record_answered_with_overload_does_not_hold_its_neighbours),
        T(no_call_is_made_while_every_thread_holds_an_abandoned_one),
        T(intake_takes_no_more_than_the_engine_wants),
        T(a_partition_gives_one_record_until_its_start_offset_is_committed),
        T(a_record_is_charged_until_it_is_finished),
        T(a_partition_behind_a_busy_lane_is_closed),
        T(records_that_do_not_wait_keep_no_valve_closed),
        T(a_record_that_waits_for_long_is_copied_out),
        T(adaptive_limits_follow_the_time_that_calls_take),
        T(outputs_move_with_a_record_that_is_copied_out),
        T(a_ceiling_of_the_function_holds_at_once_and_may_rise_again),
        T(the_memory_of_an_attempt_is_charged_until_it_is_answered),
        T(intake_waits_while_too_many_attempts_are_not_released),
        T(intake_wants_no_more_records_than_attempts_remain),
        T(a_call_made_before_the_pause_does_not_end_it),
        T(a_call_made_after_the_pause_ends_the_probing),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
