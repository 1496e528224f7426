/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of one binding: batching, order, retries, delivery.
 *
 * Pure: it knows no Kafka, thread, clock or I/O. Events go in, each with the
 * time in microseconds of a monotonic clock; where a time is below that of an
 * earlier event, the earlier one counts. Effects come out through ports,
 * tables of function pointers (ports.h). The engine is a deterministic function
 * of its events: the simulator (tests/sim) replays any run from a seed.
 *
 * Rules of the interface, the same in production and in the simulator:
 *  - Events only record what happened. Effects happen inside
 *    kab_engine_advance(), which the edge calls after every round of events
 *    and when kab_engine_next_deadline() is due. The exceptions: `release_*`
 *    and `failed` may come from any event.
 *  - An effect never calls back into the engine. Its outcome is reported
 *    later as an event, even if it is known at once; only `measure` and
 *    `produce` answer by their return value.
 *  - Every asynchronous effect is answered by exactly one event.
 *
 * Life of a record (a slot):
 *   waiting -> called -> resolved -> emitted -> finished
 *                           ^----------+  when the sink is lost
 * What each state awaits, and the moves between them: types.h.
 *
 * Thread: everything here runs on the binding's loop.
 */
#pragma once

#include "ports.h"
#include "types.h"

typedef enum {
    KAB_ORDER_UNORDERED,
    KAB_ORDER_ORDERED,
    KAB_ORDER_KEY,
    KAB_ORDER_PARTITION
} KabOrder;

typedef enum {
    KAB_DELIVERY_AT_LEAST_ONCE,
    KAB_DELIVERY_EXACTLY_ONCE
} KabDelivery;

typedef enum {
    KAB_ON_FAILURE_STOP,
    KAB_ON_FAILURE_DLQ,
    KAB_ON_FAILURE_DROP,
    KAB_ON_FAILURE_PASS
} KabOnFailure;

/* As batch_period_us: time closes no batch. */
#define KAB_NEVER INT64_MAX

/* Names and meanings follow the contract; times are in microseconds. */
typedef struct {
    KabOrder order;
    KabDelivery delivery;
    KabOnFailure on_failure;
    bool start_latest;
    size_t batch_count, batch_bytes;
    int64_t batch_period_us; /* 0: once a call slot is free; KAB_NEVER */
    unsigned max_in_flight;
    bool is_adaptive; /* batch_count, batch_bytes, max_in_flight: ceilings */
    int64_t latency_target_us;
    unsigned threads; /* calling the function */
    size_t buffer_bytes;
    int64_t commit_interval_us, transaction_interval_us;
    int64_t call_timeout_us;     /* 0: none */
    unsigned retry_max_attempts; /* 0: no limit */
    int64_t retry_backoff_us, retry_backoff_max_us;
    double retry_jitter;
    bool bisect;
    bool is_trial; /* no failures are an outage: all records get an end */
    unsigned rate_limit_calls; /* 0: none */
    int64_t rate_limit_interval_us;
    int64_t rebalance_drain_timeout_us, shutdown_timeout_us;
    int64_t stall_timeout_us;
    size_t metadata_cap; /* bytes of encoded intervals in a commit; 0: none */
    size_t max_attempts; /* unreleased; intake stops there; 0: no bound */
    uint64_t seed;       /* of the retry jitter */
} KabEngineOptions;

KabEngine *kab_engine_new(const KabEngineOptions *options);
/* Connects the engine to its edges; call once, before the first event. Copies
 * *ports. */
void kab_engine_connect(KabEngine *engine, const KabPorts *ports);
/* Drops all remaining work; its only effects are release_*. Open attempts
 * must not be answered afterwards. */
void kab_engine_free(KabEngine *engine);

/* Reload: applies the reloadable options in place. */
void kab_engine_set_options(KabEngine *engine, const KabEngineOptions *options);
const KabEngineOptions *kab_engine_get_options(const KabEngine *engine);

/* Limits on batch size and on calls in flight; 0: no limit of this kind. */
typedef struct {
    size_t records, bytes; /* of a batch */
    unsigned calls;        /* in flight */
} KabLimits;

/* The function's own ceilings, applied on top of the options. They may change
 * at any time, upward too. */
void kab_engine_set_ceilings(KabEngine *engine, const KabLimits *ceilings);

/* --- Events: partitions ------------------------------------------------ */

/* The partition was assigned to this member: a new generation. Copies topic;
 * stores `edge` for kab_partition_edge(). Returns a borrowed partition, valid
 * until `unassign`. */
KabPartition *kab_engine_assigned(KabEngine *engine,
                                  const char *topic,
                                  int32_t number,
                                  void *edge,
                                  int64_t now);
/* Answers `load`. */
void kab_engine_loaded(KabEngine *engine,
                       KabPartition *partition,
                       const KabCommitted *committed,
                       int64_t now);
/* The partition is being revoked: it is drained, then `unassign` follows. */
void
kab_engine_revoking(KabEngine *engine, KabPartition *partition, int64_t now);
/* The partition is lost: another member may own it already. `unassign`
 * follows at once. */
void kab_engine_lost(KabEngine *engine, KabPartition *partition, int64_t now);
/* The partition's offset is out of the log's range: records taken before are
 * finished, then `unassign` follows with kab_partition_is_reset() true, and
 * the edge assigns the partition anew by kab_engine_assigned_at_beginning(). */
void kab_engine_reset(KabEngine *engine, KabPartition *partition, int64_t now);
KabPartition *kab_engine_assigned_at_beginning(KabEngine *engine,
                                               const char *topic,
                                               int32_t number,
                                               void *edge,
                                               int64_t now);
/* The member is between JoinGroup and SyncGroup: no commit, no new
 * transaction. */
void kab_engine_set_joining(KabEngine *engine, bool is_joining);
/* No commit through the consumer, not even the final one, starts before
 * until_us. A later call replaces the hold, and so may also end it. */
void kab_engine_hold_commits(KabEngine *engine, int64_t until_us);

/* --- Events: records --------------------------------------------------- */

/* How many records to take now: 0 when full. Ask before each take. */
size_t kab_engine_want(KabEngine *engine);
/* How many of the `want` records to take from this partition. One, to learn
 * where it starts, and no more until that offset is committed: so one commit
 * starts many partitions, instead of one after the other. */
size_t kab_engine_want_from(const KabPartition *partition, size_t want);
/* How many records to take from one partition while others wait for their
 * turn: a round of calls. Outputs of a partition travel in requests of their
 * own, so records of many partitions by turns, a few each, are many requests.
 */
size_t kab_engine_want_in_a_row(const KabEngine *engine);
/* Takes the messages of n records, in the order of the partition's log. Borrows
 * what the records point to until release_message. Records of an earlier
 * assignment may still come: while their partition is not owned they are
 * released and counted as stale. */
void kab_engine_take(KabEngine *engine,
                     KabPartition *partition,
                     const KabTaken *taken,
                     size_t n,
                     int64_t now);
/* The end of the log was reached: everything below offset was delivered. */
void kab_engine_end_of_partition(KabEngine *engine,
                                 KabPartition *partition,
                                 int64_t offset,
                                 int64_t now);

/* --- Events: calls ----------------------------------------------------- */

/* The function's process() was entered: call time starts. */
void kab_engine_entered(KabEngine *engine,
                        KabAttempt *attempt,
                        uint64_t serial,
                        int64_t now);
/* The function answered and released the batch; results[] is final. */
void kab_engine_answered(KabEngine *engine,
                         KabAttempt *attempt,
                         uint64_t serial,
                         const KabAnswer *answer,
                         int64_t now);
/* The attempt's memory grew: the bytes are charged to the budget until the
 * attempt is answered. */
void kab_engine_attempt_grew(KabEngine *engine,
                             KabAttempt *attempt,
                             uint64_t serial,
                             size_t bytes);
/* The executor recognised a second answer to an attempt. */
void kab_engine_answered_twice(KabEngine *engine);
/* A function that says it never blocks held up the loop. */
void kab_engine_blocked(KabEngine *engine);

/* --- Events: sink ------------------------------------------------------ */

/* A producer (the first, or a replacement) is ready. Delivery reports that
 * its predecessors still owe will never come. */
void kab_engine_sink_ready(KabEngine *engine, uint32_t epoch, int64_t now);
/* The producer is unusable. is_fenced: another producer took over its
 * transactional.id. */
void kab_engine_sink_lost(KabEngine *engine,
                          uint32_t epoch,
                          bool is_fenced,
                          const char *reason,
                          int64_t now);
void kab_engine_sink_has_room(KabEngine *engine);
void
kab_engine_acknowledged(KabEngine *engine, KabProduct *product, int64_t now);
/* message is borrowed for the event. */
void kab_engine_refused(KabEngine *engine,
                        KabProduct *product,
                        KabRefusal refusal,
                        const char *message,
                        int64_t now);
void kab_engine_transaction_begun(KabEngine *engine,
                                  uint32_t epoch,
                                  bool ok,
                                  int64_t now);
/* Answers `end` and `abort`. */
void kab_engine_transaction_ended(KabEngine *engine,
                                  uint32_t epoch,
                                  KabTxnResult result,
                                  const char *reason,
                                  int64_t now);
/* Answers `commit`; items are those that the effect was given. */
void kab_engine_commit_done(KabEngine *engine,
                            KabCommitItem *items,
                            size_t n,
                            int64_t now);

/* --- Events: life ------------------------------------------------------ */

/* Stop: flush what is ready, drain, commit. kab_engine_is_drained() says when
 * that is done, by shutdown.timeout at the latest. */
void kab_engine_drain(KabEngine *engine, int64_t now);
/* An edge gives a reason to stop the binding: drains without a flush, and the
 * `stop` effect reports the reason. */
void kab_engine_fail(KabEngine *engine,
                     KabStopReason reason,
                     const char *message,
                     int64_t now);
bool kab_engine_is_drained(const KabEngine *engine);
/* The drain's deadline has passed: the engine counts as drained although work
 * is outstanding. */
bool kab_engine_is_overdue(const KabEngine *engine);

/* Does everything that the events and the time allow. */
void kab_engine_advance(KabEngine *engine, int64_t now);
/* The latest time for the next kab_engine_advance(); KAB_NEVER: none. */
int64_t kab_engine_next_deadline(const KabEngine *engine);

/* --- Inspection -------------------------------------------------------- */

const KabCounters *kab_engine_counters(const KabEngine *engine);

/* What the adaptive batching controller decided. The strings are static;
 * NULL: batching is not adaptive. */
typedef struct {
    const char *phase, *reason;
    int64_t budget_us;   /* time budget of one call */
    double throughput;   /* records per second, last measured; 0: not yet */
    uint64_t violations; /* calls over the budget */
    uint32_t epoch;      /* counts the changes of the limits */
} KabAdaptiveView;

typedef struct {
    size_t records, waiting, called, resolved, emitted; /* unfinished */
    size_t bytes;                 /* charged against buffer.bytes */
    unsigned calls_in_flight;     /* whose answer is wanted */
    unsigned calls_abandoned;     /* no longer wanted, not yet answered */
    size_t sets_waiting;          /* for a retry */
    size_t never_called;          /* unfinished records without a call */
    int64_t oldest_unfinished_us; /* age; 0: none */
    int64_t commit_age_us;        /* of the oldest finished record that is not
                                     committed yet; 0: none */
    bool is_paused;               /* by overload */
    KabSinkState sink;
    size_t batch_limit;
    unsigned calls_limit;
    KabAdaptiveView adaptive;
} KabEngineState;

void kab_engine_get_state(const KabEngine *engine,
                          int64_t now,
                          KabEngineState *ret_state);

typedef struct {
    const char *topic; /* borrowed */
    int32_t number;
    KabPartitionState state;
    int64_t position;  /* next offset to be taken; -1: unknown */
    int64_t frontier;  /* next offset to be committed; -1: unknown */
    int64_t committed; /* -1: none */
    size_t unfinished, finished_beyond; /* records */
    int64_t oldest_unfinished;          /* offset, -1: none */
    int64_t oldest_us;                  /* its age */
    const char *waits_for; /* of its oldest record; static; NULL: none */
    bool is_valve_open;
    int64_t progress_us; /* when the committed position last moved, or an
                            idle partition got work */
} KabPartitionInfo;

void kab_engine_foreach_partition(const KabEngine *engine,
                                  int64_t now,
                                  void (*visit)(void *data,
                                                const KabPartitionInfo *info),
                                  void *data);
/* Where a record is and what it waits for; false if the engine has none
 * with that offset. The string is static. */
bool kab_engine_find(const KabEngine *engine,
                     const char *topic,
                     int32_t number,
                     int64_t offset,
                     KabSlotState *ret_state,
                     const char **ret_waits_for,
                     int64_t *ret_since_us);
/* Why the committed position of a partition stands still. */
#define KAB_STALL_CAUSES(X)                                                    \
    X(CALL, "call")                       /* the function has not answered */  \
    X(RETRY, "retry")                     /* it failed and backs off */        \
    X(OVERLOAD, "overload")               /* the service asked for a pause */  \
    X(BATCH, "batch")                     /* batch.period is not over */       \
    X(ORDER, "order")                     /* an earlier record is held */      \
    X(ACKNOWLEDGEMENT, "acknowledgement") /* of the outputs */                 \
    X(TRANSACTION, "transaction")         /* open, or not committed */         \
    X(COMMIT, "commit")                   /* of the offset */                  \
    X(BUDGET, "budget")                   /* buffer.bytes is used up */        \
    X(BROKER, "broker")                   /* it sends nothing */               \
    X(REBALANCE, "rebalance")             /* of the consumer group */          \
    X(STOP, "stop")                       /* the binding stops */

typedef enum {
#define X(NAME, text) KAB_STALL_##NAME,
    KAB_STALL_CAUSES(X)
#undef X
} KabStallCause;

/* A partition that makes no progress although it has work. */
typedef struct {
    const char *topic; /* borrowed until the next event */
    int32_t number;
    int64_t offset; /* of the oldest unfinished record, or to be committed */
    KabStallCause cause;
    const char *waits_for;    /* static */
    const char *record_state; /* static; NULL: no record is unfinished */
    int64_t still_us;         /* since its last progress */
} KabStall;

/* Finds the first partition without progress for stall.timeout. False: every
 * partition makes progress or is idle. */
bool kab_engine_find_stall(const KabEngine *engine,
                           int64_t now,
                           KabStall *ret_stall);
/* Returns a new sentence that names partition, offset and cause. */
char *kab_stall_dup_sentence(const KabStall *stall);
const char *kab_stall_cause_name(KabStallCause cause);

/* Aborts if a count differs from what the lists say. Slow: for tests. */
void kab_engine_check(const KabEngine *engine);

const char *kab_slot_state_name(KabSlotState state);

/* --- Partition accessors ----------------------------------------------- */

const char *kab_partition_topic(const KabPartition *partition);
int32_t kab_partition_number(const KabPartition *partition);
uint64_t kab_partition_generation(const KabPartition *partition);
void *kab_partition_edge(const KabPartition *partition);
KabPartitionState kab_partition_state(const KabPartition *partition);
/* Its offset was out of range; at `unassign`: it is to be assigned anew. */
bool kab_partition_is_reset(const KabPartition *partition);
