/* SPDX-License-Identifier: Apache-2.0 */
/* What a member asks its sink to produce: outputs and dead letters, which are
 * checked, perhaps refused at once, and sent.
 */
#include "sim.h"

static unsigned
partition_of(const Sim *sim, const Effect *effect)
{
    const Record *record = effect->record;
    if (effect->is_letter)
        return OUTPUT_PARTITIONS - 1;
    switch (sim->plan.engine.order) {
    case KAB_ORDER_UNORDERED:
        return (record->partition * 7 + record->index) %
               (OUTPUT_PARTITIONS - 1);
    case KAB_ORDER_KEY:
        return record->partition * (N_KEYS + 1) + record->key_number;
    case KAB_ORDER_ORDERED:
    case KAB_ORDER_PARTITION:
        break;
    }
    return record->partition;
}

static Effect *
letter_effect(Sim *sim, Message *message, KabProductKind kind)
{
    Effect *effect = sim_alloc(sim, sizeof *effect);
    *effect = (Effect){.record = message->record,
                       .message = message,
                       .n = 1,
                       .is_letter = true,
                       .kind = kind};
    return effect;
}

/* A letter is an effect of its own; another try of it is the same effect. */
static Effect *
effect_of(Sim *sim, KabProduct *product, Message *message)
{
    if (product->kind == KAB_PRODUCT_OUTPUT)
        return ((Product *)product)->effect;
    bool was_passed =
        message->effect && message->effect->kind == KAB_PRODUCT_PASSED;
    bool is_passed = product->kind == KAB_PRODUCT_PASSED;
    if (!message->effect || !message->effect->is_letter ||
        was_passed != is_passed)
        message->effect = letter_effect(sim, message, product->kind);
    return message->effect;
}

static KabProduceStatus
refuse_at_once(Sim *sim, Member *member, Effect *effect)
{
    Sink *sink = &member->sink;
    if (sink->n_unreported >= sim->plan.sink_room &&
        (sim->plan.faults >> FAULT_FULL) & 1) {
        sink_owe_room(sim, member);
        return KAB_PRODUCE_FULL;
    }
    if (sim_strikes(sim, FAULT_REFUSE) && sim_below(sim, 2)) {
        member->counted.produce_errors[KAB_REFUSED_RECORD]++;
        sink_mark_refused(effect->message);
        return KAB_PRODUCE_REFUSED_RECORD;
    }
    if (sink->is_dead && sim_below(sim, 2))
        return KAB_PRODUCE_LOST;
    return KAB_PRODUCE_OK;
}

static unsigned
index_of(Member *member, const KabProduct *product)
{
    if (product->kind != KAB_PRODUCT_OUTPUT)
        return 0;
    const Product *ours = (const Product *)product;
    if (ours->call->is_released)
        sim_fail(member->sim, "an output is produced after its release");
    return ours->index;
}

static void
check_may_produce(const Member *member)
{
    const Sink *sink = &member->sink;
    if (!sink->is_ready)
        sim_fail(member->sim, "produces without a producer");
    if (member_is_exactly_once(member) &&
        (!sink->in_transaction || sink->is_busy))
        sim_fail(member->sim, "produces outside of a transaction");
}

KabProduceStatus
sink_produce(void *user,
             KabProduct *product,
             const KabRecord *input,
             void *data,
             const KabDeadLetter *letter)
{
    Member *member = user;
    Sim *sim = member->sim;
    Message *message = data;
    Effect *effect = effect_of(sim, product, message);
    if (letter)
        message->letter_class = letter->class_;
    member->n_effects++;
    check_may_produce(member);
    if (effect->is_letter && !message->is_told)
        check_fail(sim, message->record,
                   "failed without a report to the owner");
    check_produce(member, message, effect, letter);
    KabProduceStatus status = refuse_at_once(sim, member, effect);
    unsigned index = index_of(member, product);
    TRACE(sim, "%u: produce %s%u/%" PRIi64 ".%u: %d", member->number,
          letter ? "letter of " : "", message->record->partition,
          message->record->offset, index, (int)status);
    if (status != KAB_PRODUCE_OK)
        return status;
    Output *output = sim_alloc(sim, sizeof *output);
    *output = (Output){
        .product = product,
        .effect = effect,
        .index = index,
        .partition = partition_of(sim, effect),
        .member = member,
        .key = effect->is_letter ? input->key : product->output.key,
        .value = effect->is_letter ? input->value : product->output.value,
        .epoch = member->sink.epoch,
        .producer_epoch = member->sink.producer_epoch};
    sink_send(sim, member, output);
    return KAB_PRODUCE_OK;
}

bool
sink_measure(void *user,
             const KabProduct *product,
             const KabRecord *input,
             void *data)
{
    Member *member = user;
    Message *message = data;
    bool is_known = message->record->index % 2;
    bool fits = message->record->nature != NATURE_UNWRITABLE || !is_known;
    if (!fits)
        sink_mark_refused(message);
    (void)member;
    return fits;
}
