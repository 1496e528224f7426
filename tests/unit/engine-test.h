/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the engine share: a fake edge each, and what is said of it
 * again and again.
 */
#pragma once

#include "fake-edge.h"

/* A FakeEdge in *state, not started. */
int set_up(void **state);
int tear_down(void **state);

/* Partition "in" [0] anew, without its committed offset. */
void assign(FakeEdge *edge);
/* Its committed offset is known. */
void load(FakeEdge *edge, const KabCommitted *committed);
/* The oldest call: all done, one output each. */
void answer_first(FakeEdge *edge);

/* expected: such as "0,1,2". */
void assert_offsets(const KabAttempt *attempt, const char *expected);
/* expected: all values produced so far, such as "0,1,2". */
void assert_produced(const FakeEdge *edge, const char *expected);
/* Acknowledges all; the next commit is of that offset. */
void assert_commit(FakeEdge *edge, int64_t expected);
