/* SPDX-License-Identifier: Apache-2.0 */
/* Inspection of the engine: why a partition stalls, whether calls are paused.
 */
#include "kab-test.h"

#include "engine-test.h"

#define SECOND INT64_C(1000000)

/* Returns a new sentence; NULL: no partition stalls. */
static char *
dup_stall(FakeEdge *edge)
{
    KabStall stall;
    return kab_engine_find_stall(edge->engine, edge->now, &stall)
               ? kab_stall_dup_sentence(&stall)
               : NULL;
}

static void
assert_stall(FakeEdge *edge, const char *expected)
{
    g_autofree char *stall = dup_stall(edge);
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
    assert_null(dup_stall(edge));
    fake_edge_commit_done(edge, KAB_COMMIT_FAILED);
    fake_edge_advance(edge, 60000000);
    g_autofree char *stall = dup_stall(edge);
    assert_non_null(
        strstr(stall, "offset 7 is finished and waits for its commit"));
    fake_edge_commit_done(edge, KAB_COMMIT_OK);
    assert_null(dup_stall(edge));
}

/* Only the committed position counts, not progress beyond it. */
TEST(a_record_that_holds_the_committed_position_is_a_stall)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    edge->options.call_timeout_us = 0;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    for (int i = 1; i <= 60; i++) {
        assert_null(dup_stall(edge));
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 0);
        fake_edge_answer(edge, fake_edge_call(edge, 1));
        fake_edge_acknowledge(edge);
        fake_edge_advance(edge, SECOND);
    }
    assert_stall(edge, "offset 0 is called and waits for the function's "
                       "answer (cause: call)");
    answer_first(edge);
    assert_commit(edge, 61);
    assert_null(dup_stall(edge));
}

TEST(commits_that_fail_while_records_flow_are_a_stall)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    edge->auto_commit = false;
    for (int i = 0; i < 60; i++) {
        assert_null(dup_stall(edge));
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 0);
        answer_first(edge);
        fake_edge_acknowledge(edge);
        fake_edge_advance(edge, SECOND);
        fake_edge_commit_done(edge, KAB_COMMIT_FAILED);
    }
    fake_edge_take(edge, 60, NULL);
    assert_stall(edge, "in [0] has not moved for 60 s: offset 60 is finished "
                       "and waits for its commit (cause: commit)");
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
        assert_null(dup_stall(edge));
    }
}

TEST(a_committed_offset_that_never_loads_is_a_stall)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assign(edge);
    fake_edge_advance(edge, 60 * SECOND - 1);
    assert_null(dup_stall(edge));
    fake_edge_advance(edge, 1);
    assert_stall(edge, "in [0] has not moved for 60 s: it waits for its "
                       "committed offset (cause: broker)");
}

TEST(a_record_after_hours_of_idleness_is_no_stall)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_advance(edge, 5000 * SECOND);
    fake_edge_take(edge, 0, NULL);
    assert_null(dup_stall(edge));
    fake_edge_advance(edge, 60 * SECOND);
    assert_stall(edge, "offset 0");
}

TEST(an_engine_with_nothing_to_call_is_not_paused)
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
        T(a_committed_offset_that_never_loads_is_a_stall),
        T(a_record_after_hours_of_idleness_is_no_stall),
        T(an_engine_with_nothing_to_call_is_not_paused),
    };
    return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}
