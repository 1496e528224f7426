/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions: an assigned partition and its unfinished records.
 *
 *   assigned --> loading --loaded--> owned --revoking--> draining --> gone
 *                                      +--reset--> resetting --> reset
 *
 * The list holds exactly the unfinished slots, by offset. The frontier is
 * the first of them, or the end of what was delivered; the gaps between slots
 * are what is finished beyond it. There is no second structure, and finishing
 * a record behind a straggler costs nothing extra.
 */
#include "ledger.h"

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
    if (!partition->dirty_us)
        partition->dirty_us = engine->now;
    kab_partition_list(engine, partition, KAB_CHANGED_OFFSETS);
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
add_behind(KabPartition *partition,
           KabSlot *slot,
           uint64_t n,
           int64_t from,
           int64_t to)
{
    if (!slot->finished_after)
        slot->finished_from = from;
    slot->finished_after += n;
    slot->finished_to = to;
    partition->done_to = MAX(partition->done_to, to);
}

/* Takes the slot out of the list; a finished gap takes its place. */
static inline void
unlink_slot(KabEngine *engine, KabSlot *slot)
{
    KabPartition *partition = g_steal_pointer(&slot->partition);
    KabSlot *previous = slot->in_partition.previous;
    if (previous) {
        add_behind(partition, previous, 1 + slot->finished_after,
                   slot->record.offset, kab_slot_finished_to(slot));
        partition->finished_beyond++;
    } else {
        partition->finished_beyond -= slot->finished_after;
    }
    kab_slots_remove(&partition->slots, slot, LINKS);
    if (partition->first_open == slot)
        partition->first_open = NULL;
    partition->charge -= slot->charge;
    engine->n_slots--;
    if (partition->is_closed)
        kab_partition_list(engine, partition, KAB_CHANGED_VALVE);
}

static void
count_end(KabEngine *engine, const KabSlot *slot, KabEnd end)
{
    KabCounters *counters = &engine->counters;
    counters->records_finished[end]++;
    if (slot->fate == KAB_FATE_LETTER)
        counters->dead_letters[slot->class_]++;
    kab_histogram_add(&counters->record_us,
                      (uint64_t)(engine->now - slot->taken_us));
}

void
kab_partition_finish(KabEngine *engine, KabSlot *slot, KabEnd end)
{
    count_end(engine, slot, end);
    KabPartition *partition = slot->partition;
    /* Exactly-once: the transaction has committed the offset already. */
    if (!kab_engine_is_exactly_once(engine))
        kab_partition_mark_dirty(engine, partition);
    unlink_slot(engine, slot);
    if (slot->state == KAB_SLOT_EMITTED) /* most records */
        kab_slot_move(engine, slot, KAB_SLOT_EMITTED, KAB_SLOT_FINISHED);
    else
        kab_slot_move(engine, slot, KAB_SLOT_RESOLVED, KAB_SLOT_FINISHED);
    slot->references--;
    if (kab_slot_is_used(slot))
        kab_slot_clear_products(engine, slot);
    else
        kab_slot_free(engine, slot);
}

void
kab_partition_note_emitted(KabEngine *engine, const KabSlot *slot)
{
    KabPartition *partition = slot->partition;
    partition->done_to = MAX(partition->done_to, slot->record.offset + 1);
    kab_partition_mark_dirty(engine, partition);
}

void
kab_partition_drop(KabEngine *engine, KabSlot *slot)
{
    unlink_slot(engine, slot);
    kab_slot_move(engine, slot, slot->state, KAB_SLOT_FINISHED);
    kab_slot_unref(engine, slot);
}

void
kab_partition_note_change(KabEngine *engine, KabPartition *partition)
{
    engine->moves++;
    partition->progress_us = engine->now;
    engine->partitions_changed = true;
    kab_partition_list(engine, partition, KAB_CHANGED_VALVE);
}

void
kab_partition_forget_changes(KabEngine *engine, KabPartition *partition)
{
    for (KabChange change = 0; change < KAB_N_CHANGES; change++)
        kab_partition_unlist(engine, partition, change);
}

/* Adds the partition to the counts of those that are owned, or takes it out. */
static void
count_owned(KabEngine *engine, const KabPartition *partition, bool is_in)
{
    if (partition->state != KAB_PARTITION_OWNED)
        return;
    size_t by = is_in ? 1 : SIZE_MAX; /* minus one */
    engine->n_owned += by;
    if (partition->is_closed)
        engine->n_closed += by;
    else if (!partition->is_at_end)
        engine->n_flowing += by;
}

void
kab_partition_set_closed(KabEngine *engine,
                         KabPartition *partition,
                         bool is_closed)
{
    count_owned(engine, partition, false);
    partition->is_closed = is_closed;
    count_owned(engine, partition, true);
}

static void
set_at_end(KabEngine *engine, KabPartition *partition, bool is_at_end)
{
    if (is_at_end == partition->is_at_end)
        return;
    count_owned(engine, partition, false);
    partition->is_at_end = is_at_end;
    count_owned(engine, partition, true);
}

void
kab_partition_set_state(KabEngine *engine,
                        KabPartition *partition,
                        KabPartitionState state)
{
    static const unsigned allowed[] = {
#define TO(NAME) (1U << KAB_PARTITION_##NAME)
#define X(NAME, text, moves) [KAB_PARTITION_##NAME] = (moves),
        KAB_PARTITION_STATES(X)
#undef X
#undef TO
    };
    g_assert(allowed[partition->state] & 1U << state);
    double share = kab_partition_share(engine);
    count_owned(engine, partition, false);
    partition->state = state;
    count_owned(engine, partition, true);
    if (kab_partition_share(engine) != share)
        kab_limits_check_valves(engine);
    kab_partition_note_change(engine, partition);
}

/* --- Records ----------------------------------------------------------- */

size_t
kab_engine_want(KabEngine *engine)
{
    const KabEngineOptions *options = &engine->options;
    size_t limit = kab_limits_ahead(engine);
    /* Until their partition's start offset is committed, records are in no
     * lane; they become ready as soon as it is. */
    size_t ready = engine->ready_records + engine->n_unpinned;
    size_t by_attempts = kab_calls_room(engine);
    if (engine->is_draining || engine->charge >= options->buffer_bytes ||
        ready >= limit || engine->n_waiting >= 8 * limit || !by_attempts)
        return 0;
    size_t room = options->buffer_bytes - engine->charge;
    size_t by_bytes = room / MAX(engine->largest_charge, 1);
    size_t n = MIN(limit - ready, 8 * limit - engine->n_waiting);
    return MAX(MIN(MIN(n, by_bytes), by_attempts), 1);
}

size_t
kab_engine_want_from(const KabPartition *partition, size_t want)
{
    if (partition->is_pinned || !want)
        return want;
    return partition->slots.n ? 0 : 1;
}

size_t
kab_engine_want_in_a_row(const KabEngine *engine)
{
    return kab_limits_ahead(engine);
}

/* Did an earlier owner finish the record at offset? */
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
        add_behind(partition, partition->slots.tail, 1, offset, offset + 1);
        partition->finished_beyond++;
    }
    kab_partition_mark_dirty(engine, partition);
}

/* There is a free slot. */
static inline KabSlot *
make_slot(KabEngine *engine, KabPartition *partition, const KabTaken *taken)
{
    KabSlot *slot = kab_slot_new(engine);
    slot->record = taken->record;
    slot->message = taken->message;
    slot->taken_us = engine->now;
    slot->bytes = taken->record.key.len + taken->record.value.len;
    slot->charge = slot->bytes + KAB_RECORD_OVERHEAD;
    slot->partition = partition;
    kab_slots_append(&partition->slots, slot, LINKS);
    return slot;
}

static void
count_added(KabEngine *engine, KabPartition *partition, size_t n, size_t charge)
{
    engine->n_slots += n;
    engine->n_waiting += n;
    partition->n_waiting += n;
    if (!partition->is_pinned)
        engine->n_unpinned += n;
    kab_partition_add_charge(engine, partition, charge);
}

/* Adds the records until one is stale, or there is no free slot. Returns how
 * many were added. */
static size_t
add_slots(KabEngine *engine,
          KabPartition *partition,
          const KabTaken *taken,
          size_t n)
{
    size_t i, charge = 0, largest = engine->largest_charge;
    int64_t position = partition->position;
    for (i = 0; i < n && engine->free_slots; i++) {
        if (taken[i].record.offset < position)
            break;
        position = taken[i].record.offset + 1;
        KabSlot *slot = make_slot(engine, partition, &taken[i]);
        charge += slot->charge;
        largest = MAX(largest - largest / 1024, slot->charge);
        if (partition->is_pinned)
            kab_lane_enter(engine, slot);
    }
    partition->position = position;
    engine->largest_charge = largest;
    count_added(engine, partition, i, charge);
    return i;
}

/* An idle partition gets work: its stall time counts from here. */
static void
begin_work(KabEngine *engine, KabPartition *partition)
{
    if (!partition->slots.head && !kab_partition_is_dirty(partition) &&
        !partition->is_committing)
        kab_partition_progress(engine, partition);
}

static void
see_start(KabEngine *engine, KabPartition *partition, int64_t offset)
{
    if (partition->is_pinned || partition->start >= 0)
        return;
    partition->start = offset;
    /* It begins before the reset position: not the same log any more. */
    if (offset < partition->reset_from)
        g_array_set_size(partition->loaded, 0);
    partition->runs = partition->loaded->len;
    engine->has_starts = true;
    kab_partition_mark_dirty(engine, partition);
}

static bool
is_stale(const KabPartition *partition, const KabRecord *record)
{
    return partition->state != KAB_PARTITION_OWNED ||
           record->offset < partition->position;
}

/* Whatever may happen to a record that is taken. */
static G_NO_INLINE void
take_any(KabEngine *engine, KabPartition *partition, const KabTaken *taken)
{
    const KabRecord *record = &taken->record;
    if (is_stale(partition, record)) {
        engine->counters.records_skipped[KAB_SKIP_STALE]++;
        engine->ports.source->release_message(engine->ports.source_user,
                                              taken->message);
        return;
    }
    begin_work(engine, partition);
    see_start(engine, partition, record->offset);
    set_at_end(engine, partition, false);
    if (!is_loaded(partition, record->offset)) {
        if (!engine->free_slots)
            kab_slot_grow_pool(engine);
        add_slots(engine, partition, taken, 1);
        return;
    }
    partition->position = record->offset + 1;
    skip_finished(engine, partition, record->offset);
    engine->ports.source->release_message(engine->ports.source_user,
                                          taken->message);
}

/* Does nothing happen to records that are not stale but that they are added? */
static bool
is_usual(const KabPartition *partition)
{
    return partition->state == KAB_PARTITION_OWNED && partition->slots.head &&
           partition->is_pinned && !partition->is_at_end &&
           partition->loaded_next >= partition->loaded->len;
}

void
kab_engine_take(KabEngine *engine,
                KabPartition *partition,
                const KabTaken *taken,
                size_t n,
                int64_t now)
{
    kab_engine_set_now(engine, now);
    engine->counters.records_consumed += n;
    for (size_t i = 0; i < n;) {
        if (is_usual(partition))
            i += add_slots(engine, partition, taken + i, n - i);
        if (i < n)
            take_any(engine, partition, &taken[i++]);
    }
}

void
kab_engine_end_of_partition(KabEngine *engine,
                            KabPartition *partition,
                            int64_t offset,
                            int64_t now)
{
    kab_engine_set_now(engine, now);
    if (partition->state != KAB_PARTITION_OWNED)
        return;
    begin_work(engine, partition);
    see_start(engine, partition, offset);
    set_at_end(engine, partition, true);
    if (offset <= partition->position)
        return;
    partition->position = offset;
    is_loaded(partition, offset);
    kab_partition_mark_dirty(engine, partition);
}

void
kab_partition_pin(KabEngine *engine, KabPartition *partition)
{
    if (partition->is_pinned)
        return;
    partition->is_pinned = true;
    engine->n_unpinned -= partition->slots.n;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        kab_lane_enter(engine, slot);
}

/* A single partition is never closed; of two, each leaves the other room. */
double
kab_partition_share(const KabEngine *engine)
{
    if (engine->n_owned <= 1)
        return 2;
    return CLAMP(2.0 / (double)engine->n_owned, 0.25, 0.75);
}
