/* SPDX-License-Identifier: Apache-2.0 */
/* What an unfinished record waits for, and which partition stalls.
 *
 * A partition stalls when its committed position has not moved for
 * stall.timeout although the partition has work. The wait of its oldest
 * unfinished record is the cause.
 */
#include "turn.h"

static const struct {
    KabStallCause cause;
    const char *words;
} waits[] = {
#define X(NAME, cause, words) [KAB_WAIT_##NAME] = {KAB_STALL_##cause, words},
    KAB_WAITS(X)
#undef X
};

const char *
kab_wait_words(KabWait wait)
{
    return waits[wait].words;
}

const char *
kab_stall_cause_name(KabStallCause cause)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_STALL_##NAME] = text,
        KAB_STALL_CAUSES(X)
#undef X
    };
    return names[cause];
}

/* --- What a record waits for ------------------------------------------- */

static KabWait
find_wait_of_waiting(const KabEngine *engine, const KabSlot *slot)
{
    if (!slot->partition->is_pinned)
        return KAB_WAIT_START_COMMIT;
    if (!slot->lane)
        return KAB_WAIT_NEXT_OWNER;
    if (slot->lane->can_be_busy && slot->lane->outstanding.n)
        return KAB_WAIT_LANE;
    if (engine->limiter.paused_until || engine->limiter.is_probing)
        return KAB_WAIT_PAUSE;
    if (engine->in_flight >= engine->limits.calls)
        return KAB_WAIT_CALL_SLOT;
    return KAB_WAIT_BATCH;
}

static KabWait
find_wait_of_called(const KabSlot *slot)
{
    if (slot->call)
        return KAB_WAIT_ANSWER;
    if (!slot->set)
        return KAB_WAIT_NEXT_OWNER;
    if (kab_timer_is_armed(&slot->set->timer))
        return KAB_WAIT_BACKOFF;
    return kab_set_is_blocked(slot->set) ? KAB_WAIT_LANE : KAB_WAIT_RETRY_SLOT;
}

static KabWait
find_wait_of_resolved(const KabEngine *engine, const KabSlot *slot)
{
    if (slot->fate == KAB_FATE_HELD)
        return KAB_WAIT_STOP;
    if (slot->group)
        return KAB_WAIT_ORDER;
    if (slot->emission == KAB_EMISSION_HELD)
        return KAB_WAIT_METADATA;
    return kab_engine_is_exactly_once(engine) ? KAB_WAIT_TRANSACTION
                                              : KAB_WAIT_SINK;
}

KabWait
kab_slot_find_wait(const KabEngine *engine, const KabSlot *slot)
{
    switch (slot->state) {
    case KAB_SLOT_WAITING:
        return find_wait_of_waiting(engine, slot);
    case KAB_SLOT_CALLED:
        return find_wait_of_called(slot);
    case KAB_SLOT_RESOLVED:
        return find_wait_of_resolved(engine, slot);
    case KAB_SLOT_EMITTED:
        return kab_engine_is_exactly_once(engine) ? KAB_WAIT_TRANSACTION_COMMIT
                                                  : KAB_WAIT_ACKNOWLEDGEMENT;
    case KAB_SLOT_FINISHED:
        break;
    }
    return KAB_WAIT_NOTHING;
}

/* --- Which partition stalls -------------------------------------------- */

/* While the member joins no commit is allowed: the rebalance is the cause. */
static KabStallCause
cause_of_commit(const KabEngine *engine)
{
    if (engine->is_joining)
        return KAB_STALL_REBALANCE;
    return kab_engine_is_exactly_once(engine) ? KAB_STALL_TRANSACTION
                                              : KAB_STALL_COMMIT;
}

/* False: the partition waits for nothing. */
static bool
find_stall_of(const KabEngine *engine,
              const KabPartition *partition,
              KabStall *ret_stall)
{
    const KabSlot *head = partition->slots.head;
    int64_t frontier = kab_partition_frontier(partition);
    bool is_dirty =
        kab_partition_is_dirty(partition) || partition->is_committing;
    KabStall stall = {.topic = partition->topic, .number = partition->number};
    stall.offset = frontier;
    if (partition->state < KAB_PARTITION_LOADED) {
        stall.offset = -1;
        stall.cause = KAB_STALL_BROKER;
        stall.waits_for = "its committed offset";
        *ret_stall = stall;
        return true;
    }
    bool is_behind = partition->is_pinned && frontier > partition->committed;
    if (is_dirty && (is_behind || !head)) {
        stall.cause = cause_of_commit(engine);
        stall.waits_for = "its commit";
        *ret_stall = stall;
        return true;
    }
    if (!head)
        return false;
    KabWait wait = kab_slot_find_wait(engine, head);
    stall.offset = head->record.offset;
    stall.cause = waits[wait].cause;
    stall.waits_for = waits[wait].words;
    stall.record_state = kab_slot_state_name(head->state);
    *ret_stall = stall;
    return true;
}

/* Between two commits the committed position does not move by design. */
static int64_t
stall_timeout_us(const KabEngine *engine)
{
    const KabEngineOptions *options = &engine->options;
    int64_t interval_us = kab_engine_is_exactly_once(engine)
                              ? options->transaction_interval_us
                              : options->commit_interval_us;
    return MAX(options->stall_timeout_us, 2 * interval_us);
}

bool
kab_engine_find_stall(const KabEngine *engine, int64_t now, KabStall *ret_stall)
{
    int64_t timeout_us = stall_timeout_us(engine);
    for (guint i = 0; i < engine->partitions->len; i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        int64_t still_us = now - partition->progress_us;
        if (still_us < timeout_us ||
            !find_stall_of(engine, partition, ret_stall))
            continue;
        ret_stall->still_us = still_us;
        return true;
    }
    return false;
}

char *
kab_stall_dup_sentence(const KabStall *stall)
{
    int64_t still_s = stall->still_us / KAB_SECOND;
    if (stall->offset < 0)
        return g_strdup_printf("%s [%d] has not moved for %" PRIi64
                               " s: it waits for %s (cause: %s)",
                               stall->topic, (int)stall->number, still_s,
                               stall->waits_for,
                               kab_stall_cause_name(stall->cause));
    return g_strdup_printf(
        "%s [%d] has not moved for %" PRIi64 " s: offset %" PRIi64
        " is %s and waits for %s (cause: %s)",
        stall->topic, (int)stall->number, still_s, stall->offset,
        stall->record_state ? stall->record_state : "finished",
        stall->waits_for, kab_stall_cause_name(stall->cause));
}

const char *
kab_slot_state_name(KabSlotState state)
{
    static const char *const names[] = {
#define X(NAME, text, moves) [KAB_SLOT_##NAME] = text,
        KAB_SLOT_STATES(X)
#undef X
    };
    return names[state];
}
