/* SPDX-License-Identifier: Apache-2.0 */
/* What is committed and when: intervals, refusals, starts, resets. Most of
 * these were found by the simulator (tests/sim) first.
 */
#include "kab-test.h"

#include "engine-test.h"
#include "model.h"

/* The partition returns with an interval that an earlier owner finished. */
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

/* FENCED_INSTANCE_ID: no commit of this static member ever succeeds. */
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

TEST(a_refused_commit_does_not_delay_a_drain)
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

/* --- Intervals ---------------------------------------------------------- */

TEST(an_interval_below_the_frontier_is_not_committed)
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

/* Compaction left no records before and after the interval. */
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

TEST(adjacent_intervals_are_merged)
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

/* --- When --------------------------------------------------------------- */

TEST(a_held_commit_is_sent_when_the_hold_ends)
{
    FakeEdge *edge = *state;
    edge->options.commit_interval_us = 0;
    fake_edge_start(edge);
    kab_engine_hold_commits(edge->engine, edge->now + 30000);
    kab_engine_end_of_partition(edge->engine, edge->partition, 7, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_commits, 0);
    assert_int_equal(kab_engine_next_deadline(edge->engine), edge->now + 30000);
    fake_edge_advance(edge, 30000);
    assert_int_equal(edge->committed, 7);
}

static void
finish_a_batch(FakeEdge *edge)
{
    answer_first(edge);
    fake_edge_acknowledge(edge);
}

TEST(commits_are_rarer_with_very_many_unfinished_records)
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

static int64_t
commit_age_of(const FakeEdge *edge)
{
    KabEngineState engine;
    kab_engine_get_state(edge->engine, edge->now, &engine);
    return engine.commit_age_us;
}

TEST(the_commit_age_is_that_of_the_oldest_finished_record)
{
    FakeEdge *edge = *state;
    edge->options.commit_interval_us = 0;
    edge->auto_commit = false;
    fake_edge_start(edge);
    assert_int_equal(commit_age_of(edge), 0);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    finish_a_batch(edge);
    fake_edge_advance(edge, 30000);
    assert_int_equal(commit_age_of(edge), 30000);
    fake_edge_commit_done(edge, KAB_COMMIT_FAILED);
    fake_edge_advance(edge, 60000);
    assert_int_equal(commit_age_of(edge), 90000);
    fake_edge_commit_done(edge, KAB_COMMIT_OK);
    assert_int_equal(commit_age_of(edge), 0);
}

/* As if 2^32 - 1 records had been finished behind record 0 already. */
TEST(more_than_four_billion_records_finish_behind_a_straggler)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    KabPartition *partition = edge->partition;
    partition->slots.head->finished_after = UINT32_MAX;
    partition->slots.head->finished_from = 1;
    partition->finished_beyond = UINT32_MAX;
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    fake_edge_acknowledge(edge);
    assert_int_equal(partition->finished_beyond, UINT32_MAX + UINT64_C(1));
    assert_int_equal(partition->slots.head->finished_after,
                     UINT32_MAX + UINT64_C(1));
}

/* --- Start and reset ---------------------------------------------------- */

TEST(a_start_offset_is_committed_at_once_whatever_the_interval)
{
    FakeEdge *edge = *state;
    edge->options.commit_interval_us = 60000000;
    fake_edge_start(edge);
    kab_engine_end_of_partition(edge->engine, edge->partition, 7, edge->now);
    fake_edge_advance(edge, 0);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assign(edge);
    load(edge, &(KabCommitted){0});
    size_t before = edge->n_commits;
    fake_edge_take(edge, 3, NULL);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_commits, before + 1);
    assert_int_equal(edge->committed, 3);
}

/* As many records as may be called at once, and no more. */
TEST(intake_is_no_larger_before_the_start_offset_is_committed)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_hold_commits(edge->engine, INT64_MAX);
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

TEST(a_log_that_begins_before_the_reset_counts_as_a_new_log)
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

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_member_that_is_fenced_does_not_commit_for_ever),
        T(a_refused_commit_does_not_delay_a_drain),
        T(an_interval_below_the_frontier_is_not_committed),
        T(an_interval_does_not_grow_over_offsets_without_records),
        T(adjacent_intervals_are_merged),
        T(a_held_commit_is_sent_when_the_hold_ends),
        T(commits_are_rarer_with_very_many_unfinished_records),
        T(the_commit_age_is_that_of_the_oldest_finished_record),
        T(more_than_four_billion_records_finish_behind_a_straggler),
        T(a_start_offset_is_committed_at_once_whatever_the_interval),
        T(intake_is_no_larger_before_the_start_offset_is_committed),
        T(a_reset_keeps_what_is_finished_beyond_it),
        T(a_log_that_begins_before_the_reset_counts_as_a_new_log),
        T(a_reset_start_is_committed_before_a_record_is_called),
    };
    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
