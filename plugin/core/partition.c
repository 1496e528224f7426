/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions: an assigned partition and its unfinished records.
 *
 *   loading --loaded--> owned --revoking, reset--> draining --> gone
 *      +---------------------- revoking, lost ------------------^
 *
 * The list holds exactly the unfinished slots, by offset. The frontier is
 * the first of them, or the end of what was delivered; what is finished
 * beyond it are the gaps between them. There is no second structure, and
 * finishing a record behind a straggler costs nothing more.
 */
#include "internal.h"

#define LINKS KAB_LINKS(in_partition)

int64_t
kab_partition_frontier(const KabPartition *partition)
{
    if (partition->slots.head)
        return partition->slots.head->record.offset;
    return partition->position;
}

void
kab_partition_mark_dirty(KabEngine *engine, KabPartition *partition)
{
    partition->is_dirty = true;
    engine->has_dirty = true;
}

void
kab_partition_progress(KabEngine *engine, KabPartition *partition)
{
    partition->progress_us = engine->now;
}

int64_t
kab_slot_finished_to(const KabSlot *slot)
{
    return slot->finished_after ? slot->finished_to : slot->record.offset + 1;
}

static void
add_behind(KabSlot *slot, uint32_t n, int64_t from, int64_t to)
{
    if (!slot->finished_after)
        slot->finished_from = from;
    slot->finished_after += n;
    slot->finished_to = to;
}

/* Out of the list; what it leaves behind is a finished gap. */
static void
unlink_slot(KabEngine *engine, KabSlot *slot)
{
    KabPartition *partition = g_steal_pointer(&slot->partition);
    KabSlot *previous = slot->in_partition.previous;
    if (previous) {
        add_behind(previous, 1 + slot->finished_after, slot->record.offset,
                   kab_slot_finished_to(slot));
        partition->finished_beyond++;
    } else {
        partition->finished_beyond -= slot->finished_after;
    }
    kab_slots_remove(&partition->slots, slot, LINKS);
    if (partition->first_open == slot)
        partition->first_open = NULL;
    partition->charge -= slot->charge;
    engine->n_slots--;
    engine->valves_changed |= partition->is_closed;
}

static void
count_end(KabEngine *engine, const KabSlot *slot, KabEnd end)
{
    KabCounters *counters = &engine->counters;
    counters->records_finished[end]++;
    if (slot->fate == KAB_FATE_LETTER)
        counters->dead_letters[slot->class_]++;
    kab_histogram_add(&counters->record_us,
                      (uint64_t)MAX(engine->now - slot->taken_us, 0));
}

void
kab_partition_finish(KabEngine *engine, KabSlot *slot, KabEnd end)
{
    count_end(engine, slot, end);
    kab_emission_leave(engine, slot);
    KabPartition *partition = slot->partition;
    /* Exactly once, its transaction has committed the offset already. */
    if (!kab_engine_is_exactly_once(engine))
        kab_partition_mark_dirty(engine, partition);
    unlink_slot(engine, slot);
    kab_slot_set_state(engine, slot, KAB_SLOT_FINISHED);
    kab_slot_clear_products(engine, slot);
    kab_slot_unref(engine, slot);
}

void
kab_partition_park(KabEngine *engine, KabSlot *slot)
{
    if (slot->set)
        kab_set_remove(engine, slot->set, slot);
    kab_lane_leave(engine, slot);
}

/* Nothing of it is wanted: whatever refers to it still ends by itself. */
static void
drop_slot(KabEngine *engine, KabSlot *slot)
{
    kab_call_forget(engine, slot);
    kab_partition_park(engine, slot);
    kab_emission_leave(engine, slot);
    kab_group_leave(slot);
    unlink_slot(engine, slot);
    kab_slot_set_state(engine, slot, KAB_SLOT_FINISHED);
    kab_slot_unref(engine, slot);
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

void
kab_partition_set_state(KabEngine *engine,
                        KabPartition *partition,
                        KabPartitionState state)
{
    engine->moves++;
    engine->n_owned -= partition->state == KAB_PARTITION_OWNED;
    partition->state = state;
    engine->n_owned += state == KAB_PARTITION_OWNED;
    partition->since_us = partition->progress_us = engine->now;
    engine->partitions_changed = engine->valves_changed = true;
}

/* --- Events ------------------------------------------------------------ */

/* What was finished beyond the offset that is out of range stays finished, if
 * the log still goes on from there: see see_start(). */
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

KabPartition *
kab_engine_assigned(KabEngine *engine,
                    const char *topic,
                    int32_t number,
                    void *edge,
                    int64_t now)
{
    engine->now = now;
    KabPartition *partition = g_new0(KabPartition, 1);
    partition->topic = g_strdup(topic);
    partition->number = number;
    partition->edge = edge;
    partition->generation = ++engine->generations;
    partition->position = partition->committed = partition->start = -1;
    partition->reset_from = -1;
    partition->loaded = g_array_new(false, false, sizeof(KabInterval));
    partition->lane.can_be_busy = true;
    partition->load_wanted = true;
    partition->revoke_timer.kind = KAB_TIMER_REVOKE;
    partition->revoke_timer.owner = partition;
    take_reset(engine, partition);
    g_ptr_array_add(engine->partitions, partition);
    kab_partition_set_state(engine, partition, KAB_PARTITION_LOADING);
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
    partition->load_wanted = false;
    partition->from_beginning = true;
    partition->add_wanted = true;
    kab_partition_set_state(engine, partition, KAB_PARTITION_OWNED);
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
    engine->now = now;
    if (partition->is_checked) {
        kab_partition_checked(engine, partition, committed);
        return;
    }
    if (partition->state != KAB_PARTITION_LOADING)
        return;
    take_committed(partition, committed);
    partition->add_wanted = true;
    kab_partition_set_state(engine, partition, KAB_PARTITION_OWNED);
}

/* What waits is given back to its partition's next owner; what is called
 * may finish. */
static void
park_all(KabEngine *engine, KabPartition *partition)
{
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        if (slot->state <= KAB_SLOT_CALLED && !slot->call)
            kab_partition_park(engine, slot);
}

void
kab_engine_revoking(KabEngine *engine, KabPartition *partition, int64_t now)
{
    engine->now = now;
    if (partition->state == KAB_PARTITION_GONE)
        return;
    if (partition->state == KAB_PARTITION_LOADING) {
        kab_partition_set_state(engine, partition, KAB_PARTITION_GONE);
        return;
    }
    partition->is_reset = false;
    kab_partition_set_state(engine, partition, KAB_PARTITION_DRAINING);
    park_all(engine, partition);
    kab_timers_arm(&engine->timers, &partition->revoke_timer,
                   now + engine->options.rebalance_drain_timeout_us);
}

void
kab_engine_lost(KabEngine *engine, KabPartition *partition, int64_t now)
{
    engine->now = now;
    partition->is_reset = false;
    kab_partition_set_state(engine, partition, KAB_PARTITION_GONE);
}

void
kab_engine_reset(KabEngine *engine, KabPartition *partition, int64_t now)
{
    engine->now = now;
    if (partition->state != KAB_PARTITION_OWNED)
        return;
    engine->counters.records_skipped[KAB_SKIP_OUT_OF_RANGE]++;
    partition->is_reset = true;
    kab_partition_set_state(engine, partition, KAB_PARTITION_DRAINING);
}

/* --- Records ----------------------------------------------------------- */

size_t
kab_engine_want(KabEngine *engine)
{
    const KabEngineOptions *options = &engine->options;
    size_t limit = options->batch_count * options->max_in_flight;
    /* Before the start offset of their partition is committed they are in no
     * lane, and will be ready at once. */
    size_t ready = engine->ready_records + engine->n_unpinned;
    if (engine->is_draining || engine->charge >= options->buffer_bytes ||
        ready >= limit || engine->n_waiting >= 8 * limit)
        return 0;
    size_t room = options->buffer_bytes - engine->charge;
    size_t by_bytes = room / MAX(engine->largest_charge, 1);
    size_t n = MIN(limit - ready, 8 * limit - engine->n_waiting);
    return MAX(MIN(n, by_bytes), 1);
}

/* Was it finished by an earlier owner? */
static bool
is_loaded(KabPartition *partition, int64_t offset)
{
    for (; partition->loaded_next < partition->loaded->len;
         partition->loaded_next++) {
        const KabInterval *interval = &g_array_index(
            partition->loaded, KabInterval, partition->loaded_next);
        if (offset < interval->from)
            return false;
        if (offset < interval->to)
            return true;
    }
    return false;
}

static void
skip_finished(KabEngine *engine, KabPartition *partition, int64_t offset)
{
    engine->counters.records_skipped[KAB_SKIP_FINISHED]++;
    if (partition->slots.tail) {
        add_behind(partition->slots.tail, 1, offset, offset + 1);
        partition->finished_beyond++;
    }
    kab_partition_mark_dirty(engine, partition);
}

static KabSlot *
add_slot(KabEngine *engine,
         KabPartition *partition,
         const KabRecord *record,
         void *message)
{
    KabSlot *slot = kab_slot_new(engine);
    slot->record = *record;
    slot->message = message;
    slot->taken_us = engine->now;
    slot->bytes = record->key.len + record->value.len;
    slot->partition = partition;
    kab_slots_append(&partition->slots, slot, LINKS);
    engine->n_slots++;
    engine->n_waiting++;
    partition->n_waiting++;
    size_t charge = slot->bytes + KAB_RECORD_OVERHEAD;
    engine->largest_charge -= engine->largest_charge / 1024;
    engine->largest_charge = MAX(engine->largest_charge, charge);
    kab_slot_add_charge(engine, slot, charge);
    return slot;
}

static void
enter_lane(KabEngine *engine, KabSlot *slot)
{
    KabGroup *group;
    KabLane *lane = kab_lane_of(engine, slot->partition, &slot->record, &group);
    if (group) {
        slot->group = group;
        kab_slots_append(&group->slots, slot, KAB_LINKS(in_group));
    }
    kab_lane_append(engine, lane, slot);
}

/* Nothing was behind the committed position: its standstill counts from
 * here. */
static void
begin_work(KabEngine *engine, KabPartition *partition)
{
    if (!partition->slots.head && !partition->is_dirty &&
        !partition->is_committing)
        kab_partition_progress(engine, partition);
}

static void
see_start(KabEngine *engine, KabPartition *partition, int64_t offset)
{
    if (partition->is_pinned || partition->start >= 0)
        return;
    partition->start = offset;
    /* Another log than the one that was reset: it begins before. */
    if (offset < partition->reset_from)
        g_array_set_size(partition->loaded, 0);
    partition->runs = partition->loaded->len;
    engine->has_starts = true;
    kab_partition_mark_dirty(engine, partition);
}

void
kab_engine_take(KabEngine *engine,
                KabPartition *partition,
                const KabRecord *record,
                void *message,
                int64_t now)
{
    engine->now = now;
    engine->counters.records_consumed++;
    bool is_stale = partition->state != KAB_PARTITION_OWNED ||
                    record->offset < partition->position;
    if (is_stale) {
        engine->counters.records_skipped[KAB_SKIP_STALE]++;
        engine->effects.release_message(engine->user, message);
        return;
    }
    begin_work(engine, partition);
    see_start(engine, partition, record->offset);
    partition->is_at_end = false;
    partition->position = record->offset + 1;
    if (is_loaded(partition, record->offset)) {
        skip_finished(engine, partition, record->offset);
        engine->effects.release_message(engine->user, message);
        return;
    }
    KabSlot *slot = add_slot(engine, partition, record, message);
    if (partition->is_pinned)
        enter_lane(engine, slot);
    else
        engine->n_unpinned++;
}

void
kab_engine_end_of_partition(KabEngine *engine,
                            KabPartition *partition,
                            int64_t offset,
                            int64_t now)
{
    engine->now = now;
    if (partition->state != KAB_PARTITION_OWNED)
        return;
    begin_work(engine, partition);
    see_start(engine, partition, offset);
    partition->is_at_end = true;
    if (offset <= partition->position)
        return;
    partition->position = offset;
    is_loaded(partition, offset);
    kab_partition_mark_dirty(engine, partition);
}

/* The start offset is committed: its records may be called. */
void
kab_partition_pin(KabEngine *engine, KabPartition *partition)
{
    if (partition->is_pinned)
        return;
    partition->is_pinned = true;
    engine->n_unpinned -= partition->slots.n;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        enter_lane(engine, slot);
}
