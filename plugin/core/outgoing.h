/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the slots that leave through the sink, and the one of those that
 * are held: inline, for outlet.h and emission.c alone.
 */
#pragma once

#include "lists.h"

static inline bool
kab_slot_is_emitted(const KabSlot *slot)
{
    return slot && slot->emission == KAB_EMISSION_EMITTED;
}

/* The slot is emitted. */
static inline void
kab_outgoing_end(KabEngine *engine, KabSlot *slot)
{
    slot->emission = KAB_EMISSION_NONE;
    slot->partition->n_emitting--;
    kab_slots_remove(&engine->sink.outgoing, slot, KAB_LINKS(in_queue));
}

static inline void
kab_outgoing_unqueue(KabEngine *engine, KabSlot *slot)
{
    KabSink *sink = &engine->sink;
    sink->n_queued--;
    if (sink->next == slot)
        sink->next = slot->in_queue.next;
    kab_outgoing_end(engine, slot);
}

/* Leaves whichever list it is on. */
static inline void
kab_outgoing_leave(KabEngine *engine, KabSlot *slot)
{
    engine->moves++;
    slot->is_early = false;
    switch (slot->emission) {
    case KAB_EMISSION_NONE:
        break;
    case KAB_EMISSION_HELD:
        slot->emission = KAB_EMISSION_NONE;
        kab_slots_remove(&engine->sink.held, slot, KAB_LINKS(in_queue));
        break;
    case KAB_EMISSION_QUEUED:
        kab_outgoing_unqueue(engine, slot);
        break;
    case KAB_EMISSION_EMITTED:
        kab_outgoing_end(engine, slot);
        break;
    }
}

/* Before the queue's head, or at its end. */
static inline void
kab_outgoing_queue(KabEngine *engine, KabSlot *slot, bool is_first)
{
    KabSink *sink = &engine->sink;
    slot->emission = KAB_EMISSION_QUEUED;
    slot->partition->n_emitting++;
    kab_slots_insert(&sink->outgoing, slot, is_first ? sink->next : NULL,
                     KAB_LINKS(in_queue));
    if (is_first || !sink->next)
        sink->next = slot;
    sink->n_queued++;
}

/* The head of the queue is emitted, or has to wait for reports like those that
 * are. */
static inline void
kab_outgoing_pass_head(KabSink *sink)
{
    KabSlot *slot = sink->next;
    slot->is_early = false;
    slot->emission = KAB_EMISSION_EMITTED;
    sink->next = slot->in_queue.next;
    sink->n_queued--;
}
