/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction carries, when it ends, and what becomes of it when it is
 * aborted or its producer is lost. Most of these were found by the simulator
 * (tests/sim) first.
 */
#include "kab-test.h"

#include "engine-test.h"

static void
start_transactional(FakeEdge *edge)
{
    edge->options.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    edge->options.batch_count = 1;
    edge->options.max_in_flight = edge->options.threads = 4;
    fake_edge_start(edge);
}

static void
begin(FakeEdge *edge)
{
    assert_true(edge->wants_begin);
    edge->wants_begin = false;
    kab_engine_transaction_begun(edge->engine, edge->transaction, true,
                                 edge->now);
    fake_edge_advance(edge, 0);
}

static void
end_with(FakeEdge *edge, KabTxnResult result)
{
    edge->wants_end = edge->wants_abort = false;
    kab_engine_transaction_ended(edge->engine, edge->transaction, result,
                                 "test", edge->now);
    fake_edge_advance(edge, 0);
}

static void
emit_one(FakeEdge *edge)
{
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    begin(edge);
}

TEST(a_transaction_carries_outputs_and_offsets)
{
    FakeEdge *edge = *state;
    edge->options.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    begin(edge);
    assert_produced(edge, "0,1,2,3");
    fake_edge_advance(edge, 100000);
    assert_false(edge->wants_end);
    fake_edge_acknowledge(edge);
    assert_true(edge->wants_end);
    assert_int_equal(edge->end_offset, 4);
    end_with(edge, KAB_TXN_COMMITTED);
    assert_int_equal(
        kab_engine_counters(edge->engine)->records_finished[KAB_END_DONE], 4);
}

TEST(an_aborted_transaction_is_emitted_again)
{
    FakeEdge *edge = *state;
    edge->options.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    begin(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_ABORTED);
    begin(edge);
    assert_produced(edge, "0,1,0,1");
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_COMMITTED);
    assert_int_equal(edge->n_invoked, 1);
}

TEST(a_permanent_refusal_aborts_without_waiting)
{
    FakeEdge *edge = *state;
    start_transactional(edge);
    emit_one(edge);
    kab_engine_refused(edge->engine, g_ptr_array_steal_index(edge->produced, 0),
                       KAB_REFUSED_FATAL, "not authorised", edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->stop_reason, KAB_STOP_SINK);
    assert_true(edge->wants_abort);
    assert_false(edge->wants_end);
    end_with(edge, KAB_TXN_ABORTED);
    assert_true(kab_engine_is_drained(edge->engine));
    assert_produced(edge, "0");
}

TEST(a_lost_partition_never_rides_in_a_transaction)
{
    FakeEdge *edge = *state;
    start_transactional(edge);
    emit_one(edge);
    fake_edge_advance(edge, 100000);
    kab_engine_acknowledged(
        edge->engine, g_ptr_array_steal_index(edge->produced, 0), edge->now);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assert_false(edge->wants_end);
    assert_true(edge->wants_abort);
}

/* Emits all records but the first, whose call stays open. */
static void
emit_beyond_a_straggler(FakeEdge *edge)
{
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 3; i++)
        fake_edge_answer(edge, fake_edge_call(edge, 1));
    begin(edge);
}

TEST(records_beyond_the_metadata_cap_are_held_and_begin_no_transaction)
{
    FakeEdge *edge = *state;
    edge->options.metadata_cap = 0;
    start_transactional(edge);
    emit_beyond_a_straggler(edge);
    assert_produced(edge, "");
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_COMMITTED);
    assert_false(edge->wants_begin);
    answer_first(edge);
    begin(edge);
    assert_produced(edge, "0,1,2,3");
}

/* Four records of partition 0 are called; the first n are answered. */
static void
take_four(FakeEdge *edge, int n)
{
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < n; i++)
        answer_first(edge);
}

TEST(ordered_records_are_never_held_by_the_metadata_cap)
{
    FakeEdge *edge = *state;
    edge->options.metadata_cap = 0;
    start_transactional(edge);
    take_four(edge, 4);
    begin(edge);
    assert_produced(edge, "0,1,2,3");
}

TEST(a_drain_does_not_wait_for_held_records)
{
    FakeEdge *edge = *state;
    edge->options.metadata_cap = 0;
    start_transactional(edge);
    emit_beyond_a_straggler(edge);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT, 60000);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    assert_true(edge->wants_end);
    end_with(edge, KAB_TXN_COMMITTED);
    assert_true(kab_engine_is_drained(edge->engine));
    assert_false(kab_engine_is_overdue(edge->engine));
}

TEST(metadata_too_large_halves_the_cap)
{
    FakeEdge *edge = *state;
    edge->options.metadata_cap = 30;
    start_transactional(edge);
    emit_beyond_a_straggler(edge);
    assert_produced(edge, "1,2,3");
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    edge->end_items[0].result = KAB_COMMIT_TOO_LARGE;
    end_with(edge, KAB_TXN_ABORTED);
    begin(edge);
    assert_produced(edge, "1,2,3,1");
}

/* Charge of a record and its output, of two bytes each. */
enum { CHARGE = 2 * (512 + 2) };

TEST(a_transaction_ends_when_it_holds_most_of_the_budget)
{
    FakeEdge *edge = *state;
    edge->options.buffer_bytes = 5 * CHARGE;
    start_transactional(edge);
    take_four(edge, 3);
    begin(edge);
    fake_edge_acknowledge(edge);
    assert_false(edge->wants_end);
    answer_first(edge);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_acknowledge(edge);
    assert_true(edge->wants_end);
}

/* One of eight partitions may hold a quarter of the budget: one is closed, and
 * only the transaction's end opens it. */
TEST(a_transaction_that_keeps_a_valve_closed_ends)
{
    FakeEdge *edge = *state;
    edge->options.buffer_bytes = 16 * CHARGE;
    start_transactional(edge);
    for (int number = 1; number < 8; number++) {
        KabPartition *other =
            kab_engine_assigned(edge->engine, "in", number, NULL, edge->now);
        fake_edge_advance(edge, 0);
        kab_engine_loaded(edge->engine, other,
                          &(KabCommitted){.has_offset = true}, edge->now);
        fake_edge_advance(edge, 0);
    }
    take_four(edge, 4);
    begin(edge);
    fake_edge_acknowledge(edge);
    assert_false(edge->wants_end);
    fake_edge_take(edge, 4, NULL);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    fake_edge_acknowledge(edge);
    assert_true(edge->wants_end);
}

/* As for a member whose offsets the broker keeps refusing. */
TEST(transactions_that_are_refused_one_after_another_back_off)
{
    static const int64_t waits_us[] = {0, 1000, 2000, 4000, 8000, 8000};
    FakeEdge *edge = *state;
    start_transactional(edge);
    emit_one(edge);
    for (size_t i = 0; i < G_N_ELEMENTS(waits_us); i++) {
        fake_edge_acknowledge(edge);
        fake_edge_advance(edge, 100000);
        end_with(edge, KAB_TXN_ABORTED);
        if (waits_us[i]) {
            fake_edge_advance(edge, waits_us[i] - 1);
            assert_false(edge->wants_begin);
            fake_edge_advance(edge, 1);
        }
        begin(edge);
    }
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_COMMITTED);
    assert_int_equal(edge->n_invoked, 1);
}

TEST(a_transaction_that_was_lost_makes_the_next_one_smaller)
{
    FakeEdge *edge = *state;
    edge->options.buffer_bytes = 5 * CHARGE;
    start_transactional(edge);
    take_four(edge, 4);
    begin(edge);
    assert_produced(edge, "0,1,2,3");
    fake_edge_acknowledge(edge);
    assert_true(edge->wants_end);
    end_with(edge, KAB_TXN_FENCED);
    fake_edge_advance(edge, 8000);
    fake_edge_open_sink(edge);
    load(edge, &(KabCommitted){.has_offset = true});
    begin(edge);
    assert_produced(edge, "0,1,2,3,0,1");
}

static void
refuse_metadata(FakeEdge *edge)
{
    for (size_t i = 0; i < edge->n_end_items; i++)
        edge->end_items[i].result = KAB_COMMIT_TOO_LARGE;
    end_with(edge, KAB_TXN_ABORTED);
    fake_edge_advance(edge, 100000);
    begin(edge);
    fake_edge_advance(edge, 100000);
}

/* Partition 0 has finished more beyond its straggler than the broker takes;
 * partition 1 commits without it. */
TEST(oversized_metadata_does_not_hold_other_partitions)
{
    FakeEdge *edge = *state;
    KabInterval loaded = {50, 60};
    edge->options.metadata_cap = 20;
    start_transactional(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assign(edge);
    load(edge, &(KabCommitted){
                   .has_offset = true, .intervals = &loaded, .n_intervals = 1});
    emit_beyond_a_straggler(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_COMMITTED);
    KabPartition *other =
        kab_engine_assigned(edge->engine, "in", 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    kab_engine_loaded(edge->engine, other, &(KabCommitted){.has_offset = true},
                      edge->now);
    fake_edge_advance(edge, 0);
    fake_edge_take(edge, 50, NULL);
    fake_edge_take(edge, 100, NULL);
    kab_engine_end_of_partition(edge->engine, other, 5, edge->now);
    fake_edge_advance(edge, 100000);
    begin(edge);
    fake_edge_advance(edge, 100000);
    assert_int_equal(edge->n_end_items, 2);
    for (int i = 0; i < 4; i++)
        refuse_metadata(edge);
    assert_int_equal(edge->n_end_items, 1);
    assert_int_equal(edge->end_items[0].number, 1);
}

TEST(a_producer_that_is_lost_during_recovery_is_replaced)
{
    FakeEdge *edge = *state;
    start_transactional(edge);
    emit_one(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_UNKNOWN);
    fake_edge_advance(edge, 8000);
    fake_edge_open_sink(edge);
    size_t loads = edge->n_loads;
    kab_engine_sink_lost(edge->engine, edge->epoch, false, "again", edge->now);
    fake_edge_advance(edge, 8000);
    fake_edge_open_sink(edge);
    assert_int_equal(edge->n_loads, loads);
    load(edge, &(KabCommitted){.has_offset = true, .offset = 1});
    assert_false(edge->wants_begin);
    assert_produced(edge, "0");
}

/* Loses the producer and opens the next one; the outputs of the lost one are
 * never reported. */
static void
replace_silent_sink(FakeEdge *edge)
{
    kab_engine_sink_lost(edge->engine, edge->epoch, false, "silent", edge->now);
    fake_edge_advance(edge, 8000);
    g_ptr_array_set_size(edge->produced, 0);
    fake_edge_open_sink(edge);
}

TEST(outputs_that_a_lost_sink_never_reports_are_emitted_again)
{
    FakeEdge *edge = *state;
    start_transactional(edge);
    take_four(edge, 4);
    begin(edge);
    kab_engine_acknowledged(
        edge->engine, g_ptr_array_steal_index(edge->produced, 2), edge->now);
    fake_edge_advance(edge, 100000);
    assert_false(edge->wants_end);
    replace_silent_sink(edge);
    begin(edge);
    assert_produced(edge, "0,1,2,3,0,1,2,3");
    assert_int_equal(edge->n_invoked, 4);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    assert_true(edge->wants_end);
    end_with(edge, KAB_TXN_COMMITTED);
    assert_int_equal(
        kab_engine_counters(edge->engine)->records_finished[KAB_END_DONE], 4);
}

/* The slot of that output is on no list. */
TEST(unreported_outputs_of_a_lost_partition_are_released)
{
    FakeEdge *edge = *state;
    start_transactional(edge);
    emit_one(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->messages_out, 1);
    replace_silent_sink(edge);
    assert_int_equal(edge->messages_out, 0);
    assert_int_equal(edge->attempts_out, 0);
}

static void
emit_four(FakeEdge *edge)
{
    edge->options.buffer_bytes = 5 * CHARGE;
    start_transactional(edge);
    take_four(edge, 4);
    begin(edge);
    assert_produced(edge, "0,1,2,3");
}

static void
refuse_all(FakeEdge *edge)
{
    while (edge->produced->len)
        kab_engine_refused(edge->engine,
                           g_ptr_array_steal_index(edge->produced, 0),
                           KAB_REFUSED_SINK, "timed out", edge->now);
    fake_edge_advance(edge, 0);
}

TEST(a_transaction_whose_outputs_time_out_makes_the_next_one_smaller)
{
    FakeEdge *edge = *state;
    emit_four(edge);
    refuse_all(edge);
    assert_true(edge->wants_abort);
    end_with(edge, KAB_TXN_ABORTED);
    begin(edge);
    assert_produced(edge, "0,1,2,3,0,1");
}

TEST(a_producer_that_is_lost_while_aborting_makes_the_next_one_smaller)
{
    FakeEdge *edge = *state;
    emit_four(edge);
    KabProduct *first = g_ptr_array_steal_index(edge->produced, 0);
    kab_engine_refused(edge->engine, first, KAB_REFUSED_RECORD, "too large",
                       edge->now);
    fake_edge_advance(edge, 0);
    assert_true(edge->wants_abort);
    end_with(edge, KAB_TXN_UNKNOWN);
    refuse_all(edge);
    fake_edge_advance(edge, 8000);
    fake_edge_open_sink(edge);
    begin(edge);
    assert_true(edge->produced->len <= 2);
}

/* Purged by an abort that has nothing to do with size or time. */
TEST(a_partition_that_is_lost_does_not_make_the_next_transaction_smaller)
{
    FakeEdge *edge = *state;
    emit_four(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assert_true(edge->wants_abort);
    refuse_all(edge);
    end_with(edge, KAB_TXN_ABORTED);
    assign(edge);
    load(edge, &(KabCommitted){.has_offset = true});
    take_four(edge, 4);
    begin(edge);
    assert_produced(edge, "0,1,2,3,0,1,2,3");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_transaction_carries_outputs_and_offsets),
        T(an_aborted_transaction_is_emitted_again),
        T(a_permanent_refusal_aborts_without_waiting),
        T(a_lost_partition_never_rides_in_a_transaction),
        T(records_beyond_the_metadata_cap_are_held_and_begin_no_transaction),
        T(ordered_records_are_never_held_by_the_metadata_cap),
        T(a_drain_does_not_wait_for_held_records),
        T(metadata_too_large_halves_the_cap),
        T(a_transaction_ends_when_it_holds_most_of_the_budget),
        T(a_transaction_that_keeps_a_valve_closed_ends),
        T(transactions_that_are_refused_one_after_another_back_off),
        T(a_transaction_that_was_lost_makes_the_next_one_smaller),
        T(oversized_metadata_does_not_hold_other_partitions),
        T(a_producer_that_is_lost_during_recovery_is_replaced),
        T(outputs_that_a_lost_sink_never_reports_are_emitted_again),
        T(unreported_outputs_of_a_lost_partition_are_released),
        T(a_transaction_whose_outputs_time_out_makes_the_next_one_smaller),
        T(a_producer_that_is_lost_while_aborting_makes_the_next_one_smaller),
        T(a_partition_that_is_lost_does_not_make_the_next_transaction_smaller),
    };
    return cmocka_run_group_tests_name("transactions", tests, NULL, NULL);
}
