/* SPDX-License-Identifier: Apache-2.0 */
/* Valves: a partition that holds more than its share is closed until it holds
 * half of the share.
 */
#include "turn.h"

/* Does the partition hold more than this part of its share? */
static bool
holds_more_than(const KabEngine *engine,
                const KabPartition *partition,
                double part)
{
    const KabLimits *limits = &engine->limits;
    double share = kab_partition_share(engine) * part;
    double waiting = 8.0 * (double)limits->records * (double)limits->calls;
    size_t budget = engine->options.buffer_bytes;
    return (double)partition->charge > share * (double)budget ||
           (double)partition->n_waiting > share * waiting;
}

bool
kab_valve_is_right(const KabEngine *engine, const KabPartition *partition)
{
    if (partition->state != KAB_PARTITION_OWNED)
        return true;
    double part = partition->is_closed ? 0.5 : 1;
    return holds_more_than(engine, partition, part) == partition->is_closed;
}

static void
set_valve(KabEngine *engine, KabPartition *partition)
{
    if (kab_valve_is_right(engine, partition))
        return;
    kab_partition_set_closed(engine, partition, !partition->is_closed);
    kab_sink_check_partition(engine, partition);
    engine->ports.source->valve(engine->ports.source_user, partition,
                                !partition->is_closed);
}

void
kab_valves_advance(KabEngine *engine)
{
    if (engine->is_draining)
        return;
    for (KabPartition *partition;
         (partition = engine->changed[KAB_CHANGED_VALVE].head);) {
        kab_partition_unlist(engine, partition, KAB_CHANGED_VALVE);
        set_valve(engine, partition);
    }
}
