/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine asks of its edges: the producer is the real one, all else is
 * noted in the rig. See producer-rig.h.
 */
#include <string.h>

#include "kab-test.h"
#include "producer-rig-internal.h"
#include "source.h"

/* --- The fake source --------------------------------------------------- */

rd_kafka_consumer_group_metadata_t *
kab_source_get_group(KabSource *source)
{
    return ((Rig *)(void *)source)->group;
}

size_t
kab_source_get_headers(void *message, KabHeader *ret, size_t capacity)
{
    RigMessage *given = message;
    for (size_t i = 0; i < MIN(given->n_headers, capacity); i++)
        ret[i] = given->headers[i];
    return given->n_headers;
}

/* --- Effects ----------------------------------------------------------- */

static void
invoke(void *user, KabAttempt *attempt)
{
    Rig *rig = user;
    rig->n_attempts_out++;
    rig->n_called += attempt->n;
    g_ptr_array_add(rig->calls, attempt);
}

static void
cancel(void *user, KabAttempt *attempt)
{
}

static void
release_attempt(void *user, KabAttempt *attempt)
{
    ((Rig *)user)->n_attempts_out--;
}

static void
release_message(void *user, void *data)
{
    RigMessage *message = data;
    ((Rig *)user)->n_messages_out--;
    g_free(message->key);
    g_free(message->value);
    g_free(message);
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    return message;
}

static bool
measure(void *user,
        const KabProduct *product,
        const KabRecord *input,
        void *message)
{
    return kab_producer_measure(((Rig *)user)->producer, product, input,
                                message);
}

static KabProduceStatus
produce(void *user,
        KabProduct *product,
        const KabRecord *input,
        void *message,
        const KabDeadLetter *letter)
{
    return kab_producer_produce(((Rig *)user)->producer, product, input,
                                message, letter);
}

static const char *
explain(void *user)
{
    return kab_producer_explain(((Rig *)user)->producer);
}

static void
replace_sink(void *user, uint32_t epoch)
{
    kab_producer_replace(((Rig *)user)->producer, epoch);
}

static void
begin_transaction(void *user, uint32_t epoch)
{
    kab_producer_begin(((Rig *)user)->producer, epoch);
}

static void
flush(void *user)
{
    kab_producer_flush(((Rig *)user)->producer);
}

static void
end_transaction(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    Rig *rig = user;
    rig->commit_items = items;
    rig->n_commit_items = n;
    kab_producer_end(rig->producer, epoch, items, n);
}

static void
abort_transaction(void *user, uint32_t epoch)
{
    kab_producer_abort(((Rig *)user)->producer, epoch);
}

static bool
commit(void *user, KabCommitItem *items, size_t n)
{
    Rig *rig = user;
    rig->commit_items = items;
    rig->n_commit_items = n;
    return true;
}

static void
load(void *user, KabPartition *partition)
{
    g_ptr_array_add(((Rig *)user)->loads, partition);
}

static void
add(void *user, KabPartition *partition, int64_t offset)
{
}

static void
unassign(void *user, KabPartition *partition)
{
}

static void
valve(void *user, KabPartition *partition, bool open)
{
}

static void
stop(void *user, KabStopReason reason, const char *message)
{
    Rig *rig = user;
    rig->is_stopped = true;
    rig->stop_reason = reason;
    rig->stop_message = g_strdup(message);
}

const KabEffects rig_effects = {
    .invoke = invoke,
    .cancel = cancel,
    .release_attempt = release_attempt,
    .release_message = release_message,
    .detach_message = detach_message,
    .measure = measure,
    .produce = produce,
    .explain = explain,
    .replace_sink = replace_sink,
    .begin_transaction = begin_transaction,
    .flush = flush,
    .end_transaction = end_transaction,
    .abort_transaction = abort_transaction,
    .commit = commit,
    .load = load,
    .add = add,
    .unassign = unassign,
    .valve = valve,
    .stop = stop,
};
