/* SPDX-License-Identifier: Apache-2.0 */
/* The properties of every history. The first violation fails the
 * schedule.
 */
#include "sim.h"

void
check_fail(Sim *sim, const Record *record, const char *what)
{
    sim_fail(sim, "%u/%" PRIi64 " %s", record->partition, record->offset, what);
}

static bool
is_owned(const Fetcher *fetcher)
{
    return !fetcher->is_gone && fetcher->is_loaded && !fetcher->revoked_at &&
           !fetcher->is_resetting && !fetcher->is_lost;
}

/* --- Drains -------------------------------------------------------------- */

/* A drain that ends in time leaves nothing in flight. */
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
        sim_fail(sim, "is drained with a commit outstanding");
    if (member->sink.n_unreported && state.sink == KAB_SINK_OPEN)
        sim_fail(sim, "is drained with outputs unreported");
}

/* The flush of a stop calls each ready record once. */
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
                check_fail(member->sim, fetcher->messages[j]->record,
                           "is not called by the flush of a stop");
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

/* Does a record that crashed the function wait to be called alone? */
static bool
keeps_alone(const Member *member)
{
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        for (unsigned j = 0; !fetcher->is_gone && j < fetcher->n_messages; j++)
            if (fetcher->messages[j]->crashed &&
                !fetcher->messages[j]->is_resolved)
                return true;
    }
    return false;
}

/* While a call slot is free and nothing blocks it, no record waits for longer
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
    if (sim->now - message->ready_at >= options->batch_period_us &&
        !keeps_alone(member))
        check_fail(sim, message->record, "waits although a call slot is free");
}

/* Does a drain, a hand-over, or a transaction's end wait for the output? */
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
            check_fail(sim, output->effect->record,
                       "has an awaited output that lingers unflushed");
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

/* The state that an operator sees is the record's true state. */
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
        check_fail(member->sim, record,
                   "is called, but kab_engine_find() says otherwise");
    if (!is_right || (message->is_resolved && is_called))
        check_fail(member->sim, record,
                   "is in another state than kab_engine_find() says");
    if (message->is_finished && is_found && state != KAB_SLOT_FINISHED)
        check_fail(member->sim, record,
                   "is finished, but kab_engine_find() says otherwise");
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
    KabStall stall;
    if (kab_engine_find_stall(member->engine, sim->now + 100 * SECOND, &stall))
        g_free(kab_stall_dup_sentence(&stall));
    count_check(member);
}

void
check_advance(Member *member)
{
    Sim *sim = member->sim;
    if (member->must_stop && !member->is_told_to_stop)
        sim_fail(sim, "goes on although the binding must stop");
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
        sim_fail(sim, "holds nothing but wants nothing");
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
        sim_fail(sim, "wants %zu records although it may take none", want);
    KabEngineState state;
    kab_engine_get_state(member->engine, sim->now, &state);
    size_t most = member->options.max_attempts;
    size_t may_be = member->attempts_out + state.waiting + state.called + want;
    if (most && want && may_be > most)
        sim_fail(sim, "wants %zu records, and may then need %zu attempts", want,
                 may_be);
}

/* --- The end ------------------------------------------------------------ */

static bool
is_log_done(const Sim *sim, const Log *log)
{
    if (!sim->plan.has_endless)
        return log->committed.has_offset && log->committed.offset == log->end &&
               !log->committed.n;
    for (unsigned i = 0; i < log->n; i++)
        if (!check_is_settled(sim, log->records[i]) &&
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
            if (!check_is_settled(sim, log->records[j]) &&
                log->records[j]->nature != NATURE_OVERLOAD)
                check_fail(sim, log->records[j], "is never finished");
    }
}
