/* SPDX-License-Identifier: Apache-2.0 */
/* The properties of every history. The first that does not hold fails the
 * schedule.
 */
#include "sim.h"

static bool
is_exactly_once(const Sim *sim)
{
    return sim->plan.engine.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

static void
fail(Sim *sim, const Record *record, const char *what)
{
    sim_fail(sim, "%u/%" PRIi64 " %s", record->partition, record->offset, what);
}

static bool
is_owned(const Fetcher *fetcher)
{
    return !fetcher->is_gone && fetcher->is_loaded && !fetcher->revoked_at &&
           !fetcher->is_resetting && !fetcher->is_lost;
}

/* --- Calls -------------------------------------------------------------- */

/* May this record be called now at all? */
static void
check_called(Member *member, const Message *message)
{
    Sim *sim = member->sim;
    const Fetcher *fetcher = message->fetcher;
    const Record *record = message->record;
    if (message->is_released)
        fail(sim, record, "is called after its release");
    if (message->call)
        fail(sim, record, "is called twice at once");
    if (message->is_resolved)
        fail(sim, record, "is called although its outcome is final");
    if (fetcher->is_gone || fetcher->revoked_at)
        fail(sim, record, "is called, and its partition is leaving");
    if (!fetcher->is_pinned)
        fail(sim, record, "is called before its start is committed");
    unsigned limit = member->options.retry_max_attempts;
    if (limit && message->single == message->calls && message->counted >= limit)
        fail(sim, record, "has more calls of its own than it may");
    if (committed_has(&fetcher->loaded, record->offset))
        fail(sim, record, "is called, and an earlier owner finished it");
}

static bool
shares_lane(const Sim *sim, const Message *left, const Message *right)
{
    if (left->fetcher != right->fetcher)
        return false;
    switch (sim->plan.engine.order) {
    case KAB_ORDER_PARTITION:
        return true;
    case KAB_ORDER_KEY:
        return left->record->key &&
               left->record->key_number == right->record->key_number;
    case KAB_ORDER_UNORDERED:
    case KAB_ORDER_ORDERED:
        break;
    }
    return false;
}

static void
check_lane(Member *member, const Call *call, size_t i)
{
    Sim *sim = member->sim;
    const Message *message = call->messages[i];
    const Fetcher *fetcher = message->fetcher;
    for (unsigned j = 0; j < fetcher->n_messages; j++)
        if (fetcher->messages[j]->call &&
            shares_lane(sim, message, fetcher->messages[j]))
            fail(sim, message->record,
                 "is called, and another batch of its lane is in flight");
    for (size_t j = 0; j < i; j++)
        if (shares_lane(sim, message, call->messages[j]) &&
            call->messages[j]->record->index >= message->record->index)
            fail(sim, message->record, "is out of order in its batch");
}

static void
check_size(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    size_t bytes = 0;
    for (size_t i = 0; i < call->n; i++)
        bytes += call->messages[i]->record->size;
    if (call->attempt->number > 1)
        return;
    if (call->n > options->batch_count)
        sim_fail(member->sim, "a batch of %zu", call->n);
    if (call->n > 1 && bytes > options->batch_bytes)
        sim_fail(member->sim, "a batch of %zu bytes", bytes);
}

/* Nothing more may be taken: what is ready does not wait for company. */
static bool
is_full(const Member *member)
{
    if (member->charge >= member->options.buffer_bytes)
        return true;
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        bool brings_more = !fetcher->is_gone && fetcher->is_loaded &&
                           fetcher->is_open && !fetcher->is_told_end &&
                           !fetcher->revoked_at && !fetcher->is_resetting;
        if (brings_more)
            return false;
    }
    return true;
}

/* Does a batch that is not full leave before its first record has waited
 * for batch.period? */
static void
check_period(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    Sim *sim = member->sim;
    bool learns = (sim->plan.faults >> FAULT_TOO_LARGE) & 1;
    int64_t first = KAB_NEVER;
    size_t bytes = 200; /* a next one may have been too large */
    if (call->attempt->number > 1 || member->is_draining || learns)
        return;
    for (size_t i = 0; i < call->n; i++) {
        first = MIN(first, call->messages[i]->taken_at);
        bytes += call->messages[i]->record->size;
    }
    if (call->n < options->batch_count && bytes < options->batch_bytes &&
        sim->now - first < options->batch_period_us && !is_full(member))
        sim_fail(sim, "a batch leaves before its time");
}

void
check_invoke(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    bool has_lanes = options->order == KAB_ORDER_KEY ||
                     options->order == KAB_ORDER_PARTITION;
    size_t abandoned = member->calls_open - member->calls_wanted;
    if (abandoned >= MIN(options->threads, options->max_in_flight))
        sim_fail(member->sim, "%zu calls do not return, and one more is made",
                 abandoned);
    if (member->calls_wanted > options->max_in_flight)
        sim_fail(member->sim, "%zu calls are in flight", member->calls_wanted);
    check_size(member, call);
    check_period(member, call);
    for (size_t i = 0; i < call->n; i++) {
        check_called(member, call->messages[i]);
        if (has_lanes)
            check_lane(member, call, i);
    }
}

/* --- Outputs ------------------------------------------------------------ */

static bool
is_of_attempts(const KabDeadLetter *letter)
{
    return letter->stage == KAB_STAGE_FUNCTION &&
           (letter->class_ == KAB_CLASS_TRANSIENT ||
            letter->class_ == KAB_CLASS_TIMEOUT ||
            letter->class_ == KAB_CLASS_CRASH);
}

static void
check_letter(Member *member,
             const Message *message,
             const KabDeadLetter *letter)
{
    Sim *sim = member->sim;
    unsigned limit = member->options.retry_max_attempts;
    if (!letter || member->options.on_failure != KAB_ON_FAILURE_DLQ)
        fail(sim, message->record, "has a dead letter that is not wanted");
    else if (letter->calls != message->calls)
        sim_fail(sim, "%u/%" PRIi64 ": .attempts is %u, it had %u calls",
                 message->record->partition, message->record->offset,
                 letter->calls, message->calls);
    if (!message->may_fail)
        fail(sim, message->record, "has a dead letter without a reason");
    if (limit && is_of_attempts(letter) && message->counted < limit)
        fail(sim, message->record, "gives up before its last attempt");
}

static void
check_answer(Member *member, const Message *message, const Effect *effect)
{
    Sim *sim = member->sim;
    if (!message->is_resolved || message->effect != effect)
        fail(sim, message->record, "is produced without an answer that counts");
    if (!is_exactly_once(sim) && effect->n == 1 && effect->acknowledged)
        fail(sim, message->record, "is produced again after its report");
}

void
check_produce(Member *member,
              const Message *message,
              const Effect *effect,
              const KabDeadLetter *letter)
{
    if (message->is_released)
        fail(member->sim, message->record, "is produced after its release");
    if (message->fetcher->is_gone)
        fail(member->sim, message->record,
             "is produced, and its partition is gone");
    if (effect->is_letter)
        check_letter(member, message, letter);
    else
        check_answer(member, message, effect);
}

/* The first effects of an assignment's records keep the input's order within
 * each order group; repeats after a loss may follow. */
void
check_order(Sim *sim, Effect *effect)
{
    Message *message = effect->message;
    const Record *record = effect->record;
    KabOrder order = sim->plan.engine.order;
    bool has_order =
        order != KAB_ORDER_UNORDERED && (order != KAB_ORDER_KEY || record->key);
    if (!has_order || effect->is_letter || message->first)
        return;
    message->first = effect;
    unsigned group = order == KAB_ORDER_KEY ? record->key_number : N_KEYS;
    int *last = &message->fetcher->last_first[group];
    if ((int)record->index <= *last)
        fail(sim, record, "is written after a later one of its order group");
    *last = (int)record->index;
}

/* Its only process is still the first one. */
static bool
is_undisturbed(const Sim *sim)
{
    return !sim->plan.faults && sim->plan.n_members == 1 &&
           sim->members[0].life == 1;
}

/* At least once: where nothing fails, once. */
void
check_write(Sim *sim, const Output *output, bool is_first)
{
    Record *record = output->effect->record;
    bool is_again =
        !is_first || (record->visible && record->visible != output->effect);
    if (is_again && is_undisturbed(sim))
        fail(sim, record, "is written twice without a fault");
    record->visible = output->effect;
    check_order(sim, output->effect);
}

void
check_visible(Sim *sim, const Output *output)
{
    Effect *effect = output->effect;
    Record *record = effect->record;
    uint64_t bit = UINT64_C(1) << output->index;
    if (record->visible && record->visible != effect)
        fail(sim, record, "has two visible effects");
    if (effect->written & bit)
        fail(sim, record, "is visible twice");
    record->visible = effect;
    effect->written |= bit;
    effect->n_written++;
    effect->in_transaction++;
    check_order(sim, effect);
}

/* --- Commits ------------------------------------------------------------ */

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
            sim_fail(sim, "commits %d, which is gone", items[i].number);
        if (seen & (1u << items[i].number))
            sim_fail(sim, "commits %d twice at once", items[i].number);
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

/* Finished for what an edge can know; an order group may delay it. */
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

/* Nothing that could be said is left out. */
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
            fail(sim, message->record, "is finished, and not committed");
        if (!is_capped && !item_has(item, offset))
            fail(sim, message->record, "is finished, and not in the intervals");
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
            fail(sim, message->record, "is unfinished, and committed");
    }
    if (sim->plan.engine.order == KAB_ORDER_UNORDERED &&
        sim->plan.engine.on_failure != KAB_ON_FAILURE_DROP)
        check_complete(member, item);
}

static bool
is_settled(const Sim *sim, const Record *record)
{
    return record->is_covered || record->is_expired || record->is_skipped ||
           may_be_dropped(sim, record->may_fail);
}

void
check_committed(Sim *sim, unsigned partition, const Committed *committed)
{
    Log *log = &sim->logs[partition];
    for (; log->verified < log->n; log->verified++) {
        const Record *record = log->records[log->verified];
        if (record->offset >= committed->offset)
            break;
        if (!is_settled(sim, record))
            fail(sim, record, "is lost: the committed offset is beyond it");
    }
    for (unsigned i = log->verified; committed->n && i < log->n; i++)
        if (committed_has(committed, log->records[i]->offset) &&
            !is_settled(sim, log->records[i]))
            fail(sim, log->records[i], "is lost: an interval has it");
}

/* Given back in time, and to a group that takes commits: the next owner
 * finds all that is finished. */
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
        member->is_joining || is_exactly_once(sim))
        return;
    bool is_capped =
        committed_size(committed) + 20 > member->options.metadata_cap;
    for (unsigned i = 0; i < fetcher->n_messages; i++) {
        const Message *message = fetcher->messages[i];
        int64_t offset = message->record->offset;
        if (message->is_finished && offset >= committed->offset && !is_capped &&
            !committed_has(committed, offset))
            fail(sim, message->record, "is finished, and not handed over");
    }
}

/* A drain that ends in time leaves nothing out. */
void
check_drained(Member *member)
{
    Sim *sim = member->sim;
    KabEngineState state;
    kab_engine_get_state(member->engine, sim->now, &state);
    if (kab_engine_is_overdue(member->engine))
        return;
    if (member->calls_wanted)
        sim_fail(sim, "is drained with calls in flight");
    if (member->is_committing)
        sim_fail(sim, "is drained with a commit that is out");
    if (member->sink.n_unreported && state.sink == KAB_SINK_OPEN)
        sim_fail(sim, "is drained with outputs unreported");
}

/* A stop calls once what was ready. */
void
check_flushed(Member *member)
{
    const KabEngineOptions *options = &member->options;
    bool has_lanes = options->order == KAB_ORDER_KEY ||
                     options->order == KAB_ORDER_PARTITION;
    const Sim *sim = member->sim;
    if (has_lanes || !member->flushes || member->is_told_to_stop ||
        (sim->plan.faults >> FAULT_OVERLOAD) & 1 || sim->plan.has_endless ||
        kab_engine_is_overdue(member->engine))
        return;
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        if (!is_owned(fetcher) || !fetcher->is_flushed)
            continue;
        for (unsigned j = 0; j < fetcher->n_messages; j++)
            if (!fetcher->messages[j]->calls)
                fail(member->sim, fetcher->messages[j]->record,
                     "is left by the flush of a stop");
    }
}

/* --- A turn ------------------------------------------------------------- */

/* A partition may hold a quarter of the budget, more when there are few. */
static void
check_valve(Sim *sim, const Member *member, const Fetcher *fetcher)
{
    unsigned n = 0;
    for (unsigned i = 0; i < member->n_fetchers; i++)
        n += is_owned(member->fetchers[i]);
    double part = n > 1 ? CLAMP(2.0 / n, 0.25, 0.75) : 2;
    double share = part * (double)member->options.buffer_bytes;
    if (fetcher->is_open && (double)fetcher->waiting_charge > share)
        sim_fail(sim, "%u holds %zu bytes, and its valve is open",
                 fetcher->partition, fetcher->waiting_charge);
    if (!fetcher->is_open && !fetcher->n_held)
        sim_fail(sim, "%u holds nothing, and its valve is closed",
                 fetcher->partition);
}

/* With a free call slot and nothing in its way, no record waits for longer
 * than batch.period. */
static void
check_waiting(Sim *sim, const Member *member, Fetcher *fetcher)
{
    const KabEngineOptions *options = &member->options;
    while (fetcher->first_waiting < fetcher->n_messages &&
           fetcher->messages[fetcher->first_waiting]->calls)
        fetcher->first_waiting++;
    KabEngineState state;
    kab_engine_get_state(member->engine, sim->now, &state);
    bool has_lanes = options->order == KAB_ORDER_KEY ||
                     options->order == KAB_ORDER_PARTITION;
    if (fetcher->first_waiting == fetcher->n_messages || has_lanes ||
        options->rate_limit_calls || state.is_paused || !fetcher->is_pinned ||
        options->batch_period_us == KAB_NEVER ||
        state.calls_in_flight >= options->max_in_flight ||
        state.calls_abandoned >= MIN(options->threads, options->max_in_flight))
        return;
    const Message *message = fetcher->messages[fetcher->first_waiting];
    if (sim->now - message->ready_at >= options->batch_period_us)
        fail(sim, message->record, "waits although a call slot is free");
}

/* Does a drain, a hand-over, or a transaction's end wait for it? */
static bool
is_awaited(const Member *member, const Output *output, KabSinkState state)
{
    const Fetcher *fetcher = output->effect->message->fetcher;
    bool is_leaving = fetcher->revoked_at && !fetcher->is_gone;
    bool is_open = state == KAB_SINK_OPEN || state == KAB_SINK_IN_TRANSACTION;
    return state == KAB_SINK_SETTLING ||
           (is_open && (member->is_draining || is_leaving));
}

static void
check_lingering(Sim *sim, const Member *member, KabSinkState state)
{
    for (const Output *output = member->sink.first; output;
         output = output->next)
        if (output->lingers && is_awaited(member, output, state))
            fail(sim, output->effect->record,
                 "has an output that lingers, and is waited for");
}

static void
check_fetcher(Sim *sim, const Member *member, Fetcher *fetcher)
{
    if (fetcher->is_gone)
        return;
    int64_t limit = member->options.rebalance_drain_timeout_us + 10 * MS;
    if (fetcher->revoked_at && sim->now - fetcher->revoked_at > limit)
        sim_fail(sim, "%u is not given back in time", fetcher->partition);
    if (fetcher->is_lost)
        sim_fail(sim, "%u is lost and not given back", fetcher->partition);
    if (!is_owned(fetcher) || member->is_draining)
        return;
    check_valve(sim, member, fetcher);
    check_waiting(sim, member, fetcher);
}

/* What an operator sees of a record is what happens to it. */
static void
check_look(Member *member, const Message *message)
{
    KabSlotState state;
    const char *waits_for;
    int64_t since_us;
    const Record *record = message->record;
    bool is_found =
        kab_engine_find(member->engine, "in", (int32_t)record->partition,
                        record->offset, &state, &waits_for, &since_us);
    bool is_right = !is_found || state == KAB_SLOT_FINISHED ||
                    (state == KAB_SLOT_WAITING) == !message->calls;
    bool is_called = is_found && state == KAB_SLOT_CALLED;
    if (message->call && !is_called)
        fail(member->sim, record, "is called, and is not found so");
    if (!is_right || (message->is_resolved && is_called))
        fail(member->sim, record, "is not found where it is");
    if (message->is_finished && is_found && state != KAB_SLOT_FINISHED)
        fail(member->sim, record, "is finished, and is not found so");
}

static void
look_in(Member *member)
{
    Sim *sim = member->sim;
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        if (is_owned(fetcher) && fetcher->n_messages)
            check_look(member,
                       fetcher->messages[sim_below(sim, fetcher->n_messages)]);
    }
    g_free(kab_engine_dup_stall(member->engine, sim->now + 100 * SECOND));
}

/* Every call is counted, once. */
static void
check_counters(Member *member)
{
    const KabCounters *counters = kab_engine_counters(member->engine);
    uint64_t batches = 0, calls = member->calls_wanted;
    for (unsigned i = 0; i < KAB_N_TRIGGERS; i++)
        batches += counters->batches[i];
    for (unsigned i = 0; i < KAB_N_CALL_RESULTS; i++)
        calls += counters->calls[i];
    if (batches != member->n_invoked || calls != member->n_invoked)
        sim_fail(member->sim,
                 "counts %" PRIu64 " batches and %" PRIu64
                 " calls; there were %" PRIu64,
                 batches, calls, member->n_invoked);
}

void
check_advance(Member *member)
{
    Sim *sim = member->sim;
    check_counters(member);
    if (member->must_stop && !member->is_told_to_stop)
        sim_fail(sim, "goes on although it must stop");
    if (sim_below(sim, 16) == 0)
        look_in(member);
    KabEngineState state;
    kab_engine_get_state(member->engine, sim->now, &state);
    if (state.bytes != member->charge)
        sim_fail(sim, "the budget says %zu bytes, %zu are held", state.bytes,
                 member->charge);
    if (state.calls_in_flight != member->calls_wanted ||
        state.calls_abandoned != member->calls_open - member->calls_wanted)
        sim_fail(sim, "%u calls in flight and %u abandoned; are %zu of %zu",
                 state.calls_in_flight, state.calls_abandoned,
                 member->calls_wanted, member->calls_open);
    if (!member->messages_out && !member->is_draining &&
        !kab_engine_want(member->engine))
        sim_fail(sim, "holds nothing and wants nothing");
    check_lingering(sim, member, state.sink);
    for (unsigned i = 0; i < member->n_fetchers; i++)
        check_fetcher(sim, member, member->fetchers[i]);
}

void
check_want(Member *member, size_t want)
{
    Sim *sim = member->sim;
    bool is_full = member->charge >= member->options.buffer_bytes;
    if (want && (is_full || member->is_draining))
        sim_fail(sim, "wants %zu records and may take none", want);
}

/* --- The end ------------------------------------------------------------ */

static bool
is_log_done(const Sim *sim, const Log *log)
{
    if (!sim->plan.has_endless)
        return log->committed.has_offset && log->committed.offset == log->end &&
               !log->committed.n;
    for (unsigned i = 0; i < log->n; i++)
        if (!is_settled(sim, log->records[i]) &&
            log->records[i]->nature != NATURE_OVERLOAD)
            return false;
    return true;
}

bool
check_is_done(Sim *sim)
{
    if (sim->n_appended < sim->plan.n_records)
        return false;
    for (unsigned i = 0; i < sim->plan.n_partitions; i++)
        if (!is_log_done(sim, &sim->logs[i]))
            return false;
    return true;
}

void
check_end(Sim *sim)
{
    for (unsigned i = 0; !sim->is_failed && i < sim->plan.n_partitions; i++) {
        const Log *log = &sim->logs[i];
        for (unsigned j = 0; j < log->n; j++)
            if (!is_settled(sim, log->records[j]) &&
                log->records[j]->nature != NATURE_OVERLOAD)
                fail(sim, log->records[j], "is never finished");
    }
}
