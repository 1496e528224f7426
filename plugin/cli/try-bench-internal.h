/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a bench, shared by its files. */
#pragma once

#include "executor.h"
#include "mailbox.h"
#include "try-bench.h"

/* One call at a time. */
typedef struct {
    KabAttempt attempt;
    KabRecord *records;
    void **messages;
    KabResult *results;
    size_t capacity;
    bool is_out, is_cancelled;
    int64_t dispatched_us;
    int64_t freed_us; /* end of its last call in this measurement; 0: none */
    uint32_t epoch;   /* of the controller at the dispatch */
} KabTrySlot;

struct KabTryBench {
    KabTryBenchSetup setup;
    GPtrArray *topics; /* that outputs may name; borrowed from the settings */
    KabMailbox *mailbox;
    KabExecutor *executor;
    KabTrySlot *slots; /* setup.max_calls */
    size_t next;       /* line to send */
    uint64_t serial;

    /* the present measurement */
    size_t records;
    unsigned calls, n_out;
    KabAdaptive *adaptive; /* NULL: records and calls are fixed */
    bool is_stopping;      /* no more calls */
    int64_t stopped_us, counted_from_us;
    GArray *call_us; /* int64_t, of the counted calls */
    uint64_t n_records;
    int64_t cycle_us; /* from answer to answer of a slot, all counted calls */
    char *refusal;    /* why this measurement ended early; NULL: it did not */
    int64_t pause_us;
    size_t n_suspects;     /* records of a refused batch that were not answered
                              before; 0: none */
    size_t first_suspect;  /* line of the first of them */
    int64_t not_before_us; /* next call, for the controller */

    KabTryBenchEnd end;
    char *problem;
    bool has_leaked;
};

/* Fills every free slot that the limits allow; false: there was none. */
bool kab_try_bench_fill(KabTryBench *bench);
void kab_try_bench_cancel(KabTryBench *bench, KabTrySlot *slot);
/* No more calls are made; those that are out are awaited. */
void kab_try_bench_stop(KabTryBench *bench);
/* The service does not take batches like this: ends the measurement. The
 * controller has its own way with refusals, and goes on after a pause. */
void
kab_try_bench_refuse(KabTryBench *bench, const char *why, int64_t pause_us);
/* Ends everything. Takes the problem; the first one counts. */
void
kab_try_bench_give_up(KabTryBench *bench, KabTryBenchEnd end, char *problem);
/* The executor's reports; their user is the bench. */
extern const KabExecutorEvents kab_try_bench_events;
