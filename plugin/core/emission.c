/* SPDX-License-Identifier: Apache-2.0 */
/* Emission: which resolved records leave, in which order, through the sink.
 *
 *   resolved -> (its order group) -> queue -> produced -> emitted -> finished
 *
 * group.c decides which slots pass their order group. From there on one list
 * keeps the order: first the emitted slots, then those to be emitted. To emit
 * one moves the border, and the loss of a sink moves it back. At-least-once
 * finishes a slot when its outputs are acknowledged; exactly-once when the
 * transaction is committed, so a record without output rides in it as well.
 */
#include "outlet.h"

#define LINKS KAB_LINKS(in_queue)

static KabEnd
end_of_failed(KabFate fate)
{
    switch (fate) {
    case KAB_FATE_LETTER:
        return KAB_END_REJECTED;
    case KAB_FATE_PASSED:
        return KAB_END_PASSED;
    case KAB_FATE_OUTPUT:
    case KAB_FATE_DISCARDED:
    case KAB_FATE_HELD:
        break;
    }
    return KAB_END_DISCARDED;
}

static KabEnd
end_of(const KabSlot *slot)
{
    if (slot->fate != KAB_FATE_OUTPUT)
        return end_of_failed(slot->fate);
    return slot->products ? KAB_END_DONE : KAB_END_DROPPED;
}

void
kab_emission_leave(KabEngine *engine, KabSlot *slot)
{
    kab_outgoing_leave(engine, slot);
}

/* The slot is emitted. */
static inline void
finish_slot(KabEngine *engine, KabSlot *slot)
{
    kab_outgoing_end(engine, slot);
    kab_partition_finish(engine, slot, end_of(slot));
}

static void
push_slot(KabEngine *engine, KabSlot *slot)
{
    if (slot->products || kab_engine_is_exactly_once(engine))
        kab_outgoing_queue(engine, slot, false);
    else
        kab_partition_finish(engine, slot, end_of(slot));
}

void
kab_slot_pass(KabEngine *engine, KabSlot *slot)
{
    KabSlot *next = kab_group_may_pass(slot) ? slot : NULL;
    while (next) {
        KabSlot *passing = next;
        next = kab_group_pass(passing);
        push_slot(engine, passing);
    }
}

/* --- Producing --------------------------------------------------------- */

/* Applies on.failure to a refused slot, once all its outputs are reported. */
static void
refuse_slot(KabEngine *engine, KabSlot *slot)
{
    if (slot->unreported)
        return;
    g_autofree char *reason = g_steal_pointer(&slot->refusal);
    kab_emission_leave(engine, slot);
    kab_failure_apply(engine, slot, KAB_STAGE_PRODUCE, KAB_CLASS_PERMANENT,
                      reason);
    kab_slot_resolve(engine, slot);
}

static void
mark_refused(KabEngine *engine, KabSlot *slot, const char *message)
{
    g_free(slot->refusal);
    slot->refusal = g_strdup(message ? message : "");
    if (slot->emission == KAB_EMISSION_EMITTED)
        return;
    g_assert(slot == engine->sink.next);
    engine->moves++;
    kab_outgoing_pass_head(&engine->sink);
}

static void
note_sent(KabEngine *engine, KabSlot *slot, KabProduct *product)
{
    product->is_sent = true;
    product->epoch = engine->sink.epoch;
    slot->unreported++;
    engine->sink.unreported++;
    engine->sink.is_flushed = false;
}

static KabProduceStatus
produce_one(KabEngine *engine, KabSlot *slot, KabProduct *product)
{
    const KabSinkJoint *sink = kab_engine_sink(engine);
    KabDeadLetter letter;
    bool has_failed = product->kind != KAB_PRODUCT_OUTPUT;
    if (has_failed)
        letter = kab_failure_letter(slot);
    product->is_unread = slot->references == 1; /* its partition's list */
    return sink->port->produce(sink->user, product, &slot->record,
                               slot->message, has_failed ? &letter : NULL);
}

/* Can the sink write every output of a slot that has several? */
static bool
is_possible(KabEngine *engine, KabSlot *slot)
{
    const KabSinkJoint *sink = kab_engine_sink(engine);
    if (!sink->port->measure || slot->next_product != slot->products)
        return true;
    for (KabProduct *product = slot->products; product; product = product->next)
        if (!sink->port->measure(sink->user, product, &slot->record,
                                 slot->message))
            return false;
    return true;
}

static const char *
explain_refusal(KabEngine *engine)
{
    const KabSinkJoint *sink = kab_engine_sink(engine);
    const char *reason = NULL;
    if (sink->port->explain)
        reason = sink->port->explain(sink->user);
    if (reason)
        return reason;
    return "an output is larger than the topic takes (max.message.bytes)";
}

static void
refuse_at_once(KabEngine *engine, KabSlot *slot)
{
    mark_refused(engine, slot, explain_refusal(engine));
    refuse_slot(engine, slot);
}

/* False: the sink takes no more now. */
static bool
emit_slot(KabEngine *engine, KabSlot *slot)
{
    bool has_several = slot->products && slot->products->next;
    if (has_several && !is_possible(engine, slot)) {
        refuse_at_once(engine, slot);
        return true;
    }
    for (KabProduct *product; (product = slot->next_product);) {
        if (product->is_acknowledged) {
            slot->next_product = product->next;
            continue;
        }
        switch (produce_one(engine, slot, product)) {
        case KAB_PRODUCE_OK:
            note_sent(engine, slot, product);
            slot->next_product = product->next;
            break;
        case KAB_PRODUCE_FULL:
            engine->sink.is_full = true;
            return false;
        case KAB_PRODUCE_REFUSED_RECORD:
            engine->counters.produce_errors[KAB_REFUSED_RECORD]++;
            if (product != slot->products)
                kab_sink_taint(engine);
            refuse_at_once(engine, slot);
            return true;
        case KAB_PRODUCE_LOST:
            kab_sink_lose(engine, false, "a produce call was refused");
            return false;
        }
    }
    kab_slot_move(engine, slot, KAB_SLOT_RESOLVED, KAB_SLOT_EMITTED);
    kab_outgoing_pass_head(&engine->sink);
    if (kab_engine_is_exactly_once(engine)) {
        kab_partition_note_emitted(engine, slot);
        kab_sink_count(engine, slot);
    }
    return true;
}

/* The first open slot never adds an interval, so it is never held. No slot of
 * its order group is before it; held slots may be after it. */
static void
release_first(KabEngine *engine, KabPartition *partition)
{
    KabSlot *slot = kab_metadata_cap_first_open(partition);
    if (!slot || slot->emission != KAB_EMISSION_HELD)
        return;
    kab_emission_leave(engine, slot);
    kab_outgoing_queue(engine, slot, true);
    slot->is_early = true;
}

/* Holds the slot. One that release_first() moved and that was not produced
 * goes back to the front of the held list. */
static void
hold_slot(KabEngine *engine, KabSlot *slot)
{
    KabSlots *held = &engine->sink.held;
    KabSlot *at = slot->is_early ? held->head : NULL;
    kab_emission_leave(engine, slot);
    slot->emission = KAB_EMISSION_HELD;
    kab_slots_insert(held, slot, at, LINKS);
}

static void
hold_early(KabEngine *engine)
{
    KabSlot *slot = engine->sink.next;
    if (slot && slot->is_early)
        hold_slot(engine, slot);
}

/* Exactly once: holds the slot if the commit metadata has no room for it. */
static bool
hold_capped(KabEngine *engine, KabSlot *slot)
{
    bool is_whole = slot->next_product == slot->products;
    if (!is_whole || !kab_metadata_cap_holds(engine, slot))
        return false;
    hold_slot(engine, slot);
    return true;
}

void
kab_emission_advance(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    bool is_exactly_once = kab_engine_is_exactly_once(engine);
    for (KabSlot *slot; (slot = sink->next);) {
        if (sink->is_full || !kab_sink_can_emit(engine))
            return;
        KabPartition *partition = slot->partition;
        if (is_exactly_once && hold_capped(engine, slot))
            continue;
        if (!emit_slot(engine, slot))
            return;
        if (partition->is_capped)
            release_first(engine, partition);
    }
}

/* Queues the held slots of partitions that are not capped any more, in front:
 * they are earlier than the slots queued now. */
static void
release_held(KabSink *sink)
{
    KabSlot *first = sink->next, *at = first;
    for (KabSlot *slot = sink->held.head, *next; slot; slot = next) {
        next = slot->in_queue.next;
        if (slot->partition->is_capped &&
            slot != kab_metadata_cap_first_open(slot->partition))
            continue;
        kab_slots_remove(&sink->held, slot, LINKS);
        kab_slots_insert(&sink->outgoing, slot, at, LINKS);
        slot->emission = KAB_EMISSION_QUEUED;
        slot->partition->n_emitting++;
        sink->n_queued++;
        if (first == at)
            first = slot;
    }
    sink->next = first;
}

/* Resets the slot so that all, or all unacknowledged, outputs are produced. */
static void
rewind_slot(KabEngine *engine, KabSlot *slot, bool all_outputs)
{
    if (slot->state == KAB_SLOT_EMITTED)
        kab_slot_move(engine, slot, KAB_SLOT_EMITTED, KAB_SLOT_RESOLVED);
    slot->next_product = slot->products;
    slot->unacknowledged = 0;
    for (KabProduct *product = slot->products; product;
         product = product->next) {
        if (all_outputs)
            product->is_acknowledged = false;
        slot->unacknowledged += !product->is_acknowledged;
    }
}

/* Every delivery report of the old sink has been served. */
void
kab_emission_requeue(KabEngine *engine, bool all_outputs)
{
    KabSink *sink = &engine->sink;
    for (KabSlot *slot = sink->outgoing.head, *next; kab_slot_is_emitted(slot);
         slot = next) {
        next = slot->in_queue.next;
        if (slot->refusal)
            refuse_slot(engine, slot);
    }
    if (sink->next)
        rewind_slot(engine, sink->next, all_outputs);
    hold_early(engine);
    for (KabSlot *slot = sink->outgoing.head; kab_slot_is_emitted(slot);
         slot = slot->in_queue.next) {
        rewind_slot(engine, slot, all_outputs);
        slot->emission = KAB_EMISSION_QUEUED;
    }
    sink->n_queued = sink->outgoing.n;
    for (guint i = 0; i < engine->partitions->len; i++) {
        KabPartition *partition = engine->partitions->pdata[i];
        partition->runs = SIZE_MAX / 2;
        partition->is_capped = false;
    }
    release_held(sink);
    sink->next = sink->outgoing.head;
}

/* --- Reports ----------------------------------------------------------- */

/* The slot may be without use now. */
static inline KabSlot *
note_report(KabEngine *engine, KabProduct *product)
{
    KabSlot *slot = product->slot;
    g_assert(product->is_sent);
    product->is_sent = false;
    slot->unreported--;
    engine->sink.unreported--;
    return slot;
}

/* What a report may end. */
static inline void
end_report(KabEngine *engine, KabSlot *slot)
{
    if (!slot->partition) {
        if (!kab_slot_is_used(slot))
            kab_slot_free(engine, slot);
    } else if (!slot->unacknowledged && slot->state == KAB_SLOT_EMITTED &&
               !kab_engine_is_exactly_once(engine)) {
        finish_slot(engine, slot);
    } else if (slot->refusal) { /* so one is not acknowledged */
        refuse_slot(engine, slot);
    }
}

static bool
is_letter(const KabProduct *product)
{
    return product->kind == KAB_PRODUCT_LETTER ||
           product->kind == KAB_PRODUCT_TRUNCATED;
}

void
kab_engine_acknowledged(KabEngine *engine, KabProduct *product, int64_t now)
{
    KabSlot *slot = note_report(engine, product);
    kab_engine_set_now(engine, now);
    engine->counters.records_produced++;
    if (product->kind != KAB_PRODUCT_OUTPUT && is_letter(product))
        engine->counters.records_produced--;
    product->is_acknowledged = true;
    if (!kab_engine_is_exactly_once(engine))
        engine->sink.losses = 0;
    slot->unacknowledged--;
    end_report(engine, slot);
}

static void
refused_by_sink(KabEngine *engine, uint32_t epoch, const char *message)
{
    KabSink *sink = &engine->sink;
    if (epoch != sink->epoch)
        return;
    if (!kab_engine_is_exactly_once(engine)) {
        kab_sink_lose(engine, false, message);
        return;
    }
    /* Not for messages that an abort purges. */
    if (sink->state == KAB_SINK_IN_TRANSACTION ||
        sink->state == KAB_SINK_SETTLING)
        kab_sink_shrink(engine);
    kab_sink_taint(engine);
}

void
kab_engine_refused(KabEngine *engine,
                   KabProduct *product,
                   KabRefusal refusal,
                   const char *message,
                   int64_t now)
{
    uint32_t epoch = product->epoch;
    KabSlot *slot = note_report(engine, product);
    kab_engine_set_now(engine, now);
    engine->counters.produce_errors[refusal]++;
    switch (refusal) {
    case KAB_REFUSED_RECORD:
        if (epoch == engine->sink.epoch)
            kab_sink_taint(engine);
        if (slot->partition)
            mark_refused(engine, slot, message);
        break;
    case KAB_REFUSED_SINK:
        refused_by_sink(engine, epoch, message);
        break;
    case KAB_REFUSED_FATAL:
        kab_sink_give_up(engine, KAB_STOP_SINK, message);
        break;
    }
    end_report(engine, slot);
}

static void
forget_slot(KabEngine *engine, KabSlot *slot)
{
    size_t n = slot->unreported;
    if (!n)
        return;
    for (KabProduct *product = slot->products, *next; n; product = next) {
        next = product->next;
        if (!product->is_sent)
            continue;
        n--;
        engine->counters.produce_errors[KAB_REFUSED_SINK]++;
        note_report(engine, product);
    }
    if (!kab_slot_is_used(slot))
        kab_slot_free(engine, slot);
}

/* Scans every slot: dropped ones await reports too, and are on no list. */
void
kab_emission_forget(KabEngine *engine)
{
    for (guint i = 0; engine->sink.unreported && i < engine->slot_chunks->len;
         i++) {
        KabSlot *chunk = engine->slot_chunks->pdata[i];
        for (size_t j = 0; j < KAB_SLOT_CHUNK; j++)
            forget_slot(engine, &chunk[j]);
    }
}

/* The transaction is committed: all that was emitted is finished. Held slots
 * stay held until their partition has moved: nothing else makes room. */
void
kab_emission_commit(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    hold_early(engine);
    for (KabSlot *slot; kab_slot_is_emitted(slot = sink->outgoing.head);) {
        slot->partition->is_capped = false;
        finish_slot(engine, slot);
    }
    release_held(sink);
}
