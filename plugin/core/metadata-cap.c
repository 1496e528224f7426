/* SPDX-License-Identifier: Apache-2.0 */
/* The cap on commit metadata under exactly-once: what is emitted beyond a
 * partition's first unfinished record must fit into the commit's metadata, or
 * it would be produced twice after a restart. A slot that might not fit is
 * held, with all later slots of its partition, until a transaction has moved
 * the partition. The first slot that is neither finished nor emitted is never
 * held, so that holding always ends.
 */
#include "ledger.h"

/* Counts the runs of finished or emitted offsets between open slots. */
static size_t
count_runs(const KabPartition *partition)
{
    size_t runs = partition->loaded->len - partition->loaded_next;
    bool in_run = false, has_open = false;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next) {
        bool is_open = slot->state != KAB_SLOT_EMITTED;
        if (is_open)
            in_run = false;
        has_open |= is_open;
        bool starts = !is_open || slot->finished_after;
        runs += has_open && starts && !in_run;
        in_run |= starts;
    }
    return runs;
}

/* Runs that fit into a commit's metadata; the last one has room to grow. */
static size_t
runs_limit(const KabEngine *engine, const KabPartition *partition)
{
    int64_t span = partition->position;
    if (partition->loaded->len)
        span = MAX(span, g_array_index(partition->loaded, KabInterval,
                                       partition->loaded->len - 1)
                             .to);
    span -= partition->slots.head->record.offset;
    size_t room = engine->metadata_cap - MIN(engine->metadata_cap, 10);
    return room / (2 * kab_varint_size((uint64_t)span));
}

KabSlot *
kab_metadata_cap_first_open(KabPartition *partition)
{
    KabSlot *slot = partition->first_open;
    if (!slot)
        slot = partition->slots.head;
    while (slot->state == KAB_SLOT_EMITTED && slot->in_partition.next)
        slot = slot->in_partition.next;
    partition->first_open = slot;
    return slot->state == KAB_SLOT_EMITTED ? NULL : slot;
}

bool
kab_metadata_cap_holds(KabEngine *engine, KabSlot *slot)
{
    KabPartition *partition = slot->partition;
    if (slot == kab_metadata_cap_first_open(partition))
        return false;
    if (partition->is_capped)
        return true;
    size_t limit = runs_limit(engine, partition);
    if (++partition->runs < limit)
        return false;
    /* An eighth is kept free, so that not every slot causes a recount. */
    partition->runs = count_runs(partition) + 1;
    partition->is_capped = partition->runs + limit / 8 >= limit;
    return partition->is_capped;
}
