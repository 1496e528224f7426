/* SPDX-License-Identifier: Apache-2.0 */
/* An edge for tests of the engine: it records every effect, and only the test
 * answers. Time is a number.
 */
#pragma once

#include <glib.h>

#include "engine.h"

typedef struct {
    KabEngine *engine;
    KabEngineOptions options;
    int64_t now;
    GPtrArray *calls;    /* KabAttempt: invoked, not answered */
    GPtrArray *produced; /* KabProduct: not reported */
    GPtrArray *lines;    /* all produced, ever: "key=value" or "!value" */
    GPtrArray *arenas;   /* g_malloc'ed memory of results */
    size_t messages_out, attempts_out, n_cancelled, n_unassigned, n_invoked;
    size_t n_loads, n_adds, n_aborts, n_flushed, n_ends, n_closed, n_detached;
    KabPartition *partition; /* of fake_edge_start() */
    KabCommitItem *commit_items;
    size_t n_commit_items, n_commits;
    int64_t committed; /* offset of the last commit requested */
    KabCommitItem *end_items;
    size_t n_end_items;
    int64_t end_offset;
    uint32_t epoch, transaction;
    bool wants_sink, wants_begin, wants_end, wants_abort;
    bool auto_commit;
    size_t room;         /* of the sink; SIZE_MAX: always */
    GPtrArray *values;   /* char *: values of all produced, ever */
    GPtrArray *failures; /* char *: "offset: reason: fate" */
    KabStopReason stop_reason;
    char *stop_message;
    char *letter_message; /* of the last dead letter */
    bool is_stopped;
} FakeEdge;

/* Defaults: unordered, batch.count 4, two calls in flight. */
FakeEdge *fake_edge_new(void);
/* Makes the engine with edge->options, opens the sink, assigns topic "in"
 * [0] with committed offset 0. */
void fake_edge_start(FakeEdge *edge);
void fake_edge_free(FakeEdge *edge);

void fake_edge_advance(FakeEdge *edge, int64_t by_us);
/* Takes a record; key NULL: a null key. Value is "k<offset>". */
void fake_edge_take(FakeEdge *edge, int64_t offset, const char *key);
void fake_edge_take_range(FakeEdge *edge, int64_t from, int64_t to);

KabAttempt *fake_edge_call(FakeEdge *edge, size_t i);
/* One output for record i of the call. */
void fake_edge_output(FakeEdge *edge, KabAttempt *attempt, size_t i);
/* Answers the call: all records done, one output each. */
void fake_edge_answer(FakeEdge *edge, KabAttempt *attempt);
/* Answers the call with the results as they are. */
void fake_edge_complete(FakeEdge *edge, KabAttempt *attempt);
void fake_edge_fail(FakeEdge *edge,
                    KabAttempt *attempt,
                    KabFailure failure,
                    int64_t retry_after_ms);
void fake_edge_acknowledge(FakeEdge *edge);
void fake_edge_commit_done(FakeEdge *edge, KabCommitResult result);
void fake_edge_open_sink(FakeEdge *edge);
/* Offsets of the call's records, such as "0,1,2". Free with g_free. */
char *fake_edge_offsets(const KabAttempt *attempt);
/* Values produced so far, comma-separated. */
char *fake_edge_output_line(const FakeEdge *edge);
