/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the engine share: a fake edge for each test, and helpers
 * for common steps and assertions.
 */
#pragma once

#include "fake-edge.h"

/* A FakeEdge in *state, not started. */
int set_up(void **state);
int tear_down(void **state);

/* Assigns partition "in" [0] anew; its committed offset is not loaded yet. */
void assign(FakeEdge *edge);
/* Answers the load of that partition. */
void load(FakeEdge *edge, const KabCommitted *committed);
/* Answers the oldest call: all records done, one output each. */
void answer_first(FakeEdge *edge);
/* Advances from deadline to deadline until there is a call. */
void await_call(FakeEdge *edge);

/* expected: such as "0,1,2". */
void assert_offsets(const KabAttempt *attempt, const char *expected);
/* expected: all values produced so far, such as "0,1,2". */
void assert_produced(const FakeEdge *edge, const char *expected);
/* Acknowledges all outputs; the next commit must be of the expected offset. */
void assert_commit(FakeEdge *edge, int64_t expected);
