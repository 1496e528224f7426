/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual time: one heap of events, and the run of a schedule.
 *
 * A schedule has two parts: first faults happen; then they stop, and everything
 * must be finished within bounded time, with progress again and again until
 * then. At the end the members drain.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

enum { CHUNK_SIZE = 1 << 18, MAX_EVENTS = 400000 };

/* --- Memory ------------------------------------------------------------- */

void *
sim_alloc(Sim *sim, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    g_assert(size <= CHUNK_SIZE);
    if (!sim->chunk || sim->chunk_used + size > CHUNK_SIZE) {
        sim->chunk = g_malloc(CHUNK_SIZE);
        sim->chunk_used = 0;
        g_ptr_array_add(sim->chunks, sim->chunk);
    }
    void *memory = sim->chunk + sim->chunk_used;
    sim->chunk_used += size;
    return memset(memory, 0, size);
}

Sim *
sim_new(const Plan *plan, struct Trace *trace)
{
    Sim *sim = g_new0(Sim, 1);
    sim->plan = *plan;
    sim->trace = trace;
    sim->random = plan->seed;
    sim->now = SECOND;
    sim->moves_by = INT64_MAX;
    sim->chunks = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < MAX_MEMBERS; i++) {
        sim->members[i].sim = sim;
        sim->members[i].number = i;
    }
    for (unsigned i = 0; i < MAX_PARTITIONS; i++)
        sim->group.owner[i] = -1;
    return sim;
}

void
sim_free(Sim *sim)
{
    for (unsigned i = 0; i < MAX_MEMBERS; i++)
        kab_engine_free(sim->members[i].engine);
    g_ptr_array_unref(sim->chunks);
    g_free(sim->events);
    g_free(sim);
}

void
sim_fail(Sim *sim, const char *format, ...)
{
    if (sim->is_failed)
        return;
    sim->is_failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, arguments);
    va_end(arguments);
    TRACE(sim, "FAILED: %s", sim->failure);
}

/* --- Time --------------------------------------------------------------- */

static bool
is_before(const Event *left, const Event *right)
{
    if (left->at != right->at)
        return left->at < right->at;
    return left->order < right->order;
}

static void
push_event(Sim *sim, Event event)
{
    if (sim->n_events == sim->events_capacity) {
        sim->events_capacity = MAX(sim->events_capacity * 2, 256);
        sim->events = g_renew(Event, sim->events, sim->events_capacity);
    }
    size_t place = sim->n_events++;
    for (; place && is_before(&event, &sim->events[(place - 1) / 2]);
         place = (place - 1) / 2)
        sim->events[place] = sim->events[(place - 1) / 2];
    sim->events[place] = event;
}

static Event
pop_event(Sim *sim)
{
    Event first = sim->events[0], last = sim->events[--sim->n_events];
    size_t place = 0;
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= sim->n_events)
            break;
        if (child + 1 < sim->n_events &&
            is_before(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (!is_before(&sim->events[child], &last))
            break;
        sim->events[place] = sim->events[child];
        place = child;
    }
    sim->events[place] = last;
    return first;
}

void
sim_after(Sim *sim,
          int64_t delay_us,
          Member *member,
          void (*run)(Sim *sim, Member *member, void *data),
          void *data)
{
    push_event(sim, (Event){.at = sim->now + MAX(delay_us, 0),
                            .order = sim->events_ever++,
                            .run = run,
                            .member = member,
                            .life = member ? member->life : 0,
                            .data = data});
}

/* --- The run ------------------------------------------------------------ */

static void
run_event(Sim *sim)
{
    Event event = pop_event(sim);
    sim->now = event.at;
    if (event.member && event.member->life != event.life)
        return;
    event.run(sim, event.member, event.data);
}

/* Runs until done; false: it failed, or the limit is reached. */
static bool
run_until(Sim *sim, int64_t limit_us, bool (*is_done)(Sim *sim))
{
    while (!sim->is_failed && !is_done(sim)) {
        int64_t limit = MIN(limit_us, sim->moves_by);
        if (!sim->n_events || sim->events[0].at > limit ||
            sim->events_ever > MAX_EVENTS)
            return false;
        run_event(sim);
    }
    return !sim->is_failed;
}

static bool
is_calm(Sim *sim)
{
    return sim->is_calm;
}

static void
calm_down(Sim *sim, Member *member, void *data)
{
    TRACE(sim, "--- no more faults");
    sim->is_calm = true;
    sim->calm_since = sim->now;
}

static bool
are_drained(Sim *sim)
{
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (sim->members[i].engine)
            return false;
    return true;
}

static void
drain_all(Sim *sim)
{
    sim->is_over = true;
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (sim->members[i].engine && !sim->members[i].is_draining)
            member_drain(sim, &sim->members[i]);
}

/* How long there may be no progress. The promise is ten seconds after a fault;
 * most of that is a session and a request, which take milliseconds here. So
 * the limit is the sum of the plan's own times, and a little more. */
static int64_t
find_patience(const Plan *plan)
{
    const KabEngineOptions *options = &plan->engine;
    bool is_slow = (plan->faults >> FAULT_SLOW) & 1;
    return 3 * SECOND + (is_slow ? 3 * SECOND : 0) + plan->linger_us +
           plan->hold_every_us + options->shutdown_timeout_us +
           options->rebalance_drain_timeout_us + options->call_timeout_us +
           2 * options->retry_backoff_max_us + options->batch_period_us +
           options->commit_interval_us + options->transaction_interval_us;
}

void
sim_progress(Sim *sim)
{
    if (sim->patience_us)
        sim->moves_by = sim->now + sim->patience_us;
}

/* Runs until all is finished. An endless record allows no watch on progress. */
static bool
run_patiently(Sim *sim)
{
    sim->patience_us = sim->plan.has_endless ? 0 : find_patience(&sim->plan);
    sim_progress(sim);
    bool is_done = run_until(sim, sim->now + 600 * SECOND, check_is_done);
    if (!is_done && sim->n_events && sim->events[0].at > sim->moves_by)
        sim_fail(sim, "nothing is new for %g ms",
                 (double)sim->patience_us / 1000);
    sim->patience_us = 0;
    sim->moves_by = INT64_MAX;
    return is_done;
}

/* A batch that never fills waits for the flush of a stop; the next process
 * runs with batch.period = 0 and takes what the flush left. */
static bool
recover_world(Sim *sim)
{
    sim->is_over = false;
    sim->plan.engine.batch_period_us = 0;
    member_start(sim, &sim->members[0]);
    return run_patiently(sim);
}

static void
find_unfinished(Sim *sim)
{
    if (sim->is_failed)
        return;
    for (unsigned i = 0; i < sim->plan.n_partitions; i++)
        TRACE(sim, "log %u ends at %" PRIi64 ", committed is %" PRIi64, i,
              sim->logs[i].end, sim->logs[i].committed.offset);
    check_end(sim); /* names the first unfinished record */
    sim_fail(sim, "not everything is finished %s",
             sim->events_ever > MAX_EVENTS ? "after too many events"
                                           : "long after the last fault");
}

bool
sim_run(Sim *sim)
{
    bool is_patient = sim->plan.engine.batch_period_us != KAB_NEVER;
    broker_fill(sim);
    chaos_start(sim);
    sim_after(sim, sim->plan.faults_us, NULL, calm_down, NULL);
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        member_start(sim, &sim->members[i]);
    if (!run_until(sim, INT64_MAX, is_calm))
        find_unfinished(sim);
    if (!is_patient)
        run_until(sim, sim->now + 5 * SECOND, check_is_done);
    else if (!run_patiently(sim))
        find_unfinished(sim);
    drain_all(sim);
    if (!run_until(sim, sim->now + 60 * SECOND, are_drained))
        find_unfinished(sim);
    if (!is_patient && !sim->is_failed && !check_is_done(sim) &&
        !recover_world(sim))
        find_unfinished(sim);
    check_end(sim);
    return !sim->is_failed;
}
