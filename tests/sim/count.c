/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine must have counted.
 *
 * The edges of a member know nearly all counts exactly: they are counted here
 * a second time, in the same structure, and compared. What an edge cannot know
 * yet - a record without output waits in its order group, a transaction's end
 * is not answered - is counted as unsure: the engine may have counted it, or
 * not. A commit that covers such a record makes it sure.
 */
#include <stddef.h>

#include "sim.h"

static bool
is_discarded(const Member *member)
{
    return member->options.on_failure == KAB_ON_FAILURE_DROP;
}

/* --- Ends of records ---------------------------------------------------- */

static KabEnd
end_of_letter(const Effect *effect)
{
    return effect->kind == KAB_PRODUCT_PASSED ? KAB_END_PASSED
                                              : KAB_END_REJECTED;
}

static KabEnd
end_of(const Message *message)
{
    const Effect *effect = message->effect;
    bool is_passed = effect && effect->kind == KAB_PRODUCT_PASSED;
    if (effect && effect->is_letter && !(is_passed && effect->is_refused))
        return end_of_letter(effect);
    if (!effect || message->is_refused)
        return KAB_END_DISCARDED;
    return effect->n ? KAB_END_DONE : KAB_END_DROPPED;
}

static void
add_end(KabCounters *counters, const Message *message, uint64_t n)
{
    counters->records_finished[message->end] += n;
    counters->record_us.count += n;
    if (message->end == KAB_END_REJECTED)
        counters->dead_letters[message->letter_class] += n;
}

static void
clear_end(Member *member, Message *message)
{
    if (message->may_have_ended)
        add_end(&member->unsure, message, (uint64_t)-1);
    message->may_have_ended = false;
}

/* The record has ended so, or will end so without an edge being told. */
static void
may_end(Member *member, Message *message, KabEnd end)
{
    if (message->is_ended)
        return;
    clear_end(member, message);
    message->may_have_ended = true;
    message->end = end;
    add_end(&member->unsure, message, 1);
}

static void
has_ended(Member *member, Message *message, KabEnd end)
{
    clear_end(member, message);
    if (message->is_ended)
        sim_fail(member->sim, "%u/%" PRIi64 " ends twice",
                 message->record->partition, message->record->offset);
    message->is_ended = true;
    message->end = end;
    add_end(&member->counted, message, 1);
}

/* No effect reports this end. It follows at once, or in an order group when
 * the records before it have left. */
static void
ends_silently(Member *member, Message *message, KabEnd end)
{
    KabOrder order = member->options.order;
    bool has_group = order != KAB_ORDER_UNORDERED &&
                     (order != KAB_ORDER_KEY || message->record->key);
    if (member_is_exactly_once(member))
        return; /* with its transaction */
    if (has_group)
        may_end(member, message, end);
    else
        has_ended(member, message, end);
}

void
count_may_fail(Message *message)
{
    Member *member = message->fetcher->member;
    message->may_fail = message->record->may_fail = true;
    if (!member_is_exactly_once(member) && is_discarded(member) &&
        !message->fetcher->is_gone)
        may_end(member, message, KAB_END_DISCARDED);
}

void
count_acknowledged(const Output *output)
{
    const Effect *effect = output->effect;
    Message *message = effect->message;
    Member *member = output->member;
    uint64_t all = (UINT64_C(1) << effect->n) - 1;
    member->counted.records_produced +=
        !effect->is_letter || effect->kind == KAB_PRODUCT_PASSED;
    if (!member_is_exactly_once(member) && effect->acknowledged == all &&
        !message->fetcher->is_gone)
        has_ended(member, message,
                  effect->is_letter ? end_of_letter(effect) : KAB_END_DONE);
}

/* --- Calls -------------------------------------------------------------- */

void
count_invoke(Member *member, const KabAttempt *attempt)
{
    KabCounters *counted = &member->counted;
    bool is_again = attempt->number > 1;
    counted->records_retried += is_again ? attempt->n : 0;
    counted->batches[KAB_TRIGGER_RETRY] += is_again;
    counted->batches[KAB_TRIGGER_DRAIN] += !is_again && member->is_draining;
    kab_histogram_add(&counted->batch_records, attempt->n);
}

/* A time-out is counted before an end of the call's partitions. */
void
count_cancel(Call *call)
{
    Member *member = call->member;
    int64_t limit = call->attempt->timeout_us;
    call->is_timed_out = limit && call->is_entered &&
                         member->sim->now >= call->entered_at + limit;
    KabCallResult result =
        call->is_timed_out ? KAB_CALL_TIMEOUT : KAB_CALL_ABANDONED;
    member->counted.calls[result]++;
}

/* n_missing: the call's records without an outcome. */
void
count_answer(const Call *call, const KabAnswer *answer, unsigned n_missing)
{
    static const KabCallResult results[] = {
        [KAB_FAIL_TRANSIENT] = KAB_CALL_TRANSIENT,
        [KAB_FAIL_PERMANENT] = KAB_CALL_PERMANENT,
        [KAB_FAIL_OVERLOAD] = KAB_CALL_OVERLOAD,
        [KAB_FAIL_TOO_LARGE] = KAB_CALL_TOO_LARGE,
        [KAB_FAIL_CRASH] = KAB_CALL_CRASH,
        [KAB_FAIL_FATAL] = KAB_CALL_FATAL,
    };
    KabCounters *counted = &call->member->counted;
    if (call->is_cancelled) {
        counted->call_faults[KAB_FAULT_LATE] += call->is_timed_out;
        return;
    }
    counted->calls[answer->failed ? results[answer->failure] : KAB_CALL_OK]++;
    counted->call_faults[KAB_FAULT_NO_ANSWER] += n_missing;
    kab_histogram_add(&counted->call_us,
                      (uint64_t)(call->member->sim->now - call->entered_at));
}

/* The answer for this record counts, and its outcome is final. */
void
count_outcome(Message *message)
{
    Member *member = message->fetcher->member;
    if (message->effect && !message->effect->n)
        ends_silently(member, message, KAB_END_DROPPED);
    else if (!message->effect && is_discarded(member))
        ends_silently(member, message, KAB_END_DISCARDED);
}

/* --- Commits ------------------------------------------------------------ */

static bool
covers_offset(const KabCommitItem *item, int64_t offset)
{
    Committed committed = {.n = item->n_intervals,
                           .intervals = item->intervals};
    return offset < item->offset || committed_has(&committed, offset);
}

/* At-least-once: records that the commit covers have ended; if a record has
 * ended and is not covered, an interval was left out. */
void
count_commit(Member *member, const KabCommitItem *item)
{
    const Fetcher *fetcher = kab_partition_edge(item->partition);
    bool leaves_out = false;
    if (!fetcher->is_pinned || member_is_exactly_once(member))
        return;
    for (unsigned i = 0; i < fetcher->n_messages; i++) {
        Message *message = fetcher->messages[i];
        bool is_said = covers_offset(item, message->record->offset);
        if (is_said && !message->is_ended)
            has_ended(member, message, end_of(message));
        leaves_out |= message->is_ended && !is_said;
        if (is_said && message->end == KAB_END_DISCARDED && !message->is_told)
            check_fail(member->sim, message->record,
                       "is dropped without a report to the owner");
    }
    member->counted.intervals_left_out += leaves_out;
}

void
count_commit_done(Member *member,
                  const KabCommitItem *items,
                  size_t n,
                  int64_t asked_at)
{
    for (size_t i = 0; i < n; i++)
        member->counted.commits[items[i].result]++;
    kab_histogram_add(&member->counted.commit_us,
                      (uint64_t)(member->sim->now - asked_at));
}

/* --- Transactions ------------------------------------------------------- */

static void
add_items(KabCounters *counters, uint64_t n)
{
    counters->commits[KAB_COMMIT_OK] += n;
    counters->commits[KAB_COMMIT_FAILED] += n;
    counters->commits[KAB_COMMIT_TOO_LARGE] += n;
}

/* Records that the items cover end with the transaction. */
void
count_end(Member *member, uint32_t epoch, const KabCommitItem *items, size_t n)
{
    add_items(&member->unsure, n);
    for (size_t i = 0; i < n; i++) {
        const Fetcher *fetcher = kab_partition_edge(items[i].partition);
        for (unsigned j = 0; j < fetcher->n_messages; j++) {
            Message *message = fetcher->messages[j];
            if (message->is_ended ||
                !covers_offset(&items[i], message->record->offset))
                continue;
            message->said_in = epoch;
            if (!message->may_have_ended)
                message->ends_with = epoch;
            may_end(member, message, end_of(message));
        }
    }
}

static void
settle_messages(Member *member, uint32_t epoch, bool is_committed)
{
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        for (unsigned j = 0; !fetcher->is_gone && j < fetcher->n_messages;
             j++) {
            Message *message = fetcher->messages[j];
            if (message->said_in != epoch || message->is_ended)
                continue;
            if (is_committed)
                has_ended(member, message, message->end);
            else if (message->ends_with == epoch)
                clear_end(member, message);
        }
    }
}

/* Counts the result of a transaction that the engine still knows, before the
 * engine is told. Failed items are counted when the engine goes on. */
void
count_ended(Member *member,
            KabTxnResult result,
            const KabCommitItem *items,
            size_t n,
            int64_t asked_at)
{
    KabEngineState state;
    kab_engine_get_state(member->engine, member->sim->now, &state);
    bool is_ending = state.sink == KAB_SINK_ENDING;
    if (!is_ending && state.sink != KAB_SINK_ABORTING)
        return;
    member->counted.transactions[result]++;
    bool is_known = result == KAB_TXN_COMMITTED || result == KAB_TXN_ABORTED;
    if (!is_ending || !is_known)
        return;
    settle_messages(member, member->sink.transaction,
                    result == KAB_TXN_COMMITTED);
    add_items(&member->unsure, -(uint64_t)n);
    if (result == KAB_TXN_COMMITTED) {
        member->counted.commits[KAB_COMMIT_OK] += n;
        kab_histogram_add(&member->counted.commit_us,
                          (uint64_t)(member->sim->now - asked_at));
        return;
    }
    member->failed_as = n ? items[0].result : KAB_COMMIT_FAILED;
    if (member->failed_as != KAB_COMMIT_TOO_LARGE)
        member->failed_as = KAB_COMMIT_FAILED;
    member->n_failed = n;
    member->unsure.commits[member->failed_as] += n;
}

/* The items of the transaction before it have been counted. */
void
count_begin(Member *member)
{
    member->unsure.commits[member->failed_as] -= member->n_failed;
    member->counted.commits[member->failed_as] += member->n_failed;
    member->n_failed = 0;
}

/* --- Comparing ---------------------------------------------------------- */

#define FIELD(field)                                                           \
    {                                                                          \
#field, offsetof(KabCounters, field),                                  \
            sizeof((KabCounters *)NULL)->field / sizeof(uint64_t)              \
    }

/* Each field is a number or an array. Left out is what an edge does not know:
 * most triggers of batches, the intervals left out, the sum of record ages. */
static const struct {
    const char *name;
    size_t offset, n;
} fields[] = {
    FIELD(records_consumed),
    FIELD(records_produced),
    FIELD(records_retried),
    FIELD(records_finished),
    FIELD(records_skipped),
    FIELD(dead_letters),
    FIELD(batches[KAB_TRIGGER_DRAIN]),
    FIELD(batches[KAB_TRIGGER_RETRY]),
    FIELD(calls),
    FIELD(call_faults),
    FIELD(commits),
    FIELD(transactions),
    FIELD(produce_errors),
    FIELD(sinks_lost),
    FIELD(batch_records),
    FIELD(call_us),
    FIELD(commit_us),
    FIELD(record_us.count),
};

static void
compare_field(Member *member, const KabCounters *counters, size_t field)
{
    size_t place = fields[field].offset / sizeof(uint64_t);
    const uint64_t *says = (const uint64_t *)counters + place;
    const uint64_t *counted = (const uint64_t *)&member->counted + place;
    const uint64_t *unsure = (const uint64_t *)&member->unsure + place;
    for (size_t i = 0; i < fields[field].n; i++)
        if (says[i] < counted[i] || says[i] > counted[i] + unsure[i])
            sim_fail(member->sim,
                     "%s %zu is %" PRIu64 "; counted are %" PRIu64
                     " and perhaps %" PRIu64 " more",
                     fields[field].name, i, says[i], counted[i], unsure[i]);
}

/* A lost sink is counted here only when it is replaced. */
static void
check_sinks(Member *member)
{
    KabEngineState state;
    kab_engine_get_state(member->engine, member->sim->now, &state);
    member->unsure.sinks_lost = state.sink == KAB_SINK_LOST;
}

void
count_check(Member *member)
{
    const KabCounters *counters = kab_engine_counters(member->engine);
    uint64_t batches = 0;
    check_sinks(member);
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        compare_field(member, counters, i);
    for (unsigned i = 0; i < KAB_N_TRIGGERS; i++)
        batches += counters->batches[i];
    if (batches != member->counted.batch_records.count)
        sim_fail(member->sim, "%" PRIu64 " batches are counted of %" PRIu64,
                 batches, member->counted.batch_records.count);
    if (counters->intervals_left_out < member->counted.intervals_left_out)
        sim_fail(member->sim,
                 "%" PRIu64 " intervals are left out, at least %" PRIu64,
                 counters->intervals_left_out,
                 member->counted.intervals_left_out);
}
