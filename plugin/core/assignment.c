/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an assigned partition: the events of its edge, load and add, and
 * when it has ended and is unassigned.
 */
#include "turn.h"

/* --- Events ------------------------------------------------------------ */

/* Open calls and unreported outputs that refer to the slot end on their own. */
static void
drop_slot(KabEngine *engine, KabSlot *slot)
{
    kab_call_forget(engine, slot);
    kab_slot_park(engine, slot);
    kab_emission_leave(engine, slot);
    kab_group_leave(slot);
    kab_partition_drop(engine, slot);
}

void
kab_partition_drop_slots(KabEngine *engine, KabPartition *partition)
{
    if (!partition->is_pinned)
        engine->n_unpinned -= partition->slots.n;
    while (partition->slots.tail)
        drop_slot(engine, partition->slots.tail);
}

void
kab_partition_free(KabPartition *partition)
{
    g_array_unref(partition->loaded);
    g_free(partition->topic);
    g_free(partition);
}

/* What was finished beyond the offset that is out of range stays finished, if
 * it still is the same log: see see_start(). */
static void
take_reset(KabEngine *engine, KabPartition *partition)
{
    for (guint i = 0; i < engine->resets->len; i++) {
        KabPartition *old = engine->resets->pdata[i];
        if (old->number != partition->number ||
            !g_str_equal(old->topic, partition->topic))
            continue;
        partition->reset_from = old->position;
        g_array_append_vals(partition->loaded, old->loaded->data,
                            old->loaded->len);
        g_ptr_array_remove_index_fast(engine->resets, i);
        return;
    }
}

static bool
is_final(const KabPartition *partition)
{
    return partition->state == KAB_PARTITION_GONE ||
           partition->state == KAB_PARTITION_RESET;
}

KabPartition *
kab_engine_assigned(KabEngine *engine,
                    const char *topic,
                    int32_t number,
                    void *edge,
                    int64_t now)
{
    kab_engine_set_now(engine, now);
    KabPartition *partition = g_new0(KabPartition, 1);
    partition->topic = g_strdup(topic);
    partition->number = number;
    partition->edge = edge;
    partition->generation = ++engine->generations;
    partition->position = partition->committed = partition->start = -1;
    partition->reset_from = -1;
    partition->loaded = g_array_new(false, false, sizeof(KabInterval));
    partition->lane.can_be_busy = true;
    partition->revoke_timer.kind = KAB_TIMER_REVOKE;
    partition->revoke_timer.owner = partition;
    take_reset(engine, partition);
    g_ptr_array_add(engine->partitions, partition);
    kab_partition_note_change(engine, partition);
    return partition;
}

KabPartition *
kab_engine_assigned_at_beginning(KabEngine *engine,
                                 const char *topic,
                                 int32_t number,
                                 void *edge,
                                 int64_t now)
{
    KabPartition *partition =
        kab_engine_assigned(engine, topic, number, edge, now);
    partition->from_beginning = true;
    kab_partition_set_state(engine, partition, KAB_PARTITION_LOADED);
    return partition;
}

static void
take_committed(KabPartition *partition, const KabCommitted *committed)
{
    partition->reset_from = -1;
    g_array_set_size(partition->loaded, 0);
    if (!committed->has_offset)
        return;
    partition->is_pinned = true;
    partition->committed = partition->position = committed->offset;
    for (size_t i = 0; i < committed->n_intervals; i++)
        if (committed->intervals[i].to > committed->offset)
            g_array_append_val(partition->loaded, committed->intervals[i]);
    partition->runs = partition->loaded->len;
    partition->committed_digest =
        kab_intervals_digest(committed->intervals, committed->n_intervals);
}

void
kab_engine_loaded(KabEngine *engine,
                  KabPartition *partition,
                  const KabCommitted *committed,
                  int64_t now)
{
    kab_engine_set_now(engine, now);
    if (partition->is_checked) {
        kab_recovery_note_loaded(engine, partition, committed);
        return;
    }
    if (is_final(partition))
        return;
    take_committed(partition, committed);
    kab_partition_set_state(engine, partition, KAB_PARTITION_LOADED);
}

/* Waiting records are left to the partition's next owner; records in a call
 * may finish. */
static void
park_all(KabEngine *engine, KabPartition *partition)
{
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        if (slot->state <= KAB_SLOT_CALLED && !slot->call)
            kab_slot_park(engine, slot);
}

void
kab_engine_revoking(KabEngine *engine, KabPartition *partition, int64_t now)
{
    kab_engine_set_now(engine, now);
    if (is_final(partition) || partition->state == KAB_PARTITION_DRAINING)
        return;
    if (partition->state < KAB_PARTITION_OWNED) {
        kab_partition_set_state(engine, partition, KAB_PARTITION_GONE);
        return;
    }
    kab_partition_set_state(engine, partition, KAB_PARTITION_DRAINING);
    park_all(engine, partition);
    kab_timers_arm(&engine->timers, &partition->revoke_timer,
                   engine->now + engine->options.rebalance_drain_timeout_us);
}

void
kab_engine_lost(KabEngine *engine, KabPartition *partition, int64_t now)
{
    kab_engine_set_now(engine, now);
    if (!is_final(partition))
        kab_partition_set_state(engine, partition, KAB_PARTITION_GONE);
}

void
kab_engine_reset(KabEngine *engine, KabPartition *partition, int64_t now)
{
    kab_engine_set_now(engine, now);
    if (partition->state != KAB_PARTITION_OWNED)
        return;
    engine->counters.records_skipped[KAB_SKIP_OUT_OF_RANGE]++;
    kab_partition_set_state(engine, partition, KAB_PARTITION_RESETTING);
}

/* --- The turn ---------------------------------------------------------- */

static int64_t
offset_to_add(const KabEngine *engine, const KabPartition *partition)
{
    if (partition->from_beginning)
        return KAB_OFFSET_BEGINNING;
    if (partition->is_pinned)
        return partition->committed;
    return engine->options.start_latest ? KAB_OFFSET_END : KAB_OFFSET_BEGINNING;
}

/* During a drain nothing is loaded or added. */
static void
load_or_add(KabEngine *engine, KabPartition *partition)
{
    if (engine->is_draining)
        return;
    const KabSourcePort *source = engine->ports.source;
    void *user = engine->ports.source_user;
    if (partition->state == KAB_PARTITION_ASSIGNED) {
        kab_partition_set_state(engine, partition, KAB_PARTITION_LOADING);
        source->load(user, partition);
    } else if (partition->state == KAB_PARTITION_LOADED) {
        kab_partition_set_state(engine, partition, KAB_PARTITION_OWNED);
        source->add(user, partition, offset_to_add(engine, partition));
    }
}

/* The sink is given up: nothing more of the partition can be finished. */
static bool
is_hopeless(const KabEngine *engine, const KabPartition *partition)
{
    bool may_commit =
        !kab_engine_is_exactly_once(engine) &&
        (kab_partition_is_dirty(partition) || partition->is_committing);
    return engine->sink.is_given_up && !partition->n_called && !may_commit;
}

/* Nothing is called, emitted, or to be committed. */
static bool
is_at_rest(const KabPartition *partition)
{
    return kab_partition_is_quiet(partition) &&
           !kab_partition_is_dirty(partition) && !partition->is_committing;
}

static bool
is_ended(const KabEngine *engine, const KabPartition *partition)
{
    switch (partition->state) {
    case KAB_PARTITION_GONE:
    case KAB_PARTITION_RESET:
        return true;
    case KAB_PARTITION_DRAINING: /* a timer that has fired: its deadline */
        return !kab_timer_is_armed(&partition->revoke_timer) ||
               is_hopeless(engine, partition) || is_at_rest(partition);
    case KAB_PARTITION_RESETTING:
        return is_hopeless(engine, partition) ||
               (!partition->slots.n && is_at_rest(partition));
    case KAB_PARTITION_ASSIGNED:
    case KAB_PARTITION_LOADING:
    case KAB_PARTITION_LOADED:
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
end_partition(KabEngine *engine, KabPartition *partition)
{
    bool is_reset = partition->state == KAB_PARTITION_RESETTING;
    if (partition->state != KAB_PARTITION_GONE)
        kab_partition_set_state(engine, partition,
                                is_reset ? KAB_PARTITION_RESET
                                         : KAB_PARTITION_GONE);
    taint_transaction(engine, partition);
    kab_timers_disarm(&engine->timers, &partition->revoke_timer);
    kab_partition_drop_slots(engine, partition);
    kab_commit_forget(engine, partition);
    kab_partition_forget_changes(engine, partition);
    if (partition->is_checked) {
        partition->is_checked = false;
        engine->sink.unchecked--;
    }
    g_ptr_array_remove(engine->partitions, partition);
    engine->ports.source->unassign(engine->ports.source_user, partition);
    if (is_reset)
        g_ptr_array_add(engine->resets, partition);
    else
        kab_partition_free(partition);
}

static bool
is_ending(const KabPartition *partition)
{
    return partition->state == KAB_PARTITION_DRAINING ||
           partition->state == KAB_PARTITION_RESETTING;
}

/* A draining partition is checked in every turn. */
static void
check_all(KabEngine *engine)
{
    engine->partitions_changed = false;
    for (guint i = engine->partitions->len; i-- > 0;) {
        KabPartition *partition = engine->partitions->pdata[i];
        load_or_add(engine, partition);
        if (is_ended(engine, partition))
            end_partition(engine, partition);
        else if (is_ending(partition))
            engine->partitions_changed = true;
    }
}

void
kab_partitions_advance(KabEngine *engine)
{
    if (engine->partitions_changed)
        check_all(engine);
    kab_valves_advance(engine);
}
