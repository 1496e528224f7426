/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: triggers, order, commits, drain; time is simulated. */
#include "kab-test.h"

#include "engine-test.h"

/* --- The three tests of the proposal ------------------------------------ */

TEST(a_batch_triggers_at_the_maximum_size)
{
    FakeEdge *edge = *state;
    edge->options.batch_period_us = KAB_NEVER;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 3);
    fake_edge_advance(edge, 3600 * INT64_C(1000000));
    assert_int_equal(edge->calls->len, 0);
    fake_edge_take_range(edge, 3, 5);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 1);
    assert_offsets(fake_edge_call(edge, 0), "0,1,2,3");
    assert_int_equal(
        kab_engine_counters(edge->engine)->batches[KAB_TRIGGER_COUNT], 1);
}

TEST(results_are_emitted_as_soon_as_they_complete)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    assert_produced(edge, "4,5,6,7");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_produced(edge, "4,5,6,7,0,1,2,3");
    assert_commit(edge, 8);
}

TEST(an_exception_propagates)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_PERMANENT, -1);
    assert_true(edge->is_stopped);
    assert_int_equal(edge->stop_reason, KAB_STOP_FAILURE);
    assert_non_null(strstr(edge->stop_message, "offset 0"));
    assert_int_equal(edge->n_commits, 0);
    assert_true(kab_engine_is_drained(edge->engine));
}

/* --- Triggers ------------------------------------------------------------ */

TEST(a_free_call_slot_takes_the_records_that_are_ready)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "0,1");
}

TEST(period_runs_from_the_first_record)
{
    FakeEdge *edge = *state;
    edge->options.batch_period_us = 1000;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 600);
    fake_edge_take(edge, 1, NULL);
    fake_edge_advance(edge, 399);
    assert_int_equal(edge->calls->len, 0);
    assert_int_equal(kab_engine_next_deadline(edge->engine), edge->now + 1);
    fake_edge_advance(edge, 1);
    assert_offsets(fake_edge_call(edge, 0), "0,1");
}

TEST(a_reload_changes_the_period_of_waiting_records)
{
    FakeEdge *edge = *state;
    edge->options.batch_period_us = 1000;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 500);
    edge->options.batch_period_us = 3000;
    kab_engine_set_options(edge->engine, &edge->options);
    fake_edge_advance(edge, 2499);
    assert_int_equal(edge->calls->len, 0);
    fake_edge_advance(edge, 1);
    assert_int_equal(edge->calls->len, 1);
}

TEST(an_oversize_record_travels_alone)
{
    FakeEdge *edge = *state;
    edge->options.batch_bytes = 2;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, "a-key-that-is-long");
    fake_edge_take(edge, 1, NULL);
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "0");
    assert_offsets(fake_edge_call(edge, 1), "1");
}

TEST(ready_records_leave_when_the_budget_is_full)
{
    FakeEdge *edge = *state;
    edge->options.batch_period_us = KAB_NEVER;
    edge->options.buffer_bytes = 1;
    fake_edge_start(edge);
    assert_int_equal(kab_engine_want(edge->engine), 1);
    fake_edge_take(edge, 0, NULL);
    assert_int_equal(kab_engine_want(edge->engine), 0);
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "0");
}

TEST(the_period_of_a_record_includes_its_wait_behind_a_busy_lane)
{
    FakeEdge *edge = *state;
    edge->options.order = KAB_ORDER_KEY;
    edge->options.batch_period_us = 1000;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, "a");
    fake_edge_advance(edge, 1000);
    fake_edge_take(edge, 1, "a");
    fake_edge_advance(edge, 900);
    fake_edge_take(edge, 2, "b");
    fake_edge_advance(edge, 50);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_int_equal(edge->calls->len, 0);
    fake_edge_advance(edge, 50);
    assert_offsets(fake_edge_call(edge, 0), "2,1");
}

TEST(a_batch_does_not_wait_for_a_partition_at_its_end)
{
    FakeEdge *edge = *state;
    edge->options.batch_period_us = KAB_NEVER;
    edge->options.batch_count = 1000;
    edge->options.buffer_bytes = 20 * 514;
    fake_edge_start(edge);
    KabPartition *others[7];
    for (int i = 0; i < 7; i++)
        others[i] =
            kab_engine_assigned(edge->engine, "in", i + 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 7; i++)
        kab_engine_loaded(edge->engine, others[i],
                          &(KabCommitted){.has_offset = true}, edge->now);
    fake_edge_advance(edge, 0);
    fake_edge_take_range(edge, 0, 6);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_closed, 1);
    assert_int_equal(edge->calls->len, 0);
    for (int i = 0; i < 7; i++)
        kab_engine_end_of_partition(edge->engine, others[i], 1, edge->now);
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "0,1,2,3,4,5");
}

/* --- Order --------------------------------------------------------------- */

TEST(ordered_outputs_wait_for_earlier_ones)
{
    FakeEdge *edge = *state;
    edge->options.order = KAB_ORDER_ORDERED;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    assert_produced(edge, "");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_produced(edge, "0,1,2,3,4,5,6,7");
}

TEST(one_batch_of_a_key_is_in_flight)
{
    FakeEdge *edge = *state;
    edge->options.order = KAB_ORDER_KEY;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, "a");
    fake_edge_take(edge, 1, "a");
    fake_edge_advance(edge, 0);
    fake_edge_take(edge, 2, "a");
    fake_edge_take(edge, 3, "b");
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "0,1");
    assert_offsets(fake_edge_call(edge, 1), "3");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_offsets(fake_edge_call(edge, 1), "2");
}

TEST(a_retry_holds_back_later_outputs_of_its_key)
{
    FakeEdge *edge = *state;
    edge->options.order = KAB_ORDER_KEY;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, "a");
    fake_edge_take(edge, 1, "a");
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    attempt->results[0] =
        (KabResult){.outcome = KAB_OUTCOME_RETRY, .delay_ms = -1};
    fake_edge_output(edge, attempt, 1);
    fake_edge_complete(edge, attempt);
    assert_produced(edge, "");
    fake_edge_advance(edge, 1000);
    assert_offsets(fake_edge_call(edge, 0), "0");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_produced(edge, "0,1");
}

/* --- Delivery ------------------------------------------------------------ */

TEST(commits_never_pass_an_unfinished_record)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    edge->auto_commit = false;
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 0);
    assert_int_equal(edge->commit_items[0].n_intervals, 1);
    assert_int_equal(edge->commit_items[0].intervals[0].from, 4);
    assert_int_equal(edge->commit_items[0].intervals[0].to, 8);
    fake_edge_commit_done(edge, KAB_COMMIT_OK);
    edge->auto_commit = true;
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_commit(edge, 8);
}

TEST(a_lost_sink_emits_again_without_calling)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    kab_engine_acknowledged(
        edge->engine, g_ptr_array_steal_index(edge->produced, 0), edge->now);
    while (edge->produced->len)
        kab_engine_refused(edge->engine,
                           g_ptr_array_steal_index(edge->produced, 0),
                           KAB_REFUSED_SINK, "gone", edge->now);
    fake_edge_advance(edge, 1000);
    fake_edge_open_sink(edge);
    assert_produced(edge, "0,1,2,3,1,2,3");
    assert_int_equal(edge->n_invoked, 1);
    assert_commit(edge, 4);
}

TEST(a_refused_dead_letter_is_sent_again_with_its_message)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, "a");
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    attempt->results[0].outcome = KAB_OUTCOME_REJECT;
    attempt->results[0].reason = "unfit";
    fake_edge_complete(edge, attempt);
    kab_engine_refused(edge->engine, g_ptr_array_steal_index(edge->produced, 0),
                       KAB_REFUSED_RECORD, "too large", edge->now);
    fake_edge_advance(edge, 0);
    assert_produced(edge, "!0,!0");
    assert_string_equal(edge->letter_message, "unfit");
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 1);
}

TEST(a_refused_record_goes_to_the_dead_letters)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    kab_engine_refused(edge->engine, g_ptr_array_steal_index(edge->produced, 0),
                       KAB_REFUSED_RECORD, "too large", edge->now);
    fake_edge_advance(edge, 0);
    assert_produced(edge, "0,1,!0");
    assert_commit(edge, 2);
}

TEST(the_end_of_a_partition_is_committed)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_end_of_partition(edge->engine, edge->partition, 7, edge->now);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 7);
}

TEST(a_revoked_partition_finishes_called_records_and_commits)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 12);
    fake_edge_advance(edge, 0);
    kab_engine_revoking(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_int_equal(edge->n_unassigned, 0);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 8);
    assert_int_equal(edge->n_unassigned, 1);
    assert_int_equal(edge->n_invoked, 2);
}

TEST(a_drain_flushes_partial_batches)
{
    FakeEdge *edge = *state;
    edge->options.batch_period_us = KAB_NEVER;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 3);
    fake_edge_advance(edge, 0);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    assert_false(kab_engine_is_drained(edge->engine));
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->committed, 3);
    assert_true(kab_engine_is_drained(edge->engine));
    assert_false(kab_engine_is_overdue(edge->engine));
}

TEST(a_record_of_an_earlier_assignment_is_released)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assign(edge);
    fake_edge_take(edge, 0, NULL);
    assert_int_equal(edge->messages_out, 0);
    assert_int_equal(
        kab_engine_counters(edge->engine)->records_skipped[KAB_SKIP_STALE], 1);
    load(edge, &(KabCommitted){.has_offset = true});
    fake_edge_take(edge, 0, NULL);
    assert_int_equal(edge->messages_out, 1);
}

TEST(loaded_intervals_are_skipped_and_kept)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    edge->partition =
        kab_engine_assigned(edge->engine, "in", 0, NULL, edge->now);
    fake_edge_advance(edge, 0);
    KabInterval interval = {1, 3};
    KabCommitted committed = {.has_offset = true,
                              .offset = 0,
                              .intervals = &interval,
                              .n_intervals = 1};
    kab_engine_loaded(edge->engine, edge->partition, &committed, edge->now);
    fake_edge_advance(edge, 0);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "0,3");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_commit(edge, 4);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_batch_triggers_at_the_maximum_size),
        T(results_are_emitted_as_soon_as_they_complete),
        T(an_exception_propagates),
        T(a_free_call_slot_takes_the_records_that_are_ready),
        T(period_runs_from_the_first_record),
        T(a_reload_changes_the_period_of_waiting_records),
        T(an_oversize_record_travels_alone),
        T(ready_records_leave_when_the_budget_is_full),
        T(the_period_of_a_record_includes_its_wait_behind_a_busy_lane),
        T(a_batch_does_not_wait_for_a_partition_at_its_end),
        T(ordered_outputs_wait_for_earlier_ones),
        T(one_batch_of_a_key_is_in_flight),
        T(a_retry_holds_back_later_outputs_of_its_key),
        T(commits_never_pass_an_unfinished_record),
        T(a_lost_sink_emits_again_without_calling),
        T(a_refused_record_goes_to_the_dead_letters),
        T(a_refused_dead_letter_is_sent_again_with_its_message),
        T(the_end_of_a_partition_is_committed),
        T(a_revoked_partition_finishes_called_records_and_commits),
        T(a_drain_flushes_partial_batches),
        T(a_record_of_an_earlier_assignment_is_released),
        T(loaded_intervals_are_skipped_and_kept),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
