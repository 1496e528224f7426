/* SPDX-License-Identifier: Apache-2.0 */
/* Types that cross the engine's interface.
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

/* What the function answered for one record. */
typedef enum {
    KAB_OUTCOME_NONE,  /* no answer, a fault of the function: retried */
    KAB_OUTCOME_DONE,  /* with outputs, or dropped if it has none */
    KAB_OUTCOME_RETRY, /* called again after delay_ms */
    KAB_OUTCOME_REJECT,
    KAB_OUTCOME_REJECT_INPUT, /* rejected, stage decode */
    KAB_OUTCOME_INVALID,      /* the answer broke a rule: class permanent */
    KAB_OUTCOME_PASS,         /* the input goes on unchanged, with the reason */
} KabOutcome;

/* Where a record failed, as a dead letter's header names it. */
#define KAB_STAGES(X)                                                          \
    X(FUNCTION, "function")                                                    \
    X(PRODUCE, "produce")                                                      \
    X(DECODE, "decode")

typedef enum {
#define X(NAME, text) KAB_STAGE_##NAME,
    KAB_STAGES(X)
#undef X
} KabStage;
/* Static. Thread: any */
const char *kab_stage_name(KabStage stage);

/* One outcome of an attempt; zeroed by the engine, written by the function's
 * thread through kab_batch_*(). All memory belongs to the attempt.
 */
typedef struct {
    KabOutcome outcome;
    uint32_t n_products;
    KabProduct *first, *last; /* in emission order */
    size_t bytes;             /* that the products take beside the record */
    int64_t delay_ms;         /* RETRY; -1: the binding's back-off */
    const char *reason;       /* NULL, or NUL-terminated */
} KabResult;

/* What a product is made of. */
typedef enum {
    KAB_PRODUCT_OUTPUT,    /* what the function gave: `output` */
    KAB_PRODUCT_LETTER,    /* dead letter: the input, with error headers */
    KAB_PRODUCT_TRUNCATED, /* dead letter: error headers alone */
    KAB_PRODUCT_PASSED,    /* to the output topic: the input, with error
                              headers */
} KabProductKind;

/* What leaves for a resolved record. */
typedef enum {
    KAB_FATE_OUTPUT,    /* its outputs, or none */
    KAB_FATE_LETTER,    /* failed: a dead letter */
    KAB_FATE_PASSED,    /* failed: the input itself, to the output topic */
    KAB_FATE_DISCARDED, /* failed, and on.failure = drop: nothing */
    KAB_FATE_HELD,      /* failed, and the binding stops: never finished */
} KabFate;

/* A record on its way in, with the message that holds what it points to. */
typedef struct {
    KabRecord record;
    void *message;
} KabTaken;

/* An output on its way to the sink. Written by kab_batch_emit*() into the
 * attempt's memory, or made by the engine for a record that failed. The sink
 * gets its address as the opaque of the produced message and hands it back with
 * the report.
 */
struct KabProduct {
    KabOutput output;
    KabProduct *next; /* of the same slot */
    KabSlot *slot;    /* set by the engine */
    uint32_t epoch;   /* of the sink it was last given to */
    bool is_sent;     /* given to that sink, not reported yet */
    bool is_acknowledged;
    bool is_unread; /* while it is given to the sink: no open call reads its
                       input, whose headers may be moved to it */
    KabProductKind kind : 8;
};

/* Why a record failed, as written to its error headers. */
typedef struct {
    KabStage stage;
    KabClass class_;
    uint32_t calls;      /* with the record in them */
    const char *message; /* borrowed; never NULL */
} KabDeadLetter;

/* One call of the function with a batch of records. */
struct KabAttempt {
    uint64_t serial; /* of the engine; events with another are stale */
    size_t n;
    const KabRecord *records; /* n, contiguous; borrowed from messages */
    void *const *messages;    /* n, what kab_engine_take() was given */
    KabResult *results;       /* n */
    unsigned number;          /* 1 at the set's first call */
    int64_t timeout_us;       /* call.timeout; 0: none */
    int64_t deadline_us;      /* of the executor: entered + timeout_us, or 0 */
    int64_t entered_us; /* of the binding: process() was entered; 0: not yet */
    void *memory;       /* of the executor: arena of the results; see release */
    void *call;         /* of the executor: its own handle of the call */
};

/* How an attempt ended. */
typedef struct {
    bool failed;            /* kab_batch_fail() */
    KabFailure failure;     /* if failed */
    int64_t retry_after_ms; /* -1: not given */
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

/* One element of a commit. The edge encodes the intervals; the engine has
 * already left out those above the edge's cap. The edge reads topic and
 * intervals within the effect only (the partition may be gone before the
 * event), and may write `result` until the event.
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

/* State machines: X(NAME, text, TO(A) | TO(B) | ...), with what each state
 * awaits, and the states to which it may move. Each has one setter, which is
 * the only writer of the state and asserts that the move is in the table.
 */
#define KAB_PARTITION_STATES(X)                                                \
    /* the turn that asks for its committed state; a reset needs none */       \
    X(ASSIGNED, "assigned", TO(LOADING) | TO(LOADED) | TO(GONE))               \
    /* the committed state */                                                  \
    X(LOADING, "loading", TO(LOADED) | TO(GONE))                               \
    /* the turn that adds it at its offset */                                  \
    X(LOADED, "loaded", TO(OWNED) | TO(GONE))                                  \
    /* records, and its revocation */                                          \
    X(OWNED, "owned", TO(RESETTING) | TO(DRAINING) | TO(GONE))                 \
    /* out of range: the end of all records that were taken */                 \
    X(RESETTING, "resetting", TO(DRAINING) | TO(RESET) | TO(GONE))             \
    /* revoked: open calls, emission, its commit, or its deadline */           \
    X(DRAINING, "draining", TO(GONE))                                          \
    /* final: assigned anew at the beginning */                                \
    X(RESET, "reset", 0)                                                       \
    /* final: nothing of it is wanted */                                       \
    X(GONE, "gone", 0)

typedef enum {
#define X(NAME, text, moves) KAB_PARTITION_##NAME,
    KAB_PARTITION_STATES(X)
#undef X
} KabPartitionState;

#define KAB_SLOT_STATES(X)                                                     \
    /* in its lane: a call */                                                  \
    X(WAITING, "waiting", TO(CALLED) | TO(FINISHED))                           \
    /* in a set: the answer, or its next call */                               \
    X(CALLED, "called", TO(RESOLVED) | TO(FINISHED))                           \
    /* outcome final: its order group, the sink */                             \
    X(RESOLVED, "resolved", TO(EMITTED) | TO(FINISHED))                        \
    /* acknowledgements, or the commit of the transaction */                   \
    X(EMITTED, "emitted", TO(RESOLVED) | TO(FINISHED))                         \
    /* final: out of its partition's list */                                   \
    X(FINISHED, "finished", 0)

typedef enum {
#define X(NAME, text, moves) KAB_SLOT_##NAME,
    KAB_SLOT_STATES(X)
#undef X
} KabSlotState;

#define KAB_SINK_STATES(X)                                                     \
    /* the first turn, which asks for a producer */                            \
    X(NONE, "none", TO(OPENING))                                               \
    /* sink_ready of the producer that was asked for */                        \
    X(OPENING, "opening", TO(READY))                                           \
    /* the turn that takes the producer into use */                            \
    X(READY, "ready", TO(RECOVERING) | TO(OPEN) | TO(LOST))                    \
    /* committed states that tell how a transaction ended */                   \
    X(RECOVERING, "recovering", TO(OPEN) | TO(LOST))                           \
    /* at least once: outputs; exactly once: a reason to begin */              \
    X(OPEN, "open", TO(BEGINNING) | TO(LOST))                                  \
    /* transaction_begun */                                                    \
    X(BEGINNING, "beginning", TO(IN_TRANSACTION) | TO(LOST))                   \
    /* outputs, and a reason to settle */                                      \
    X(IN_TRANSACTION, "in-transaction", TO(SETTLING) | TO(LOST))               \
    /* all delivery reports; nothing more is produced */                       \
    X(SETTLING, "settling", TO(ENDING) | TO(ABORTING) | TO(LOST))              \
    /* transaction_ended: offsets are sent, the commit is requested */         \
    X(ENDING, "ending", TO(OPEN) | TO(ABORTED) | TO(LOST))                     \
    /* transaction_ended: the abort is requested */                            \
    X(ABORTING, "aborting", TO(ABORTED) | TO(LOST))                            \
    /* delivery reports of purged outputs */                                   \
    X(ABORTED, "aborted", TO(OPEN) | TO(LOST))                                 \
    /* the back-off; then a replacement */                                     \
    X(LOST, "lost", TO(OPENING))

typedef enum {
#define X(NAME, text, moves) KAB_SINK_##NAME,
    KAB_SINK_STATES(X)
#undef X
} KabSinkState;
