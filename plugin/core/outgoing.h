/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the slots that leave through the sink, and the one of those that
 * are held: inline, for emission.c alone.
 */
#pragma once

#include "lists.h"

static inline bool
kab_slot_is_emitted(const KabSlot *slot)
{
    return slot && slot->emission == KAB_EMISSION_EMITTED;
}

static inline void
kab_outgoing_remove(KabSink *sink, KabSlot *slot)
{
    if (slot->emission == KAB_EMISSION_QUEUED) {
        sink->n_queued--;
        if (sink->next == slot)
            sink->next = slot->in_emission.next;
    }
    kab_slots_remove(&sink->outgoing, slot, KAB_LINKS(in_emission));
    slot->partition->n_emitting--;
}

/* Leaves whichever list it is on. */
static inline void
kab_outgoing_leave(KabEngine *engine, KabSlot *slot)
{
    engine->moves++;
    slot->is_early = false;
    if (slot->emission == KAB_EMISSION_HELD)
        kab_slots_remove(&engine->sink.held, slot, KAB_LINKS(in_emission));
    else if (slot->emission)
        kab_outgoing_remove(&engine->sink, slot);
    slot->emission = KAB_EMISSION_NONE;
}

/* Before the queue's head, or at its end. */
static inline void
kab_outgoing_queue(KabEngine *engine, KabSlot *slot, bool is_first)
{
    KabSink *sink = &engine->sink;
    engine->moves++;
    slot->emission = KAB_EMISSION_QUEUED;
    slot->partition->n_emitting++;
    kab_slots_insert(&sink->outgoing, slot, is_first ? sink->next : NULL,
                     KAB_LINKS(in_emission));
    if (is_first || !sink->next)
        sink->next = slot;
    sink->n_queued++;
}

/* The head of the queue is emitted, or has to wait for reports like those that
 * are. */
static inline void
kab_outgoing_pass_head(KabEngine *engine, KabSlot *slot)
{
    KabSink *sink = &engine->sink;
    g_assert(slot == sink->next);
    engine->moves++;
    slot->is_early = false;
    slot->emission = KAB_EMISSION_EMITTED;
    sink->next = slot->in_emission.next;
    sink->n_queued--;
}
