/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: which records may be dispatched.
 *
 *   unordered, ordered, null keys   one lane that is never busy
 *   partition                       a lane per partition
 *   key                             one of a fixed array, by a hash of
 *                                   partition and key
 *
 * A lane that can be busy is ready while it has records waiting and none
 * outstanding. Ready lanes are served in the order in which they became
 * ready. A collision of two keys in a lane delays, never reorders.
 */
#include "work.h"

void
kab_lanes_init(KabEngine *engine)
{
    if (engine->options.order != KAB_ORDER_KEY)
        return;
    engine->lanes = g_new0(KabLane, KAB_N_LANES);
    engine->groups = g_new0(KabGroup, KAB_N_LANES);
    for (size_t i = 0; i < KAB_N_LANES; i++)
        engine->lanes[i].can_be_busy = true;
}

void
kab_lanes_clear(KabEngine *engine)
{
    g_clear_pointer(&engine->lanes, g_free);
    g_clear_pointer(&engine->groups, g_free);
}

/* FNV-1a over eight bytes at a time, finished by a multiply-shift: any
 * spread over 4096 lanes will do. */
static size_t
hash_key(const KabPartition *partition, KabBytes key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ partition->generation;
    const unsigned char *data = key.data;
    size_t left = key.len;
    for (; left >= 8; data += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    for (; left; data++, left--)
        hash = (hash ^ *data) * UINT64_C(0x100000001b3);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 52) % KAB_N_LANES;
}

static void
enter_group(KabGroup *group, KabSlot *slot)
{
    slot->group = group;
    kab_slots_append(&group->slots, slot, KAB_LINKS(in_group));
}

/* The lane for the slot; puts it into its group. */
static KabLane *
choose_lane(KabEngine *engine, KabSlot *slot)
{
    KabPartition *partition = slot->partition;
    switch (engine->options.order) {
    case KAB_ORDER_UNORDERED:
        break;
    case KAB_ORDER_ORDERED:
        enter_group(&partition->group, slot);
        break;
    case KAB_ORDER_PARTITION:
        enter_group(&partition->group, slot);
        return &partition->lane;
    case KAB_ORDER_KEY:
        if (slot->record.key.data) {
            size_t i = hash_key(partition, slot->record.key);
            enter_group(&engine->groups[i], slot);
            return &engine->lanes[i];
        }
        break;
    }
    return &engine->unordered;
}

static void
add_ready(KabEngine *engine, KabLane *lane)
{
    lane->is_ready = true;
    lane->next = NULL;
    lane->previous = engine->ready_last;
    if (engine->ready_last)
        engine->ready_last->next = lane;
    else
        engine->ready_first = lane;
    engine->ready_last = lane;
    engine->ready_records += lane->waiting.n;
    engine->ready_bytes += lane->waiting_bytes;
    /* A record in a lane that was busy may have waited longest. */
    if (kab_timer_is_armed(&engine->period_timer))
        kab_lanes_forget_period(engine);
}

static void
remove_ready(KabEngine *engine, KabLane *lane)
{
    lane->is_ready = false;
    if (lane->previous)
        lane->previous->next = lane->next;
    else
        engine->ready_first = lane->next;
    if (lane->next)
        lane->next->previous = lane->previous;
    else
        engine->ready_last = lane->previous;
    lane->previous = lane->next = NULL;
    engine->ready_records -= lane->waiting.n;
    engine->ready_bytes -= lane->waiting_bytes;
}

/* During a drain, records in a busy lane stay uncalled. */
void
kab_lane_update(KabEngine *engine, KabLane *lane)
{
    bool is_free = !lane->can_be_busy || !lane->outstanding.n;
    bool should = lane->waiting.n && is_free;
    if (should && !lane->is_ready && !engine->is_draining)
        add_ready(engine, lane);
    else if (!should && lane->is_ready)
        remove_ready(engine, lane);
}

void
kab_lane_enter_in_order(KabEngine *engine, KabSlot *slot)
{
    kab_lane_add(engine, choose_lane(engine, slot), slot);
}

static void
take_waiting(KabEngine *engine, KabLane *lane, KabSlot *slot)
{
    kab_slots_remove(&lane->waiting, slot, KAB_LINKS(in_queue));
    lane->waiting_bytes -= slot->bytes;
    if (lane->is_ready) {
        engine->ready_records--;
        engine->ready_bytes -= slot->bytes;
    }
}

/* The lane is ready, so nothing of it is outstanding. The caller rotates it. */
void
kab_lane_dispatch(
    KabEngine *engine, KabLane *lane, KabSlot *last, size_t n, size_t bytes)
{
    KabSlots *waiting = &lane->waiting;
    KabSlot *head = waiting->head, *rest = last->in_queue.next;
    waiting->head = rest;
    *(rest ? &rest->in_queue.previous : &waiting->tail) = NULL;
    waiting->n -= n;
    lane->waiting_bytes -= bytes;
    engine->ready_records -= n;
    engine->ready_bytes -= bytes;
    last->in_queue.next = NULL;
    if (lane->can_be_busy)
        lane->outstanding = (KabSlots){.head = head, .tail = last, .n = n};
}

/* After a formation took from the lane: busy, empty, or moved to the end. */
void
kab_lane_rotate(KabEngine *engine, KabLane *lane)
{
    kab_lane_update(engine, lane);
    if (lane->is_ready && engine->ready_last != lane) {
        remove_ready(engine, lane);
        add_ready(engine, lane);
    }
}

void
kab_lane_unlink(KabEngine *engine, KabLane *lane, KabSlot *slot)
{
    if (slot->state == KAB_SLOT_WAITING) {
        take_waiting(engine, lane, slot);
        kab_lanes_forget_period(engine);
    } else {
        kab_slots_remove(&lane->outstanding, slot, KAB_LINKS(in_queue));
    }
    kab_lane_update(engine, lane);
}

void
kab_lanes_forget_period(KabEngine *engine)
{
    engine->period_is_over = false;
    kab_timers_disarm(&engine->timers, &engine->period_timer);
}
