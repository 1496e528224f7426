/* SPDX-License-Identifier: Apache-2.0 */
/* What a seed means: the options of the engine, which faults strike and how
 * often, and how large the world is. See sim.h.
 */
#pragma once

#include "engine.h"

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

/* Kinds of faults; a plan has a subset of them, the shrinker removes more. */
#define FAULTS(X)                                                              \
    X(CRASH, "crash")             /* a member dies and starts again */         \
    X(REBALANCE, "rebalance")     /* partitions move */                        \
    X(KICK, "kick")               /* dropped by the group, told later */       \
    X(STOP, "stop")               /* a member drains and starts again */       \
    X(RESET, "reset")             /* the log's beginning overtakes a reader */ \
    X(RELOAD, "reload")           /* options change in place */                \
    X(EDGE, "edge")               /* an edge fails: the binding stops */       \
    X(LATE, "late")               /* the loop turns late */                    \
    X(LOAD, "load")               /* committed state is slow to come */        \
    X(BREAK, "break")             /* the producer breaks */                    \
    X(UNKNOWN_ACK, "unknown-ack") /* written, reported as lost */              \
    X(SILENT, "silent")           /* a report never comes */                   \
    X(REFUSE, "refuse")           /* a record can never be written */          \
    X(FATAL_ACK, "fatal-ack")     /* authorisation is withdrawn */             \
    X(FULL, "full")               /* the sink's queue is small */              \
    X(COMMIT, "commit")           /* commits fail */                           \
    X(HOLD_COMMIT, "hold-commit") /* commits are held back */                  \
    X(METADATA, "metadata")       /* the broker takes little metadata */       \
    X(BEGIN, "begin")             /* beginning a transaction fails */          \
    X(ABORT, "abort")             /* a transaction is aborted */               \
    X(UNKNOWN_END, "unknown-end") /* its end is not answered */                \
    X(TXN_TIMEOUT, "txn-timeout") /* the broker aborts it */                   \
    X(FENCE, "fence")             /* another producer takes the id */          \
    X(SLOW, "slow")               /* calls outlive call.timeout */             \
    X(TRANSIENT, "transient")                                                  \
    X(PERMANENT, "permanent")                                                  \
    X(TOO_LARGE, "too-large")                                                  \
    X(OVERLOAD, "overload")                                                    \
    X(FN_CRASH, "fn-crash")                                                    \
    X(FATAL, "fatal")                                                          \
    X(DOUBLE, "double")       /* an attempt is answered twice */               \
    X(NO_ANSWER, "no-answer") /* a record without an outcome */                \
    X(RETRY, "retry")                                                          \
    X(REJECT, "reject")                                                        \
    X(POISON, "poison") /* a record fails every call it is in */

typedef enum {
#define X(NAME, text) FAULT_##NAME,
    FAULTS(X)
#undef X
        N_FAULTS
} Fault;

typedef struct {
    uint64_t seed;
    uint64_t faults;         /* bits by Fault */
    unsigned rate[N_FAULTS]; /* per 1024 chances */
    KabEngineOptions engine;
    unsigned n_members, n_partitions, n_records;
    unsigned n_keys;
    bool is_eager;
    bool has_endless;       /* records that never end */
    int64_t faults_us;      /* how long faults happen */
    int64_t call_us;        /* of a usual call */
    size_t sink_room;       /* outputs in the sink's queue at most */
    size_t broker_metadata; /* bytes of intervals it accepts */
    int64_t txn_timeout_us;
    int64_t hold_every_us, hold_for_us; /* commits are held, periodically */
    int64_t linger_us;  /* before an output is sent, unless it is flushed */
    unsigned log_noise; /* gaps in the log, per 1024 */
} Plan;

void plan_make(Plan *plan, uint64_t seed);
void plan_disable(Plan *plan, Fault fault);
void plan_print(const Plan *plan);
const char *fault_name(Fault fault);
