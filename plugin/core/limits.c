/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on batch size and calls in flight: the least of the options, of the
 * function's own ceilings and of the size learned from too-large answers; with
 * `batching = adaptive` the controller chooses limits below these.
 */
#include "ground.h"

static size_t
apply_ceiling(size_t limit, size_t ceiling)
{
    return ceiling ? MIN(limit, ceiling) : limit;
}

static void
apply_controller(KabEngine *engine)
{
    engine->limits.records = kab_adaptive_records(&engine->adaptive);
    engine->limits.calls = engine->adaptive.calls;
}

/* The controller starts with the first options that ask for it, and keeps
 * its findings across later options. */
static void
update_controller(KabEngine *engine)
{
    KabAdaptive *adaptive = &engine->adaptive;
    int64_t target = engine->options.latency_target_us;
    size_t records = apply_ceiling(engine->limits.records, engine->ceiling);
    if (adaptive->calls)
        kab_adaptive_set_ceilings(adaptive, target, records,
                                  engine->limits.calls);
    else
        kab_adaptive_init(adaptive, target, records, engine->limits.calls);
    apply_controller(engine);
}

void
kab_limits_check_valves(KabEngine *engine)
{
    for (guint i = 0; i < engine->partitions->len; i++)
        kab_partition_list(engine, engine->partitions->pdata[i],
                           KAB_CHANGED_VALVE);
}

void
kab_limits_update(KabEngine *engine)
{
    const KabLimits before = engine->limits;
    const KabEngineOptions *options = &engine->options;
    const KabLimits *ceilings = &engine->ceilings;
    engine->limits = (KabLimits){
        .records = apply_ceiling(options->batch_count, ceilings->records),
        .bytes = apply_ceiling(options->batch_bytes, ceilings->bytes),
        .calls =
            (unsigned)apply_ceiling(options->max_in_flight, ceilings->calls),
    };
    if (options->is_adaptive)
        update_controller(engine);
    if (engine->limits.records != before.records ||
        engine->limits.calls != before.calls)
        kab_limits_check_valves(engine);
}

size_t
kab_limits_ahead(const KabEngine *engine)
{
    size_t records = engine->limits.records * engine->limits.calls;
    /* Twice as many: the controller must see whether records still wait when
     * a batch leaves, and find them ready when it makes batches larger. */
    return engine->options.is_adaptive ? 2 * records : records;
}

size_t
kab_limits_batch(const KabEngine *engine)
{
    size_t limit = engine->limits.records;
    return engine->ceiling ? MIN(limit, engine->ceiling) : limit;
}

void
kab_limits_dispatched(KabEngine *engine, KabCall *call)
{
    if (!engine->options.is_adaptive)
        return;
    call->seen = (KabAdaptiveCall){
        .epoch = engine->adaptive.epoch,
        .records = call->attempt.n,
        .oldest_us = engine->now - call->room->slots[0]->taken_us,
        .is_full = call->attempt.n >= kab_limits_batch(engine),
        .leaves_waiting = engine->in_flight >= engine->limits.calls &&
                          engine->ready_records > 0,
    };
}

void
kab_limits_answered(KabEngine *engine,
                    KabCall *call,
                    KabCallResult result,
                    int64_t call_us)
{
    if (!engine->options.is_adaptive)
        return;
    call->seen.call_us = call_us;
    if (result == KAB_CALL_OK)
        kab_adaptive_answered(&engine->adaptive, &call->seen);
    else if (result == KAB_CALL_OVERLOAD || result == KAB_CALL_TIMEOUT)
        kab_adaptive_overloaded(&engine->adaptive, call->seen.epoch);
    kab_limits_update(engine);
}

void
kab_engine_set_ceilings(KabEngine *engine, const KabLimits *ceilings)
{
    engine->ceilings = *ceilings;
    kab_limits_update(engine);
}
