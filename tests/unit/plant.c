/* SPDX-License-Identifier: Apache-2.0 */
/* Model services in virtual time; see plant.h. */
#include "plant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#define MAX_CALLS 128
#define MAX_REPLICAS 64

/* One call that is out. */
typedef struct {
    KabAdaptiveCall seen;
    double begun, ends;
    double first_record, records; /* arrival numbers */
    bool is_refused, is_merged;
} Call;

typedef struct {
    const Plant *plant;
    const PlantRun *run;
    double now, next_allowed, not_before, pause_s;
    double taken; /* records so far */
    Call calls[MAX_CALLS];
    unsigned n_calls;
    double busy_until[MAX_REPLICAS];
    uint64_t random;
    GArray *call_ms, *record_ms; /* double */
    double finished;             /* records since from_s */
    PlantResult result;
    unsigned in_a_row;
} World;

static double
draw(World *world)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (double)(world->random >> 11) / 9007199254740992.0;
}

static double
draw_normal(World *world)
{
    double u = draw(world), v = draw(world);
    return sqrt(-2 * log(u + 1e-12)) * cos(6.283185307179586 * v);
}

static bool
is_disturbed(const World *world)
{
    const Plant *plant = world->plant;
    return plant->factor > 0 && world->now >= plant->from_s &&
           world->now < plant->until_s;
}

static double
work_of(World *world, double records)
{
    const Plant *plant = world->plant;
    if (plant->step)
        records = ceil(records / plant->step) * plant->step;
    double seconds = (plant->base_ms + plant->record_ms * records) / 1000;
    if (is_disturbed(world))
        seconds *= plant->factor;
    if (plant->slow_share > 0 && draw(world) < plant->slow_share)
        seconds *= 3;
    if (plant->noise > 0)
        seconds *= exp(plant->noise * draw_normal(world) -
                       plant->noise * plant->noise / 2);
    return seconds;
}

/* When a call that comes now is answered. */
static double
serve_call(World *world, double records)
{
    const Plant *plant = world->plant;
    unsigned best = 0;
    for (unsigned i = 1; i < plant->replicas; i++)
        if (world->busy_until[i] < world->busy_until[best])
            best = i;
    double begin =
        MAX(world->now + plant->gap_ms / 1000, world->busy_until[best]);
    double end = begin + work_of(world, records);
    world->busy_until[best] = end;
    return end;
}

/* A merging service that is free takes all that waits as one call. */
static void
merge_waiting(World *world)
{
    if (world->busy_until[0] > world->now)
        return;
    double records = 0;
    for (unsigned i = 0; i < world->n_calls; i++)
        if (world->calls[i].is_merged && isinf(world->calls[i].ends))
            records += world->calls[i].records;
    if (records <= 0)
        return;
    double end = world->now + work_of(world, records);
    world->busy_until[0] = end;
    for (unsigned i = 0; i < world->n_calls; i++)
        if (world->calls[i].is_merged && isinf(world->calls[i].ends))
            world->calls[i].ends = end;
}

static bool
refuses(World *world, double records)
{
    const Plant *plant = world->plant;
    if (is_disturbed(world) && isinf(plant->factor))
        return true;
    if (plant->rate_limit > 0) {
        if (world->now < world->next_allowed)
            return true;
        world->next_allowed =
            MAX(world->now, world->next_allowed) + 1 / plant->rate_limit;
    }
    return plant->too_large && records > (double)plant->too_large;
}

static double
arrival_of(const World *world, double number)
{
    return world->run->arrivals > 0 ? number / world->run->arrivals : 0;
}

static double
waiting(const World *world)
{
    if (world->run->arrivals <= 0)
        return 1e9;
    return floor(world->now * world->run->arrivals) + 1 - world->taken;
}

static void
current_limits(const World *world, size_t *ret_records, unsigned *ret_calls)
{
    const KabAdaptive *adaptive = world->run->adaptive;
    *ret_records =
        adaptive ? kab_adaptive_records(adaptive) : world->run->records;
    *ret_calls = adaptive ? adaptive->calls : world->run->calls;
}

static void
dispatch_call(World *world, size_t limit, unsigned slots)
{
    double records = MIN((double)limit, waiting(world));
    Call *call = &world->calls[world->n_calls++];
    double oldest = world->now - arrival_of(world, world->taken);
    *call = (Call){
        .begun = world->now, .first_record = world->taken, .records = records};
    call->seen = (KabAdaptiveCall){
        .epoch = world->run->adaptive ? world->run->adaptive->epoch : 0,
        .records = (size_t)records,
        .oldest_us = (int64_t)(oldest * 1e6),
        .is_full = records >= (double)limit,
        .leaves_waiting = world->n_calls >= slots && waiting(world) > records,
    };
    if (refuses(world, records)) {
        call->is_refused = true;
        call->ends = world->now + 0.001;
    } else if (world->plant->merges) {
        call->is_merged = true;
        call->ends = INFINITY;
    } else {
        call->ends = serve_call(world, records);
    }
    world->taken += records;
}

static void
dispatch_calls(World *world)
{
    for (;;) {
        size_t limit;
        unsigned slots;
        current_limits(world, &limit, &slots);
        if (world->now < world->not_before || world->n_calls >= slots ||
            world->n_calls >= MAX_CALLS || waiting(world) < 1)
            break;
        dispatch_call(world, limit, slots);
    }
    merge_waiting(world);
}

static void
digest(World *world)
{
    const KabAdaptive *adaptive = world->run->adaptive;
    uint64_t words[] = {(uint64_t)llround(world->now * 1e6),
                        (uint64_t)llround(adaptive->records * 1e6),
                        adaptive->calls, adaptive->epoch};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        world->result.digest =
            (world->result.digest ^ words[i]) * UINT64_C(0x100000001b3);
}

static void
note_recovery(World *world, const Call *call, double call_s)
{
    const Plant *plant = world->plant;
    if (plant->factor <= 0 || call->begun < plant->from_s)
        return;
    double budget = (double)world->run->adaptive->budget_us / 1e6;
    world->in_a_row = call_s <= 1.05 * budget ? world->in_a_row + 1 : 0;
    if (world->in_a_row == 5 && world->result.within_s < 0)
        world->result.within_s = world->now - plant->from_s;
}

static void
teach_controller(World *world, const Call *call)
{
    KabAdaptive *adaptive = world->run->adaptive;
    uint32_t epoch = adaptive->epoch;
    unsigned calls = adaptive->calls;
    double records = adaptive->records;
    if (call->is_refused)
        kab_adaptive_overloaded(adaptive, call->seen.epoch);
    else
        kab_adaptive_answered(adaptive, &call->seen);
    if (adaptive->calls != calls)
        world->result.calls_changed++;
    if (adaptive->epoch == epoch &&
        (adaptive->calls < calls || adaptive->records < records))
        world->result.reductions_in_epoch++;
    if (adaptive->epoch != epoch)
        digest(world);
}

static void
finish_call(World *world, unsigned at)
{
    Call call = world->calls[at];
    world->calls[at] = world->calls[--world->n_calls];
    double call_s = world->now - call.begun;
    call.seen.call_us = (int64_t)(call_s * 1e6);
    if (world->run->adaptive) {
        teach_controller(world, &call);
        if (!call.is_refused)
            note_recovery(world, &call, call_s);
    }
    if (call.is_refused) {
        /* The caller pauses as the engine's limiter does, and calls the
         * records again; here they count as taken anew. */
        world->result.n_refused++;
        world->taken -= call.records;
        world->pause_s = CLAMP(2 * world->pause_s, 0.1, 10);
        world->not_before = world->now + world->pause_s;
        return;
    }
    world->pause_s = 0;
    if (world->now < world->run->from_s)
        return;
    world->result.n_calls++;
    world->finished += call.records;
    double call_ms = 1000 * call_s;
    g_array_append_val(world->call_ms, call_ms);
    double record_ms =
        1000 * (world->now - arrival_of(world, call.first_record));
    g_array_append_val(world->record_ms, record_ms);
}

/* The call that is answered next; n_calls if none. */
static unsigned
next_answer(const World *world)
{
    unsigned best = world->n_calls;
    for (unsigned i = 0; i < world->n_calls; i++)
        if (best == world->n_calls ||
            world->calls[i].ends < world->calls[best].ends)
            best = i;
    return best;
}

/* The next moment at which a call may be made though none is answered. */
static double
next_dispatch(const World *world)
{
    size_t limit;
    unsigned slots;
    current_limits(world, &limit, &slots);
    if (world->n_calls >= slots)
        return INFINITY;
    double when = waiting(world) >= 1 ? world->now
                                      : arrival_of(world, world->taken) + 1e-9;
    return MAX(when, world->not_before);
}

static void
step(World *world)
{
    dispatch_calls(world);
    unsigned answer = next_answer(world);
    double answered =
        answer < world->n_calls ? world->calls[answer].ends : INFINITY;
    double dispatched = next_dispatch(world);
    if (answered <= dispatched) {
        world->now = answered;
        finish_call(world, answer);
    } else {
        world->now = MAX(dispatched, world->now + 1e-9);
    }
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
percentile(GArray *values, double share)
{
    if (values->len == 0)
        return 0;
    qsort(values->data, values->len, sizeof(double), compare_doubles);
    guint at = (guint)(share * (values->len - 1));
    return g_array_index(values, double, at);
}

PlantResult
plant_run(const Plant *plant, const PlantRun *run)
{
    World *world = g_new0(World, 1);
    world->plant = plant;
    world->run = run;
    world->random = run->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    world->call_ms = g_array_new(FALSE, FALSE, sizeof(double));
    world->record_ms = g_array_new(FALSE, FALSE, sizeof(double));
    world->result.within_s = -1;
    world->result.digest = UINT64_C(0xcbf29ce484222325);
    while (world->now < run->seconds)
        step(world);
    PlantResult result = world->result;
    result.throughput = world->finished / (run->seconds - run->from_s);
    result.p99_call_ms = percentile(world->call_ms, 0.99);
    result.p50_record_ms = percentile(world->record_ms, 0.5);
    result.p99_record_ms = percentile(world->record_ms, 0.99);
    g_array_free(world->call_ms, TRUE);
    g_array_free(world->record_ms, TRUE);
    g_free(world);
    return result;
}

double
plant_oracle(const Plant *plant, double budget_ms, double seconds)
{
    static const unsigned calls[] = {1, 2, 4, 8, 12, 16, 24, 32};
    double best = 0;
    for (double records = 1; records <= 4096; records *= 1.41421356)
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
            PlantRun run = {.seconds = seconds,
                            .from_s = seconds / 4,
                            .seed = 1,
                            .records = (size_t)(records + 0.5),
                            .calls = calls[i]};
            PlantResult result = plant_run(plant, &run);
            if (result.n_calls > 0 && result.p99_call_ms <= budget_ms)
                best = MAX(best, result.throughput);
        }
    return best;
}
