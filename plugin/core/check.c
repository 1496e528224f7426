/* SPDX-License-Identifier: Apache-2.0 */
/* Recomputes the engine's counts from its lists and asserts that they match:
 * a difference is a broken invariant. For the simulator, tests, and builds
 * with sanitizers.
 */
#include "turn.h"

typedef struct {
    size_t n_slots, n_waiting, n_called, n_unpinned, charge, unreported;
    size_t n_owned, n_closed, n_flowing, unchecked;
    size_t references, kept; /* slots that left an open call early */
    size_t listed[KAB_N_CHANGES];
} Totals;

/* How far anything is done, as far as the slot can tell. */
static int64_t
done_to(const KabEngine *engine, const KabSlot *slot)
{
    if (slot->finished_after)
        return slot->finished_to;
    bool is_emitted = slot->state == KAB_SLOT_EMITTED;
    if (is_emitted && kab_engine_is_exactly_once(engine))
        return slot->record.offset + 1;
    return 0;
}

static void
add_partition(const KabEngine *engine,
              const KabPartition *partition,
              Totals *totals)
{
    size_t charge = 0, n_waiting = 0, n_called = 0, n_emitting = 0;
    uint64_t finished_beyond = 0;
    int64_t last = -1;
    for (const KabSlot *slot = partition->slots.head; slot;
         slot = slot->in_partition.next) {
        g_assert(slot->partition == partition);
        g_assert(slot->record.offset > last);
        g_assert(slot->state != KAB_SLOT_FINISHED);
        g_assert(!slot->call || slot->state == KAB_SLOT_CALLED);
        g_assert(done_to(engine, slot) <= partition->done_to);
        last = slot->record.offset;
        charge += slot->charge;
        n_waiting += slot->state == KAB_SLOT_WAITING;
        n_called += slot->call != NULL;
        n_emitting += slot->emission > KAB_EMISSION_HELD;
        finished_beyond += slot->finished_after;
        totals->n_called += slot->state == KAB_SLOT_CALLED;
        totals->n_slots++;
    }
    g_assert(charge == partition->charge);
    g_assert(n_waiting == partition->n_waiting);
    g_assert(n_called == partition->n_called);
    g_assert(n_emitting == partition->n_emitting);
    g_assert(finished_beyond == partition->finished_beyond);
    g_assert(partition->committed <= kab_partition_frontier(partition));
    totals->n_waiting += n_waiting;
    totals->n_unpinned += partition->is_pinned ? 0 : partition->slots.n;
    bool is_owned = partition->state == KAB_PARTITION_OWNED;
    totals->n_owned += is_owned;
    totals->n_closed += is_owned && partition->is_closed;
    totals->n_flowing +=
        is_owned && !partition->is_closed && !partition->is_at_end;
    g_assert(partition->changed[KAB_CHANGED_VALVE].is_listed ||
             kab_valve_is_right(engine, partition));
    for (KabChange change = 0; change < KAB_N_CHANGES; change++)
        totals->listed[change] += partition->changed[change].is_listed;
    totals->unchecked += partition->is_checked;
}

static size_t
count_sent(const KabEngine *engine, const KabSlot *slot)
{
    size_t n = 0;
    for (const KabProduct *product = slot->products; product;
         product = product->next) {
        g_assert(!product->is_sent || product->epoch <= engine->sink.epoch);
        n += product->is_sent;
    }
    return n;
}

static size_t
count_unacknowledged(const KabSlot *slot)
{
    size_t n = 0;
    for (const KabProduct *product = slot->products; product;
         product = product->next)
        n += !product->is_acknowledged;
    return n;
}

/* Dropped slots are in no partition, and charged until nothing uses them. */
static void
add_chunk(const KabEngine *engine, const KabSlot *chunk, Totals *totals)
{
    for (size_t i = 0; i < KAB_SLOT_CHUNK; i++) {
        const KabSlot *slot = &chunk[i];
        if (!kab_slot_is_used(slot))
            continue;
        totals->references += slot->references;
        g_assert(count_sent(engine, slot) == slot->unreported);
        g_assert(count_unacknowledged(slot) == slot->unacknowledged);
        g_assert(!slot->refusal || slot->unacknowledged);
        totals->charge += slot->charge;
        totals->unreported += slot->unreported;
    }
}

static size_t
count_wanted(const KabCall *call)
{
    size_t n = 0;
    for (size_t i = 0; i < call->attempt.n; i++)
        n += call->room->slots[i]->call == call;
    return n;
}

static void
check_calls(const KabEngine *engine, Totals *totals)
{
    unsigned in_flight = 0, abandoned = 0;
    for (const KabCall *call = engine->open_first; call; call = call->next) {
        g_assert(call->is_open && count_wanted(call) == call->wanted);
        g_assert(call->is_unwanted || call->wanted);
        in_flight += !call->is_unwanted;
        abandoned += call->is_unwanted;
        totals->charge += call->charge;
        totals->kept += call->attempt.n - call->wanted;
    }
    g_assert(in_flight == engine->in_flight);
    g_assert(abandoned == engine->abandoned);
    g_assert(!engine->is_alone || in_flight <= 1);
}

static void
check_lanes(const KabEngine *engine)
{
    size_t records = 0, bytes = 0;
    for (const KabLane *lane = engine->ready_first; lane; lane = lane->next) {
        g_assert(lane->is_ready && lane->waiting.n);
        g_assert(!lane->can_be_busy || !lane->outstanding.n);
        records += lane->waiting.n;
        bytes += lane->waiting_bytes;
    }
    g_assert(records == engine->ready_records);
    g_assert(bytes == engine->ready_bytes);
}

static size_t
check_emission(const KabSlot *from, const KabSlot *to, KabEmission emission)
{
    KabSlotState state =
        emission == KAB_EMISSION_EMITTED ? KAB_SLOT_EMITTED : KAB_SLOT_RESOLVED;
    size_t n = 0;
    for (const KabSlot *slot = from; slot != to;
         slot = slot->in_queue.next, n++) {
        g_assert(slot->emission == emission && slot->partition);
        g_assert(slot->state == state || slot->refusal);
    }
    return n;
}

static void
check_outgoing(const KabSink *sink)
{
    const KabSlot *head = sink->outgoing.head;
    size_t n_held = check_emission(sink->held.head, NULL, KAB_EMISSION_HELD);
    size_t n_sent = check_emission(head, sink->next, KAB_EMISSION_EMITTED);
    size_t n_queued = check_emission(sink->next, NULL, KAB_EMISSION_QUEUED);
    g_assert(n_held == sink->held.n);
    g_assert(n_sent == kab_sink_n_emitted(sink));
    g_assert(n_queued == sink->n_queued);
}

/* Has the sink a transaction, or what is left of one? */
static bool
may_hold_emitted(const KabEngine *engine)
{
    switch (engine->sink.state) {
    case KAB_SINK_NONE:
    case KAB_SINK_BEGINNING:
        return false;
    case KAB_SINK_OPEN:
        return !kab_engine_is_exactly_once(engine);
    case KAB_SINK_OPENING:
    case KAB_SINK_READY:
    case KAB_SINK_RECOVERING:
    case KAB_SINK_IN_TRANSACTION:
    case KAB_SINK_SETTLING:
    case KAB_SINK_ENDING:
    case KAB_SINK_ABORTING:
    case KAB_SINK_ABORTED:
    case KAB_SINK_LOST:
        break;
    }
    return true;
}

static void
check_sink(const KabEngine *engine)
{
    const KabSink *sink = &engine->sink;
    check_outgoing(sink);
    g_assert(!kab_sink_n_emitted(sink) || may_hold_emitted(engine));
    g_assert(!sink->unreported || may_hold_emitted(engine));
    g_assert(!engine->transaction.n || sink->state != KAB_SINK_OPEN);
    g_assert(!sink->is_unknown || sink->state == KAB_SINK_LOST ||
             sink->state == KAB_SINK_OPENING || sink->state == KAB_SINK_READY ||
             sink->state == KAB_SINK_RECOVERING);
    g_assert(!sink->unchecked || sink->is_unknown);
    g_assert(sink->life <= sink->epoch);
}

static void
check_changes(const KabEngine *engine, const Totals *totals, KabChange change)
{
    size_t n = 0;
    const KabPartition *last = NULL;
    for (const KabPartition *partition = engine->changed[change].head;
         partition; partition = partition->changed[change].next, n++) {
        g_assert(partition->changed[change].is_listed);
        g_assert(partition->changed[change].previous == last);
        last = partition;
    }
    g_assert(last == engine->changed[change].tail);
    g_assert(n == totals->listed[change]);
}

void
kab_engine_check(const KabEngine *engine)
{
    Totals totals = {0};
    for (guint i = 0; i < engine->partitions->len; i++)
        add_partition(engine, engine->partitions->pdata[i], &totals);
    for (guint i = 0; i < engine->slot_chunks->len; i++)
        add_chunk(engine, engine->slot_chunks->pdata[i], &totals);
    for (KabChange change = 0; change < KAB_N_CHANGES; change++)
        check_changes(engine, &totals, change);
    check_calls(engine, &totals);
    check_lanes(engine);
    check_sink(engine);
    g_assert(totals.n_slots == engine->n_slots);
    g_assert(totals.references == totals.n_slots + totals.kept);
    g_assert(totals.n_waiting == engine->n_waiting);
    g_assert(totals.n_called == engine->n_called);
    g_assert(totals.charge == engine->charge);
    g_assert(totals.unreported == engine->sink.unreported);
    g_assert(totals.n_owned == engine->n_owned);
    g_assert(totals.n_closed == engine->n_closed);
    g_assert(totals.n_flowing == engine->n_flowing);
    g_assert(totals.n_unpinned == engine->n_unpinned);
    g_assert(totals.unchecked == engine->sink.unchecked);
}
