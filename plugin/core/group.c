/* SPDX-License-Identifier: Apache-2.0 */
/* Order groups: which resolved records may leave.
 *
 * A slot passes its group when every earlier one of it in its partition has.
 * Nothing else orders output; without a group it passes at once.
 */
#include "internal.h"

static bool
may_pass(const KabSlot *slot)
{
    return slot->state == KAB_SLOT_RESOLVED && slot->fate != KAB_FATE_HELD;
}

/* A group that partitions share by a collision keeps the order of each. */
static bool
has_earlier(const KabSlot *slot)
{
    const KabSlot *other = slot->in_group.previous;
    while (other && other->partition != slot->partition)
        other = other->in_group.previous;
    return other != NULL;
}

static void
leave_group(KabSlot *slot)
{
    kab_slots_remove(&slot->group->slots, slot, KAB_LINKS(in_group));
    slot->group = NULL;
}

/* The first of its partition, and what follows it there, as far as it may
 * pass. */
static void
pass_from(KabEngine *engine, KabSlot *slot)
{
    const KabPartition *partition = slot->partition;
    for (KabSlot *next; slot; slot = next) {
        next = slot->in_group.next;
        if (slot->partition != partition)
            continue;
        if (!may_pass(slot))
            return;
        leave_group(slot);
        kab_emission_push(engine, slot);
    }
}

void
kab_slot_resolve(KabEngine *engine, KabSlot *slot)
{
    slot->resolved_us = engine->now;
    kab_lane_leave(engine, slot);
    if (slot->group && !has_earlier(slot))
        pass_from(engine, slot);
    else if (!slot->group && may_pass(slot))
        kab_emission_push(engine, slot);
}

void
kab_group_leave(KabSlot *slot)
{
    if (slot->group)
        leave_group(slot);
}
