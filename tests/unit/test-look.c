/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine says of itself: why nothing moves, and whether it is paused.
 */
#include "kab-test.h"

#include "engine-test.h"

#define SECOND INT64_C(1000000)

static void
assert_stall(FakeEdge *edge, const char *expected)
{
    g_autofree char *stall = kab_engine_dup_stall(edge->engine, edge->now);
    assert_non_null(stall);
    if (!strstr(stall, expected))
        fail_msg("\"%s\" is not in: %s", expected, stall);
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

/* The committed position counts, not what moves beyond it. */
TEST(a_record_that_holds_the_committed_position_is_a_stall)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    edge->options.call_timeout_us = 0;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    for (int i = 1; i <= 60; i++) {
        assert_null(kab_engine_dup_stall(edge->engine, edge->now));
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 0);
        fake_edge_answer(edge, fake_edge_call(edge, 1));
        fake_edge_acknowledge(edge);
        fake_edge_advance(edge, SECOND);
    }
    assert_stall(edge, "offset 0 is called and waits for the function's "
                       "answer");
    answer_first(edge);
    assert_commit(edge, 61);
    assert_null(kab_engine_dup_stall(edge->engine, edge->now));
}

TEST(commits_that_fail_while_records_flow_are_a_stall)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    edge->auto_commit = false;
    for (int i = 0; i < 60; i++) {
        assert_null(kab_engine_dup_stall(edge->engine, edge->now));
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 0);
        answer_first(edge);
        fake_edge_acknowledge(edge);
        fake_edge_advance(edge, SECOND);
        fake_edge_commit_done(edge, KAB_COMMIT_FAILED);
    }
    fake_edge_take(edge, 60, NULL);
    assert_stall(edge, "in [0] is finished to offset 60, and its commit has "
                       "waited 60 s");
}

TEST(between_two_commits_there_is_no_stall)
{
    FakeEdge *edge = *state;
    edge->options.commit_interval_us = 100 * SECOND;
    fake_edge_start(edge);
    for (int i = 0; i < 300; i++) {
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, SECOND);
        while (edge->calls->len)
            answer_first(edge);
        fake_edge_acknowledge(edge);
        assert_null(kab_engine_dup_stall(edge->engine, edge->now));
    }
}

TEST(an_offset_that_is_not_told_is_a_stall)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assign(edge);
    fake_edge_advance(edge, 60 * SECOND - 1);
    assert_null(kab_engine_dup_stall(edge->engine, edge->now));
    fake_edge_advance(edge, 1);
    assert_stall(edge, "in [0] has waited 60 s for its committed offset");
}

TEST(what_comes_after_hours_of_nothing_is_no_stall)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_advance(edge, 5000 * SECOND);
    fake_edge_take(edge, 0, NULL);
    assert_null(kab_engine_dup_stall(edge->engine, edge->now));
    fake_edge_advance(edge, 60 * SECOND);
    assert_stall(edge, "offset 0");
}

TEST(with_nothing_to_call_there_is_no_pause)
{
    FakeEdge *edge = *state;
    KabEngineState look;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    kab_engine_end_of_partition(edge->engine, edge->partition, 1, edge->now);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_OVERLOAD, 500);
    kab_engine_get_state(edge->engine, edge->now, &look);
    assert_true(look.is_paused);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, SECOND);
    kab_engine_get_state(edge->engine, edge->now, &look);
    assert_false(look.is_paused);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_commit_that_fails_for_long_is_a_stall),
        T(a_record_that_holds_the_committed_position_is_a_stall),
        T(commits_that_fail_while_records_flow_are_a_stall),
        T(between_two_commits_there_is_no_stall),
        T(an_offset_that_is_not_told_is_a_stall),
        T(what_comes_after_hours_of_nothing_is_no_stall),
        T(with_nothing_to_call_there_is_no_pause),
    };
    return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}
