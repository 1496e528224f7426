/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of `batching = adaptive`: how many records a batch may hold
 * and how many calls may be in flight, so that calls stay within a budget of
 * time and throughput is the best that this allows.
 *
 * Pure: each event carries what was measured, and the answer is in `records`
 * and `calls`. No clock, no randomness, nothing of the engine.
 *
 * A change of either limit starts an epoch. Each call carries the epoch of
 * its dispatch, and calls of older epochs teach nothing: so every decision
 * looks at calls that were all made under the present limits, and no decision
 * is made twice for one cause.
 *
 * Two loops with separate time scales:
 *  - records: a call beyond the budget takes an eighth off; 32 calls within
 *    it add a sixteenth. Growth and decrease balance where one call in about
 *    eighty is beyond the budget, which makes the budget the 99th percentile.
 *  - calls: tried up and down while every slot is used, judged by throughput
 *    over 128 calls. A step up must gain 5 %, a step down may cost 2 %, so no
 *    two settings can each look better than the other.
 *
 * Throughput is measured by Little's law, calls x records / time in calls,
 * which needs no clock and has no error at the edges of an epoch.
 *
 * Thread: none; the loop of the binding that embeds it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KAB_ADAPTIVE_PHASES(X)                                                 \
    X(CALLS, "calls")     /* doubles calls while throughput follows */         \
    X(RECORDS, "records") /* doubles records until a call is too long */       \
    X(STEADY, "steady")   /* small steps around what was found */

typedef enum {
#define X(NAME, text) KAB_ADAPTIVE_##NAME,
    KAB_ADAPTIVE_PHASES(X)
#undef X
} KabAdaptivePhase;

/* Why the limits are what they are: the last decision. */
#define KAB_ADAPTIVE_REASONS(X)                                                \
    X(START, "start: one record, one call")                                    \
    X(CALLS_PAY, "throughput grew with the calls in flight: doubled them")     \
    X(CALLS_FOUND, "more calls in flight did not pay: went back")              \
    X(ROOM, "calls within the budget and batches full: more records")          \
    X(TOO_LONG, "a call took longer than the budget: fewer records")           \
    X(FEWER_CALLS, "a call of one record took longer than the budget: "        \
                   "fewer calls in flight")                                    \
    X(OVERLOAD, "the service was overloaded: half of the calls in flight")     \
    X(PROBE_UP, "trying more calls in flight")                                 \
    X(PROBE_DOWN, "trying fewer calls in flight, with more records in each")   \
    X(PROBE_KEPT, "the number of calls in flight that was tried is good: "     \
                  "kept")                                                      \
    X(PROBE_UNDONE, "the number of calls in flight that was tried is no "      \
                    "better: went back")                                       \
    X(CEILING, "a ceiling was lowered: within it again")

typedef enum {
#define X(NAME, text) KAB_ADAPTIVE_REASON_##NAME,
    KAB_ADAPTIVE_REASONS(X)
#undef X
} KabAdaptiveReason;

/* What one answered call teaches. */
typedef struct {
    uint32_t epoch;      /* of the limits at its dispatch */
    size_t records;      /* in it */
    int64_t call_us;     /* from entering the function to its answer */
    int64_t oldest_us;   /* age of its oldest record at its dispatch */
    bool is_full;        /* it held as many records as it was allowed */
    bool leaves_waiting; /* its dispatch took the last free call slot, and
                            records still waited */
} KabAdaptiveCall;

/* Calls of one epoch, or of one measurement. */
typedef struct {
    unsigned n, full, saturated, lagging;
    uint64_t records;
    int64_t time_us;
} KabAdaptiveTally;

#define KAB_ADAPTIVE_SEARCHES(X)                                               \
    X(BASE, "base")   /* measures the present number of calls */               \
    X(PROBE, "probe") /* measures the number being tried */

typedef enum {
#define X(NAME, text) KAB_ADAPTIVE_SEARCH_##NAME,
    KAB_ADAPTIVE_SEARCHES(X)
#undef X
} KabAdaptiveSearch;

/* Embedded in its owner; kab_adaptive_init() before anything else. Readers
 * take `records`, `calls`, `epoch` and the figures below them; only the
 * functions here write.
 */
typedef struct {
    double records; /* in a batch; its whole part counts */
    unsigned calls; /* in flight */
    uint32_t epoch;
    KabAdaptivePhase phase;
    KabAdaptiveReason reason; /* of the last change */
    int64_t budget_us;        /* of one call, as of the last decision */
    uint64_t violations;      /* calls that took longer */
    double throughput;        /* records per second, last measured; 0: none */

    double max_records;
    unsigned max_calls;
    int64_t target_us;
    KabAdaptiveTally tally; /* of this epoch */
    double best_rate;       /* phase CALLS: with half as many calls */
    bool was_overloaded;    /* in this epoch */

    KabAdaptiveSearch search;
    KabAdaptiveTally window;            /* of the current measurement */
    uint32_t probe_epoch, window_epoch; /* first epochs whose calls are watched,
                                           and count for the measurement */
    bool is_settled;                    /* calls of window_epoch came */
    double base_rate, base_records;
    unsigned base_calls;
    bool is_downward;
    unsigned pause, pause_left; /* measurements before the next try */
} KabAdaptive;

/* target_us: latency.target. The ceilings are at least 1. */
void kab_adaptive_init(KabAdaptive *adaptive,
                       int64_t target_us,
                       size_t max_records,
                       unsigned max_calls);
/* A reload, or new ceilings of the function. */
void kab_adaptive_set_ceilings(KabAdaptive *adaptive,
                               int64_t target_us,
                               size_t max_records,
                               unsigned max_calls);
/* A call succeeded. */
void kab_adaptive_answered(KabAdaptive *adaptive, const KabAdaptiveCall *call);
/* A call was refused by a busy service, or timed out. The limiter
 * pauses; here only the number of calls shrinks, once an epoch. */
void kab_adaptive_overloaded(KabAdaptive *adaptive, uint32_t epoch);

size_t kab_adaptive_records(const KabAdaptive *adaptive);
const char *kab_adaptive_phase_name(KabAdaptivePhase phase);
const char *kab_adaptive_reason_text(KabAdaptiveReason reason);
