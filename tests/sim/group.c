/* SPDX-License-Identifier: Apache-2.0 */
/* The group: who owns which partition in which generation.
 *
 *   stable -> revoking   members that lose partitions are told, each later
 *          -> joining    all revoked partitions are unassigned
 *          -> stable     each member learns the new generation
 *
 * The coordinator increments the generation when the members join; a member
 * knows the new generation only after SyncGroup. A kicked member goes on as a
 * zombie until it is told.
 */
#include "sim.h"

static bool
is_of_group(const Sim *sim, const Member *member)
{
    return member->engine && sim->group.has[member->number];
}

/* --- Targets ------------------------------------------------------------ */

static void
pick_targets(Sim *sim)
{
    Group *group = &sim->group;
    int members[MAX_MEMBERS], n = 0;
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (is_of_group(sim, &sim->members[i]))
            members[n++] = (int)i;
    for (unsigned i = 0; i < sim->plan.n_partitions; i++) {
        bool stays = group->owner[i] >= 0 && group->has[group->owner[i]] &&
                     sim_below(sim, 2);
        group->target[i] = stays ? group->owner[i] : -1;
        if (!stays && n)
            group->target[i] = members[sim_below(sim, (unsigned)n)];
    }
}

/* --- Revoking ----------------------------------------------------------- */

static void
tell_revoked(Sim *sim, Member *member, void *data)
{
    Fetcher *fetcher = data;
    if (fetcher->is_gone || fetcher->revoked_at)
        return;
    TRACE(sim, "%u: revoking %u", member->number, fetcher->partition);
    fetcher->revoked_at = sim->now;
    kab_engine_revoking(member->engine, fetcher->handle, sim->now);
    member_touch(member);
}

static bool
must_go(const Sim *sim, const Fetcher *fetcher)
{
    const Group *group = &sim->group;
    return !fetcher->is_gone &&
           (sim->plan.is_eager ||
            group->target[fetcher->partition] != (int)fetcher->member->number);
}

/* Does the member own the partition, and keep it? */
bool
group_keeps(const Sim *sim, const Member *member, unsigned partition)
{
    const Group *group = &sim->group;
    int number = (int)member->number;
    if (!group->has[number] || group->owner[partition] != number)
        return false;
    if (group->phase == GROUP_REVOKING && sim->plan.is_eager)
        return false;
    return group->phase == GROUP_STABLE || group->target[partition] == number;
}

static void
revoke_of(Sim *sim, Member *member)
{
    int64_t delay = sim_between(sim, 0, 3 * MS);
    for (unsigned i = 0; i < member->n_fetchers; i++)
        if (must_go(sim, member->fetchers[i]))
            sim_after(sim, delay, member, tell_revoked, member->fetchers[i]);
}

void
group_rebalance(Sim *sim)
{
    Group *group = &sim->group;
    if (group->phase != GROUP_STABLE) {
        group->again = true;
        return;
    }
    TRACE(sim, "rebalance");
    group->phase = GROUP_REVOKING;
    group->again = false;
    group->since = sim->now;
    pick_targets(sim);
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (is_of_group(sim, &sim->members[i]))
            revoke_of(sim, &sim->members[i]);
    group_check(sim);
}

/* --- Joining ------------------------------------------------------------ */

static void
end_join(Sim *sim)
{
    Group *group = &sim->group;
    group->phase = GROUP_STABLE;
    if (group->again)
        group_rebalance(sim);
}

static void
synchronise_group(Sim *sim, Member *member, void *data)
{
    Group *group = &sim->group;
    if (!group->has[member->number])
        return;
    member->generation = group->generation;
    member->is_joining = false;
    kab_engine_set_joining(member->engine, false);
    for (unsigned i = 0; i < sim->plan.n_partitions; i++)
        if (group->owner[i] == (int)member->number && !member_find(member, i))
            source_assign(member, i);
    member_touch(member);
}

static void
on_join_ended(Sim *sim, Member *member, void *data)
{
    end_join(sim);
}

static void
start_joining(Sim *sim)
{
    Group *group = &sim->group;
    group->phase = GROUP_JOINING;
    group->generation++;
    TRACE(sim, "generation %d", group->generation);
    for (unsigned i = 0; i < sim->plan.n_partitions; i++)
        group->owner[i] = group->target[i] >= 0 && group->has[group->target[i]]
                              ? group->target[i]
                              : -1;
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (is_of_group(sim, &sim->members[i]))
            sim_after(sim, sim_between(sim, 0, 5 * MS), &sim->members[i],
                      synchronise_group, NULL);
    sim_after(sim, 5 * MS + 1, NULL, on_join_ended, NULL);
}

/* The generation changes after every member was told: none commits by then. */
static void
begin_join(Sim *sim, Member *none, void *data)
{
    start_joining(sim);
}

void
group_check(Sim *sim)
{
    Group *group = &sim->group;
    if (group->phase != GROUP_REVOKING)
        return;
    for (unsigned i = 0; i < sim->plan.n_members; i++) {
        Member *member = &sim->members[i];
        for (unsigned j = 0; j < member->n_fetchers; j++)
            if (is_of_group(sim, member) && must_go(sim, member->fetchers[j]))
                return;
    }
    group->phase = GROUP_JOINING;
    for (unsigned i = 0; i < sim->plan.n_members; i++) {
        Member *member = &sim->members[i];
        if (!is_of_group(sim, member))
            continue;
        member->is_joining = true;
        kab_engine_set_joining(member->engine, true);
    }
    sim_after(sim, sim_between(sim, 0, 2 * MS), NULL, begin_join, NULL);
}

/* --- Commits ------------------------------------------------------------ */

static bool
is_empty(const Group *group)
{
    for (unsigned i = 0; i < MAX_MEMBERS; i++)
        if (group->has[i])
            return false;
    return true;
}

/* Does the coordinator accept an offset commit? Without a generation it cannot
 * check the member: it accepts those of a transaction always, those of a
 * consumer if the group is empty. So a member that was told that its
 * partitions are lost must not commit. */
bool
group_takes_offsets(const Sim *sim,
                    const Member *member,
                    int generation,
                    bool in_transaction)
{
    const Group *group = &sim->group;
    if (generation < 0)
        return in_transaction || is_empty(group);
    return generation == group->generation && group->has[member->number];
}

/* --- Members come and go ------------------------------------------------ */

void
group_join(Sim *sim, Member *member)
{
    sim->group.has[member->number] = true;
    group_rebalance(sim);
}

void
group_leave(Sim *sim, Member *member)
{
    sim->group.has[member->number] = false;
    for (unsigned i = 0; i < sim->plan.n_partitions; i++)
        if (sim->group.owner[i] == (int)member->number)
            sim->group.owner[i] = -1;
    group_check(sim);
    group_rebalance(sim);
}

/* The member learns that it was kicked: others may own its partitions. */
void
group_tell_lost(Sim *sim, Member *member)
{
    member->generation = -1;
    member->is_zombie = false;
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        Fetcher *fetcher = member->fetchers[i];
        if (fetcher->is_gone)
            continue;
        TRACE(sim, "%u: lost %u", member->number, fetcher->partition);
        fetcher->is_lost = true;
        kab_engine_lost(member->engine, fetcher->handle, sim->now);
    }
    if (member->is_joining) {
        member->is_joining = false;
        kab_engine_set_joining(member->engine, false);
    }
    member_touch(member);
}
