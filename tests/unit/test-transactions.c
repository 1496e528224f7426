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

TEST(a_refusal_for_good_aborts_and_nothing_is_waited_for)
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

/* Emits all but the first record, which is called on. */
static void
emit_beyond_a_straggler(FakeEdge *edge)
{
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 3; i++)
        fake_edge_answer(edge, fake_edge_call(edge, 1));
    begin(edge);
}

TEST(what_no_commit_can_say_is_held_and_begins_no_transaction)
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

TEST(in_order_nothing_is_held_whatever_the_cap)
{
    FakeEdge *edge = *state;
    edge->options.metadata_cap = 0;
    start_transactional(edge);
    take_four(edge, 4);
    begin(edge);
    assert_produced(edge, "0,1,2,3");
}

TEST(a_drain_does_not_wait_for_what_is_held)
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

/* Of a record and its output, of two bytes each. */
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

/* Two partitions may hold the whole budget each, eight a quarter: one of
 * eight is closed, and only the transaction's end opens it. */
TEST(a_transaction_that_a_partition_waits_for_ends)
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

/* As of a member whose epoch the broker does not take. */
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
TEST(metadata_that_does_not_fit_holds_no_other_partition)
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

TEST(a_producer_lost_while_its_past_is_checked_is_replaced)
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

/* A producer that is lost, and its next one: the test's outputs of it are
 * never reported. */
static void
replace_silent_sink(FakeEdge *edge)
{
    kab_engine_sink_lost(edge->engine, edge->epoch, false, "silent", edge->now);
    fake_edge_advance(edge, 8000);
    g_ptr_array_set_size(edge->produced, 0);
    fake_edge_open_sink(edge);
}

TEST(what_a_lost_sink_never_reports_is_emitted_again)
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

/* Its slot is on no list. */
TEST(what_a_lost_sink_never_reports_of_a_lost_partition_is_given_back)
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

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_transaction_carries_outputs_and_offsets),
        T(an_aborted_transaction_is_emitted_again),
        T(a_refusal_for_good_aborts_and_nothing_is_waited_for),
        T(a_lost_partition_never_rides_in_a_transaction),
        T(what_no_commit_can_say_is_held_and_begins_no_transaction),
        T(in_order_nothing_is_held_whatever_the_cap),
        T(a_drain_does_not_wait_for_what_is_held),
        T(metadata_too_large_halves_the_cap),
        T(a_transaction_ends_when_it_holds_most_of_the_budget),
        T(a_transaction_that_a_partition_waits_for_ends),
        T(transactions_that_are_refused_one_after_another_back_off),
        T(a_transaction_that_was_lost_makes_the_next_one_smaller),
        T(metadata_that_does_not_fit_holds_no_other_partition),
        T(a_producer_lost_while_its_past_is_checked_is_replaced),
        T(what_a_lost_sink_never_reports_is_emitted_again),
        T(what_a_lost_sink_never_reports_of_a_lost_partition_is_given_back),
    };
    return cmocka_run_group_tests_name("transactions", tests, NULL, NULL);
}
