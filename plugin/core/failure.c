/* SPDX-License-Identifier: Apache-2.0 */
/* A record that failed for good: on.failure decides what leaves for it.
 *
 *   rejected, out of calls, refused by the sink -> dlq: a dead letter
 *                                                  pass: the input itself
 *                                                  drop: nothing
 *                                                  stop: held; never finished
 *
 * A dead letter that the sink refuses is sent once more with the error
 * headers alone; refused again, the binding stops. A record passed on that
 * the sink refuses goes to on.failure. The owner is told of each failure.
 */
#include "ledger.h"

#define MESSAGE_MAX 1024

KabDeadLetter
kab_failure_letter(const KabSlot *slot)
{
    return (KabDeadLetter){
        .stage = slot->stage,
        .class_ = slot->class_,
        .calls = slot->calls,
        .message = slot->failure ? slot->failure : "",
    };
}

static void
tell_owner(KabEngine *engine, const KabSlot *slot, const KabDeadLetter *why)
{
    const KabPorts *ports = &engine->ports;
    if (ports->owner->failed)
        ports->owner->failed(ports->owner_user, &slot->record, why, slot->fate);
}

static void
note_failure(KabSlot *slot, const KabDeadLetter *why)
{
    char *message = g_strndup(why->message, MESSAGE_MAX);
    g_free(slot->failure); /* why->message may point into it */
    slot->failure = message;
    slot->stage = why->stage;
    slot->class_ = why->class_;
}

/* The one product of a record that failed. */
static void
make_product(KabSlot *slot, KabFate fate, KabProductKind kind)
{
    KabProduct *product = g_new0(KabProduct, 1);
    product->output = (KabOutput)KAB_OUTPUT_INIT;
    product->slot = slot;
    product->kind = kind;
    slot->products = slot->next_product = product;
    slot->unacknowledged = 1;
    slot->fate = fate;
}

static void
stop_for_record(KabEngine *engine, KabSlot *slot)
{
    slot->fate = KAB_FATE_HELD;
    g_autofree char *message = g_strdup_printf(
        "record %s [%d] offset %" PRIi64 " failed after %u call%s: %s",
        slot->record.topic, (int)slot->record.partition, slot->record.offset,
        slot->calls, slot->calls == 1 ? "" : "s", slot->failure);
    kab_engine_stop(engine, KAB_STOP_FAILURE, message);
}

static void
stop_for_letter(KabEngine *engine, KabSlot *slot, const char *reason)
{
    slot->fate = KAB_FATE_HELD;
    g_autofree char *message = g_strdup_printf(
        "the dead letter of record %s [%d] offset %" PRIi64
        " was refused twice, the second time with its error headers alone: %s",
        slot->record.topic, (int)slot->record.partition, slot->record.offset,
        reason);
    kab_engine_stop(engine, KAB_STOP_DEAD_LETTER, message);
}

/* The dead letter still says why the record failed, not why it was refused. */
static void
fail_letter(KabEngine *engine, KabSlot *slot, const KabDeadLetter *why)
{
    bool was_truncated = slot->products->kind == KAB_PRODUCT_TRUNCATED;
    kab_slot_clear_products(engine, slot);
    if (was_truncated)
        stop_for_letter(engine, slot, why->message);
    else
        make_product(slot, KAB_FATE_LETTER, KAB_PRODUCT_TRUNCATED);
}

static void
apply_on_failure(KabEngine *engine, KabSlot *slot)
{
    bool was_passed = slot->fate == KAB_FATE_PASSED;
    kab_slot_clear_products(engine, slot);
    switch (engine->options.on_failure) {
    case KAB_ON_FAILURE_STOP:
        stop_for_record(engine, slot);
        break;
    case KAB_ON_FAILURE_DROP:
        slot->fate = KAB_FATE_DISCARDED;
        break;
    case KAB_ON_FAILURE_DLQ:
        make_product(slot, KAB_FATE_LETTER, KAB_PRODUCT_LETTER);
        break;
    case KAB_ON_FAILURE_PASS:
        if (was_passed)
            stop_for_record(engine, slot);
        else
            make_product(slot, KAB_FATE_PASSED, KAB_PRODUCT_PASSED);
        break;
    }
}

static KabDeadLetter
make_reason(const KabSlot *slot,
            KabStage stage,
            KabClass class_,
            const char *reason)
{
    return (KabDeadLetter){.stage = stage,
                           .class_ = class_,
                           .calls = slot->calls,
                           .message = reason ? reason : ""};
}

void
kab_failure_apply(KabEngine *engine,
                  KabSlot *slot,
                  KabStage stage,
                  KabClass class_,
                  const char *reason)
{
    g_autofree char *copy = g_strndup(reason ? reason : "", MESSAGE_MAX);
    KabDeadLetter why = make_reason(slot, stage, class_, copy);
    if (slot->state != KAB_SLOT_RESOLVED) /* the sink refuses such ones, too */
        kab_slot_move(engine, slot, slot->state, KAB_SLOT_RESOLVED);
    if (slot->fate == KAB_FATE_LETTER) {
        fail_letter(engine, slot, &why);
    } else {
        note_failure(slot, &why);
        apply_on_failure(engine, slot);
    }
    tell_owner(engine, slot, &why);
}

void
kab_failure_pass(KabEngine *engine, KabSlot *slot, const char *reason)
{
    KabDeadLetter why =
        make_reason(slot, KAB_STAGE_FUNCTION, KAB_CLASS_REJECTED, reason);
    kab_slot_move(engine, slot, slot->state, KAB_SLOT_RESOLVED);
    note_failure(slot, &why);
    kab_slot_clear_products(engine, slot);
    make_product(slot, KAB_FATE_PASSED, KAB_PRODUCT_PASSED);
    tell_owner(engine, slot, &why);
}
