/* SPDX-License-Identifier: Apache-2.0 */
/* The turn of the partitions: what is loaded and added, which valve closes,
 * and which partition has ended and is given back.
 */
#include "internal.h"

static int64_t
offset_to_add(const KabEngine *engine, const KabPartition *partition)
{
    if (partition->from_beginning)
        return KAB_OFFSET_BEGINNING;
    if (partition->is_pinned)
        return partition->committed;
    return engine->options.start_latest ? KAB_OFFSET_END : KAB_OFFSET_BEGINNING;
}

/* While stopping nothing is loaded. */
static void
load_or_add(KabEngine *engine, KabPartition *partition)
{
    if (engine->is_draining)
        return;
    if (partition->load_wanted) {
        partition->load_wanted = false;
        engine->effects.load(engine->user, partition);
    }
    if (partition->add_wanted && partition->state == KAB_PARTITION_OWNED) {
        partition->add_wanted = false;
        partition->is_added = true;
        engine->effects.add(engine->user, partition,
                            offset_to_add(engine, partition));
    }
}

bool
kab_partition_is_leaving(const KabPartition *partition)
{
    return partition->state == KAB_PARTITION_DRAINING && !partition->is_reset;
}

bool
kab_partition_is_quiet(const KabPartition *partition)
{
    return !partition->n_called && !partition->n_emitting;
}

/* Nothing more of it can be finished: the sink is given up. */
static bool
is_hopeless(const KabEngine *engine, const KabPartition *partition)
{
    bool may_commit = !kab_engine_is_exactly_once(engine) &&
                      (partition->is_dirty || partition->is_committing);
    return engine->sink.is_given_up && !partition->n_called && !may_commit;
}

static bool
is_ended(const KabEngine *engine, const KabPartition *partition)
{
    switch (partition->state) {
    case KAB_PARTITION_GONE:
        return true;
    case KAB_PARTITION_DRAINING:
        if (partition->is_overdue || is_hopeless(engine, partition))
            return true;
        if (partition->is_reset && partition->slots.n)
            return false;
        return kab_partition_is_quiet(partition) && !partition->is_dirty &&
               !partition->is_committing;
    case KAB_PARTITION_LOADING:
    case KAB_PARTITION_OWNED:
        break;
    }
    return false;
}

/* An open transaction must not commit outputs without their offsets. */
static void
taint_transaction(KabEngine *engine, const KabPartition *partition)
{
    if (!kab_engine_is_exactly_once(engine) ||
        engine->sink.state == KAB_SINK_ENDING)
        return;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        if (slot->state == KAB_SLOT_EMITTED ||
            slot->next_product != slot->products)
            kab_sink_taint(engine);
}

static void
end(KabEngine *engine, KabPartition *partition)
{
    kab_partition_set_state(engine, partition, KAB_PARTITION_GONE);
    taint_transaction(engine, partition);
    kab_timers_disarm(&engine->timers, &partition->revoke_timer);
    kab_partition_drop_slots(engine, partition);
    kab_commit_forget(engine, partition);
    if (partition->is_checked) {
        partition->is_checked = false;
        engine->sink.unchecked--;
    }
    g_ptr_array_remove(engine->partitions, partition);
    engine->effects.unassign(engine->user, partition);
    if (partition->is_reset)
        g_ptr_array_add(engine->resets, partition);
    else
        kab_partition_free(partition);
}

/* One that is alone has no valve; of two, each leaves room for the other. */
double
kab_partition_share(const KabEngine *engine)
{
    if (engine->n_owned <= 1)
        return 2;
    return CLAMP(2.0 / (double)engine->n_owned, 0.25, 0.75);
}

/* Beyond its share it is closed until half of it. */
static bool
holds_more_than(const KabEngine *engine,
                const KabPartition *partition,
                double part)
{
    const KabEngineOptions *options = &engine->options;
    double share = kab_partition_share(engine) * part;
    double waiting =
        8.0 * (double)options->batch_count * options->max_in_flight;
    return (double)partition->charge > share * (double)options->buffer_bytes ||
           (double)partition->n_waiting > share * waiting;
}

static void
set_valve(KabEngine *engine, KabPartition *partition)
{
    if (partition->state != KAB_PARTITION_OWNED || !partition->is_added)
        return;
    double part = partition->is_closed ? 0.5 : 1;
    bool should_close = holds_more_than(engine, partition, part);
    if (should_close == partition->is_closed)
        return;
    partition->is_closed = should_close;
    kab_sink_check_partition(engine, partition);
    engine->effects.valve(engine->user, partition, !should_close);
}

static void
set_valves(KabEngine *engine)
{
    if (!engine->valves_changed || engine->is_draining)
        return;
    engine->valves_changed = false;
    for (guint i = 0; i < engine->partitions->len; i++)
        set_valve(engine, engine->partitions->pdata[i]);
}

/* While one drains, it is looked at every time. */
static void
check_all(KabEngine *engine)
{
    engine->partitions_changed = false;
    for (guint i = engine->partitions->len; i-- > 0;) {
        KabPartition *partition = engine->partitions->pdata[i];
        load_or_add(engine, partition);
        if (is_ended(engine, partition))
            end(engine, partition);
        else if (partition->state == KAB_PARTITION_DRAINING)
            engine->partitions_changed = true;
    }
}

void
kab_partitions_advance(KabEngine *engine)
{
    if (engine->partitions_changed)
        check_all(engine);
    set_valves(engine);
}
