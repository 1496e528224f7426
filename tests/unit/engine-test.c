/* SPDX-License-Identifier: Apache-2.0 */
/* See engine-test.h. */
#include "kab-test.h"

#include "engine-test.h"

int
set_up(void **state)
{
    *state = fake_edge_new();
    return 0;
}

int
tear_down(void **state)
{
    fake_edge_free(*state);
    return 0;
}

void
assign(FakeEdge *edge)
{
    edge->partition =
        kab_engine_assigned(edge->engine, "in", 0, NULL, edge->now);
    fake_edge_advance(edge, 0);
}

void
load(FakeEdge *edge, const KabCommitted *committed)
{
    kab_engine_loaded(edge->engine, edge->partition, committed, edge->now);
    fake_edge_advance(edge, 0);
}

void
answer_first(FakeEdge *edge)
{
    fake_edge_answer(edge, fake_edge_call(edge, 0));
}

void
await_call(FakeEdge *edge)
{
    for (int i = 0; i < 100 && !edge->calls->len; i++) {
        int64_t due_us = kab_engine_next_deadline(edge->engine);
        if (due_us == INT64_MAX)
            return;
        fake_edge_advance(edge, MAX(due_us - edge->now, 0));
    }
}

void
assert_offsets(const KabAttempt *attempt, const char *expected)
{
    g_autofree char *offsets = fake_edge_offsets(attempt);
    assert_string_equal(offsets, expected);
}

void
assert_produced(const FakeEdge *edge, const char *expected)
{
    g_autofree char *line = fake_edge_output_line(edge);
    assert_string_equal(line, expected);
}

void
assert_commit(FakeEdge *edge, int64_t expected)
{
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, edge->options.commit_interval_us);
    assert_int_equal(edge->committed, expected);
}
