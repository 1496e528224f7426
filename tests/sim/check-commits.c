/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit may contain, and what it must not leave out. See check.c. */
#include "sim.h"

static void
check_intervals(Sim *sim, const KabCommitItem *item)
{
    int64_t previous = item->offset;
    for (size_t i = 0; i < item->n_intervals; i++) {
        KabInterval interval = item->intervals[i];
        if (interval.from < previous || interval.to <= interval.from)
            sim_fail(sim,
                     "of %d is committed %" PRIi64 " and %" PRIi64
                     " to %" PRIi64,
                     item->number, item->offset, interval.from, interval.to);
        previous = interval.to;
    }
}

void
check_commit_items(Member *member, const KabCommitItem *items, size_t n)
{
    Sim *sim = member->sim;
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++) {
        const Fetcher *fetcher = kab_partition_edge(items[i].partition);
        if (fetcher->is_gone)
            sim_fail(sim, "commits partition %d, which is gone",
                     items[i].number);
        if (fetcher->is_lost)
            sim_fail(sim, "commits partition %d, which is lost",
                     items[i].number);
        if (seen & (1u << items[i].number))
            sim_fail(sim, "commits partition %d twice at once",
                     items[i].number);
        seen |= 1u << items[i].number;
        if (items[i].offset < 0)
            sim_fail(sim, "commits no offset");
        check_intervals(sim, &items[i]);
    }
}

static bool
may_be_dropped(const Sim *sim, bool may_fail)
{
    return may_fail && sim->plan.engine.on_failure == KAB_ON_FAILURE_DROP;
}

/* Finished as far as an edge can know; an order group may delay that. */
static bool
may_be_finished(const Sim *sim, const Message *message)
{
    bool is_empty =
        message->is_resolved && message->effect && !message->effect->n;
    return message->is_finished || is_empty ||
           may_be_dropped(sim, message->may_fail);
}

static bool
item_has(const KabCommitItem *item, int64_t offset)
{
    Committed committed = {.n = item->n_intervals,
                           .intervals = item->intervals};
    return committed_has(&committed, offset);
}

/* No finished record is left out of the commit. */
static void
check_complete(Member *member, const KabCommitItem *item)
{
    Sim *sim = member->sim;
    const Fetcher *fetcher = kab_partition_edge(item->partition);
    Committed committed = {.offset = item->offset,
                           .n = item->n_intervals,
                           .intervals = item->intervals};
    bool is_capped =
        committed_size(&committed) + 20 > member->options.metadata_cap ||
        (sim->plan.faults >> FAULT_METADATA) & 1;
    bool all = true;
    for (unsigned i = 0; i < fetcher->n_messages; i++) {
        const Message *message = fetcher->messages[i];
        int64_t offset = message->record->offset;
        bool is_finished = may_be_finished(sim, message);
        all &= is_finished;
        if (!is_finished || offset < item->offset)
            continue;
        if (all)
            check_fail(sim, message->record, "is finished but not committed");
        if (!is_capped && !item_has(item, offset))
            check_fail(sim, message->record,
                       "is finished but missing from the intervals");
    }
    if (all && item->offset != fetcher->taken_to)
        sim_fail(sim,
                 "all of %d to %" PRIi64 " is finished, and %" PRIi64
                 " committed",
                 item->number, fetcher->taken_to, item->offset);
}

void
check_frontier(Member *member, const KabCommitItem *item)
{
    Sim *sim = member->sim;
    const Fetcher *fetcher = kab_partition_edge(item->partition);
    if (!fetcher->is_pinned)
        return;
    for (unsigned i = 0; i < fetcher->n_messages; i++) {
        const Message *message = fetcher->messages[i];
        int64_t offset = message->record->offset;
        if (may_be_finished(sim, message))
            continue;
        if (offset < item->offset || item_has(item, offset))
            check_fail(sim, message->record, "is unfinished but committed");
    }
    if (sim->plan.engine.order == KAB_ORDER_UNORDERED &&
        sim->plan.engine.on_failure != KAB_ON_FAILURE_DROP)
        check_complete(member, item);
}

bool
check_is_settled(const Sim *sim, const Record *record)
{
    return record->is_covered || record->is_expired || record->is_skipped ||
           may_be_dropped(sim, record->may_fail);
}

void
check_committed(Sim *sim, unsigned partition, const Committed *committed)
{
    Log *log = &sim->logs[partition];
    if (log->committed.has_offset && committed->offset < log->committed.offset)
        sim_fail(sim, "the group's offset of %u goes back to %" PRIi64,
                 partition, committed->offset);
    for (; log->verified < log->n; log->verified++) {
        const Record *record = log->records[log->verified];
        if (record->offset >= committed->offset)
            break;
        if (!check_is_settled(sim, record))
            check_fail(sim, record,
                       "is lost: the committed offset is beyond it");
    }
    for (unsigned i = log->verified; committed->n && i < log->n; i++)
        if (committed_has(committed, log->records[i]->offset) &&
            !check_is_settled(sim, log->records[i]))
            check_fail(sim, log->records[i],
                       "is lost: a committed interval contains it");
}

/* If the partition is given back in time and the group accepts commits, the
 * next owner finds all that is finished. */
void
check_handed_over(Member *member, const Fetcher *fetcher)
{
    static const Fault hindrances[] = {FAULT_COMMIT, FAULT_KICK, FAULT_METADATA,
                                       FAULT_HOLD_COMMIT, FAULT_FATAL_ACK};
    Sim *sim = member->sim;
    const Committed *committed = &sim->logs[fetcher->partition].committed;
    for (size_t i = 0; i < G_N_ELEMENTS(hindrances); i++)
        if ((sim->plan.faults >> hindrances[i]) & 1)
            return;
    bool is_late = sim->now - fetcher->revoked_at >=
                   member->options.rebalance_drain_timeout_us;
    if (!fetcher->revoked_at || is_late || !fetcher->is_pinned ||
        member->is_joining ||
        sim->plan.engine.delivery == KAB_DELIVERY_EXACTLY_ONCE)
        return;
    bool is_capped =
        committed_size(committed) + 20 > member->options.metadata_cap;
    for (unsigned i = 0; i < fetcher->n_messages; i++) {
        const Message *message = fetcher->messages[i];
        int64_t offset = message->record->offset;
        if (message->is_finished && offset >= committed->offset && !is_capped &&
            !committed_has(committed, offset))
            check_fail(sim, message->record, "is finished but not handed over");
    }
}
