/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into the engine: state, partitions, where a record is. */
#include "internal.h"

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

static size_t
count_never_called(const KabPartition *partition)
{
    size_t n = 0;
    for (KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next)
        n += slot->calls == 0;
    return n;
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
        .emitted = engine->sink.emitted.n,
        .bytes = engine->charge,
        .calls_in_flight = engine->in_flight,
        .calls_abandoned = engine->abandoned,
        .sets_waiting = engine->n_sets_waiting,
        .is_paused = kab_limiter_is_paused(engine) &&
                     engine->n_waiting + engine->n_called > 0,
        .sink = engine->sink.state,
        .batch_limit = kab_buffer_limit(engine),
    };
    ret_state->resolved = engine->n_slots - engine->n_waiting -
                          engine->n_called - engine->sink.emitted.n;
    for (guint i = 0; i < engine->partitions->len; i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        ret_state->oldest_unfinished_us =
            MAX(ret_state->oldest_unfinished_us, oldest_of(partition, now));
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
kab_partition_is_added(const KabPartition *partition)
{
    return partition->is_added;
}

bool
kab_partition_is_reset(const KabPartition *partition)
{
    return partition->is_reset;
}

/* --- Where is this record, and why -------------------------------------- */

static const char *
waiting_for(const KabEngine *engine, const KabSlot *slot)
{
    if (!slot->partition->is_pinned)
        return "the commit of its partition's start offset";
    if (!slot->lane)
        return "its partition's next owner";
    if (slot->lane->can_be_busy && slot->lane->outstanding.n)
        return "an earlier record of its lane";
    if (engine->limiter.paused_until || engine->limiter.is_probing)
        return "the end of the overload pause";
    if (engine->in_flight >= engine->options.max_in_flight)
        return "a free call slot";
    return "its batch to fill";
}

static const char *
called_for(const KabSlot *slot)
{
    if (slot->call)
        return "the function's answer";
    if (!slot->set)
        return "its partition's next owner";
    if (kab_timer_is_armed(&slot->set->timer))
        return "its retry's back-off";
    return kab_set_is_blocked(slot->set) ? "an earlier record of its lane"
                                         : "a free call slot for its retry";
}

static const char *
resolved_for(const KabEngine *engine, const KabSlot *slot)
{
    if (slot->fate == KAB_FATE_HELD)
        return "nothing: it failed, and the binding stops";
    if (slot->group)
        return "an earlier record of its order group";
    if (slot->emission == &engine->sink.held)
        return "room in the commit's metadata";
    return kab_engine_is_exactly_once(engine) ? "a transaction" : "the sink";
}

static const char *
waits_for(const KabEngine *engine, const KabSlot *slot)
{
    switch ((KabSlotState)slot->state) {
    case KAB_SLOT_WAITING:
        return waiting_for(engine, slot);
    case KAB_SLOT_CALLED:
        return called_for(slot);
    case KAB_SLOT_RESOLVED:
        return resolved_for(engine, slot);
    case KAB_SLOT_EMITTED:
        return kab_engine_is_exactly_once(engine)
                   ? "the commit of its transaction"
                   : "the acknowledgement of its outputs";
    case KAB_SLOT_FINISHED:
        break;
    }
    return "nothing";
}

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
    *ret_state = is_unfinished ? (KabSlotState)slot->state : KAB_SLOT_FINISHED;
    *ret_since_us = is_unfinished ? slot->taken_us : partition->progress_us;
    if (is_unfinished)
        *ret_waits_for = waits_for(engine, slot);
    else if (offset < partition->committed)
        *ret_waits_for = "nothing: it is committed";
    else
        *ret_waits_for = "earlier records of its partition to be committed";
    return true;
}

/* NULL: it moves, or has nothing to do. */
static char *
dup_stall_of(const KabEngine *engine,
             const KabPartition *partition,
             int64_t still_us)
{
    const KabSlot *head = partition->slots.head;
    int number = (int)partition->number;
    int64_t still_s = still_us / KAB_SECOND;
    int64_t frontier = kab_partition_frontier(partition);
    bool is_dirty = partition->is_dirty || partition->is_committing;
    if (partition->state == KAB_PARTITION_LOADING)
        return g_strdup_printf("%s [%d] has waited %" PRIi64
                               " s for its committed offset",
                               partition->topic, number, still_s);
    bool is_behind = partition->is_pinned && frontier > partition->committed;
    if (is_dirty && (is_behind || !head))
        return g_strdup_printf("%s [%d] is finished to offset %" PRIi64
                               ", and its commit has waited %" PRIi64 " s",
                               partition->topic, number, frontier, still_s);
    if (head)
        return g_strdup_printf(
            "%s [%d] has not moved for %" PRIi64 " s: offset %" PRIi64
            " is %s and waits for %s",
            partition->topic, number, still_s, head->record.offset,
            kab_slot_state_name(head->state), waits_for(engine, head));
    return NULL;
}

/* Between two commits the position stands still by design. */
static int64_t
stall_timeout_us(const KabEngine *engine)
{
    const KabEngineOptions *options = &engine->options;
    int64_t interval_us = kab_engine_is_exactly_once(engine)
                              ? options->transaction_interval_us
                              : options->commit_interval_us;
    return MAX(options->stall_timeout_us, 2 * interval_us);
}

char *
kab_engine_dup_stall(const KabEngine *engine, int64_t now)
{
    int64_t timeout_us = stall_timeout_us(engine);
    for (guint i = 0; i < engine->partitions->len; i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        int64_t still_us = now - partition->progress_us;
        char *stall = NULL;
        if (still_us >= timeout_us)
            stall = dup_stall_of(engine, partition, still_us);
        if (stall)
            return stall;
    }
    return NULL;
}

const char *
kab_slot_state_name(KabSlotState state)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_SLOT_##NAME] = text,
        KAB_SLOT_STATES(X)
#undef X
    };
    return names[state];
}
