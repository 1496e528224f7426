/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to records that failed.
 *
 * Retry state belongs to a set. One that fails transiently or by time-out is
 * called again with back-off, up to retry.max.attempts calls; then, or at
 * once after a permanent failure, a set of several is halved and each half
 * is called once before it is halved again; a record alone has that many
 * calls of its own. Overload never counts. What is left goes to on.failure.
 */
#include "internal.h"

#define MESSAGE_MAX 1024
#define OVERLOADS_TO_CUT 8

static void
set_reason(KabSet *set, KabClass class_, const char *reason)
{
    char *copy = reason && *reason ? g_strndup(reason, MESSAGE_MAX) : NULL;
    g_free(set->reason);
    set->reason = copy;
    set->last_class = class_;
}

static const char *
reason_of(const KabSet *set)
{
    return set->reason ? set->reason : "the function gave no reason";
}

static void
stop_for(KabEngine *engine, const KabSlot *slot)
{
    g_autofree char *message = g_strdup_printf(
        "record %s [%d] offset %" PRIi64 " failed after %u calls: %s",
        slot->record.topic, (int)slot->record.partition, slot->record.offset,
        slot->calls, slot->failure);
    kab_engine_stop(engine, KAB_STOP_FAILURE, message);
}

static void
make_letter(KabSlot *slot, bool is_truncated)
{
    KabProduct *product = g_new0(KabProduct, 1);
    product->output = (KabOutput)KAB_OUTPUT_INIT;
    product->slot = slot;
    product->is_dead_letter = true;
    product->is_truncated = is_truncated;
    slot->products = slot->next_product = product;
    slot->unacknowledged = 1;
    slot->fate = KAB_FATE_LETTER;
}

/* A letter that was refused is sent once more with our headers only. */
static bool
refuse_letter(KabEngine *engine, KabSlot *slot)
{
    if (slot->fate != KAB_FATE_LETTER)
        return false;
    bool was_truncated = slot->products->is_truncated;
    g_clear_pointer(&slot->products, g_free);
    slot->next_product = NULL;
    if (!was_truncated) {
        make_letter(slot, true);
        kab_slot_resolve(engine, slot);
        return true;
    }
    slot->fate = KAB_FATE_HELD;
    g_autofree char *message = g_strdup_printf(
        "the dead letter of record %s [%d] offset %" PRIi64 " was refused "
        "twice, the second time with its headers only",
        slot->record.topic, (int)slot->record.partition, slot->record.offset);
    kab_engine_stop(engine, KAB_STOP_DEAD_LETTER, message);
    return true;
}

/* The slot is in no set, call, or emission queue. */
void
kab_retry_fail_slot(KabEngine *engine,
                    KabSlot *slot,
                    KabStage stage,
                    KabClass class_,
                    const char *reason)
{
    kab_slot_set_state(engine, slot, KAB_SLOT_RESOLVED);
    if (refuse_letter(engine, slot))
        return;
    char *failure = g_strndup(reason ? reason : "", MESSAGE_MAX);
    g_free(slot->failure); /* reason may point into it */
    slot->failure = failure;
    slot->stage = (uint8_t)stage;
    slot->class_ = (uint8_t)class_;
    kab_slot_clear_products(engine, slot);
    switch (engine->options.on_failure) {
    case KAB_ON_FAILURE_STOP:
        slot->fate = KAB_FATE_HELD;
        stop_for(engine, slot);
        break;
    case KAB_ON_FAILURE_DROP:
        slot->fate = KAB_FATE_DISCARDED;
        break;
    case KAB_ON_FAILURE_DLQ:
        make_letter(slot, false);
        break;
    }
    kab_slot_resolve(engine, slot);
}

static void
fail_all(KabEngine *engine, KabSet *set, KabClass class_)
{
    while (set->n) {
        KabSlot *slot = set->slots[0];
        g_autofree char *reason = g_strdup(reason_of(set));
        bool is_last = set->n == 1;
        kab_set_remove(engine, set, slot);
        kab_retry_fail_slot(engine, slot, KAB_STAGE_FUNCTION, class_, reason);
        if (is_last)
            return;
    }
}

static void
permanent(KabEngine *engine, KabSet *set, bool halves, bool learns)
{
    if (set->n > 1 && halves)
        kab_set_halve(engine, set, 0, true, learns);
    else
        fail_all(engine, set, KAB_CLASS_PERMANENT);
}

/* One more call that counts; delay_us -1: the set's next back-off. */
static void
count(KabEngine *engine, KabSet *set, int64_t delay_us)
{
    unsigned limit = engine->options.retry_max_attempts;
    bool is_exhausted = limit && ++set->calls >= limit;
    if (is_exhausted && set->n > 1 && !engine->options.bisect) {
        fail_all(engine, set, set->last_class);
        return;
    }
    if (is_exhausted && set->n == 1 && set->is_alone) {
        fail_all(engine, set, set->last_class);
        return;
    }
    /* Others succeed: it is these records and no outage, and those among
     * them that are good need not wait for it to end. */
    if (is_exhausted && set->n > 1 && engine->successes > set->successes_seen)
        set->step = 0;
    set->successes_seen = engine->successes;
    if (delay_us < 0)
        delay_us = kab_engine_backoff(engine, set->step);
    set->step++;
    if (is_exhausted && set->n > 1) {
        kab_set_halve(engine, set, delay_us, true, false);
        return;
    }
    if (is_exhausted) {
        /* What is left of several: a record alone has its own calls. */
        set->is_alone = true;
        set->calls = 0;
    }
    kab_set_wait(engine, set, delay_us);
}

/* A set that is overloaded while others succeed may hold one record that
 * the service always answers so: cut it, so that its neighbours get by. Where
 * nothing else is called nobody can succeed: then it is cut now and then. */
static void
overload(KabEngine *engine, KabSet *set, int64_t retry_after_us)
{
    bool others_succeed =
        set->overloads && engine->successes > set->successes_seen;
    set->overloads++;
    set->successes_seen = engine->successes;
    bool is_stuck = set->overloads % OVERLOADS_TO_CUT == 0;
    kab_limiter_pause(engine, retry_after_us);
    if ((others_succeed || is_stuck) && set->n > 1)
        kab_set_halve(engine, set, 0, false, false);
    else
        kab_set_wait(engine, set, 0);
}

void
kab_retry_failed(KabEngine *engine,
                 KabSet *set,
                 KabFailure failure,
                 KabClass class_,
                 int64_t retry_after_us,
                 const char *reason)
{
    set_reason(set, class_, reason);
    switch (failure) {
    case KAB_FAIL_OVERLOAD:
        overload(engine, set, retry_after_us);
        return;
    case KAB_FAIL_PERMANENT:
        permanent(engine, set, engine->options.bisect, false);
        return;
    case KAB_FAIL_TOO_LARGE:
        permanent(engine, set, true, true);
        return;
    case KAB_FAIL_FATAL:
        kab_engine_stop(engine, KAB_STOP_FUNCTION, reason_of(set));
        kab_set_set_due(engine, set); /* never called: the engine drains */
        return;
    case KAB_FAIL_TRANSIENT:
    case KAB_FAIL_CRASH:
        count(engine, set, retry_after_us);
        return;
    }
    /* A value that is none of the ABI's. */
    count(engine, set, retry_after_us);
}

void
kab_retry_remainder(KabEngine *engine,
                    KabSet *set,
                    int64_t delay_us,
                    const char *reason)
{
    set_reason(set, KAB_CLASS_TRANSIENT, reason);
    count(engine, set, delay_us);
}
