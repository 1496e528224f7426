/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: one binary heap of embedded timers, earliest first.
 *
 * A timer lives inside its owner and knows its place in the heap, so it is
 * disarmed exactly when its reason goes: no stale timer ever fires. Timers due
 * at the same time fire in the order in which they were armed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    KAB_TIMER_PERIOD,      /* the buffer: batch.period has passed */
    KAB_TIMER_RETRY,       /* a set is due again; owner: KabSet */
    KAB_TIMER_CALL,        /* call.timeout; owner: KabCall */
    KAB_TIMER_PAUSE,       /* the overload pause has ended */
    KAB_TIMER_RATE,        /* a token of rate.limit is available */
    KAB_TIMER_COMMIT,      /* commit.interval has passed */
    KAB_TIMER_TRANSACTION, /* transaction.interval has passed */
    KAB_TIMER_SINK,        /* back-off of a lost sink has passed */
    KAB_TIMER_FLUSH,       /* the flush is to be repeated */
    KAB_TIMER_REVOKE,      /* rebalance.drain.timeout; owner: KabPartition */
    KAB_TIMER_DRAIN,       /* shutdown.timeout */
    KAB_TIMER_PARK,        /* copy out long-held messages */
} KabTimerKind;

/* Zero-initialised: not armed. */
typedef struct {
    int64_t due_us;
    uint64_t order; /* among equals */
    size_t place;   /* in the heap, from 1; 0: not armed */
    KabTimerKind kind;
    void *owner;
} KabTimer;

typedef struct {
    KabTimer **heap; /* from 1 */
    size_t n, capacity;
    uint64_t armed; /* ever: the next order */
} KabTimers;

void kab_timers_clear(KabTimers *timers);
/* Arms, or moves, the timer. */
void kab_timers_arm(KabTimers *timers, KabTimer *timer, int64_t due_us);
void kab_timers_disarm(KabTimers *timers, KabTimer *timer);
/* Disarms and returns the earliest due timer; NULL: none. */
KabTimer *kab_timers_pop(KabTimers *timers, int64_t now);
/* INT64_MAX: none armed. */
int64_t kab_timers_next(const KabTimers *timers);

static inline bool
kab_timer_is_armed(const KabTimer *timer)
{
    return timer->place != 0;
}
