/* SPDX-License-Identifier: Apache-2.0 */
/* What may be called, and what may be produced of it. See check.c. */
#include "sim.h"

/* --- Calls -------------------------------------------------------------- */

/* May this record be called now at all? */
static void
check_called(Member *member, const Message *message)
{
    Sim *sim = member->sim;
    const Fetcher *fetcher = message->fetcher;
    const Record *record = message->record;
    if (message->is_released)
        check_fail(sim, record, "is called after its release");
    if (message->call)
        check_fail(sim, record, "is called twice at once");
    if (message->is_resolved)
        check_fail(sim, record, "is called although its outcome is final");
    if (fetcher->is_gone || fetcher->revoked_at)
        check_fail(sim, record, "is called, and its partition is leaving");
    if (!fetcher->is_pinned)
        check_fail(sim, record, "is called before its start is committed");
    unsigned limit = member->options.retry_max_attempts;
    if (limit && message->single == message->calls && message->counted >= limit)
        check_fail(sim, record, "has more calls of its own than it may");
    if (committed_has(&fetcher->loaded, record->offset))
        check_fail(sim, record, "is called, and an earlier owner finished it");
}

static bool
shares_lane(const Sim *sim, const Message *left, const Message *right)
{
    if (left->fetcher != right->fetcher)
        return false;
    switch (sim->plan.engine.order) {
    case KAB_ORDER_PARTITION:
        return true;
    case KAB_ORDER_KEY:
        return left->record->key &&
               left->record->key_number == right->record->key_number;
    case KAB_ORDER_UNORDERED:
    case KAB_ORDER_ORDERED:
        break;
    }
    return false;
}

static void
check_lane(Member *member, const Call *call, size_t i)
{
    Sim *sim = member->sim;
    const Message *message = call->messages[i];
    const Fetcher *fetcher = message->fetcher;
    for (unsigned j = 0; j < fetcher->n_messages; j++)
        if (fetcher->messages[j]->call &&
            shares_lane(sim, message, fetcher->messages[j]))
            check_fail(sim, message->record,
                       "is called, and another batch of its lane is in flight");
    for (size_t j = 0; j < i; j++)
        if (shares_lane(sim, message, call->messages[j]) &&
            call->messages[j]->record->index >= message->record->index)
            check_fail(sim, message->record, "is out of order in its batch");
}

static void
check_size(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    size_t bytes = 0;
    for (size_t i = 0; i < call->n; i++)
        bytes += call->messages[i]->record->size;
    if (call->attempt->number > 1)
        return;
    if (call->n > options->batch_count)
        sim_fail(member->sim, "a batch of %zu", call->n);
    if (call->n > 1 && bytes > options->batch_bytes)
        sim_fail(member->sim, "a batch of %zu bytes", bytes);
}

/* Nothing more may be taken: what is ready does not wait for company. */
static bool
is_full(const Member *member)
{
    if (member->charge >= member->options.buffer_bytes)
        return true;
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        bool brings_more = !fetcher->is_gone && fetcher->is_loaded &&
                           fetcher->is_open && !fetcher->is_told_end &&
                           !fetcher->revoked_at && !fetcher->is_resetting;
        if (brings_more)
            return false;
    }
    return true;
}

/* Does a batch that is not full leave before its first record has waited
 * for batch.period? */
static void
check_period(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    Sim *sim = member->sim;
    bool learns = (sim->plan.faults >> FAULT_TOO_LARGE) & 1;
    int64_t first = KAB_NEVER;
    size_t bytes = 200; /* a next one may have been too large */
    if (call->attempt->number > 1 || member->is_draining || learns)
        return;
    for (size_t i = 0; i < call->n; i++) {
        first = MIN(first, call->messages[i]->taken_at);
        bytes += call->messages[i]->record->size;
    }
    if (call->n < options->batch_count && bytes < options->batch_bytes &&
        sim->now - first < options->batch_period_us && !is_full(member))
        sim_fail(sim, "a batch leaves before its time");
}

void
check_invoke(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    bool has_lanes = options->order == KAB_ORDER_KEY ||
                     options->order == KAB_ORDER_PARTITION;
    size_t abandoned = member->calls_open - member->calls_wanted;
    if (abandoned >= MIN(options->threads, options->max_in_flight))
        sim_fail(member->sim, "%zu calls do not return, and one more is made",
                 abandoned);
    if (member->calls_wanted > options->max_in_flight)
        sim_fail(member->sim, "%zu calls are in flight", member->calls_wanted);
    check_size(member, call);
    check_period(member, call);
    for (size_t i = 0; i < call->n; i++) {
        check_called(member, call->messages[i]);
        if (has_lanes)
            check_lane(member, call, i);
    }
}

/* --- Outputs ------------------------------------------------------------ */

static bool
is_exactly_once(const Sim *sim)
{
    return sim->plan.engine.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

static bool
is_of_attempts(const KabDeadLetter *letter)
{
    return letter->stage == KAB_STAGE_FUNCTION &&
           (letter->class_ == KAB_CLASS_TRANSIENT ||
            letter->class_ == KAB_CLASS_TIMEOUT ||
            letter->class_ == KAB_CLASS_CRASH);
}

static void
check_letter(Member *member,
             const Message *message,
             const KabDeadLetter *letter)
{
    Sim *sim = member->sim;
    unsigned limit = member->options.retry_max_attempts;
    if (!letter || member->options.on_failure != KAB_ON_FAILURE_DLQ)
        check_fail(sim, message->record,
                   "has a dead letter that is not wanted");
    else if (letter->calls != message->calls)
        sim_fail(sim, "%u/%" PRIi64 ": .attempts is %u, it had %u calls",
                 message->record->partition, message->record->offset,
                 letter->calls, message->calls);
    if (!message->may_fail)
        check_fail(sim, message->record, "has a dead letter without a reason");
    if (limit && is_of_attempts(letter) && message->counted < limit)
        check_fail(sim, message->record, "gives up before its last attempt");
}

static void
check_answer(Member *member, const Message *message, const Effect *effect)
{
    Sim *sim = member->sim;
    if (!message->is_resolved || message->effect != effect)
        check_fail(sim, message->record,
                   "is produced without an answer that counts");
    if (!is_exactly_once(sim) && effect->n == 1 && effect->acknowledged)
        check_fail(sim, message->record, "is produced again after its report");
}

void
check_produce(Member *member,
              const Message *message,
              const Effect *effect,
              const KabDeadLetter *letter)
{
    if (message->is_released)
        check_fail(member->sim, message->record,
                   "is produced after its release");
    if (message->fetcher->is_gone)
        check_fail(member->sim, message->record,
                   "is produced, and its partition is gone");
    if (effect->is_letter)
        check_letter(member, message, letter);
    else
        check_answer(member, message, effect);
}

/* The first effects of an assignment's records keep the input's order within
 * each order group; repeats after a loss may follow. */
void
check_order(Sim *sim, Effect *effect)
{
    Message *message = effect->message;
    const Record *record = effect->record;
    KabOrder order = sim->plan.engine.order;
    bool has_order =
        order != KAB_ORDER_UNORDERED && (order != KAB_ORDER_KEY || record->key);
    if (!has_order || effect->is_letter || message->first)
        return;
    message->first = effect;
    unsigned group = order == KAB_ORDER_KEY ? record->key_number : N_KEYS;
    int *last = &message->fetcher->last_first[group];
    if ((int)record->index <= *last)
        check_fail(sim, record,
                   "is written after a later one of its order group");
    *last = (int)record->index;
}

/* Its only process is still the first one. */
static bool
is_undisturbed(const Sim *sim)
{
    return !sim->plan.faults && sim->plan.n_members == 1 &&
           sim->members[0].life == 1;
}

/* At least once: where nothing fails, once. */
void
check_write(Sim *sim, const Output *output, bool is_first)
{
    Record *record = output->effect->record;
    bool is_again =
        !is_first || (record->visible && record->visible != output->effect);
    if (is_again && is_undisturbed(sim))
        check_fail(sim, record, "is written twice without a fault");
    record->visible = output->effect;
    check_order(sim, output->effect);
}

void
check_visible(Sim *sim, const Output *output)
{
    Effect *effect = output->effect;
    Record *record = effect->record;
    uint64_t bit = UINT64_C(1) << output->index;
    if (record->visible && record->visible != effect)
        check_fail(sim, record, "has two visible effects");
    if (effect->written & bit)
        check_fail(sim, record, "is visible twice");
    record->visible = effect;
    effect->written |= bit;
    effect->n_written++;
    effect->in_transaction++;
    check_order(sim, effect);
}
