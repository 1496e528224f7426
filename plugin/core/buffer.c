/* SPDX-License-Identifier: Apache-2.0 */
/* The batch buffer: when a batch leaves, and what it takes.
 *
 * The buffer holds nothing itself: records wait in their lanes, the ready ones
 * are counted. A batch leaves when a trigger fires and a call slot is free;
 * its records are chosen only then (formation).
 */
#include "ledger.h"

/* Intake is closed: no further record can join those that are ready. */
bool
kab_buffer_is_full(const KabEngine *engine)
{
    if (engine->charge >= engine->options.buffer_bytes ||
        !kab_calls_room(engine))
        return true;
    return engine->n_closed && !engine->n_flowing;
}

static bool
waits_for_company(const KabEngine *engine)
{
    return engine->options.batch_period_us != 0 && !engine->period_is_over &&
           !kab_buffer_is_full(engine);
}

bool
kab_buffer_is_triggered(KabEngine *engine, KabTrigger *ret_trigger)
{
    if (!engine->ready_records)
        return false;
    if (engine->is_draining) {
        *ret_trigger = KAB_TRIGGER_DRAIN;
        return engine->is_flushing;
    }
    if (engine->ready_records >= kab_limits_batch(engine))
        *ret_trigger = KAB_TRIGGER_COUNT;
    else if (engine->ready_bytes >= engine->limits.bytes)
        *ret_trigger = KAB_TRIGGER_BYTES;
    else if (waits_for_company(engine))
        return false;
    else if (engine->period_is_over)
        *ret_trigger = KAB_TRIGGER_PERIOD;
    else
        *ret_trigger = KAB_TRIGGER_IDLE;
    return true;
}

/* Has the set no room for the slot? */
static bool
is_full(const KabSet *set, const KabSlot *slot, size_t limit, size_t max_bytes)
{
    if (set->n >= limit || (set->n && set->bytes + slot->bytes > max_bytes))
        return true;
    return set->bytes >= max_bytes;
}

/* Takes from one lane; false when the batch is full. */
static bool
take_lane(KabEngine *engine, KabLane *lane, KabSet *set)
{
    size_t limit = kab_limits_batch(engine), n = set->n, bytes = set->bytes;
    size_t max_bytes = engine->limits.bytes;
    KabSlot *last = NULL, *slot = lane->waiting.head;
    for (; slot && !is_full(set, slot, limit, max_bytes);
         slot = slot->in_queue.next) {
        kab_slot_move(engine, slot, KAB_SLOT_WAITING, KAB_SLOT_CALLED);
        kab_set_add(set, slot);
        last = slot;
    }
    if (last)
        kab_lane_dispatch(engine, lane, last, set->n - n, set->bytes - bytes);
    return !slot && set->bytes < max_bytes;
}

KabSet *
kab_buffer_form(KabEngine *engine, KabTrigger trigger)
{
    size_t capacity = MIN(engine->ready_records, kab_limits_batch(engine));
    KabSet *set = kab_set_new(engine, capacity);
    set->trigger = trigger;
    set->is_first = true;
    bool has_room = true;
    while (has_room && engine->ready_first) {
        KabLane *lane = engine->ready_first;
        has_room = take_lane(engine, lane, set);
        kab_lane_rotate(engine, lane);
    }
    kab_lanes_forget_period(engine);
    return set;
}

/* The clock of batch.period starts with the first record of the batch. With
 * one lane that is its head; among several, the oldest head. */
void
kab_buffer_arm_period(KabEngine *engine)
{
    int64_t period = engine->options.batch_period_us;
    if (!engine->ready_records) {
        kab_lanes_forget_period(engine);
        return;
    }
    if (period == 0 || period == KAB_NEVER ||
        kab_timer_is_armed(&engine->period_timer) || engine->period_is_over)
        return;
    int64_t oldest = INT64_MAX;
    for (KabLane *lane = engine->ready_first; lane; lane = lane->next)
        oldest = MIN(oldest, lane->waiting.head->taken_us);
    if (oldest + period <= engine->now) {
        engine->period_is_over = true;
        return;
    }
    engine->period_timer.kind = KAB_TIMER_PERIOD;
    kab_timers_arm(&engine->timers, &engine->period_timer, oldest + period);
}
