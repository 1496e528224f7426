/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: the frontier of every partition that moved, and what is finished
 * beyond it.
 *
 * At-least-once commits explicit offset lists through the consumer, one
 * outstanding, not more often than commit.interval. Exactly-once sends the
 * same list in the transaction, computed as if what was emitted into it were
 * finished. Under both, a partition without a committed offset gets its start
 * offset committed first; its records wait for that commit.
 */
#include "ledger.h"

/* Delay before a failed commit is repeated. */
#define RETRY_US INT64_C(50000)
#define MAX_REFUSALS 3
/* With this many unfinished records, composing a commit is noticeably slow. */
#define MANY_SLOTS 10000

void
kab_commit_clear(KabCommit *commit)
{
    g_clear_pointer(&commit->items, g_free);
    g_clear_pointer(&commit->intervals, g_array_unref);
}

typedef struct {
    GArray *intervals;
    int64_t last; /* end of the last interval, or the committed offset */
    size_t bytes, cap;
    bool has_any, has_emitted;
    uint64_t left_out;
} Writer;

/* Merges: an earlier owner's interval may begin where a gap of ours ends. */
static void
extend_last(Writer *writer, int64_t to)
{
    KabInterval *last = &g_array_index(writer->intervals, KabInterval,
                                       writer->intervals->len - 1);
    last->to = writer->last = to;
}

static void
add_interval(Writer *writer, int64_t from, int64_t to)
{
    if (writer->has_any && from == writer->last && !writer->left_out) {
        extend_last(writer, to);
        return;
    }
    KabInterval interval = {from, to};
    size_t size = kab_interval_size(writer->last, interval);
    if (writer->left_out || writer->bytes + size > writer->cap) {
        writer->left_out++;
        return;
    }
    writer->bytes += size;
    writer->last = to;
    writer->has_any = true;
    g_array_append_val(writer->intervals, interval);
}

static bool
counts_as_finished(const KabSlot *slot, bool in_transaction)
{
    return in_transaction && slot->state == KAB_SLOT_EMITTED;
}

static void
write_loaded(const KabPartition *partition,
             guint first,
             int64_t offset,
             Writer *writer)
{
    for (guint i = first; i < partition->loaded->len; i++) {
        KabInterval interval = g_array_index(partition->loaded, KabInterval, i);
        if (interval.to > offset)
            add_interval(writer, MAX(interval.from, offset), interval.to);
    }
}

/* Whether the position is inside an interval that an earlier owner finished. */
static bool
is_in_loaded(const KabPartition *partition)
{
    return partition->loaded_next < partition->loaded->len &&
           g_array_index(partition->loaded, KabInterval, partition->loaded_next)
                   .from < partition->position;
}

/* In a transaction, what was emitted before the first open slot lies below the
 * frontier: with a hundred milliseconds' worth of records, visiting them costs
 * more than the rest of the commit. */
static KabSlot *
find_first(KabPartition *partition, bool in_transaction, Writer *writer)
{
    KabSlot *head = partition->slots.head;
    if (!in_transaction || !head)
        return head;
    KabSlot *open = kab_metadata_cap_first_open(partition);
    writer->has_emitted = open != head;
    return open;
}

/* Writes the finished gaps between the partition's open slots; returns the
 * frontier. Stops where nothing more is done: the records that were taken
 * while a transaction settled are many, and not in the processor's caches. A
 * gap runs from its first record to its last. From slot to slot it would grow
 * over offsets without records (compaction), and intervals that fitted into one
 * commit might not fit into the next. */
static int64_t
write_partition(KabPartition *partition, bool in_transaction, Writer *writer)
{
    int64_t frontier = -1, gap = -1, gap_end = -1;
    for (KabSlot *slot = find_first(partition, in_transaction, writer); slot;
         slot = slot->in_partition.next) {
        int64_t offset = slot->record.offset;
        bool is_finished = counts_as_finished(slot, in_transaction);
        writer->has_emitted |= is_finished;
        if (frontier < 0 && !is_finished)
            frontier = writer->last = offset;
        else if (!is_finished && gap >= 0)
            add_interval(writer, gap, gap_end);
        if (!is_finished)
            gap = -1;
        bool starts = is_finished || slot->finished_after;
        if (frontier >= 0 && starts && gap < 0)
            gap = is_finished ? offset : slot->finished_from;
        gap_end = kab_slot_finished_to(slot);
        if (offset >= partition->done_to)
            break;
    }
    if (frontier < 0)
        frontier = writer->last = partition->position;
    else if (gap >= 0)
        add_interval(writer, gap,
                     is_in_loaded(partition) ? partition->position : gap_end);
    write_loaded(partition, partition->loaded_next, partition->position,
                 writer);
    return frontier;
}

static KabPartition *
first_dirty(const KabEngine *engine)
{
    return engine->changed[KAB_CHANGED_OFFSETS].head;
}

static KabPartition *
next_dirty(const KabPartition *partition)
{
    return partition->changed[KAB_CHANGED_OFFSETS].next;
}

/* Is the dirty partition to be committed in this way, and now? */
static bool
belongs_in(const KabEngine *engine,
           const KabPartition *partition,
           bool in_transaction)
{
    if (partition->is_committing)
        return false;
    if (partition->state < KAB_PARTITION_OWNED ||
        partition->state > KAB_PARTITION_DRAINING)
        return false;
    if (!partition->is_pinned)
        return !in_transaction && partition->start >= 0;
    return in_transaction == kab_engine_is_exactly_once(engine);
}

/* Does the item change anything? Repeating the committed state costs a
 * request, and could not later prove that a transaction was committed. */
static bool
is_news(const KabPartition *partition, const KabCommitItem *item)
{
    return !partition->is_pinned || item->offset != partition->committed ||
           kab_intervals_digest(item->intervals, item->n_intervals) !=
               partition->committed_digest;
}

/* In a transaction no interval may be left out: its records' outputs would be
 * produced again. Emission keeps the metadata below the cap. If it exceeds the
 * cap all the same (the broker takes less than was assumed), it is written in
 * full, or not at all where the transaction has no output of the partition. */
static bool
compose_item(KabEngine *engine,
             KabCommit *commit,
             KabPartition *partition,
             bool in_transaction,
             KabCommitItem *ret_item)
{
    size_t cap = engine->metadata_cap;
    Writer writer = {.intervals = commit->intervals,
                     .last = partition->start,
                     .cap = in_transaction ? SIZE_MAX : cap};
    guint before = commit->intervals->len;
    int64_t offset = partition->start;
    if (partition->is_pinned)
        offset = write_partition(partition, in_transaction, &writer);
    else
        write_loaded(partition, 0, offset, &writer);
    engine->counters.intervals_left_out += writer.left_out;
    kab_partition_unlist(engine, partition, KAB_CHANGED_OFFSETS);
    if (in_transaction && writer.bytes > cap && !writer.has_emitted) {
        g_array_set_size(commit->intervals, before);
        return false;
    }
    partition->is_committing = true;
    partition->committing_us = partition->dirty_us;
    partition->dirty_us = 0;
    *ret_item = (KabCommitItem){.partition = partition,
                                .topic = partition->topic,
                                .number = partition->number,
                                .offset = offset,
                                .n_intervals = commit->intervals->len - before};
    return true;
}

static void
end_committing(KabPartition *partition)
{
    partition->is_committing = false;
    partition->committing_us = 0;
}

static void
drop_old_news(KabCommit *commit)
{
    const KabInterval *intervals = (void *)commit->intervals->data;
    size_t kept = 0;
    for (size_t i = 0; i < commit->n; i++) {
        KabCommitItem item = commit->items[i];
        item.intervals = intervals;
        if (item.n_intervals)
            intervals += item.n_intervals; /* else may be NULL */
        if (is_news(item.partition, &item))
            commit->items[kept++] = item;
        else
            end_committing(item.partition);
    }
    commit->n = kept;
}

void
kab_commit_compose(KabEngine *engine, KabCommit *commit, bool in_transaction)
{
    if (!commit->intervals)
        commit->intervals = g_array_new(false, false, sizeof(KabInterval));
    g_array_set_size(commit->intervals, 0);
    commit->items =
        g_renew(KabCommitItem, commit->items, engine->partitions->len + 1);
    commit->n = 0;
    engine->moves++;
    KabPartition *next;
    for (KabPartition *partition = first_dirty(engine); partition;
         partition = next) {
        next = next_dirty(partition);
        if (belongs_in(engine, partition, in_transaction))
            commit->n += compose_item(engine, commit, partition, in_transaction,
                                      &commit->items[commit->n]);
    }
    drop_old_news(commit);
}

static void
forget_in(KabCommit *commit, const KabPartition *partition)
{
    for (size_t i = 0; i < commit->n; i++)
        if (commit->items[i].partition == partition)
            commit->items[i].partition = NULL;
}

void
kab_commit_forget(KabEngine *engine, KabPartition *partition)
{
    forget_in(&engine->commit, partition);
    forget_in(&engine->transaction, partition);
}

static bool
find_dirty(const KabEngine *engine, bool in_transaction)
{
    if (!engine->has_dirty)
        return false;
    const KabPartition *partition = first_dirty(engine);
    while (partition && !belongs_in(engine, partition, in_transaction))
        partition = next_dirty(partition);
    return partition != NULL;
}

bool
kab_commit_is_wanted(const KabEngine *engine)
{
    bool in_transaction = kab_engine_is_exactly_once(engine);
    if (in_transaction && engine->sink.is_given_up)
        return false;
    return find_dirty(engine, in_transaction);
}

bool
kab_commit_is_urgent(const KabEngine *engine)
{
    if (engine->is_draining)
        return engine->in_flight == 0 && !engine->sink.n_queued;
    for (guint i = 0; engine->partitions_changed && i < engine->partitions->len;
         i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        if (kab_partition_is_leaving(partition) && !partition->n_called)
            return true;
    }
    return false;
}

/* Composing a commit visits every unfinished record. With very many of them
 * commits are less frequent, half a microsecond for each record, so that the
 * loop has time for other work. */
static int64_t
interval_us(const KabEngine *engine)
{
    int64_t interval = engine->options.commit_interval_us;
    if (engine->n_slots < MANY_SLOTS)
        return interval;
    return MAX(interval, (int64_t)(engine->n_slots / 2));
}

static bool
is_time(KabEngine *engine)
{
    KabCommit *commit = &engine->commit;
    int64_t due = commit->asked_us + interval_us(engine);
    /* Nothing of a partition is called before its start is committed. */
    if (engine->has_starts || kab_commit_is_urgent(engine))
        due = 0;
    due = MAX(due, MAX(commit->not_before_us, commit->held_until_us));
    if (due <= engine->now)
        return true;
    if (!kab_timer_is_armed(&engine->commit_timer) ||
        engine->commit_timer.due_us > due) {
        engine->commit_timer.kind = KAB_TIMER_COMMIT;
        kab_timers_arm(&engine->timers, &engine->commit_timer, due);
    }
    return false;
}

void
kab_commit_advance(KabEngine *engine)
{
    KabCommit *commit = &engine->commit;
    bool has_work = kab_engine_is_exactly_once(engine) ? engine->has_starts
                                                       : engine->has_dirty;
    if (!has_work || commit->is_outstanding || engine->is_joining ||
        !is_time(engine))
        return;
    engine->has_starts = false;
    kab_commit_compose(engine, commit, false);
    if (!commit->n) {
        engine->has_dirty = kab_commit_is_wanted(engine);
        return;
    }
    commit->asked_us = engine->now;
    commit->is_outstanding = true;
    engine->ports.source->commit(engine->ports.source_user, commit->items,
                                 commit->n);
}

/* The group may have moved on without this partition or this member. */
static bool
is_perhaps_gone(const KabEngine *engine, const KabPartition *partition)
{
    return kab_partition_is_leaving(partition) ||
           (engine->is_stopping && (engine->stop_reason == KAB_STOP_SOURCE ||
                                    engine->stop_reason == KAB_STOP_EXPIRED));
}

/* Not authorised, or the group keeps refusing a partition that is no longer
 * ours: a drain must not wait for this commit. */
static bool
is_in_vain(const KabEngine *engine,
           KabPartition *partition,
           KabCommitResult result)
{
    if (result == KAB_COMMIT_REFUSED)
        return true;
    return is_perhaps_gone(engine, partition) && result == KAB_COMMIT_GROUP &&
           ++partition->refusals >= MAX_REFUSALS;
}

static void
fail_item(KabEngine *engine, KabCommit *commit, const KabCommitItem *item)
{
    KabPartition *partition = item->partition;
    commit->not_before_us = engine->now + RETRY_US;
    if (is_in_vain(engine, partition, item->result)) {
        engine->partitions_changed = true;
        kab_partition_unlist(engine, partition, KAB_CHANGED_OFFSETS);
        partition->dirty_us = partition->committing_us = 0;
        return;
    }
    partition->dirty_us = partition->committing_us;
    kab_partition_mark_dirty(engine, partition);
    engine->has_starts |= !partition->is_pinned;
}

static void
end_item(KabEngine *engine, KabCommit *commit, const KabCommitItem *item)
{
    KabPartition *partition = item->partition;
    engine->counters.commits[item->result]++;
    if (!partition)
        return;
    partition->is_committing = false;
    if (item->result != KAB_COMMIT_OK) {
        fail_item(engine, commit, item);
        partition->committing_us = 0;
        return;
    }
    partition->committing_us = 0;
    if (item->offset > partition->committed)
        kab_partition_progress(engine, partition);
    partition->committed = item->offset;
    partition->committed_digest =
        kab_intervals_digest(item->intervals, item->n_intervals);
    bool is_going_on =
        partition->state == KAB_PARTITION_OWNED ||
        (partition->state == KAB_PARTITION_RESETTING && partition->slots.n);
    if (!partition->is_pinned && is_going_on) {
        kab_partition_pin(engine, partition);
        if (kab_partition_frontier(partition) != partition->committed)
            kab_partition_mark_dirty(engine, partition);
    }
}

void
kab_commit_apply(KabEngine *engine, KabCommit *commit)
{
    bool was_too_large = false;
    for (size_t i = 0; i < commit->n; i++) {
        was_too_large |= commit->items[i].result == KAB_COMMIT_TOO_LARGE;
        end_item(engine, commit, &commit->items[i]);
    }
    commit->n = 0;
    if (was_too_large)
        engine->metadata_cap /= 2;
}

void
kab_engine_commit_done(KabEngine *engine,
                       KabCommitItem *items,
                       size_t n,
                       int64_t now)
{
    KabCommit *commit = &engine->commit;
    g_assert(commit->is_outstanding);
    g_assert(items == commit->items && n == commit->n);
    kab_engine_set_now(engine, now);
    commit->is_outstanding = false;
    kab_histogram_add(&engine->counters.commit_us,
                      (uint64_t)(engine->now - commit->asked_us));
    kab_commit_apply(engine, commit);
}
