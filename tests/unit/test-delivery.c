/* SPDX-License-Identifier: Apache-2.0 */
/* What is committed and when: intervals, resets, revokes, flushes. Most
 * of these were found by the simulator (tests/sim) first.
 */
#include "kab-test.h"

#include "engine-test.h"

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

/* Compaction has left nothing before and behind it. */
TEST(an_interval_does_not_grow_over_offsets_without_records)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assign_with(edge, 0, (KabInterval){101, 201});
    edge->auto_commit = false;
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    fake_edge_take_range(edge, 101, 151);
    fake_edge_take(edge, 5000, NULL);
    fake_edge_advance(edge, 10000);
    const KabCommitItem *item = &edge->commit_items[0];
    assert_int_equal(item->offset, 0);
    assert_int_equal(item->n_intervals, 1);
    assert_int_equal(item->intervals[0].from, 101);
    assert_int_equal(item->intervals[0].to, 151);
    fake_edge_commit_done(edge, KAB_COMMIT_OK);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    fake_edge_acknowledge(edge);
    kab_engine_end_of_partition(edge->engine, edge->partition, 9000, edge->now);
    fake_edge_advance(edge, 10000);
    item = &edge->commit_items[0];
    assert_int_equal(item->n_intervals, 1);
    assert_int_equal(item->intervals[0].from, 101);
    assert_int_equal(item->intervals[0].to, 5001);
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

static void
take_of(FakeEdge *edge, KabPartition *partition, int64_t offset)
{
    KabPartition *first = edge->partition;
    edge->partition = partition;
    fake_edge_take(edge, offset, NULL);
    fake_edge_advance(edge, 0);
    edge->partition = first;
}

TEST(a_kept_partition_goes_on_while_another_drains)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    KabPartition *kept = add_partition(edge, true);
    take_of(edge, edge->partition, 0);
    kab_engine_revoking(edge->engine, edge->partition, edge->now);
    for (int i = 0; i < 3; i++) {
        take_of(edge, kept, i);
        fake_edge_answer(edge, fake_edge_call(edge, 1));
    }
    assert_produced(edge, "0,1,2");
    assert_int_equal(edge->n_unassigned, 0);
    assert_commit(edge, 3);
    answer_first(edge);
    fake_edge_acknowledge(edge);
    assert_int_equal(edge->n_unassigned, 1);
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
        T(an_interval_does_not_grow_over_offsets_without_records),
        T(intervals_that_touch_are_one),
        T(a_commit_that_is_held_back_is_asked_for_again),
        T(with_very_many_unfinished_records_commits_are_rarer),
        T(a_reset_keeps_what_is_finished_beyond_it),
        T(a_log_that_begins_before_the_reset_is_another_one),
        T(a_reset_start_is_committed_before_a_record_is_called),
        T(nothing_is_loaded_while_stopping),
        T(a_refused_commit_holds_no_drain_back),
        T(a_drain_flushes_what_lingers),
        T(what_is_produced_while_draining_is_flushed_too),
        T(what_is_flushed_and_not_reported_is_flushed_again),
        T(a_revoke_flushes_what_lingers),
        T(a_binding_that_stops_for_its_sink_is_drained_at_once),
        T(what_waits_for_its_start_offset_holds_no_other_partition_back),
        T(what_is_retried_holds_no_other_partition_back),
        T(a_kept_partition_goes_on_while_another_drains),
        T(before_the_start_offset_is_committed_no_more_is_taken_than_after),
    };
    return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
