/* SPDX-License-Identifier: Apache-2.0 */
/* See timers.h. */
#include "timers.h"

#include <glib.h>

void
kab_timers_clear(KabTimers *timers)
{
    g_clear_pointer(&timers->heap, g_free);
    timers->n = timers->capacity = 0;
}

static bool
is_before(const KabTimer *left, const KabTimer *right)
{
    if (left->due_us != right->due_us)
        return left->due_us < right->due_us;
    return left->order < right->order;
}

static void
put_timer(KabTimers *timers, KabTimer *timer, size_t place)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static size_t
sift_up(KabTimers *timers, KabTimer *timer, size_t place)
{
    for (; place > 1 && is_before(timer, timers->heap[place / 2]); place /= 2)
        put_timer(timers, timers->heap[place / 2], place);
    put_timer(timers, timer, place);
    return place;
}

static void
sift_down(KabTimers *timers, KabTimer *timer, size_t place)
{
    for (;;) {
        size_t child = place * 2;
        if (child < timers->n &&
            is_before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (child > timers->n || !is_before(timers->heap[child], timer))
            break;
        put_timer(timers, timers->heap[child], place);
        place = child;
    }
    put_timer(timers, timer, place);
}

void
kab_timers_arm(KabTimers *timers, KabTimer *timer, int64_t due_us)
{
    kab_timers_disarm(timers, timer);
    if (timers->n + 2 > timers->capacity) {
        timers->capacity = timers->capacity ? timers->capacity * 2 : 64;
        timers->heap = g_renew(KabTimer *, timers->heap, timers->capacity);
    }
    timer->due_us = due_us;
    timer->order = timers->armed++;
    sift_up(timers, timer, ++timers->n);
}

void
kab_timers_disarm(KabTimers *timers, KabTimer *timer)
{
    size_t place = timer->place;
    if (!place)
        return;
    timer->place = 0;
    KabTimer *last = timers->heap[timers->n--];
    if (last != timer && sift_up(timers, last, place) == place)
        sift_down(timers, last, place);
}

KabTimer *
kab_timers_pop(KabTimers *timers, int64_t now)
{
    if (!timers->n || timers->heap[1]->due_us > now)
        return NULL;
    KabTimer *timer = timers->heap[1];
    kab_timers_disarm(timers, timer);
    return timer;
}

int64_t
kab_timers_next(const KabTimers *timers)
{
    return timers->n ? timers->heap[1]->due_us : INT64_MAX;
}
