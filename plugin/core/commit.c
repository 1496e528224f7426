/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: the frontier of every partition that moved, and what is finished
 * beyond it.
 *
 * At least once, they are explicit lists through the consumer, one
 * outstanding, not more often than commit.interval. Exactly once, the same
 * list rides in the transaction, computed as if what was emitted into it
 * were finished. A partition without a committed offset has its start
 * committed first, under both: its records wait for that.
 */
#include "internal.h"

/* After a commit that failed. */
#define RETRY_US INT64_C(50000)
#define MAX_REFUSALS 3
/* Unfinished records: so many, and a commit takes a noticeable time. */
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

/* What an earlier owner finished may go on where a gap of ours ends. */
static void
extend(Writer *writer, int64_t to)
{
    KabInterval *last = &g_array_index(writer->intervals, KabInterval,
                                       writer->intervals->len - 1);
    last->to = writer->last = to;
}

static void
add(Writer *writer, int64_t from, int64_t to)
{
    if (writer->has_any && from == writer->last && !writer->left_out) {
        extend(writer, to);
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
            add(writer, MAX(interval.from, offset), interval.to);
    }
}

/* In the middle of what an earlier owner finished it goes on there. */
static bool
is_in_loaded(const KabPartition *partition)
{
    return partition->loaded_next < partition->loaded->len &&
           g_array_index(partition->loaded, KabInterval, partition->loaded_next)
                   .from < partition->position;
}

/* What a commit says of a partition: the gaps between its open slots. A gap
 * is from its first record to its last, not from slot to slot: over offsets
 * without records (compaction) it would grow, and what fitted when it was
 * committed might fit no more. */
static int64_t
write_partition(const KabPartition *partition,
                bool in_transaction,
                Writer *writer)
{
    int64_t frontier = -1, gap = -1, gap_end = -1;
    size_t left = partition->finished_beyond;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next) {
        int64_t offset = slot->record.offset;
        bool is_finished = counts_as_finished(slot, in_transaction);
        writer->has_emitted |= is_finished;
        if (frontier < 0 && !is_finished)
            frontier = writer->last = offset;
        else if (!is_finished && gap >= 0)
            add(writer, gap, gap_end);
        if (!is_finished)
            gap = -1;
        bool starts = is_finished || slot->finished_after;
        if (frontier >= 0 && starts && gap < 0)
            gap = is_finished ? offset : slot->finished_from;
        gap_end = kab_slot_finished_to(slot);
        left -= slot->finished_after;
        if (!in_transaction && !left && gap < 0)
            break;
    }
    if (frontier < 0)
        frontier = writer->last = partition->position;
    else if (gap >= 0)
        add(writer, gap,
            is_in_loaded(partition) ? partition->position : gap_end);
    write_loaded(partition, partition->loaded_next, partition->position,
                 writer);
    return frontier;
}

/* A digest of intervals: whether two commits say the same. */
uint64_t
kab_intervals_digest(const KabInterval *intervals, size_t n)
{
    uint64_t digest = n;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ (uint64_t)intervals[i].from) *
                 UINT64_C(0x9e3779b97f4a7c15);
        digest =
            (digest ^ (uint64_t)intervals[i].to) * UINT64_C(0xc2b2ae3d27d4eb4f);
        digest ^= digest >> 31;
    }
    return digest;
}

static bool
belongs(const KabEngine *engine,
        const KabPartition *partition,
        bool in_transaction)
{
    if (!partition->is_dirty || partition->is_committing)
        return false;
    if (partition->state != KAB_PARTITION_OWNED &&
        partition->state != KAB_PARTITION_DRAINING)
        return false;
    if (!partition->is_pinned)
        return !in_transaction && partition->start >= 0;
    return in_transaction == kab_engine_is_exactly_once(engine);
}

/* Says an item what is committed already? It would be no evidence of an
 * unknown transaction's end, and costs a request. */
static bool
is_news(const KabPartition *partition, const KabCommitItem *item)
{
    return !partition->is_pinned || item->offset != partition->committed ||
           kab_intervals_digest(item->intervals, item->n_intervals) !=
               partition->committed_digest;
}

/* In a transaction nothing may be left out: what it says is finished would be
 * given again. Emission keeps below the cap; what exceeds it nevertheless (the
 * broker takes less than was thought) is said as a whole, or not at all where
 * no output of the partition is in the transaction. */
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
    partition->is_dirty = false;
    if (in_transaction && writer.bytes > cap && !writer.has_emitted) {
        g_array_set_size(commit->intervals, before);
        return false;
    }
    partition->is_committing = true;
    *ret_item = (KabCommitItem){.partition = partition,
                                .topic = partition->topic,
                                .number = partition->number,
                                .offset = offset,
                                .n_intervals = commit->intervals->len - before};
    return true;
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
            intervals += item.n_intervals; /* else perhaps NULL */
        if (is_news(item.partition, &item))
            commit->items[kept++] = item;
        else
            item.partition->is_committing = false;
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
    for (guint i = 0; i < engine->partitions->len; i++) {
        KabPartition *partition = engine->partitions->pdata[i];
        if (belongs(engine, partition, in_transaction))
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
    for (guint i = 0; engine->has_dirty && i < engine->partitions->len; i++)
        if (belongs(engine, engine->partitions->pdata[i], in_transaction))
            return true;
    return false;
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
        return engine->in_flight == 0 && !engine->sink.queue.n;
    for (guint i = 0; engine->partitions_changed && i < engine->partitions->len;
         i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        if (kab_partition_is_leaving(partition) && !partition->n_called)
            return true;
    }
    return false;
}

/* A commit is written by looking at every unfinished record. With very many
 * of them it is written less often, so that the loop has its time for other
 * things: half a microsecond for each. */
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
    if (kab_commit_is_urgent(engine))
        due = 0;
    due = MAX(due, commit->not_before_us);
    if (due <= engine->now)
        return true;
    if (!kab_timer_is_armed(&engine->commit_timer) ||
        engine->commit_timer.due_us > due) {
        engine->commit_timer.kind = KAB_TIMER_COMMIT;
        kab_timers_arm(&engine->timers, &engine->commit_timer, due);
    }
    return false;
}

static void
put_back(KabEngine *engine, KabCommit *commit)
{
    for (size_t i = 0; i < commit->n; i++) {
        KabPartition *partition = commit->items[i].partition;
        if (!partition)
            continue;
        partition->is_committing = false;
        kab_partition_mark_dirty(engine, partition);
        engine->has_starts |= !partition->is_pinned;
    }
    commit->not_before_us = engine->now + RETRY_US / 5;
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
    commit->is_outstanding =
        engine->effects.commit(engine->user, commit->items, commit->n);
    if (!commit->is_outstanding)
        put_back(engine, commit);
}

/* The group may have gone on without it, or without this member. */
static bool
is_perhaps_gone(const KabEngine *engine, const KabPartition *partition)
{
    return kab_partition_is_leaving(partition) ||
           (engine->is_stopping && engine->stop_reason == KAB_STOP_SOURCE);
}

/* Not ours to commit any more, or not allowed: no drain waits for that. */
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
        partition->is_dirty = false;
        return;
    }
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
        return;
    }
    if (item->offset > partition->committed)
        kab_partition_progress(engine, partition);
    partition->committed = item->offset;
    partition->committed_digest =
        kab_intervals_digest(item->intervals, item->n_intervals);
    bool is_going_on = partition->state == KAB_PARTITION_OWNED ||
                       (partition->is_reset && partition->slots.n);
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
    (void)items;
    (void)n;
    engine->now = now;
    KabCommit *commit = &engine->commit;
    if (!commit->is_outstanding)
        return;
    commit->is_outstanding = false;
    kab_histogram_add(&engine->counters.commit_us,
                      (uint64_t)MAX(now - commit->asked_us, 0));
    kab_commit_apply(engine, commit);
}
