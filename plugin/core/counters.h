/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine counts: plain numbers, copied out by the loop thread.
 *
 * Names follow the metric table (plugin/ops/metrics-table.h), which says
 * what each one means to an operator. Times are microseconds here, seconds
 * in the table.
 */
#pragma once

#include <stdint.h>

/* Why a batch left the buffer. */
#define KAB_TRIGGERS(X)                                                        \
    X(COUNT, "count")   /* batch.count records were ready */                   \
    X(BYTES, "bytes")   /* batch.bytes were ready, or one oversize record */   \
    X(PERIOD, "period") /* the first record had waited batch.period */         \
    X(IDLE, "idle")     /* a free call slot took what was there */             \
    X(DRAIN, "drain")   /* the flush of a stop */                              \
    X(RETRY, "retry")   /* a set called again */

typedef enum {
#define X(NAME, text) KAB_TRIGGER_##NAME,
    KAB_TRIGGERS(X)
#undef X
} KabTrigger;
enum { KAB_N_TRIGGERS = KAB_TRIGGER_RETRY + 1 };

/* How a record ended. */
#define KAB_ENDS(X)                                                            \
    X(DONE, "done")           /* its outputs are acknowledged */               \
    X(DROPPED, "dropped")     /* the function gave no output */                \
    X(REJECTED, "rejected")   /* its dead letter is acknowledged */            \
    X(DISCARDED, "discarded") /* failed, and on.failure = drop */              \
    X(PASSED, "passed")       /* failed; the input itself is acknowledged */

typedef enum {
#define X(NAME, text) KAB_END_##NAME,
    KAB_ENDS(X)
#undef X
} KabEnd;
enum { KAB_N_ENDS = KAB_END_PASSED + 1 };

/* Class of a failed record, as a dead letter's header names it. */
#define KAB_CLASSES(X)                                                         \
    X(TRANSIENT, "transient")                                                  \
    X(PERMANENT, "permanent")                                                  \
    X(TIMEOUT, "timeout")                                                      \
    X(REJECTED, "rejected")                                                    \
    X(CRASH, "crash")

typedef enum {
#define X(NAME, text) KAB_CLASS_##NAME,
    KAB_CLASSES(X)
#undef X
} KabClass;
enum { KAB_N_CLASSES = KAB_CLASS_CRASH + 1 };
/* Static. Thread: any */
const char *kab_class_name(KabClass class_);

/* How one call of the function ended. */
#define KAB_CALL_RESULTS(X)                                                    \
    X(OK, "ok")                                                                \
    X(TRANSIENT, "transient")                                                  \
    X(PERMANENT, "permanent")                                                  \
    X(OVERLOAD, "overload")                                                    \
    X(TOO_LARGE, "too_large")                                                  \
    X(CRASH, "crash")                                                          \
    X(FATAL, "fatal")                                                          \
    X(TIMEOUT, "timeout")                                                      \
    X(ABANDONED, "abandoned") /* no wanted record was left in it */

typedef enum {
#define X(NAME, text) KAB_CALL_##NAME,
    KAB_CALL_RESULTS(X)
#undef X
} KabCallResult;
enum { KAB_N_CALL_RESULTS = KAB_CALL_ABANDONED + 1 };

/* How a function broke its contract. */
#define KAB_FAULTS(X)                                                          \
    X(NO_ANSWER, "no_answer") /* a record without an outcome */                \
    X(LATE, "late")           /* answered after its time-out */                \
    X(DOUBLE, "double")       /* answered again */                             \
    X(BLOCKED, "blocked")     /* held up the loop: it says it never blocks */

typedef enum {
#define X(NAME, text) KAB_FAULT_##NAME,
    KAB_FAULTS(X)
#undef X
} KabFault;
enum { KAB_N_FAULTS = KAB_FAULT_BLOCKED + 1 };

/* Records that were taken or expected and not processed. */
#define KAB_SKIPS(X)                                                           \
    X(FINISHED, "finished")         /* the commit's metadata says: finished */ \
    X(STALE, "stale")               /* below the partition's position */       \
    X(OUT_OF_RANGE, "out_of_range") /* the log no longer has them */

typedef enum {
#define X(NAME, text) KAB_SKIP_##NAME,
    KAB_SKIPS(X)
#undef X
} KabSkip;
enum { KAB_N_SKIPS = KAB_SKIP_OUT_OF_RANGE + 1 };

#define KAB_COMMIT_RESULTS(X)                                                  \
    X(OK, "ok")                                                                \
    X(GROUP, "group") /* the group moved on: repeated */                       \
    X(TOO_LARGE, "metadata_too_large")                                         \
    X(REFUSED, "refused") /* not allowed: the binding stops */                 \
    X(FAILED, "failed")

typedef enum {
#define X(NAME, text) KAB_COMMIT_##NAME,
    KAB_COMMIT_RESULTS(X)
#undef X
} KabCommitResult;
enum { KAB_N_COMMIT_RESULTS = KAB_COMMIT_FAILED + 1 };

#define KAB_TXN_RESULTS(X)                                                     \
    X(COMMITTED, "committed")                                                  \
    X(ABORTED, "aborted")                                                      \
    X(UNKNOWN, "unknown") /* commit requested; never answered */               \
    X(FENCED, "fenced")

typedef enum {
#define X(NAME, text) KAB_TXN_##NAME,
    KAB_TXN_RESULTS(X)
#undef X
} KabTxnResult;
enum { KAB_N_TXN_RESULTS = KAB_TXN_FENCED + 1 };

/* Why the sink could not deliver an output. */
#define KAB_REFUSALS(X)                                                        \
    X(RECORD, "record") /* this record can never be written */                 \
    X(SINK, "sink")     /* the sink is lost; the record may be fine */         \
    X(FATAL, "fatal")   /* stop: authorisation, missing topic */

typedef enum {
#define X(NAME, text) KAB_REFUSED_##NAME,
    KAB_REFUSALS(X)
#undef X
} KabRefusal;
enum { KAB_N_REFUSALS = KAB_REFUSED_FATAL + 1 };

/* A histogram with power-of-two buckets: bucket b counts values below
 * 2^b (and not below 2^(b-1)); the last one everything else.
 */
#define KAB_HISTOGRAM_BUCKETS 40

typedef struct {
    uint64_t count, sum;
    uint64_t buckets[KAB_HISTOGRAM_BUCKETS];
} KabHistogram;

static inline void
kab_histogram_add(KabHistogram *histogram, uint64_t value)
{
    unsigned bucket = value ? 64 - (unsigned)__builtin_clzll(value) : 0;
    if (bucket >= KAB_HISTOGRAM_BUCKETS)
        bucket = KAB_HISTOGRAM_BUCKETS - 1;
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket]++;
}

typedef struct {
    uint64_t records_consumed, records_produced, records_retried;
    uint64_t records_finished[KAB_N_ENDS];
    uint64_t records_skipped[KAB_N_SKIPS];
    uint64_t dead_letters[KAB_N_CLASSES];
    uint64_t batches[KAB_N_TRIGGERS];
    uint64_t calls[KAB_N_CALL_RESULTS];
    uint64_t call_faults[KAB_N_FAULTS];
    uint64_t commits[KAB_N_COMMIT_RESULTS];
    uint64_t transactions[KAB_N_TXN_RESULTS];
    uint64_t produce_errors[KAB_N_REFUSALS];
    uint64_t sinks_lost;
    uint64_t intervals_left_out; /* of commits, for want of room */
    KabHistogram batch_records;
    KabHistogram call_us, commit_us, record_us;
} KabCounters;
