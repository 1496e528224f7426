/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of one binding: batching, order, retries, delivery.
 *
 * Pure: it knows no Kafka, thread, clock or I/O. Events go in, each with the
 * time in microseconds of a monotonic clock that never goes back; effects
 * come out through one table of function pointers. It is a deterministic
 * function of its events: the simulator (tests/sim) replays any run from a
 * seed.
 *
 * Rules of the border, the same in production and in the simulator:
 *  - Events only record what happened. Effects happen inside
 *    kab_engine_advance(), which the edge calls after every round of events
 *    and when kab_engine_next_deadline() is due. The exceptions: `release_*`
 *    may come from any event.
 *  - An effect never calls back into the engine. What it achieves is
 *    reported as an event later, also if it is known at once; only `produce`
 *    and `commit` answer by their return value.
 *  - Every asynchronous effect is answered by exactly one event.
 *
 * Life of a record (a slot):
 *   waiting -> called -> resolved -> emitted -> finished
 *                           ^----------+  when the sink is lost
 *
 * Thread: the loop of the binding, for everything here.
 */
#pragma once

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
    KAB_ON_FAILURE_DROP
} KabOnFailure;

/* batch_period_us: never by time. */
#define KAB_NEVER INT64_MAX

/* Names and meanings are the contract's; times in microseconds. */
typedef struct {
    KabOrder order;
    KabDelivery delivery;
    KabOnFailure on_failure;
    bool start_latest;
    size_t batch_count, batch_bytes;
    int64_t batch_period_us; /* 0: a free call slot; KAB_NEVER */
    unsigned max_in_flight;
    unsigned threads; /* that call the function */
    size_t buffer_bytes;
    int64_t commit_interval_us, transaction_interval_us;
    int64_t call_timeout_us;     /* 0: none */
    unsigned retry_max_attempts; /* 0: no limit */
    int64_t retry_backoff_us, retry_backoff_max_us;
    double retry_jitter;
    bool bisect;
    unsigned rate_limit_calls; /* 0: none */
    int64_t rate_limit_interval_us;
    int64_t rebalance_drain_timeout_us, shutdown_timeout_us;
    int64_t stall_timeout_us;
    size_t metadata_cap; /* bytes of encoded intervals in a commit; 0: none */
    uint64_t seed;       /* of the jitter */
} KabEngineOptions;

typedef enum {
    KAB_PRODUCE_OK,
    KAB_PRODUCE_FULL, /* no room: kab_engine_sink_has_room() will come */
    KAB_PRODUCE_REFUSED_RECORD, /* measured: it can never be written */
    KAB_PRODUCE_LOST,           /* the sink is lost; its event follows */
} KabProduceStatus;

/* Why the engine wants the binding to stop by itself. */
typedef enum {
    KAB_STOP_FAILURE,     /* on.failure = stop, and a record failed */
    KAB_STOP_FUNCTION,    /* KAB_FAIL_FATAL */
    KAB_STOP_DEAD_LETTER, /* the broker refused a truncated dead letter */
    KAB_STOP_FENCED,      /* twice within five minutes */
    KAB_STOP_SINK,        /* authorisation, missing topic */
    KAB_STOP_SOURCE,      /* the same, or a fatal consumer */
} KabStopReason;

/* What the edges do for the engine. `user` is that of kab_engine_new(). */
typedef struct {
    /* Call the function with the attempt; answered by entered (unless the
     * function is called at once) and answered. The attempt stays valid
     * until release_attempt. */
    void (*invoke)(void *user, KabAttempt *attempt);
    /* No record of it is wanted any more; it must still be answered. */
    void (*cancel)(void *user, KabAttempt *attempt);
    /* The attempt's memory is no longer needed: answered, and every output
     * reported. The object itself is reused by the engine. */
    void (*release_attempt)(void *user, KabAttempt *attempt);
    /* A record's message is no longer needed. */
    void (*release_message)(void *user, void *message);
    /* The record is parked: copy it out of its fetch response. Updates the
     * pointers of *record; returns the new message (the old one is released
     * by the callee), or the old one if there is nothing to gain. */
    void *(*detach_message)(void *user, void *message, KabRecord *record);

    /* Could this output be written at all? Asked for every output of a
     * record with several before the first is produced, so that a record is
     * never half produced. false: record-fatal. NULL: not measured. */
    bool (*measure)(void *user,
                    const KabProduct *product,
                    const KabRecord *input,
                    void *message);
    /* Produce one output. The bytes stay valid until its report. */
    KabProduceStatus (*produce)(void *user,
                                KabProduct *product,
                                const KabRecord *input,
                                void *message,
                                const KabDeadLetter *letter);
    /* Why measure said false, or produce refused the record, just now.
     * Borrowed until the next effect. NULL: it is too large. */
    const char *(*explain)(void *user);
    /* The reports of what was produced are waited for (a transaction settles,
     * a drain): what lingers is sent now. Not answered; asked for again while
     * they do not come. NULL: nothing lingers. */
    void (*flush)(void *user);
    /* Make a new producer (the first one too): purge the old one, serve all
     * of its reports as events, then answer by sink_ready. */
    void (*replace_sink)(void *user, uint32_t epoch);
    /* Exactly-once; answered by transaction_begun / transaction_ended. */
    void (*begin_transaction)(void *user, uint32_t epoch);
    void (*end_transaction)(void *user,
                            uint32_t epoch,
                            KabCommitItem *items,
                            size_t n);
    void (*abort_transaction)(void *user, uint32_t epoch);
    /* At-least-once commits and start offsets; answered by commit_done with
     * the same items, results filled in. false: held back while the member
     * joins; asked again later. */
    bool (*commit)(void *user, KabCommitItem *items, size_t n);

    /* Load the committed state; answered by loaded. */
    void (*load)(void *user, KabPartition *partition);
    /* Consume the partition from an offset or KAB_OFFSET_*. */
    void (*add)(void *user, KabPartition *partition, int64_t offset);
    /* Nothing of the partition is wanted any more: unassign it (or, for one
     * that was reset, take it away; it is loaded and added anew). The
     * partition is freed when the effect returns. */
    void (*unassign)(void *user, KabPartition *partition);
    /* Close or open the flow of one partition. */
    void (*valve)(void *user, KabPartition *partition, bool open);

    /* The binding must stop by itself; once. The engine drains already. */
    void (*stop)(void *user, KabStopReason reason, const char *message);
} KabEffects;

KabEngine *kab_engine_new(const KabEngineOptions *options,
                          const KabEffects *effects,
                          void *user);
/* Drops everything that is left, without effects but release_*. Attempts
 * still out must not be answered afterwards. */
void kab_engine_free(KabEngine *engine);

/* Reload: changes what is reloadable in place. */
void kab_engine_set_options(KabEngine *engine, const KabEngineOptions *options);
const KabEngineOptions *kab_engine_get_options(const KabEngine *engine);

/* --- Events: partitions ------------------------------------------------ */

/* Assigned to this member: a new generation. Copies topic. `edge` is kept
 * for the edge. Returns a borrowed partition, valid until `unassign`. */
KabPartition *kab_engine_assigned(KabEngine *engine,
                                  const char *topic,
                                  int32_t number,
                                  void *edge,
                                  int64_t now);
/* Ends `load`. */
void kab_engine_loaded(KabEngine *engine,
                       KabPartition *partition,
                       const KabCommitted *committed,
                       int64_t now);
/* Being revoked: drained, then `unassign`. */
void
kab_engine_revoking(KabEngine *engine, KabPartition *partition, int64_t now);
/* Lost: another member may have it already. `unassign` follows at once. */
void kab_engine_lost(KabEngine *engine, KabPartition *partition, int64_t now);
/* Its offset is out of the log's range: what was taken is finished, then
 * `unassign` with kab_partition_is_reset(); the edge assigns it again by
 * kab_engine_assigned_at_beginning(). */
void kab_engine_reset(KabEngine *engine, KabPartition *partition, int64_t now);
KabPartition *kab_engine_assigned_at_beginning(KabEngine *engine,
                                               const char *topic,
                                               int32_t number,
                                               void *edge,
                                               int64_t now);
/* The member is between JoinGroup and SyncGroup: no commit, no new
 * transaction. */
void kab_engine_set_joining(KabEngine *engine, bool is_joining);

/* --- Events: records --------------------------------------------------- */

/* How many records to take now: 0 when full. Ask before each take. */
size_t kab_engine_want(KabEngine *engine);
/* Takes the message. Borrows what record points to until release_message. */
void kab_engine_take(KabEngine *engine,
                     KabPartition *partition,
                     const KabRecord *record,
                     void *message,
                     int64_t now);
/* Everything up to offset was delivered; offset is the next one. */
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
/* The function answered and let go; results[] is final. */
void kab_engine_answered(KabEngine *engine,
                         KabAttempt *attempt,
                         uint64_t serial,
                         const KabAnswer *answer,
                         int64_t now);
/* An answer that the executor already knew to be a second one. */
void kab_engine_answered_twice(KabEngine *engine);

/* --- Events: sink ------------------------------------------------------ */

/* The first and every replaced producer is ready. What those before it have
 * not reported never is: they are gone. */
void kab_engine_sink_ready(KabEngine *engine, uint32_t epoch, int64_t now);
/* The producer is beyond use. is_fenced: another one took its place. */
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
/* Ends end_transaction and abort_transaction. */
void kab_engine_transaction_ended(KabEngine *engine,
                                  uint32_t epoch,
                                  KabTxnResult result,
                                  const char *reason,
                                  int64_t now);
/* Ends `commit`; items is what the effect was given. */
void kab_engine_commit_done(KabEngine *engine,
                            KabCommitItem *items,
                            size_t n,
                            int64_t now);

/* --- Events: life ------------------------------------------------------ */

/* Stop: flush what is ready, drain, commit. Ends when kab_engine_is_drained,
 * or at the shutdown time-out at the latest. */
void kab_engine_drain(KabEngine *engine, int64_t now);
/* The binding must stop by itself, for a reason of its edges: drains without
 * a flush; the `stop` effect tells it. */
void kab_engine_fail(KabEngine *engine,
                     KabStopReason reason,
                     const char *message,
                     int64_t now);
bool kab_engine_is_drained(const KabEngine *engine);
/* The drain's deadline has passed: it is drained although work is out. */
bool kab_engine_is_overdue(const KabEngine *engine);

/* Does everything that the events and the time allow. */
void kab_engine_advance(KabEngine *engine, int64_t now);
/* When advance must be called at the latest; KAB_NEVER. */
int64_t kab_engine_next_deadline(const KabEngine *engine);

/* --- Looking in -------------------------------------------------------- */

const KabCounters *kab_engine_counters(const KabEngine *engine);

typedef struct {
    size_t records, waiting, called, resolved, emitted; /* unfinished */
    size_t bytes;                 /* charged against buffer.bytes */
    unsigned calls_in_flight;     /* wanted */
    unsigned calls_abandoned;     /* timed out and not let go */
    size_t sets_waiting;          /* for a retry */
    size_t never_called;          /* waiting records that had no call */
    int64_t oldest_unfinished_us; /* age; 0: none */
    bool is_paused;               /* by overload */
    KabSinkState sink;
    size_t batch_limit;
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
    bool is_valve_open;
    int64_t progress_us; /* when the committed position last moved, or
                            nothing was behind it */
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
/* Why nothing moves although there is work; NULL: it moves. A sentence that
 * names the partition and what it waits for. Returns a new string. */
char *kab_engine_dup_stall(const KabEngine *engine, int64_t now);

const char *kab_slot_state_name(KabSlotState state);

/* --- Of a partition ---------------------------------------------------- */

const char *kab_partition_topic(const KabPartition *partition);
int32_t kab_partition_number(const KabPartition *partition);
uint64_t kab_partition_generation(const KabPartition *partition);
void *kab_partition_edge(const KabPartition *partition);
KabPartitionState kab_partition_state(const KabPartition *partition);
/* Was `add` called for it? What an unassign may list. */
bool kab_partition_is_added(const KabPartition *partition);
bool kab_partition_is_reset(const KabPartition *partition);
