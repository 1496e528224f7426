/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions' queues may hold records: a turn visits these and not all.
 *
 *   arrived --> ready --> taken from; if it may hold more: arrived, or first of
 *      ^          |       the ready ones until it has had its share
 *      |          +-----> aside: nothing may be taken from it now
 *      +---resumed----------+
 *
 * Whoever sets is_ready puts the partition on the list of those that have
 * arrived, so it is on one list at most and one link does for both. Threads of
 * librdkafka push to that list, the loop takes all of it at once: no lock.
 */
#include "source-internal.h"

static void
push_arrived(KabSource *source, KabToppar *toppar)
{
    toppar->next = atomic_load(&source->arrived);
    while (
        !atomic_compare_exchange_weak(&source->arrived, &toppar->next, toppar))
        continue;
}

bool
kab_source_note_records(KabSource *source, KabToppar *toppar)
{
    if (atomic_exchange(&toppar->is_ready, true))
        return false;
    push_arrived(source, toppar);
    return true;
}

static void
keep_first(KabSource *source, KabToppar *toppar)
{
    if (atomic_exchange(&toppar->is_ready, true))
        return;
    toppar->next = source->ready;
    source->ready = toppar;
}

/* A queue that gave all it was asked for may hold more. Its turn is not over
 * because there was room for no more of it. */
void
kab_source_note_taken(KabSource *source,
                      KabToppar *toppar,
                      size_t n,
                      size_t want)
{
    toppar->n_in_a_row += n;
    bool may_hold_more = n == want;
    if (may_hold_more && toppar->n_in_a_row < source->in_a_row) {
        keep_first(source, toppar);
        return;
    }
    toppar->n_in_a_row = 0;
    if (may_hold_more)
        kab_source_note_records(source, toppar);
}

void
kab_source_set_aside(KabToppar *toppar)
{
    toppar->is_aside = true;
    toppar->n_in_a_row = 0;
}

void
kab_source_resume(KabSource *source, KabToppar *toppar)
{
    if (!toppar->is_aside)
        return;
    toppar->is_aside = false;
    push_arrived(source, toppar);
}

/* The latest to arrive comes first on that list. */
static void
gather_arrived(KabSource *source)
{
    KabToppar *toppar = atomic_exchange(&source->arrived, NULL);
    while (toppar) {
        KabToppar *earlier = toppar->next;
        toppar->next = source->ready;
        source->ready = toppar;
        toppar = earlier;
    }
}

KabToppar *
kab_source_pop_ready(KabSource *source)
{
    if (!source->ready)
        gather_arrived(source);
    KabToppar *toppar = source->ready;
    if (toppar)
        source->ready = toppar->next;
    return toppar;
}
