/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that strike the members from outside, at the plan's rates. */
#include "sim.h"

static void
start_again(Sim *sim, Member *member, void *data)
{
    if (!member->engine && !sim->is_over)
        member_start(sim, member);
}

/* The group notices when the session has expired. */
static void
expire_session(Sim *sim, Member *member, void *data)
{
    if (!member->engine && sim->group.has[member->number])
        group_leave(sim, member);
}

static void
crash_member(Sim *sim, Member *member)
{
    TRACE(sim, "%u: crashes", member->number);
    member_kill(sim, member);
    sim_after(sim, sim_between(sim, 0, 20 * MS), member, expire_session, NULL);
    sim_after(sim, sim_between(sim, 20 * MS, 60 * MS), member, start_again,
              NULL);
    group_check(sim);
}

/* A client joins again only when what it lost is unassigned. */
static void
come_back(Sim *sim, Member *member, void *data)
{
    for (unsigned i = 0; i < member->n_fetchers; i++)
        if (!member->fetchers[i]->is_gone) {
            sim_after(sim, MS, member, come_back, NULL);
            return;
        }
    group_join(sim, member);
}

static void
hear_of_kick(Sim *sim, Member *member, void *data)
{
    group_tell_lost(sim, member);
    sim_after(sim, sim_between(sim, 0, 5 * MS), member, come_back, NULL);
}

static void
kick_member(Sim *sim, Member *member)
{
    if (!sim->group.has[member->number] || member->is_zombie)
        return;
    TRACE(sim, "%u: kicked", member->number);
    member->is_zombie = true;
    sim_after(sim, sim_between(sim, 0, 50 * MS), member, hear_of_kick, NULL);
    group_leave(sim, member);
}

static void
expire_records(Sim *sim)
{
    unsigned partition = sim_below(sim, sim->plan.n_partitions);
    const Log *log = &sim->logs[partition];
    broker_expire(sim, partition, sim_between(sim, log->start, log->end));
}

static void
reload_member(Sim *sim, Member *member)
{
    KabEngineOptions *options = &member->options;
    TRACE(sim, "%u: reload", member->number);
    options->batch_count = 1 + sim_below(sim, 10);
    options->max_in_flight = 1 + sim_below(sim, 4);
    options->buffer_bytes = (size_t)sim_between(sim, 1000, 20000);
    options->retry_backoff_us = sim_between(sim, 100, 2 * MS);
    options->commit_interval_us = sim_between(sim, 0, 20 * MS);
    options->transaction_interval_us = sim_between(sim, MS, 50 * MS);
    if (options->batch_period_us != KAB_NEVER)
        options->batch_period_us = sim_between(sim, 0, 30 * MS);
    kab_engine_set_options(member->engine, options);
    member_touch(member);
}

static void
fail_edge(Sim *sim, Member *member)
{
    KabStopReason reason = sim_below(sim, 2) ? KAB_STOP_SOURCE : KAB_STOP_SINK;
    TRACE(sim, "%u: an edge fails (%d)", member->number, (int)reason);
    if (!member->is_draining)
        member->drains_since = sim->now;
    member->is_draining = true;
    kab_engine_fail(member->engine, reason, "an edge fails", sim->now);
    member_touch(member);
}

static void
strike_member(Sim *sim, Member *member)
{
    if (!member->engine)
        return;
    if (sim_strikes(sim, FAULT_CRASH))
        crash_member(sim, member);
    else if (sim_strikes(sim, FAULT_KICK))
        kick_member(sim, member);
    else if (sim_strikes(sim, FAULT_STOP) && !member->is_draining)
        member_drain(sim, member);
    else if (sim_strikes(sim, FAULT_RELOAD))
        reload_member(sim, member);
    else if (sim_strikes(sim, FAULT_EDGE) && sim_below(sim, 4) == 0)
        fail_edge(sim, member);
    else if (sim_strikes(sim, FAULT_BREAK))
        sink_break(sim, member);
    else if (sim_strikes(sim, FAULT_FENCE))
        sink_fence(sim, member);
}

static void
tick_chaos(Sim *sim, Member *none, void *data)
{
    if (sim->is_calm)
        return;
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        strike_member(sim, &sim->members[i]);
    if (sim_strikes(sim, FAULT_REBALANCE))
        group_rebalance(sim);
    if (sim_strikes(sim, FAULT_RESET) && sim_below(sim, 2))
        expire_records(sim);
    chaos_start(sim);
}

void
chaos_start(Sim *sim)
{
    sim_after(sim, sim_between(sim, 0, sim->plan.faults_us / 15), NULL,
              tick_chaos, NULL);
}
