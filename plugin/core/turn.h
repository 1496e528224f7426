/* SPDX-License-Identifier: Apache-2.0 */
/* The top floors: the steps of an engine turn.
 */
#pragma once

#include "outlet.h"

/* How many slots kab_engine_check() may look at per turn, on average: a
 * program that holds more is checked less often. 0: never, but for the
 * simulator and tests. Set by configure --enable-sanitizers. */
#ifndef KAB_CHECK_SLOTS
#define KAB_CHECK_SLOTS 0
#endif

/* assignment.c */
/* Makes the load, add and unassign effects that are due. */
void kab_partitions_advance(KabEngine *engine);
void kab_partition_free(KabPartition *partition);
void kab_partition_drop_slots(KabEngine *engine, KabPartition *partition);

/* valve.c */
void kab_valves_advance(KabEngine *engine);
/* Need the partition's valve not be turned? */
bool kab_valve_is_right(const KabEngine *engine, const KabPartition *partition);

/* retry.c */
void kab_retry_failed(KabEngine *engine,
                      KabSet *set,
                      KabFailure failure,
                      KabClass class_,
                      int64_t retry_after_us,
                      const char *reason);
void kab_retry_remainder(KabEngine *engine,
                         KabSet *set,
                         int64_t delay_us,
                         const char *reason);

/* dispatch.c */
void kab_calls_advance(KabEngine *engine);
void kab_call_timed_out(KabEngine *engine, KabCall *call);

/* stall.c */
/* What an unfinished record waits for, and the stall cause that this wait is
 * reported as. X(NAME, cause, words) */
#define KAB_WAITS(X)                                                           \
    X(NOTHING, STOP, "nothing")                                                \
    X(START_COMMIT, BROKER, "the commit of its partition's start offset")      \
    X(NEXT_OWNER, REBALANCE, "its partition's next owner")                     \
    X(LANE, CALL, "an earlier record of its lane")                             \
    X(PAUSE, OVERLOAD, "the end of the overload pause")                        \
    X(CALL_SLOT, CALL, "a free call slot")                                     \
    X(BATCH, BATCH, "its batch to fill")                                       \
    X(ANSWER, CALL, "the function's answer")                                   \
    X(BACKOFF, RETRY, "its retry's back-off")                                  \
    X(RETRY_SLOT, CALL, "a free call slot for its retry")                      \
    X(STOP, STOP, "nothing: it failed, and the binding stops")                 \
    X(ORDER, ORDER, "an earlier record of its order group")                    \
    X(METADATA, COMMIT, "room in the commit's metadata")                       \
    X(TRANSACTION, TRANSACTION, "a transaction")                               \
    X(SINK, ACKNOWLEDGEMENT, "the sink")                                       \
    X(TRANSACTION_COMMIT, TRANSACTION, "the commit of its transaction")        \
    X(ACKNOWLEDGEMENT, ACKNOWLEDGEMENT, "the acknowledgement of its outputs")

typedef enum {
#define X(NAME, cause, words) KAB_WAIT_##NAME,
    KAB_WAITS(X)
#undef X
} KabWait;

KabWait kab_slot_find_wait(const KabEngine *engine, const KabSlot *slot);
const char *kab_wait_words(KabWait wait);
