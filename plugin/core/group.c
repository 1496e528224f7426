/* SPDX-License-Identifier: Apache-2.0 */
/* Order groups: which resolved records may leave.
 *
 * A slot passes its group when every earlier slot of the same group and
 * partition has passed. Nothing else orders output; a slot without a group
 * passes at once.
 */
#include "ground.h"

static bool
may_pass(const KabSlot *slot)
{
    return slot->state == KAB_SLOT_RESOLVED && slot->fate != KAB_FATE_HELD;
}

/* Partitions may share a group by a hash collision: each keeps its order. */
static bool
has_earlier(const KabSlot *slot)
{
    const KabSlot *other = slot->in_group.previous;
    while (other && other->partition != slot->partition)
        other = other->in_group.previous;
    return other != NULL;
}

bool
kab_group_may_pass(const KabSlot *slot)
{
    return may_pass(slot) && (!slot->group || !has_earlier(slot));
}

static KabSlot *
find_next(const KabSlot *slot)
{
    KabSlot *next = slot->in_group.next;
    while (next && next->partition != slot->partition)
        next = next->in_group.next;
    return next;
}

KabSlot *
kab_group_pass(KabSlot *slot)
{
    if (!slot->group)
        return NULL;
    KabSlot *next = find_next(slot);
    kab_group_leave(slot);
    return next && may_pass(next) ? next : NULL;
}

void
kab_group_leave(KabSlot *slot)
{
    if (!slot->group)
        return;
    kab_slots_remove(&slot->group->slots, slot, KAB_LINKS(in_group));
    slot->group = NULL;
}
