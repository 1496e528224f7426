/* SPDX-License-Identifier: Apache-2.0 */
/* Emission: which resolved records leave, in which order, through the sink.
 *
 *   resolved -> (its order group) -> queue -> produced -> emitted -> finished
 *
 * Who passes its order group, group.c says. From there on one queue keeps the
 * order; the list of emitted slots is in emission order too, so that a lost
 * sink puts them back in front as they were. At least once, a slot is finished
 * when its outputs are acknowledged; exactly once, when the transaction is
 * committed: there a record without output rides in the transaction as well.
 */
#include "internal.h"

#define LINKS KAB_LINKS(in_emission)

bool
kab_engine_is_exactly_once(const KabEngine *engine)
{
    return engine->options.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

static KabEnd
end_of(const KabSlot *slot)
{
    switch ((KabFate)slot->fate) {
    case KAB_FATE_OUTPUT:
        return slot->products ? KAB_END_DONE : KAB_END_DROPPED;
    case KAB_FATE_LETTER:
        return KAB_END_REJECTED;
    case KAB_FATE_DISCARDED:
    case KAB_FATE_HELD:
        break;
    }
    return KAB_END_DISCARDED;
}

static void
move(KabEngine *engine, KabSlot *slot, KabSlots *to)
{
    KabSlots *held = &engine->sink.held;
    engine->moves++;
    slot->is_early = false;
    if (slot->emission) {
        kab_slots_remove(slot->emission, slot, LINKS);
        if (slot->partition && slot->emission != held)
            slot->partition->n_emitting--;
    }
    slot->emission = to;
    if (!to)
        return;
    kab_slots_append(to, slot, LINKS);
    if (slot->partition && to != held)
        slot->partition->n_emitting++;
}

void
kab_emission_leave(KabEngine *engine, KabSlot *slot)
{
    move(engine, slot, NULL);
}

void
kab_emission_push(KabEngine *engine, KabSlot *slot)
{
    if (slot->products || kab_engine_is_exactly_once(engine))
        move(engine, slot, &engine->sink.queue);
    else
        kab_partition_finish(engine, slot, end_of(slot));
}

/* --- Producing --------------------------------------------------------- */

static KabDeadLetter
letter_of(const KabSlot *slot)
{
    return (KabDeadLetter){
        .stage = (KabStage)slot->stage,
        .class_ = (KabClass)slot->class_,
        .calls = slot->calls,
        .message = slot->failure ? slot->failure : "",
    };
}

/* To on.failure, unless outputs of it are still to be reported. */
static void
refuse(KabEngine *engine, KabSlot *slot)
{
    if (slot->unreported)
        return;
    g_autofree char *message = g_strdup(slot->failure);
    slot->is_refused = false;
    kab_emission_leave(engine, slot);
    kab_retry_fail_slot(engine, slot, KAB_STAGE_PRODUCE, KAB_CLASS_PERMANENT,
                        message);
}

static void
mark_refused(KabEngine *engine, KabSlot *slot, const char *message)
{
    if (slot->fate != KAB_FATE_LETTER) {
        g_free(slot->failure);
        slot->failure = g_strdup(message);
    }
    slot->is_refused = true;
    if (slot->emission != &engine->sink.emitted)
        move(engine, slot, &engine->sink.emitted);
    refuse(engine, slot);
}

static void
sent(KabEngine *engine, KabSlot *slot, KabProduct *product)
{
    product->is_sent = true;
    product->epoch = engine->sink.epoch;
    slot->unreported++;
    slot->references++;
    engine->sink.unreported++;
    engine->sink.is_flushed = false;
}

static KabProduceStatus
produce_one(KabEngine *engine, KabSlot *slot, KabProduct *product)
{
    KabDeadLetter letter = letter_of(slot);
    return engine->effects.produce(engine->user, product, &slot->record,
                                   slot->message,
                                   product->is_dead_letter ? &letter : NULL);
}

/* Is every output of a slot with several possible at all? */
static bool
is_possible(KabEngine *engine, KabSlot *slot)
{
    if (!engine->effects.measure || !slot->products || !slot->products->next ||
        slot->next_product != slot->products)
        return true;
    for (KabProduct *product = slot->products; product; product = product->next)
        if (!engine->effects.measure(engine->user, product, &slot->record,
                                     slot->message))
            return false;
    return true;
}

static const char *
explain(KabEngine *engine)
{
    if (engine->effects.explain)
        return engine->effects.explain(engine->user);
    return "an output is larger than the topic takes (max.message.bytes)";
}

/* False: the sink takes no more now. */
static bool
emit(KabEngine *engine, KabSlot *slot)
{
    if (!is_possible(engine, slot)) {
        mark_refused(engine, slot, explain(engine));
        return true;
    }
    for (KabProduct *product; (product = slot->next_product);) {
        KabProduceStatus status = KAB_PRODUCE_OK;
        if (!product->is_acknowledged)
            status = produce_one(engine, slot, product);
        switch (status) {
        case KAB_PRODUCE_OK:
            if (!product->is_acknowledged)
                sent(engine, slot, product);
            slot->next_product = product->next;
            break;
        case KAB_PRODUCE_FULL:
            engine->sink.is_full = true;
            return false;
        case KAB_PRODUCE_REFUSED_RECORD:
            engine->counters.produce_errors[KAB_REFUSED_RECORD]++;
            if (product != slot->products)
                kab_sink_taint(engine);
            mark_refused(engine, slot, explain(engine));
            return true;
        case KAB_PRODUCE_LOST:
            kab_sink_lose(engine, false, "a produce call was refused");
            return false;
        }
    }
    kab_slot_set_state(engine, slot, KAB_SLOT_EMITTED);
    move(engine, slot, &engine->sink.emitted);
    if (kab_engine_is_exactly_once(engine)) {
        kab_partition_mark_dirty(engine, slot->partition);
        kab_sink_count(engine, slot);
    }
    return true;
}

static void
prepend(KabSlots *from, KabSlots *to)
{
    if (!from->head)
        return;
    if (to->head) {
        from->tail->in_emission.next = to->head;
        to->head->in_emission.previous = from->tail;
        from->tail = to->tail;
    }
    from->n += to->n;
    *to = *from;
    *from = (KabSlots){0};
}

static void
move_to_front(KabEngine *engine, KabSlot *slot, KabSlots *to)
{
    KabSlots rest = *to;
    *to = (KabSlots){0};
    move(engine, slot, to);
    prepend(to, &rest);
    *to = rest;
}

/* What is now the first of its partition is never held: it starts no run, it
 * joins what is before it. Nothing of its group is before it, and what is
 * held may be after it. */
static void
release_first(KabEngine *engine, KabPartition *partition)
{
    KabSlot *slot = kab_cap_first_open(partition);
    if (!slot || slot->emission != &engine->sink.held)
        return;
    move_to_front(engine, slot, &engine->sink.queue);
    slot->is_early = true;
}

/* One that release_first() took, and that was not produced, goes back to
 * where it came from. */
static void
hold(KabEngine *engine, KabSlot *slot)
{
    if (slot->is_early)
        move_to_front(engine, slot, &engine->sink.held);
    else
        move(engine, slot, &engine->sink.held);
}

static void
hold_early(KabEngine *engine)
{
    KabSlot *slot = engine->sink.queue.head;
    if (slot && slot->is_early)
        hold(engine, slot);
}

void
kab_emission_advance(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    for (KabSlot *slot; (slot = sink->queue.head);) {
        if (sink->is_full || !kab_sink_can_emit(engine))
            return;
        bool is_whole = slot->next_product == slot->products;
        KabPartition *partition = slot->partition;
        if (is_whole && kab_cap_holds(engine, slot))
            hold(engine, slot);
        else if (!emit(engine, slot))
            return;
        else if (partition->is_capped)
            release_first(engine, partition);
    }
}

/* Those of partitions that are not capped any more. They were earlier than
 * what is queued now. */
static void
release_held(KabSink *sink)
{
    KabSlots released = {0};
    for (KabSlot *slot = sink->held.head, *next; slot; slot = next) {
        next = slot->in_emission.next;
        if (slot->partition->is_capped &&
            slot != kab_cap_first_open(slot->partition))
            continue;
        kab_slots_remove(&sink->held, slot, LINKS);
        kab_slots_append(&released, slot, LINKS);
        slot->emission = &sink->queue;
        slot->partition->n_emitting++;
    }
    prepend(&released, &sink->queue);
}

/* Resets what a slot has produced, as far as it is to be produced again. */
static void
rewind_slot(KabEngine *engine, KabSlot *slot, bool all_outputs)
{
    kab_slot_set_state(engine, slot, KAB_SLOT_RESOLVED);
    slot->next_product = slot->products;
    slot->unacknowledged = 0;
    for (KabProduct *product = slot->products; product;
         product = product->next) {
        if (all_outputs)
            product->is_acknowledged = false;
        slot->unacknowledged += !product->is_acknowledged;
    }
}

/* Every report of the old sink has been served. */
void
kab_emission_requeue(KabEngine *engine, bool all_outputs)
{
    KabSink *sink = &engine->sink;
    for (KabSlot *slot = sink->emitted.head, *next; slot; slot = next) {
        next = slot->in_emission.next;
        if (slot->is_refused)
            refuse(engine, slot);
    }
    if (sink->queue.head)
        rewind_slot(engine, sink->queue.head, all_outputs);
    hold_early(engine);
    for (KabSlot *slot = sink->emitted.head; slot;
         slot = slot->in_emission.next) {
        rewind_slot(engine, slot, all_outputs);
        slot->emission = &sink->queue;
    }
    for (guint i = 0; i < engine->partitions->len; i++) {
        KabPartition *partition = engine->partitions->pdata[i];
        partition->runs = SIZE_MAX / 2;
        partition->is_capped = false;
    }
    release_held(sink);
    prepend(&sink->emitted, &sink->queue);
}

/* --- Reports ----------------------------------------------------------- */

/* Takes the product's reference to its slot; NULL: the slot is gone. */
static KabSlot *
report(KabEngine *engine, KabProduct *product)
{
    KabSlot *slot = product->slot;
    g_assert(product->is_sent && slot->unreported > 0);
    product->is_sent = false;
    slot->unreported--;
    engine->sink.unreported--;
    return slot;
}

void
kab_engine_acknowledged(KabEngine *engine, KabProduct *product, int64_t now)
{
    KabSlot *slot = report(engine, product);
    engine->now = now;
    engine->counters.records_produced++;
    product->is_acknowledged = true;
    if (!kab_engine_is_exactly_once(engine))
        engine->sink.losses = 0;
    if (slot->unacknowledged)
        slot->unacknowledged--;
    if (slot->is_refused && slot->partition)
        refuse(engine, slot);
    else if (slot->partition && !slot->unacknowledged &&
             slot->state == KAB_SLOT_EMITTED &&
             !kab_engine_is_exactly_once(engine))
        kab_partition_finish(engine, slot, end_of(slot));
    kab_slot_unref(engine, slot);
}

static void
refused_by_sink(KabEngine *engine, uint32_t epoch, const char *message)
{
    KabSink *sink = &engine->sink;
    if (epoch != sink->epoch)
        return;
    if (!kab_engine_is_exactly_once(engine))
        kab_sink_lose(engine, false, message);
    else
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
    KabSlot *slot = report(engine, product);
    engine->now = now;
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
    if (slot->is_refused && slot->partition)
        refuse(engine, slot);
    kab_slot_unref(engine, slot);
}

static void
forget_slot(KabEngine *engine, KabSlot *slot)
{
    size_t n = slot->unreported;
    for (KabProduct *product = slot->products, *next; n; product = next) {
        next = product->next;
        if (!product->is_sent)
            continue;
        n--;
        engine->counters.produce_errors[KAB_REFUSED_SINK]++;
        kab_slot_unref(engine, report(engine, product));
    }
}

/* Slots that were dropped are on no list, and wait for it as well. */
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

/* The transaction is committed: all that was emitted is finished. What is
 * held stays so until its partition has moved: nothing else makes room. */
void
kab_emission_commit(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    hold_early(engine);
    for (KabSlot *slot; (slot = sink->emitted.head);) {
        slot->partition->is_capped = false;
        kab_partition_finish(engine, slot, end_of(slot));
    }
    release_held(sink);
}
