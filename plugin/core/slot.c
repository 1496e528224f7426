/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: one for each unfinished record, from one pool.
 *
 * It is in use while it has references, its partition's list and each open call
 * that keeps it, or unreported outputs. The last of them releases the message
 * and ends the record's charge against the budget.
 */
#include "ground.h"

/* Writes only what is asked of a slot that is not in use; kab_slot_new() clears
 * the rest. */
void
kab_slot_grow_pool(KabEngine *engine)
{
    KabSlot *chunk =
        g_aligned_alloc(KAB_SLOT_CHUNK, sizeof(KabSlot), KAB_CACHE_LINE);
    g_ptr_array_add(engine->slot_chunks, chunk);
    for (size_t i = KAB_SLOT_CHUNK; i-- > 0;) {
        chunk[i].references = chunk[i].unreported = 0;
        chunk[i].in_partition.next = engine->free_slots;
        engine->free_slots = &chunk[i];
    }
}

static inline void
recycle_slot(KabEngine *engine, KabSlot *slot)
{
    engine->charge -= slot->charge;
    slot->in_partition.next = engine->free_slots;
    engine->free_slots = slot;
    if (slot->message)
        engine->ports.source->release_message(engine->ports.source_user,
                                              slot->message);
}

static G_NO_INLINE void
free_all(KabEngine *engine, KabSlot *slot)
{
    kab_slot_free_products(engine, slot);
    g_free(slot->failure);
    g_free(slot->refusal);
    recycle_slot(engine, slot);
}

void
kab_slot_free(KabEngine *engine, KabSlot *slot)
{
    KabCall *memory = slot->memory;
    if (slot->failure || slot->refusal || !memory || memory->references == 1) {
        free_all(engine, slot);
        return;
    }
    memory->references--; /* most records: others have products there, too */
    recycle_slot(engine, slot);
}

/* Bytes that lie in the old range get the same place in the new range. */
static bool
rebase_bytes(KabBytes *bytes, const KabBytes *from, const KabBytes *to)
{
    uintptr_t data = (uintptr_t)bytes->data, start = (uintptr_t)from->data;
    if (!data || !start || data < start || data - start > from->len ||
        bytes->len > from->len - (data - start))
        return false;
    bytes->data = (const char *)to->data + (data - start);
    return true;
}

/* Rebases once: the new address may lie in the other old range. */
static void
rebase_part(KabBytes *bytes, const KabRecord *from, const KabRecord *to)
{
    if (!rebase_bytes(bytes, &from->value, &to->value))
        rebase_bytes(bytes, &from->key, &to->key);
}

/* A function may read the message, or the sink holds its bytes. */
static bool
is_read(const KabSlot *slot)
{
    return slot->call || slot->references != 1 || slot->unreported;
}

void
kab_slot_detach(KabEngine *engine, KabSlot *slot)
{
    if (slot->is_detached || is_read(slot))
        return;
    KabRecord old = slot->record;
    slot->is_detached = true;
    slot->message = engine->ports.source->detach_message(
        engine->ports.source_user, slot->message, &slot->record);
    for (KabProduct *product = slot->products; product;
         product = product->next) {
        rebase_part(&product->output.key, &old, &slot->record);
        rebase_part(&product->output.value, &old, &slot->record);
    }
}

G_NO_INLINE void
kab_call_free(KabEngine *engine, KabCall *call)
{
    engine->n_attempts--;
    engine->ports.call->release_attempt(engine->ports.call_user,
                                        &call->attempt);
    call->next = engine->free_calls;
    engine->free_calls = call;
}
