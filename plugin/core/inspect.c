/* SPDX-License-Identifier: Apache-2.0 */
/* Inspection of the engine: state, partitions, where a record is. */
#include "turn.h"

const KabCounters *
kab_engine_counters(const KabEngine *engine)
{
    return &engine->counters;
}

static int64_t
oldest_of(const KabPartition *partition, int64_t now)
{
    const KabSlot *head = partition->slots.head;
    return head ? MAX(now - head->taken_us, 1) : 0;
}

/* Age of the oldest finished record that no successful commit covers. */
static int64_t
commit_age_of(const KabPartition *partition, int64_t now)
{
    int64_t since_us = partition->committing_us;
    if (!since_us)
        since_us = partition->dirty_us;
    return since_us ? MAX(now - since_us, 1) : 0;
}

static size_t
count_never_called(const KabPartition *partition)
{
    size_t n = 0;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        n += slot->calls == 0;
    return n;
}

static KabAdaptiveView
view_controller(const KabAdaptive *adaptive)
{
    return (KabAdaptiveView){
        .phase = kab_adaptive_phase_name(adaptive->phase),
        .reason = kab_adaptive_reason_text(adaptive->reason),
        .budget_us = adaptive->budget_us,
        .throughput = adaptive->throughput,
        .violations = adaptive->violations,
        .epoch = adaptive->epoch,
    };
}

void
kab_engine_get_state(const KabEngine *engine,
                     int64_t now,
                     KabEngineState *ret_state)
{
    *ret_state = (KabEngineState){
        .records = engine->n_slots,
        .waiting = engine->n_waiting,
        .called = engine->n_called,
        .emitted = kab_sink_n_emitted(&engine->sink),
        .bytes = engine->charge,
        .calls_in_flight = engine->in_flight,
        .calls_abandoned = engine->abandoned,
        .sets_waiting = engine->n_sets_waiting,
        .is_paused = kab_limiter_is_paused(engine) &&
                     engine->n_waiting + engine->n_called > 0,
        .sink = engine->sink.state,
        .batch_limit = kab_limits_batch(engine),
        .calls_limit = engine->limits.calls,
    };
    if (engine->options.is_adaptive)
        ret_state->adaptive = view_controller(&engine->adaptive);
    ret_state->resolved = engine->n_slots - engine->n_waiting -
                          engine->n_called - kab_sink_n_emitted(&engine->sink);
    for (guint i = 0; i < engine->partitions->len; i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        ret_state->oldest_unfinished_us =
            MAX(ret_state->oldest_unfinished_us, oldest_of(partition, now));
        ret_state->commit_age_us =
            MAX(ret_state->commit_age_us, commit_age_of(partition, now));
        if (engine->is_draining)
            ret_state->never_called += count_never_called(partition);
    }
}

void
kab_engine_foreach_partition(const KabEngine *engine,
                             int64_t now,
                             void (*visit)(void *data,
                                           const KabPartitionInfo *info),
                             void *data)
{
    for (guint i = 0; i < engine->partitions->len; i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        const KabSlot *head = partition->slots.head;
        KabPartitionInfo info = {
            .topic = partition->topic,
            .number = partition->number,
            .state = partition->state,
            .position = partition->position,
            .frontier = kab_partition_frontier(partition),
            .committed = partition->committed,
            .unfinished = partition->slots.n,
            .finished_beyond = partition->finished_beyond,
            .oldest_unfinished = head ? head->record.offset : -1,
            .oldest_us = oldest_of(partition, now),
            .waits_for =
                head ? kab_wait_words(kab_slot_find_wait(engine, head)) : NULL,
            .is_valve_open = !partition->is_closed,
            .progress_us = partition->progress_us,
        };
        visit(data, &info);
    }
}

/* --- Partitions --------------------------------------------------------- */

const char *
kab_partition_topic(const KabPartition *partition)
{
    return partition->topic;
}

int32_t
kab_partition_number(const KabPartition *partition)
{
    return partition->number;
}

uint64_t
kab_partition_generation(const KabPartition *partition)
{
    return partition->generation;
}

void *
kab_partition_edge(const KabPartition *partition)
{
    return partition->edge;
}

KabPartitionState
kab_partition_state(const KabPartition *partition)
{
    return partition->state;
}

bool
kab_partition_is_reset(const KabPartition *partition)
{
    return partition->state == KAB_PARTITION_RESETTING ||
           partition->state == KAB_PARTITION_RESET;
}

/* --- Where is this record, and why -------------------------------------- */

static const KabPartition *
find_partition(const KabEngine *engine, const char *topic, int32_t number)
{
    for (guint i = 0; i < engine->partitions->len; i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        if (partition->number == number && g_str_equal(partition->topic, topic))
            return partition;
    }
    return NULL;
}

bool
kab_engine_find(const KabEngine *engine,
                const char *topic,
                int32_t number,
                int64_t offset,
                KabSlotState *ret_state,
                const char **ret_waits_for,
                int64_t *ret_since_us)
{
    const KabPartition *partition = find_partition(engine, topic, number);
    if (!partition || offset >= partition->position)
        return false;
    const KabSlot *slot = partition->slots.head;
    while (slot && slot->record.offset < offset)
        slot = slot->in_partition.next;
    bool is_unfinished = slot && slot->record.offset == offset;
    *ret_state = is_unfinished ? slot->state : KAB_SLOT_FINISHED;
    *ret_since_us = is_unfinished ? slot->taken_us : partition->progress_us;
    if (is_unfinished)
        *ret_waits_for = kab_wait_words(kab_slot_find_wait(engine, slot));
    else if (offset < partition->committed)
        *ret_waits_for = "nothing: it is committed";
    else
        *ret_waits_for = "earlier records of its partition to be committed";
    return true;
}
