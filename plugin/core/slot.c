/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: an unfinished record's place, from one pool.
 *
 * References: its partition's list, each open call that holds it, and each
 * unreported output. The last one gives the message back and ends the
 * record's charge against the budget.
 */
#include "internal.h"

static void
grow(KabEngine *engine)
{
    KabSlot *chunk = g_new0(KabSlot, KAB_SLOT_CHUNK);
    g_ptr_array_add(engine->slot_chunks, chunk);
    for (size_t i = KAB_SLOT_CHUNK; i-- > 0;) {
        chunk[i].in_partition.next = engine->free_slots;
        engine->free_slots = &chunk[i];
    }
}

KabSlot *
kab_slot_new(KabEngine *engine)
{
    if (!engine->free_slots)
        grow(engine);
    KabSlot *slot = engine->free_slots;
    engine->free_slots = slot->in_partition.next;
    *slot = (KabSlot){.references = 1};
    return slot;
}

void
kab_slot_unref(KabEngine *engine, KabSlot *slot)
{
    g_assert(slot->references > 0);
    if (--slot->references)
        return;
    kab_slot_clear_products(engine, slot);
    g_clear_pointer(&slot->failure, g_free);
    if (slot->message)
        engine->effects.release_message(engine->user, slot->message);
    engine->charge -= slot->charge;
    slot->in_partition.next = engine->free_slots;
    engine->free_slots = slot;
}

void
kab_slot_clear_products(KabEngine *engine, KabSlot *slot)
{
    if (slot->fate == KAB_FATE_LETTER)
        g_free(slot->products);
    slot->products = slot->next_product = NULL;
    slot->unacknowledged = 0;
    if (slot->memory)
        kab_call_unref(engine, g_steal_pointer(&slot->memory));
}

/* Moves a pointer into the old range to the same place of the new one. */
static void
rebase(KabBytes *bytes, const KabBytes *from, const KabBytes *to)
{
    const char *data = bytes->data, *start = from->data;
    if (data && start && data >= start && data <= start + from->len)
        bytes->data = (const char *)to->data + (data - start);
}

/* Not while a function may read it or the sink holds its bytes. */
void
kab_slot_detach(KabEngine *engine, KabSlot *slot)
{
    if (slot->is_detached || slot->references != 1 || slot->unreported)
        return;
    KabRecord old = slot->record;
    slot->is_detached = true;
    slot->message = engine->effects.detach_message(engine->user, slot->message,
                                                   &slot->record);
    for (KabProduct *product = slot->products; product;
         product = product->next) {
        KabBytes *parts[] = {&product->output.key, &product->output.value};
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
            rebase(parts[i], &old.value, &slot->record.value);
            rebase(parts[i], &old.key, &slot->record.key);
        }
    }
}
