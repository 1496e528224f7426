/* SPDX-License-Identifier: Apache-2.0 */
/* Which records may be called, and what may be produced. See check.c. */
#include <string.h>

#include "sim.h"

/* --- Calls -------------------------------------------------------------- */

/* A record cut off by overload or above a ceiling has calls of its own. */
static bool
may_be_cut_uncounted(const Sim *sim)
{
    bool is_cut = (sim->plan.faults >> FAULT_OVERLOAD) & 1 ||
                  (sim->plan.faults >> FAULT_TOO_LARGE) & 1;
    return is_cut || sim->plan.has_endless;
}

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
        check_fail(sim, record, "is called although its partition is leaving");
    if (!fetcher->is_pinned)
        check_fail(sim, record, "is called before its start is committed");
    unsigned limit = member->options.retry_max_attempts;
    if (limit && message->single == message->calls && message->counted >= limit)
        check_fail(sim, record,
                   "has more calls of its own than retry.max.attempts");
    if (limit && !message->was_failed_whole && message->counted >= limit &&
        !may_be_cut_uncounted(sim))
        check_fail(sim, record,
                   "of a remainder has more calls than its set may have");
    if (committed_has(&fetcher->loaded, record->offset))
        check_fail(sim, record,
                   "is called although an earlier owner finished it");
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
            check_fail(
                sim, message->record,
                "is called while another batch of its lane is in flight");
    for (size_t j = 0; j < i; j++)
        if (shares_lane(sim, message, call->messages[j]) &&
            call->messages[j]->record->index >= message->record->index)
            check_fail(sim, message->record,
                       "is out of order within its batch");
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

/* Nothing more may be taken: ready records do not wait for others. */
static bool
is_full(const Member *member)
{
    if (member->charge >= member->options.buffer_bytes)
        return true;
    KabEngineState state;
    kab_engine_get_state(member->engine, member->sim->now, &state);
    size_t most = member->options.max_attempts;
    if (most && member->attempts_out + state.waiting + state.called > most)
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

/* A batch that is not full must not leave before its first record has waited
 * for batch.period. */
static void
check_period(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    Sim *sim = member->sim;
    bool learns = (sim->plan.faults >> FAULT_TOO_LARGE) & 1;
    int64_t first = KAB_NEVER;
    size_t bytes = 200; /* the next record may have been too large */
    if (call->attempt->number > 1 || member->is_draining || learns)
        return;
    for (size_t i = 0; i < call->n; i++) {
        first = MIN(first, call->messages[i]->taken_at);
        bytes += call->messages[i]->record->size;
    }
    if (call->n < options->batch_count && bytes < options->batch_bytes &&
        sim->now - first < options->batch_period_us && !is_full(member))
        sim_fail(sim, "a batch leaves before batch.period is over");
}

/* A record that crashed the function alone is called with no other call in
 * flight: its next crash is its last. */
static void
check_suspects(Member *member, const Call *call)
{
    if (!member->has_suspects || member->calls_wanted <= 1)
        return;
    if (call->messages[0]->is_suspect)
        check_fail(member->sim, call->messages[0]->record,
                   "crashed the function, and is not called alone");
    for (unsigned i = 0; i < member->n_fetchers; i++) {
        const Fetcher *fetcher = member->fetchers[i];
        for (unsigned j = 0; j < fetcher->n_messages; j++)
            if (fetcher->messages[j]->is_suspect && fetcher->messages[j]->call)
                check_fail(member->sim, fetcher->messages[j]->record,
                           "is called alone, and another call is made");
    }
}

void
check_invoke(Member *member, const Call *call)
{
    const KabEngineOptions *options = &member->options;
    bool has_lanes = options->order == KAB_ORDER_KEY ||
                     options->order == KAB_ORDER_PARTITION;
    size_t abandoned = member->calls_open - member->calls_wanted;
    if (abandoned >= MIN(options->threads, options->max_in_flight))
        sim_fail(member->sim, "a call is made while %zu calls do not return",
                 abandoned);
    if (member->calls_wanted > options->max_in_flight)
        sim_fail(member->sim, "%zu calls are in flight", member->calls_wanted);
    if (options->max_attempts &&
        member->attempts_out - abandoned > options->max_attempts)
        sim_fail(member->sim, "%zu attempts are not released",
                 member->attempts_out);
    check_size(member, call);
    check_period(member, call);
    check_suspects(member, call);
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

/* Was the record cut off alone, from a call that failed as a whole? Where
 * bisect is off it may fail among others; records that leave with their
 * partition make a set smaller without a cut. */
static bool
was_cut_off(const Message *message)
{
    const Call *from = message->cut_from;
    if (!message->own)
        return false;
    for (size_t i = 0; from && i < from->n; i++)
        if (from->messages[i]->fetcher->revoked_at ||
            from->messages[i]->fetcher->is_gone)
            return false;
    return from != NULL;
}

static void
check_attempts(Sim *sim, const Message *message, unsigned limit)
{
    if (message->counted_at_most < limit)
        check_fail(sim, message->record, "gives up before its last attempt");
    if (was_cut_off(message) && message->own < limit)
        check_fail(sim, message->record,
                   "was cut off alone and has fewer attempts of its own");
}

static void
check_letter(Member *member,
             const Message *message,
             const KabDeadLetter *letter)
{
    Sim *sim = member->sim;
    unsigned limit = member->options.retry_max_attempts;
    bool is_passed =
        message->effect && message->effect->kind == KAB_PRODUCT_PASSED;
    KabOnFailure wanted = is_passed ? KAB_ON_FAILURE_PASS : KAB_ON_FAILURE_DLQ;
    if (is_passed && message->is_passed)
        return;
    if (!letter || member->options.on_failure != wanted)
        check_fail(sim, message->record,
                   "has a dead letter that is not wanted");
    else if (letter->calls != message->calls)
        sim_fail(sim, "%u/%" PRIi64 ": .attempts is %u, it had %u calls",
                 message->record->partition, message->record->offset,
                 letter->calls, message->calls);
    if (!message->may_fail)
        check_fail(sim, message->record, "has a dead letter without a reason");
    bool has_crashed_enough = letter->class_ == KAB_CLASS_CRASH &&
                              message->crashed >= SIM_CRASHES_TO_END;
    if (limit && is_of_attempts(letter) && !has_crashed_enough)
        check_attempts(sim, message, limit);
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
                   "is produced although its partition is gone");
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

/* No faults, and the only member is still its first process. */
static bool
is_undisturbed(const Sim *sim)
{
    return !sim->plan.faults && sim->plan.n_members == 1 &&
           sim->members[0].life == 1;
}

/* At-least-once: without a fault each output is written once. */
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

/* Key and value bytes must stay in place until the report. */
void
check_bytes(const Output *output)
{
    const Record *record = output->effect->record;
    size_t key_len = record->key ? 2 : 0;
    bool is_same =
        output->key.len == key_len &&
        output->value.len == record->size - key_len &&
        memcmp(output->value.data, record->bytes + key_len,
               output->value.len) == 0 &&
        (!key_len || memcmp(output->key.data, record->bytes, key_len) == 0);
    if (!is_same)
        check_fail(output->member->sim, record,
                   "has an output whose bytes changed");
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
