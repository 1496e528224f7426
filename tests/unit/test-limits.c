/* SPDX-License-Identifier: Apache-2.0 */
/* What holds the engine back: rate, overload, budget, valve, abandoned calls.
 */
#include "kab-test.h"

#include "engine-test.h"

TEST(rate_limit_spaces_calls)
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

TEST(overload_pauses_new_calls_and_tries_one)
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

/* It began before the overload, and says nothing of it. */
TEST(a_slow_call_does_not_put_the_try_after_a_pause_off)
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
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 40);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 400; i++) {
        if (!edge->calls->len)
            fake_edge_advance(edge, edge->options.retry_backoff_max_us);
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

TEST(as_many_abandoned_as_threads_and_no_call_is_made)
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
    assert_int_equal(edge->n_invoked, 4);
}

TEST(takes_no_more_than_is_wanted)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assert_int_equal(kab_engine_want(edge->engine), 8);
    fake_edge_take_range(edge, 0, 8);
    assert_int_equal(kab_engine_want(edge->engine), 0);
}

TEST(the_budget_counts_until_finished)
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

TEST(what_does_not_wait_keeps_no_valve_closed)
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

TEST(what_waits_for_long_is_copied_out)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 12);
    fake_edge_advance(edge, 0);
    fake_edge_advance(edge, 1000000);
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_detached, 4);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(rate_limit_spaces_calls),
        T(overload_pauses_new_calls_and_tries_one),
        T(a_slow_call_does_not_put_the_try_after_a_pause_off),
        T(a_poison_record_answered_with_overload_does_not_hold_its_neighbours),
        T(as_many_abandoned_as_threads_and_no_call_is_made),
        T(takes_no_more_than_is_wanted),
        T(the_budget_counts_until_finished),
        T(a_partition_behind_a_busy_lane_is_closed),
        T(what_does_not_wait_keeps_no_valve_closed),
        T(what_waits_for_long_is_copied_out),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
