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

static void
set_valve(KabEngine *engine, KabPartition *partition)
{
    if (partition->state != KAB_PARTITION_OWNED)
        return;
    double part = partition->is_closed ? 0.5 : 1;
    bool should_close = holds_more_than(engine, partition, part);
    if (should_close == partition->is_closed)
        return;
    partition->is_closed = should_close;
    kab_sink_check_partition(engine, partition);
    engine->ports.source->valve(engine->ports.source_user, partition,
                                !should_close);
}

void
kab_valves_advance(KabEngine *engine)
{
    if (!engine->valves_changed || engine->is_draining)
        return;
    engine->valves_changed = false;
    for (guint i = 0; i < engine->partitions->len; i++)
        set_valve(engine, engine->partitions->pdata[i]);
}
