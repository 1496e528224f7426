/* SPDX-License-Identifier: Apache-2.0 */
/* A member: one process with the engine in it.
 *
 * The loop turns a little after each event, so that a turn often sees several
 * events, as in production; and at the engine's deadline, sometimes late.
 */
#include <string.h>

#include "sim.h"

static void
note_stop(void *user, KabStopReason reason, const char *message)
{
    Member *member = user;
    Sim *sim = member->sim;
    TRACE(sim, "%u: stops by itself (%d): %s", member->number, (int)reason,
          message);
    if (member->is_told_to_stop)
        sim_fail(sim, "told to stop twice");
    member->is_told_to_stop = true;
    if (!member->is_draining)
        member->drains_since = sim->now;
    member->is_draining = true;
}

static void
on_failed(void *user,
          const KabRecord *record,
          const KabDeadLetter *why,
          KabFate fate)
{
    Member *member = user;
    Fetcher *fetcher = member_find(member, (unsigned)record->partition);
    for (unsigned i = 0; fetcher && i < fetcher->n_messages; i++)
        if (fetcher->messages[i]->record->offset == record->offset)
            fetcher->messages[i]->is_told = true;
    if (fate == KAB_FATE_OUTPUT)
        sim_fail(member->sim, "%d/%" PRIi64 " failed (%s), and goes on",
                 (int)record->partition, record->offset, why->message);
}

static const KabCallPort call_port = {
    .invoke = function_invoke,
    .cancel = function_cancel,
    .release_attempt = function_release,
};

static const KabSourcePort source_port = {
    .load = source_load,
    .add = source_add,
    .unassign = source_unassign,
    .valve = source_valve,
    .commit = source_commit,
    .release_message = source_release_message,
    .detach_message = source_detach_message,
};

static const KabSinkPort sink_port = {
    .measure = sink_measure,
    .produce = sink_produce,
    .flush = sink_flush,
    .replace = sink_replace,
    .begin = sink_begin,
    .end = sink_end,
    .abort = sink_abort,
};

static const KabOwnerPort owner_port = {.failed = on_failed, .stop = note_stop};

static void
connect_ports(Member *member)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = member,
        .source = &source_port,
        .source_user = member,
        .sinks = {{&sink_port, member}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = member,
    };
    kab_engine_connect(member->engine, &ports);
}

/* --- The loop ----------------------------------------------------------- */

static void turn_member(Sim *sim, Member *member, void *data);

static void
wake_member(Sim *sim, Member *member, void *data)
{
    member->wakes_at = KAB_NEVER;
    member_touch(member);
}

static void
sleep_until_due(Sim *sim, Member *member)
{
    int64_t due = kab_engine_next_deadline(member->engine);
    if (due >= member->wakes_at)
        return;
    member->wakes_at = due;
    int64_t late = sim_strikes(sim, FAULT_LATE) ? sim_below(sim, 3000) : 0;
    sim_after(sim, due - sim->now + late, member, wake_member, NULL);
}

static void
restart_member(Sim *sim, Member *member, void *data)
{
    if (!member->engine && !sim->is_over)
        member_start(sim, member);
}

static void
end_member(Sim *sim, Member *member)
{
    TRACE(sim, "%u: drained", member->number);
    int64_t took = sim->now - member->drains_since;
    check_drained(member);
    check_flushed(member);
    if (took > member->options.shutdown_timeout_us + SECOND + 10 * MS)
        sim_fail(sim, "the drain took %" PRIi64 " us", took);
    bool has_time = member->options.shutdown_timeout_us >= SECOND;
    bool has_calm = sim->is_over && member->drains_since >= sim->calm_since;
    if (has_calm && has_time && !sim->plan.has_endless &&
        kab_engine_is_overdue(member->engine))
        sim_fail(sim, "a drain without faults was not clean");
    member_kill(sim, member);
    group_leave(sim, member);
    sim_after(sim, sim_between(sim, 0, 50 * MS), member, restart_member, NULL);
}

/* A turn does everything: a second one right after it has nothing to do. */
static void
advance_member(Member *member)
{
    kab_engine_advance(member->engine, member->sim->now);
    kab_engine_check(member->engine);
    size_t before = member->n_effects;
    if (sim_below(member->sim, 8))
        return;
    kab_engine_advance(member->engine, member->sim->now);
    if (member->n_effects != before)
        sim_fail(member->sim, "a turn left work that the next one did");
}

static void
turn_member(Sim *sim, Member *member, void *data)
{
    member->advances = false;
    advance_member(member);
    check_advance(member);
    group_check(sim);
    if (kab_engine_is_drained(member->engine)) {
        end_member(sim, member);
        return;
    }
    if (member->is_draining &&
        sim->now > member->drains_since + member->options.shutdown_timeout_us +
                       SECOND + 10 * MS)
        sim_fail(sim, "a drain does not end");
    sleep_until_due(sim, member);
    member_poll(member);
}

void
member_touch(Member *member)
{
    if (member->advances || !member->engine)
        return;
    member->advances = true;
    int64_t delay = sim_below(member->sim, 4) ? 0 : sim_below(member->sim, 200);
    sim_after(member->sim, delay, member, turn_member, NULL);
}

void
member_poll(Member *member)
{
    if (member->polls || !member->engine)
        return;
    member->polls = true;
    sim_after(member->sim, sim_below(member->sim, 300), member, source_poll,
              NULL);
}

bool
member_is_exactly_once(const Member *member)
{
    return member->options.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

Fetcher *
member_find(Member *member, unsigned partition)
{
    for (unsigned i = 0; i < member->n_fetchers; i++)
        if (member->fetchers[i]->partition == partition &&
            !member->fetchers[i]->is_gone)
            return member->fetchers[i];
    return NULL;
}

/* --- Life --------------------------------------------------------------- */

/* Like an edge that must not commit for a while after each heartbeat. */
static void
hold_commits(Sim *sim, Member *member, void *data)
{
    const Plan *plan = &sim->plan;
    if (!member->engine)
        return;
    member->commits_held_until = sim->now + plan->hold_for_us;
    kab_engine_hold_commits(member->engine, member->commits_held_until);
    sim_after(sim, plan->hold_every_us, member, hold_commits, NULL);
}

void
member_start(Sim *sim, Member *member)
{
    unsigned number = member->number;
    uint32_t life = member->life + 1;
    memset(member, 0, sizeof *member);
    member->sim = sim;
    member->number = number;
    member->life = life;
    member->generation = -1;
    member->wakes_at = KAB_NEVER;
    member->options = sim->plan.engine;
    member->options.seed = sim_random(sim);
    sink_init(&member->sink);
    member->engine = kab_engine_new(&member->options);
    connect_ports(member);
    TRACE(sim, "%u: starts", number);
    if ((sim->plan.faults >> FAULT_HOLD_COMMIT) & 1)
        sim_after(sim, sim_below(sim, 10 * MS), member, hold_commits, NULL);
    member_touch(member);
    group_join(sim, member);
}

/* The process ends; what it has sent is still on its way. */
void
member_kill(Sim *sim, Member *member)
{
    sink_abandon(sim, member);
    count_check(member);
    member->life++;
    kab_engine_free(g_steal_pointer(&member->engine));
    if (member->messages_out)
        sim_fail(sim, "%zu messages are never released", member->messages_out);
    if (member->attempts_out)
        sim_fail(sim, "%zu attempts are never released", member->attempts_out);
    member->n_fetchers = 0;
}

void
member_drain(Sim *sim, Member *member)
{
    TRACE(sim, "%u: drain", member->number);
    if (!member->is_draining)
        member->drains_since = sim->now;
    KabEngineState state;
    kab_engine_get_state(member->engine, sim->now, &state);
    member->flushes = !member->is_draining && !state.is_paused;
    for (unsigned i = 0; i < member->n_fetchers; i++)
        member->fetchers[i]->is_flushed = member->fetchers[i]->is_pinned;
    member->is_draining = true;
    kab_engine_drain(member->engine, sim->now);
    member_touch(member);
}
