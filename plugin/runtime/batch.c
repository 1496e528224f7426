/* SPDX-License-Identifier: Apache-2.0 */
/* The function's side of a call: kab_batch_*() of the public ABI.
 *
 * Results are written straight into the engine's KabAttempt, and all memory
 * comes from the ticket's arena. One thread at a time does so: the one that
 * holds the handle. Only the end of the call is contested.
 *
 * Misuse: a call that would break an invariant has no effect, is remembered in
 * the ticket, and is named in the log when the batch is answered.
 */
#include "batch-keep.h"

#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "printable.h"

enum { MAX_REASON = 1024 };

/* --- Reading ----------------------------------------------------------- */

size_t
kab_batch_count(const KabBatch *batch)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_count");
    return ticket ? ticket->attempt->n : 0;
}

const KabRecord *
kab_batch_records(const KabBatch *batch)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_records");
    return ticket ? ticket->attempt->records : NULL;
}

unsigned
kab_batch_attempt(const KabBatch *batch)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_attempt");
    return ticket ? ticket->attempt->number : 0;
}

int64_t
kab_batch_deadline_us(const KabBatch *batch)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_deadline_us");
    return ticket ? ticket->deadline_us : 0;
}

bool
kab_batch_is_cancelled(const KabBatch *batch)
{
    return kab_ticket_is_cancelled(batch);
}

/* Reads the headers of a record once; they stay valid for the whole call. */
static void
load_headers(KabTicket *ticket, size_t i)
{
    KabArena *arena = &ticket->arena;
    size_t n = ticket->attempt->n;
    if (!ticket->headers) {
        ticket->headers = kab_arena_alloc(arena, n * sizeof(KabHeader *));
        ticket->n_headers = kab_arena_alloc(arena, n * sizeof(size_t));
        memset(ticket->n_headers, 0xFF, n * sizeof(size_t));
    }
    if (ticket->n_headers[i] != SIZE_MAX)
        return;
    KabHeader some[16];
    void *message = ticket->attempt->messages[i];
    size_t count = 0;
    if (ticket->caller->get_headers)
        count = ticket->caller->get_headers(message, some, 16);
    ticket->n_headers[i] = count;
    ticket->headers[i] = NULL;
    if (!count)
        return;
    KabHeader *all = kab_arena_alloc(arena, count * sizeof *all);
    if (count > 16)
        ticket->caller->get_headers(message, all, count);
    else
        memcpy(all, some, count * sizeof *all);
    ticket->headers[i] = all;
}

const KabHeader *
kab_batch_headers(const KabBatch *batch, size_t i, size_t *ret_n)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_headers");
    *ret_n = 0;
    if (!ticket || !kab_ticket_has_record(ticket, i))
        return NULL;
    load_headers(ticket, i);
    *ret_n = ticket->n_headers[i];
    return ticket->headers[i];
}

bool
kab_batch_header(const KabBatch *batch,
                 size_t i,
                 const char *name,
                 KabBytes *ret_value)
{
    size_t n;
    const KabHeader *headers = kab_batch_headers(batch, i, &n);
    while (n-- > 0) {
        if (strcmp(headers[n].name, name) == 0) {
            *ret_value = headers[n].value;
            return true;
        }
    }
    return false;
}

/* --- Answering --------------------------------------------------------- */

void *
kab_batch_alloc(KabBatch *batch, size_t size)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_alloc");
    if (!ticket)
        g_error("kab_batch_alloc() on a batch that has ended");
    void *memory = kab_arena_alloc(&ticket->arena, size);
    kab_ticket_tell_growth(ticket);
    return memory;
}

static void
report_second_outcome(KabTicket *ticket)
{
    kab_ticket_note_misuse(ticket, "gave a second outcome to a record");
}

/* The record, if it has no outcome yet. */
static KabResult *
find_unanswered(KabTicket *ticket, size_t i)
{
    if (!ticket || !kab_ticket_has_record(ticket, i))
        return NULL;
    KabResult *result = &ticket->attempt->results[i];
    if (result->outcome == KAB_OUTCOME_NONE)
        return result;
    report_second_outcome(ticket);
    return NULL;
}

/* The record, if it may get an output. */
static inline KabResult *
find_emitting(KabTicket *ticket, size_t i)
{
    if (!ticket || !kab_ticket_has_record(ticket, i))
        return NULL;
    KabResult *result = &ticket->attempt->results[i];
    if (result->outcome == KAB_OUTCOME_NONE || result->n_products)
        return result;
    if (result->outcome != KAB_OUTCOME_INVALID)
        report_second_outcome(ticket);
    return NULL;
}

/* Every reason enters here, so nothing behind needs to distrust it. */
static char *
dup_reason(KabTicket *ticket, const char *reason)
{
    if (!reason)
        return NULL;
    /* One character more, so that none is cut before it is looked at. */
    g_autofree char *begin = g_strndup(reason, MAX_REASON + 4);
    g_autofree char *shown =
        kab_is_printable(begin) ? NULL : kab_dup_printable(begin);
    return kab_arena_dup_text(&ticket->arena, shown ? shown : begin,
                              MAX_REASON);
}

/* Finds the topic among those the binding lists, so that no copy is needed and
 * the pointer outlives the call. */
static G_NO_INLINE const char *
find_topic(KabTicket *ticket, const char *topic)
{
    const KabCaller *caller = ticket->caller;
    if (ticket->last_topic && strcmp(topic, ticket->last_topic) == 0)
        return ticket->last_topic;
    for (const char *const *t = caller->topics; t && *t; t++)
        if (strcmp(*t, topic) == 0)
            return ticket->last_topic = *t;
    return NULL;
}

static void
refuse_record(KabTicket *ticket, KabResult *result, const char *text)
{
    *result = (KabResult){.outcome = KAB_OUTCOME_INVALID,
                          .reason = dup_reason(ticket, text)};
}

static G_NO_INLINE void
refuse_topic(KabTicket *ticket, KabResult *result, const char *topic)
{
    char text[512];
    if (topic)
        g_snprintf(text, sizeof text,
                   "the output names topic %s, which is neither output.topic "
                   "nor in output.topics",
                   topic);
    else
        g_snprintf(text, sizeof text,
                   "the output names no topic, and the binding has no "
                   "output.topic");
    refuse_record(ticket, result, text);
}

static G_NO_INLINE void
refuse_partition(KabTicket *ticket, KabResult *result, int32_t partition)
{
    char text[128];
    g_snprintf(text, sizeof text,
               "the output names partition %" PRIi32
               ", which is neither one from 0 nor -1",
               partition);
    refuse_record(ticket, result, text);
}

static G_NO_INLINE void
refuse_timestamp(KabTicket *ticket, KabResult *result, int64_t timestamp_ms)
{
    char text[128];
    g_snprintf(text, sizeof text,
               "the output has timestamp %" PRIi64
               ", which is neither ms from 0 nor -1",
               timestamp_ms);
    refuse_record(ticket, result, text);
}

/* Resolves topic and partition. False: the output is invalid and its record has
 * failed. Whether the topic has that partition is known only when the output is
 * produced. */
static inline bool
resolve_result(KabTicket *ticket,
               KabResult *result,
               const KabOutput *output,
               const char **ret_topic)
{
    bool is_known = ticket->caller->has_output_topic;
    *ret_topic = NULL;
    if (output->topic) {
        *ret_topic = find_topic(ticket, output->topic);
        is_known = *ret_topic != NULL;
    }
    if (is_known && output->partition >= -1 && output->timestamp_ms >= -1)
        return true;
    if (!is_known)
        refuse_topic(ticket, result, output->topic);
    else if (output->partition < -1)
        refuse_partition(ticket, result, output->partition);
    else
        refuse_timestamp(ticket, result, output->timestamp_ms);
    return false;
}

/* A product without key, value and headers. Member by member: what has just
 * been written in parts is slow to read as a whole. */
static inline KabProduct *
new_product(KabTicket *ticket, const KabOutput *output, const char *topic)
{
    KabProduct *product = kab_arena_alloc(&ticket->arena, sizeof *product);
    product->output.topic = topic;
    product->output.partition = output->partition;
    product->output.timestamp_ms = output->timestamp_ms;
    product->output.headers = NULL;
    product->output.n_headers = 0;
    memset(&product->next, 0, sizeof *product - offsetof(KabProduct, next));
    return product;
}

static inline void
append_product(KabTicket *ticket,
               const KabRecord *record,
               KabResult *result,
               KabProduct *product)
{
    if (result->last)
        result->last->next = product;
    else
        result->first = product;
    result->last = product;
    result->n_products++;
    result->bytes += kab_keep_measure(&product->output, record);
    result->outcome = KAB_OUTCOME_DONE;
    kab_ticket_tell_growth(ticket);
}

/* A new output of the record, without key, value and headers. NULL: it may not
 * have it. */
static inline G_ALWAYS_INLINE KabProduct *
begin_product(KabTicket *ticket,
              size_t i,
              const KabOutput *output,
              KabResult **ret_result)
{
    KabResult *result = *ret_result = find_emitting(ticket, i);
    const char *topic;
    if (!result || !resolve_result(ticket, result, output, &topic))
        return NULL;
    return new_product(ticket, output, topic);
}

void
kab_batch_emit(KabBatch *batch, size_t i, const KabOutput *output)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_emit");
    KabResult *result;
    KabProduct *product = begin_product(ticket, i, output, &result);
    if (!product)
        return;
    const KabRecord *record = &ticket->attempt->records[i];
    KabOutput *kept = &product->output;
    kab_keep_bytes(ticket, record, &record->key, &kept->key, output->key);
    kab_keep_bytes(ticket, record, &record->value, &kept->value, output->value);
    if (output->n_headers)
        kab_keep_headers(ticket, output, kept);
    append_product(ticket, record, result, product);
}

void
kab_batch_emit_copy(KabBatch *batch, size_t i, const KabOutput *output)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_emit_copy");
    KabResult *result;
    KabProduct *product = begin_product(ticket, i, output, &result);
    if (!product)
        return;
    KabOutput *copy = &product->output;
    copy->key = kab_keep_copy(ticket, output->key);
    copy->value = kab_keep_copy(ticket, output->value);
    if (output->n_headers)
        kab_keep_headers(ticket, output, copy);
    append_product(ticket, &ticket->attempt->records[i], result, product);
}

void
kab_batch_emit_value(KabBatch *batch, size_t i, const void *data, size_t len)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_emit_value");
    const KabOutput output = KAB_OUTPUT_INIT;
    KabResult *result;
    KabProduct *product = begin_product(ticket, i, &output, &result);
    if (!product)
        return;
    const KabRecord *record = &ticket->attempt->records[i];
    product->output.key = record->key;
    product->output.value = kab_keep_copy(ticket, (KabBytes){data, len});
    append_product(ticket, record, result, product);
}

void
kab_batch_drop(KabBatch *batch, size_t i)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_drop");
    KabResult *result = find_unanswered(ticket, i);
    if (result)
        result->outcome = KAB_OUTCOME_DONE;
}

void
kab_batch_retry(KabBatch *batch, size_t i, const char *reason)
{
    kab_batch_retry_after(batch, i, -1, reason);
}

void
kab_batch_retry_after(KabBatch *batch,
                      size_t i,
                      int64_t delay_ms,
                      const char *reason)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_retry");
    KabResult *result = find_unanswered(ticket, i);
    if (!result)
        return;
    result->outcome = KAB_OUTCOME_RETRY;
    result->delay_ms = MAX(delay_ms, -1);
    result->reason = dup_reason(ticket, reason);
}

static void
set_outcome(KabTicket *ticket, size_t i, KabOutcome outcome, const char *reason)
{
    KabResult *result = find_unanswered(ticket, i);
    if (!result)
        return;
    result->outcome = outcome;
    result->reason = dup_reason(ticket, reason);
}

void
kab_batch_reject(KabBatch *batch, size_t i, const char *reason)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_reject");
    set_outcome(ticket, i, KAB_OUTCOME_REJECT, reason);
}

void
kab_batch_reject_input(KabBatch *batch, size_t i, const char *reason)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_reject_input");
    set_outcome(ticket, i, KAB_OUTCOME_REJECT_INPUT, reason);
}

void
kab_batch_pass(KabBatch *batch, size_t i, const char *reason)
{
    KabTicket *ticket = kab_ticket_demand(batch, "kab_batch_pass");
    set_outcome(ticket, i, KAB_OUTCOME_PASS, reason);
}

void
kab_batch_complete(KabBatch *batch)
{
    KabTicket *ticket = kab_ticket_end(batch, "kab_batch_complete");
    if (ticket)
        kab_mailbox_post(ticket->caller->mailbox, &ticket->answered);
}

static bool
is_failure(KabFailure failure)
{
    return failure >= KAB_FAIL_TRANSIENT && failure <= KAB_FAIL_FATAL;
}

void
kab_batch_fail(KabBatch *batch,
               KabFailure failure,
               int64_t retry_after_ms,
               const char *reason)
{
    KabTicket *ticket = kab_ticket_end(batch, "kab_batch_fail");
    if (!ticket)
        return;
    if (!is_failure(failure)) {
        kab_ticket_note_misuse(ticket,
                               "failed with a class that does not exist");
        failure = KAB_FAIL_TRANSIENT;
    }
    ticket->answer.failed = true;
    ticket->answer.failure = failure;
    ticket->answer.retry_after_ms = MAX(retry_after_ms, -1);
    ticket->answer.reason = dup_reason(ticket, reason);
    kab_mailbox_post(ticket->caller->mailbox, &ticket->answered);
}
