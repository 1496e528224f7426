/* SPDX-License-Identifier: Apache-2.0 */
/* The ground floor: slots, back-off, limits, order groups. It calls no other
 * part of the engine except timers.
 */
#pragma once

#include "lists.h"

/* slot.c */
/* More free slots: there is none. */
void kab_slot_grow_pool(KabEngine *engine);

/* In pieces, which compilers make plain stores of. For the whole they take an
 * instruction that repeats, and is slow to begin. */
static inline void
kab_slot_clear(KabSlot *slot)
{
    enum { PIECE = 32 };
    char *from = (char *)&slot->partition, *to = (char *)&slot->record;
    _Static_assert(
        (offsetof(KabSlot, record) - offsetof(KabSlot, partition)) % PIECE == 0,
        "whole pieces");
#pragma GCC unroll 8
    for (char *piece = from; piece < to; piece += PIECE)
        memset(piece, 0, PIECE);
}

/* There is a free one. */
static inline KabSlot *
kab_slot_new(KabEngine *engine)
{
    KabSlot *slot = engine->free_slots;
    engine->free_slots = slot->in_partition.next;
    kab_slot_clear(slot);
    slot->references = 1;
    return slot;
}

/* Nothing refers to it: only to be called by the next. */
void kab_slot_free(KabEngine *engine, KabSlot *slot);
void kab_slot_detach(KabEngine *engine, KabSlot *slot);

static inline bool
kab_slot_is_used(const KabSlot *slot)
{
    return slot->references || slot->unreported;
}

static inline void
kab_slot_unref(KabEngine *engine, KabSlot *slot)
{
    slot->references--;
    if (!kab_slot_is_used(slot))
        kab_slot_free(engine, slot);
}

void kab_call_free(KabEngine *engine, KabCall *call);
/* Drops one reference to the call's memory. */
static inline void
kab_call_unref(KabEngine *engine, KabCall *call)
{
    if (--call->references == 0)
        kab_call_free(engine, call);
}

/* Frees the slot's products, or drops its reference to the call that owns their
 * memory. */
static inline void
kab_slot_free_products(KabEngine *engine, const KabSlot *slot)
{
    if (slot->memory)
        kab_call_unref(engine, slot->memory);
    else
        g_free(slot->products);
}

static inline void
kab_slot_clear_products(KabEngine *engine, KabSlot *slot)
{
    kab_slot_free_products(engine, slot);
    slot->memory = NULL;
    slot->products = slot->next_product = NULL;
    slot->unacknowledged = 0;
}

/* backoff.c */
/* Doubling from retry.backoff, at most retry.backoff.max, jittered. */
int64_t kab_backoff_us(KabEngine *engine, unsigned step);

/* limits.c */
/* Recomputes the limits: the options, the function's ceilings or the learned
 * ceiling changed. */
void kab_limits_update(KabEngine *engine);
/* What any partition may hold has changed: the turn looks at all valves. */
void kab_limits_check_valves(KabEngine *engine);
/* How many ready records intake should keep on hand. */
size_t kab_limits_ahead(const KabEngine *engine);
/* Feed the adaptive controller. */
void kab_limits_dispatched(KabEngine *engine, KabCall *call);
void kab_limits_answered(KabEngine *engine,
                         KabCall *call,
                         KabCallResult result,
                         int64_t call_us);
size_t kab_limits_batch(const KabEngine *engine);

/* ceiling.c */
/* Every record of the set was resolved by one call. */
void kab_ceiling_note_success(KabEngine *engine, const KabSet *set, size_t n);

/* group.c */
/* Resolved, and every earlier slot of its group has passed. */
bool kab_group_may_pass(const KabSlot *slot);
/* Takes the slot out of its group; returns the next one that may pass. */
KabSlot *kab_group_pass(KabSlot *slot);
/* Removes the slot from its group, whatever is before it. */
void kab_group_leave(KabSlot *slot);
