/* SPDX-License-Identifier: Apache-2.0 */
/* What an edge promises: an event that breaks a promise ends the process, at
 * the event and not in some later state of the engine.
 */
#include "kab-test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine-test.h"

/* The event is run in a child process, which must end by SIGABRT. */
static void
assert_aborts(FakeEdge *edge, void (*event)(FakeEdge *edge))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        signal(SIGABRT, SIG_DFL);
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        event(edge);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void
answer_commit(FakeEdge *edge)
{
    edge->commit_items[0].result = KAB_COMMIT_OK;
    kab_engine_commit_done(edge->engine, edge->commit_items, 1, edge->now);
}

static void
answer_commit_twice(FakeEdge *edge)
{
    answer_commit(edge);
    answer_commit(edge);
}

TEST(a_commit_is_answered_once)
{
    FakeEdge *edge = *state;
    edge->auto_commit = false;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->n_commits, 1);
    assert_aborts(edge, answer_commit_twice);
    answer_commit(edge);
    edge->commit_items = NULL;
}

static void
answer_sink(FakeEdge *edge)
{
    kab_engine_sink_ready(edge->engine, edge->epoch, edge->now);
}

TEST(a_producer_is_ready_once)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assert_aborts(edge, answer_sink);
}

static void
lose_sink_of_tomorrow(FakeEdge *edge)
{
    kab_engine_sink_lost(edge->engine, edge->epoch + 1, false, "x", edge->now);
}

TEST(an_epoch_was_given_out_by_the_engine)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assert_aborts(edge, lose_sink_of_tomorrow);
}

static void
acknowledge_again(FakeEdge *edge)
{
    KabProduct *product = edge->produced->pdata[0];
    kab_engine_acknowledged(edge->engine, product, edge->now);
    kab_engine_acknowledged(edge->engine, product, edge->now);
}

TEST(an_output_is_reported_once)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    fake_edge_advance(edge, 0);
    assert_aborts(edge, acknowledge_again);
    fake_edge_acknowledge(edge);
}

static void
load_again(FakeEdge *edge)
{
    load(edge, &(KabCommitted){.has_offset = true});
}

TEST(a_load_is_answered_once)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    assert_aborts(edge, load_again);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_commit_is_answered_once),
        T(a_producer_is_ready_once),
        T(an_epoch_was_given_out_by_the_engine),
        T(an_output_is_reported_once),
        T(a_load_is_answered_once),
    };
    return cmocka_run_group_tests_name("promises", tests, NULL, NULL);
}
