/* SPDX-License-Identifier: Apache-2.0 */
/* The outlet floor: emission, the sink, and the recovery of a transaction whose
 * end is unknown. These three call each other, and nothing above them.
 */
#pragma once

#include "ledger.h"
#include "outgoing.h"

/* emission.c */
/* What has passed its group goes on to the sink, or is finished. */
void kab_slot_pass(KabEngine *engine, KabSlot *slot);

/* The slot's outcome is final: it leaves its lane, and its group in turn. */
static inline void
kab_slot_resolve(KabEngine *engine, KabSlot *slot)
{
    kab_lane_leave(engine, slot);
    if (slot->products && !slot->group) /* most records */
        kab_outgoing_queue(engine, slot, false);
    else
        kab_slot_pass(engine, slot);
}

void kab_emission_leave(KabEngine *engine, KabSlot *slot);
void kab_emission_advance(KabEngine *engine);
/* Treat every outstanding delivery report as lost. */
void kab_emission_forget(KabEngine *engine);
/* Puts emitted, unfinished slots back in front of the queue. */
void kab_emission_requeue(KabEngine *engine, bool all_outputs);
/* The transaction is committed: all that was emitted is finished. */
void kab_emission_commit(KabEngine *engine);

/* sink.c */
void kab_sink_lose(KabEngine *engine, bool is_fenced, const char *reason);
/* The open transaction must not be committed. */
void kab_sink_taint(KabEngine *engine);
void kab_sink_shrink(KabEngine *engine);
void kab_sink_advance(KabEngine *engine);
/* Only for the next. */
bool kab_sink_takes_more(const KabEngine *engine);

static inline bool
kab_sink_can_emit(const KabEngine *engine)
{
    const KabSink *sink = &engine->sink;
    if (kab_engine_is_exactly_once(engine))
        return kab_sink_takes_more(engine);
    return sink->state == KAB_SINK_OPEN && !sink->is_given_up;
}

/* The largest charge at which a transaction settles. */
size_t kab_sink_charge_limit(const KabEngine *engine);
/* Exactly-once: counts a slot emitted into the open transaction. */
void kab_sink_count(KabEngine *engine, const KabSlot *slot);
/* To be called when the partition was closed or more of it was emitted. */
void kab_sink_check_partition(KabEngine *engine, const KabPartition *partition);
/* The binding stops: nothing more is produced, no new producer is made. */
void
kab_sink_give_up(KabEngine *engine, KabStopReason reason, const char *message);
void kab_commit_apply_failed(KabEngine *engine);

/* flush.c */
/* Flushes the producer if its delivery reports are awaited. To be called after
 * kab_emission_advance(). */
void kab_sink_flush(KabEngine *engine);

/* transaction-recovery.c */
/* Loads the committed state of the transaction's partitions. */
void kab_recovery_ask(KabEngine *engine);
/* All are loaded: decides whether the transaction was committed. */
void kab_recovery_decide(KabEngine *engine);
/* The committed state of a requested partition has arrived. */
void kab_recovery_note_loaded(KabEngine *engine,
                              KabPartition *partition,
                              const KabCommitted *committed);
