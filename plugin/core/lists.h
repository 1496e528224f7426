/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of partitions and slots, and a slot's state and charge: inline because
 * they run several times per record.
 */
#pragma once

#include "model.h"

#define KAB_LINKS(member) offsetof(KabSlot, member)
#define KAB_LINKS_OF(slot, links)                                              \
    ((KabSlotLinks *)(void *)((char *)(slot) + (links)))

static inline void
kab_partition_list(KabEngine *engine, KabPartition *partition, KabChange change)
{
    KabPartitions *list = &engine->changed[change];
    KabPartitionLinks *own = &partition->changed[change];
    if (own->is_listed)
        return;
    *own = (KabPartitionLinks){.previous = list->tail, .is_listed = true};
    if (list->tail)
        list->tail->changed[change].next = partition;
    else
        list->head = partition;
    list->tail = partition;
}

static inline void
kab_partition_unlist(KabEngine *engine,
                     KabPartition *partition,
                     KabChange change)
{
    KabPartitions *list = &engine->changed[change];
    KabPartitionLinks own = partition->changed[change];
    if (!own.is_listed)
        return;
    if (own.previous)
        own.previous->changed[change].next = own.next;
    else
        list->head = own.next;
    if (own.next)
        own.next->changed[change].previous = own.previous;
    else
        list->tail = own.previous;
    partition->changed[change] = (KabPartitionLinks){0};
}

/* In front of `at`; NULL: at the end. */
static inline void
kab_slots_insert(KabSlots *slots, KabSlot *slot, KabSlot *at, size_t links)
{
    KabSlotLinks *own = KAB_LINKS_OF(slot, links);
    KabSlot *before = at ? KAB_LINKS_OF(at, links)->previous : slots->tail;
    own->previous = before;
    own->next = at;
    if (before)
        KAB_LINKS_OF(before, links)->next = slot;
    else
        slots->head = slot;
    if (at)
        KAB_LINKS_OF(at, links)->previous = slot;
    else
        slots->tail = slot;
    slots->n++;
}

static inline void
kab_slots_append(KabSlots *slots, KabSlot *slot, size_t links)
{
    kab_slots_insert(slots, slot, NULL, links);
}

static inline void
kab_slots_remove(KabSlots *slots, KabSlot *slot, size_t links)
{
    KabSlotLinks *own = KAB_LINKS_OF(slot, links);
    if (own->previous)
        KAB_LINKS_OF(own->previous, links)->next = own->next;
    else
        slots->head = own->next;
    if (own->next)
        KAB_LINKS_OF(own->next, links)->previous = own->previous;
    else
        slots->tail = own->previous;
    slots->n--;
}

/* Of its slots. */
static inline void
kab_partition_add_charge(KabEngine *engine,
                         KabPartition *partition,
                         size_t charge)
{
    engine->charge += charge;
    partition->charge += charge;
    kab_partition_list(engine, partition, KAB_CHANGED_VALVE);
}

static inline void
kab_slot_add_charge(KabEngine *engine, KabSlot *slot, size_t charge)
{
    slot->charge += charge;
    if (slot->partition)
        kab_partition_add_charge(engine, slot->partition, charge);
    else
        engine->charge += charge;
}

static const uint8_t kab_slot_moves[] = {
#define TO(NAME) (1U << KAB_SLOT_##NAME)
#define X(NAME, text, moves) [KAB_SLOT_##NAME] = (moves),
    KAB_SLOT_STATES(X)
#undef X
#undef TO
};

/* The only writer of the state, and of the engine's counts by state. `from` is
 * the slot's state: of a caller that names it, compilers keep only what that
 * move needs. */
static inline G_ALWAYS_INLINE void
kab_slot_move(KabEngine *engine,
              KabSlot *slot,
              KabSlotState from,
              KabSlotState to)
{
    g_assert(slot->state == from && kab_slot_moves[from] & 1U << to);
    engine->moves++;
    if (from == KAB_SLOT_WAITING)
        engine->n_waiting--;
    if (from == KAB_SLOT_CALLED)
        engine->n_called--;
    if (from == KAB_SLOT_EMITTED && to == KAB_SLOT_RESOLVED)
        slot->partition->first_open = NULL;
    if (from == KAB_SLOT_WAITING && slot->partition) {
        slot->partition->n_waiting--;
        if (slot->partition->is_closed)
            kab_partition_list(engine, slot->partition, KAB_CHANGED_VALVE);
    }
    if (to == KAB_SLOT_CALLED)
        engine->n_called++;
    slot->state = to;
}
