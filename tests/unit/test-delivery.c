/* SPDX-License-Identifier: Apache-2.0 */
/* What is committed and when: intervals, transactions, resets, revokes. Most
 * of these were found by the simulator (tests/sim) first.
 */
#include "kab-test.h"

#include "fake-edge.h"

static int
set_up(void **state)
{
    *state = fake_edge_new();
    return 0;
}

static int
tear_down(void **state)
{
    fake_edge_free(*state);
    return 0;
}

static void
assert_produced(const FakeEdge *edge, const char *expected)
{
    g_autofree char *line = fake_edge_output_line(edge);
    assert_string_equal(line, expected);
}

static void
load(FakeEdge *edge, const KabCommitted *committed)
{
    kab_engine_loaded(edge->engine, edge->partition, committed, edge->now);
    fake_edge_advance(edge, 0);
}

static void
assign(FakeEdge *edge)
{
    edge->partition =
        kab_engine_assigned(edge->engine, "in", 0, NULL, edge->now);
    fake_edge_advance(edge, 0);
}

/* Its partition comes back with what an earlier owner finished. */
static void
assign_with(FakeEdge *edge, int64_t offset, KabInterval interval)
{
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assign(edge);
    load(edge, &(KabCommitted){.has_offset = true,
                               .offset = offset,
                               .intervals = &interval,
                               .n_intervals = 1});
}

static void
answer_first(FakeEdge *edge)
{
    fake_edge_answer(edge, fake_edge_call(edge, 0));
}

/* --- Refused ------------------------------------------------------------ */

/* A static member whose place was taken: no commit of it is ever good. */
TEST(a_member_that_is_fenced_does_not_commit_for_ever)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    edge->auto_commit = false;
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    kab_engine_fail(edge->engine, KAB_STOP_SOURCE, "fenced", edge->now);
    for (int i = 0; i < 3; i++) {
        assert_false(kab_engine_is_drained(edge->engine));
        fake_edge_commit_done(edge, KAB_COMMIT_GROUP);
        fake_edge_advance(edge, 50000);
    }
    assert_true(kab_engine_is_drained(edge->engine));
}

/* --- Intervals ---------------------------------------------------------- */

TEST(an_interval_that_was_just_passed_is_not_said)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assign_with(edge, 0, (KabInterval){1, 2});
    edge->auto_commit = false;
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 2);
    assert_int_equal(edge->commit_items[0].n_intervals, 0);
}

TEST(intervals_that_touch_are_one)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    assign_with(edge, 0, (KabInterval){2, 5});
    edge->auto_commit = false;
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->commit_items[0].n_intervals, 1);
    assert_int_equal(edge->commit_items[0].intervals[0].from, 1);
    assert_int_equal(edge->commit_items[0].intervals[0].to, 5);
}

TEST(a_commit_that_is_held_back_is_asked_for_again)
{
    FakeEdge *edge = *state;
    edge->options.commit_interval_us = 0;
    fake_edge_start(edge);
    edge->holds_commits = true;
    kab_engine_end_of_partition(edge->engine, edge->partition, 7, edge->now);
    fake_edge_advance(edge, 0);
    assert_true(kab_engine_next_deadline(edge->engine) <= edge->now + 10000);
    edge->holds_commits = false;
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 7);
}

static void
finish_a_batch(FakeEdge *edge)
{
    answer_first(edge);
    fake_edge_acknowledge(edge);
}

TEST(with_very_many_unfinished_records_commits_are_rarer)
{
    FakeEdge *edge = *state;
    edge->options.buffer_bytes = 1 << 30;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 40000);
    fake_edge_advance(edge, 0);
    finish_a_batch(edge);
    fake_edge_advance(edge, 0);
    size_t commits = edge->n_commits;
    finish_a_batch(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->n_commits, commits);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->n_commits, commits + 1);
    assert_int_equal(edge->committed, 8);
}

TEST(a_commit_that_fails_for_long_is_a_stall)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    edge->auto_commit = false;
    kab_engine_end_of_partition(edge->engine, edge->partition, 7, edge->now);
    fake_edge_advance(edge, 10000);
    assert_null(kab_engine_dup_stall(edge->engine, edge->now));
    fake_edge_commit_done(edge, KAB_COMMIT_FAILED);
    fake_edge_advance(edge, 60000000);
    g_autofree char *stall = kab_engine_dup_stall(edge->engine, edge->now);
    assert_non_null(strstr(stall, "in [0] is finished to offset 7"));
    fake_edge_commit_done(edge, KAB_COMMIT_OK);
    assert_null(kab_engine_dup_stall(edge->engine, edge->now));
}

TEST(a_refused_commit_holds_no_drain_back)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    edge->auto_commit = false;
    kab_engine_end_of_partition(edge->engine, edge->partition, 7, edge->now);
    fake_edge_advance(edge, 10000);
    kab_engine_fail(edge->engine, KAB_STOP_SOURCE, "not allowed", edge->now);
    assert_false(kab_engine_is_drained(edge->engine));
    size_t commits = edge->n_commits;
    fake_edge_commit_done(edge, KAB_COMMIT_REFUSED);
    fake_edge_advance(edge, 0);
    assert_true(kab_engine_is_drained(edge->engine));
    assert_int_equal(edge->n_commits, commits);
}

/* --- Start and reset ---------------------------------------------------- */

static void
reset(FakeEdge *edge)
{
    kab_engine_reset(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assert_null(edge->partition);
    edge->partition = kab_engine_assigned_at_beginning(edge->engine, "in", 0,
                                                       NULL, edge->now);
    fake_edge_advance(edge, 0);
}

TEST(a_reset_keeps_what_is_finished_beyond_it)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assign_with(edge, 10, (KabInterval){21, 22});
    reset(edge);
    fake_edge_take_range(edge, 20, 23);
    fake_edge_advance(edge, 10000);
    g_autofree char *offsets = fake_edge_offsets(fake_edge_call(edge, 0));
    assert_string_equal(offsets, "20,22");
}

TEST(a_log_that_begins_before_the_reset_is_another_one)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assign_with(edge, 10, (KabInterval){21, 22});
    reset(edge);
    fake_edge_take_range(edge, 0, 3);
    fake_edge_take(edge, 21, NULL);
    fake_edge_advance(edge, 10000);
    g_autofree char *offsets = fake_edge_offsets(fake_edge_call(edge, 0));
    assert_string_equal(offsets, "0,1,2,21");
}

TEST(a_reset_start_is_committed_before_a_record_is_called)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    reset(edge);
    edge->auto_commit = false;
    fake_edge_take_range(edge, 5, 7);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 5);
    assert_int_equal(edge->calls->len, 0);
    fake_edge_commit_done(edge, KAB_COMMIT_OK);
    assert_int_equal(edge->calls->len, 1);
}

TEST(nothing_is_loaded_while_stopping)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    size_t loads = edge->n_loads;
    assign(edge);
    assert_int_equal(edge->n_loads, loads);
    assert_true(kab_engine_is_drained(edge->engine));
}

/* --- Exactly once -------------------------------------------------------- */

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
    edge->options.metadata_cap = 20;
    start_transactional(edge);
    emit_beyond_a_straggler(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 100000);
    end_with(edge, KAB_TXN_COMMITTED);
    KabPartition *other =
        kab_engine_assigned(edge->engine, "in", 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    kab_engine_loaded(edge->engine, other, &(KabCommitted){.has_offset = true},
                      edge->now);
    kab_engine_end_of_partition(edge->engine, edge->partition, 1000, edge->now);
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

/* --- Partitions that share order groups -------------------------------- */

enum { MANY_KEYS = 3000 };

static void
start_by_key(FakeEdge *edge)
{
    edge->options.order = KAB_ORDER_KEY;
    edge->options.batch_count = 2 * MANY_KEYS;
    edge->options.max_in_flight = 1;
    edge->options.buffer_bytes = 1 << 24;
    fake_edge_start(edge);
}

/* So many that some of them share a group with those of any partition. */
static void
take_many_keys(FakeEdge *edge, KabPartition *partition)
{
    KabPartition *first = edge->partition;
    edge->partition = partition;
    for (int i = 0; i < MANY_KEYS; i++) {
        g_autofree char *key = g_strdup_printf("%d", i);
        fake_edge_take(edge, i, key);
    }
    edge->partition = first;
}

static KabPartition *
add_partition(FakeEdge *edge, bool has_offset)
{
    KabPartition *other =
        kab_engine_assigned(edge->engine, "in", 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    kab_engine_loaded(edge->engine, other,
                      &(KabCommitted){.has_offset = has_offset}, edge->now);
    fake_edge_advance(edge, 0);
    return other;
}

TEST(what_waits_for_its_start_offset_holds_no_other_partition_back)
{
    FakeEdge *edge = *state;
    start_by_key(edge);
    edge->holds_commits = true;
    take_many_keys(edge, add_partition(edge, false));
    take_many_keys(edge, edge->partition);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    assert_int_equal(edge->lines->len, MANY_KEYS);
}

/* As many as may be called at once, and no more. */
TEST(before_the_start_offset_is_committed_no_more_is_taken_than_after)
{
    FakeEdge *edge = *state;
    edge->holds_commits = true;
    fake_edge_start(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assign(edge);
    load(edge, &(KabCommitted){.has_offset = false});
    int64_t n = 0;
    for (size_t want; (want = kab_engine_want(edge->engine)) > 0;) {
        fake_edge_take_range(edge, n, n + (int64_t)want);
        n += (int64_t)want;
    }
    assert_int_equal(n, 8);
}

/* Those of one partition are called again, and then belong to its next
 * owner. */
TEST(what_is_retried_holds_no_other_partition_back)
{
    FakeEdge *edge = *state;
    start_by_key(edge);
    KabPartition *other = add_partition(edge, true);
    take_many_keys(edge, other);
    take_many_keys(edge, edge->partition);
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    for (size_t i = 0; i < attempt->n; i++)
        if (i < MANY_KEYS)
            attempt->results[i].outcome = KAB_OUTCOME_RETRY;
        else
            fake_edge_output(edge, attempt, i);
    fake_edge_complete(edge, attempt);
    assert_int_equal(edge->lines->len, MANY_KEYS);
}

/* --- What lingers ------------------------------------------------------- */

static void
emit_four(FakeEdge *edge)
{
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    assert_produced(edge, "0,1,2,3");
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_flushed, 0);
}

TEST(a_drain_flushes_what_lingers)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    emit_four(edge);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_flushed, 1);
    assert_true(kab_engine_is_drained(edge->engine));
}

TEST(what_is_produced_while_draining_is_flushed_too)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    answer_first(edge);
    assert_int_equal(edge->n_flushed, 2);
}

/* Perhaps not all of it could be sent at once. */
TEST(what_is_flushed_and_not_reported_is_flushed_again)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    emit_four(edge);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    int64_t due = kab_engine_next_deadline(edge->engine);
    assert_true(due <= edge->now + 200000);
    fake_edge_advance(edge, due - edge->now);
    assert_int_equal(edge->n_flushed, 2);
}

TEST(a_revoke_flushes_what_lingers)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    KabPartition *other = add_partition(edge, true);
    emit_four(edge);
    kab_engine_revoking(edge->engine, other, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 0);
    kab_engine_revoking(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_acknowledge(edge);
    assert_null(edge->partition);
}

/* --- At least once -------------------------------------------------------- */

TEST(a_binding_that_stops_for_its_sink_is_drained_at_once)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    kab_engine_refused(edge->engine, g_ptr_array_steal_index(edge->produced, 1),
                       KAB_REFUSED_FATAL, "not authorised", edge->now);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 1);
    assert_true(kab_engine_is_drained(edge->engine));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_member_that_is_fenced_does_not_commit_for_ever),
        T(an_interval_that_was_just_passed_is_not_said),
        T(intervals_that_touch_are_one),
        T(a_commit_that_is_held_back_is_asked_for_again),
        T(with_very_many_unfinished_records_commits_are_rarer),
        T(a_commit_that_fails_for_long_is_a_stall),
        T(a_reset_keeps_what_is_finished_beyond_it),
        T(a_log_that_begins_before_the_reset_is_another_one),
        T(a_reset_start_is_committed_before_a_record_is_called),
        T(nothing_is_loaded_while_stopping),
        T(a_refusal_for_good_aborts_and_nothing_is_waited_for),
        T(a_lost_partition_never_rides_in_a_transaction),
        T(what_no_commit_can_say_is_held_and_begins_no_transaction),
        T(in_order_nothing_is_held_whatever_the_cap),
        T(a_drain_does_not_wait_for_what_is_held),
        T(a_refused_commit_holds_no_drain_back),
        T(metadata_too_large_halves_the_cap),
        T(a_transaction_ends_when_it_holds_most_of_the_budget),
        T(a_transaction_that_a_partition_waits_for_ends),
        T(a_transaction_that_was_lost_makes_the_next_one_smaller),
        T(metadata_that_does_not_fit_holds_no_other_partition),
        T(a_producer_lost_while_its_past_is_checked_is_replaced),
        T(what_a_lost_sink_never_reports_is_emitted_again),
        T(what_a_lost_sink_never_reports_of_a_lost_partition_is_given_back),
        T(a_drain_flushes_what_lingers),
        T(what_is_produced_while_draining_is_flushed_too),
        T(what_is_flushed_and_not_reported_is_flushed_again),
        T(a_revoke_flushes_what_lingers),
        T(a_binding_that_stops_for_its_sink_is_drained_at_once),
        T(what_waits_for_its_start_offset_holds_no_other_partition_back),
        T(what_is_retried_holds_no_other_partition_back),
        T(before_the_start_offset_is_committed_no_more_is_taken_than_after),
    };
    return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
