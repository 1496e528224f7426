/* SPDX-License-Identifier: Apache-2.0 */
/* The things that cross the engine's border, besides plain numbers.
 *
 * Who may touch what: the engine owns every object here. The edges read
 * them inside an effect, or between an effect and the event that ends it;
 * the function's thread writes only KabAttempt.results[] and .memory, from
 * `invoke` until its answer is posted.
 */
#pragma once

#include "kabridge/function.h"
#include "counters.h"

typedef struct KabEngine KabEngine;
typedef struct KabPartition KabPartition;
typedef struct KabSlot KabSlot;
typedef struct KabAttempt KabAttempt;
typedef struct KabProduct KabProduct;

/* What the function said of one record. */
typedef enum {
    KAB_OUTCOME_NONE,  /* nothing: a fault of the function, called again */
    KAB_OUTCOME_DONE,  /* with outputs, or dropped if it has none */
    KAB_OUTCOME_RETRY, /* called again after delay_ms */
    KAB_OUTCOME_REJECT,
    KAB_OUTCOME_REJECT_INPUT, /* rejected, stage decode */
    KAB_OUTCOME_INVALID,      /* its answer broke a rule: class permanent */
} KabOutcome;

/* Where a record failed, as a dead letter's header names it. */
typedef enum {
    KAB_STAGE_FUNCTION,
    KAB_STAGE_PRODUCE,
    KAB_STAGE_DECODE
} KabStage;

/* One outcome of an attempt; zeroed by the engine, written by the function's
 * thread through kab_batch_*(). All memory is the attempt's.
 */
typedef struct {
    KabOutcome outcome;
    uint32_t n_products;
    KabProduct *first, *last; /* in emission order */
    size_t bytes;             /* key and value bytes of the products */
    int64_t delay_ms;         /* RETRY: -1 the binding's back-off */
    const char *reason;       /* NULL, or NUL-terminated */
} KabResult;

/* An output on its way to the sink. Written by kab_batch_emit*() into the
 * attempt's memory, or made by the engine for a dead letter. The sink gets
 * its address as the opaque of the produced message and hands it back with
 * the report.
 */
struct KabProduct {
    KabOutput output;
    KabProduct *next; /* of the same slot */
    KabSlot *slot;    /* set by the engine */
    uint32_t epoch;   /* of the sink it was last given to */
    bool is_sent;     /* given to that sink, not reported yet */
    bool is_acknowledged;
    bool is_dead_letter; /* output is empty: built from slot and letter */
    bool is_truncated;   /* dead letter: headers only */
};

/* What a dead letter says besides the input itself. */
typedef struct {
    KabStage stage;
    KabClass class_;
    uint32_t calls;      /* that the record was part of */
    const char *message; /* borrowed from the slot; never NULL */
} KabDeadLetter;

/* One call of the function with a batch of records. */
struct KabAttempt {
    uint64_t serial; /* of the engine; an event with another is stale */
    size_t n;
    const KabRecord *records; /* n, contiguous; borrowed from messages */
    void *const *messages;    /* n, what kab_engine_take() was given */
    KabResult *results;       /* n */
    unsigned number;          /* 1 at the set's first call */
    int64_t timeout_us;       /* call.timeout; 0: none */
    int64_t deadline_us;      /* of the executor: entered + timeout_us, or 0 */
    void *memory; /* of the executor: arena of the results; see release */
    void *call;   /* of the executor: what it needs to recognise it */
};

/* How an attempt was ended. */
typedef struct {
    bool failed;            /* kab_batch_fail() */
    KabFailure failure;     /* if failed */
    int64_t retry_after_ms; /* -1: not said */
    const char *reason;     /* NULL, or borrowed for the event */
} KabAnswer;

/* Offsets [from, to) that are finished beyond the committed offset. */
typedef struct {
    int64_t from, to;
} KabInterval;

/* What the group had committed for a partition. */
typedef struct {
    bool has_offset;
    int64_t offset;
    const KabInterval *intervals; /* ascending, disjoint, above offset */
    size_t n_intervals;
} KabCommitted;

/* One element of a commit. The edge encodes the intervals; those that
 * exceed its cap were already left out by the engine. It reads topic and
 * intervals within the effect only (the partition may be gone before the
 * event), and writes `result` until the event.
 */
typedef struct {
    KabPartition *partition;
    const char *topic;
    int32_t number;
    int64_t offset;
    const KabInterval *intervals;
    size_t n_intervals;
    KabCommitResult result; /* written by the edge before the event */
} KabCommitItem;

/* Where an added partition begins, besides offsets from 0. */
enum { KAB_OFFSET_BEGINNING = -2, KAB_OFFSET_END = -1 };

#define KAB_PARTITION_STATES(X)                                                \
    X(LOADING, "loading")   /* the committed state is awaited */               \
    X(OWNED, "owned")       /* added; records come */                          \
    X(DRAINING, "draining") /* not taking; what is called is awaited */        \
    X(GONE, "gone")         /* final: nothing of it is wanted */

typedef enum {
#define X(NAME, text) KAB_PARTITION_##NAME,
    KAB_PARTITION_STATES(X)
#undef X
} KabPartitionState;

#define KAB_SLOT_STATES(X)                                                     \
    X(WAITING, "waiting")   /* in its lane, for a call */                      \
    X(CALLED, "called")     /* in a set: called, or waiting to be again */     \
    X(RESOLVED, "resolved") /* outcome final; for its order group, the sink */ \
    X(EMITTED, "emitted")   /* for the acknowledgement of its outputs */       \
    X(FINISHED, "finished") /* out of its partition's list */

typedef enum {
#define X(NAME, text) KAB_SLOT_##NAME,
    KAB_SLOT_STATES(X)
#undef X
} KabSlotState;

#define KAB_SINK_STATES(X)                                                     \
    X(OPENING, "opening")     /* the producer is made (and initialised) */     \
    X(OPEN, "open")           /* produces; exactly-once: none begun yet */     \
    X(BEGINNING, "beginning") /* a transaction is being begun */               \
    X(IN_TRANSACTION, "in-transaction") /* produces into it */                 \
    X(SETTLING, "settling") /* nothing more; all reports are awaited */        \
    X(ENDING, "ending")     /* offsets sent and commit asked for */            \
    X(ABORTING, "aborting") /* the abort is awaited */                         \
    X(LOST, "lost")         /* replacement is awaited */

typedef enum {
#define X(NAME, text) KAB_SINK_##NAME,
    KAB_SINK_STATES(X)
#undef X
} KabSinkState;
