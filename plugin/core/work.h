/* SPDX-License-Identifier: Apache-2.0 */
/* The work floor: whether a call may be made, lanes, sets, calls.
 */
#pragma once

#include "ground.h"

/* limiter.c */
bool kab_limiter_allows(KabEngine *engine);
void kab_limiter_take(KabEngine *engine);
void kab_limiter_give_back(KabEngine *engine, uint64_t serial);
void kab_limiter_pause(KabEngine *engine, int64_t retry_after_us);
/* The call with that serial was answered, and not with an overload. */
void kab_limiter_note_success(KabEngine *engine, uint64_t serial);
/* A set failed as a whole, transiently or by overload. */
void kab_limiter_note_failure(KabEngine *engine, uint64_t family);
bool kab_limiter_is_ill(const KabEngine *engine);
bool kab_limiter_is_paused(const KabEngine *engine);

/* stop.c */
/* Stops the binding because of an error: drains without a flush. */
void
kab_engine_stop(KabEngine *engine, KabStopReason reason, const char *message);

/* lane.c */
void kab_lanes_init(KabEngine *engine);
void kab_lanes_clear(KabEngine *engine);
/* The lane's records changed: is it ready? */
void kab_lane_update(KabEngine *engine, KabLane *lane);
/* Only for kab_lane_enter(). */
void kab_lane_enter_in_order(KabEngine *engine, KabSlot *slot);

static inline void
kab_lane_add(KabEngine *engine, KabLane *lane, KabSlot *slot)
{
    slot->lane = lane;
    kab_slots_append(&lane->waiting, slot, KAB_LINKS(in_queue));
    lane->waiting_bytes += slot->bytes;
    if (lane->is_ready) {
        engine->ready_records++;
        engine->ready_bytes += slot->bytes;
    } else {
        kab_lane_update(engine, lane);
    }
}

/* Puts the slot into its lane and its order group. */
static inline void
kab_lane_enter(KabEngine *engine, KabSlot *slot)
{
    if (engine->options.order == KAB_ORDER_UNORDERED)
        kab_lane_add(engine, &engine->unordered, slot);
    else
        kab_lane_enter_in_order(engine, slot);
}

/* Moves the first n slots, `bytes` in all, from waiting to outstanding. */
void kab_lane_dispatch(
    KabEngine *engine, KabLane *lane, KabSlot *last, size_t n, size_t bytes);
/* Only for kab_lane_leave(). */
void kab_lane_unlink(KabEngine *engine, KabLane *lane, KabSlot *slot);

/* Removes a resolved or parked slot from its lane. */
static inline void
kab_lane_leave(KabEngine *engine, KabSlot *slot)
{
    KabLane *lane = g_steal_pointer(&slot->lane);
    if (lane && (lane->can_be_busy || slot->state == KAB_SLOT_WAITING))
        kab_lane_unlink(engine, lane, slot);
}

void kab_lane_rotate(KabEngine *engine, KabLane *lane);
/* Restarts batch.period: the set of ready records changed. */
void kab_lanes_forget_period(KabEngine *engine);

/* set.c */
KabSet *kab_set_new(KabEngine *engine, size_t capacity);
void kab_set_free(KabEngine *engine, KabSet *set);

static inline void
kab_set_add(KabSet *set, KabSlot *slot)
{
    g_assert(set->n < set->capacity);
    set->slots[set->n++] = slot;
    set->bytes += slot->bytes;
    slot->set = set;
}

void kab_set_remove(KabEngine *engine, KabSet *set, KabSlot *slot);
void kab_set_wait(KabEngine *engine, KabSet *set, int64_t delay_us);
void kab_set_set_due(KabEngine *engine, KabSet *set);
KabSet *kab_set_find_due(const KabEngine *engine);
KabSet *kab_set_take_due(KabEngine *engine);
/* Parks the set's records of leaving partitions: they are not called again.
 * False: none is left, and the set is freed. */
bool kab_set_park_leaving(KabEngine *engine, KabSet *set);
bool kab_set_is_blocked(const KabSet *set);
/* Cuts the set in two; both parts wait delay_us. Frees the set. */
void kab_set_halve(KabEngine *engine,
                   KabSet *set,
                   int64_t delay_us,
                   bool is_counted,
                   bool learns);
void kab_cut_unref(KabCut *cut);
/* Takes a waiting or unwanted slot out of lane and set: it stays unfinished
 * in its partition and its group, and is not called. */
void kab_slot_park(KabEngine *engine, KabSlot *slot);

/* call.c */
/* Opens a call of n records. */
KabCall *kab_call_open(KabEngine *engine, size_t n);
/* No record needs the call's answer any more. */
void kab_call_abandon(KabEngine *engine, KabCall *call);
/* The slot does not need its call's answer any more. */
void kab_call_forget(KabEngine *engine, KabSlot *slot);
/* Detaches the slot from its call, which is answered. */
static inline void
kab_call_leave(KabSlot *slot)
{
    slot->call->wanted--;
    slot->call = NULL;
    slot->partition->n_called--;
}

/* Detaches the slot from its call, whose answer it does not want any more. The
 * call keeps it: the function may read the record until it answers. */
static inline void
kab_call_leave_early(KabSlot *slot)
{
    kab_call_leave(slot);
    slot->references++;
}

/* The call was answered or abandoned: it is no longer in flight. */
void kab_call_leave_flight(KabEngine *engine, const KabCall *call);
/* Takes the call out of the open calls; an unwanted one lets its slots go. */
void kab_call_end(KabEngine *engine, KabCall *call);
void kab_calls_clear(KabEngine *engine);
/* How many more records may be taken, if each of them may need an attempt;
 * SIZE_MAX: no bound. */
size_t kab_calls_room(const KabEngine *engine);
