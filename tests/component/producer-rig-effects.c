/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's effects: those for the producer reach the real one, all others
 * are recorded in the rig. See producer-rig.h.
 */
#include <string.h>

#include "kab-test.h"
#include "producer-rig-internal.h"

/* --- The fake source --------------------------------------------------- */

rd_kafka_consumer_group_metadata_t *
rig_dup_group(void *user)
{
    Rig *rig = user;
    void *data = NULL;
    size_t size = 0;
    rd_kafka_consumer_group_metadata_t *copy = NULL;
    if (!rig->group)
        return NULL;
    rd_kafka_error_t *error =
        rd_kafka_consumer_group_metadata_write(rig->group, &data, &size);
    assert_null(error);
    error = rd_kafka_consumer_group_metadata_read(&copy, data, size);
    assert_null(error);
    rd_kafka_mem_free(NULL, data);
    return copy;
}

size_t
rig_get_headers(void *message, KabHeader *ret, size_t capacity)
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

static void
commit(void *user, KabCommitItem *items, size_t n)
{
    Rig *rig = user;
    rig->commit_items = items;
    rig->n_commit_items = n;
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

static const KabCallPort call_port = {
    .invoke = invoke,
    .cancel = cancel,
    .release_attempt = release_attempt,
};

static const KabSourcePort source_port = {
    .load = load,
    .add = add,
    .unassign = unassign,
    .valve = valve,
    .commit = commit,
    .release_message = release_message,
    .detach_message = detach_message,
};

static const KabOwnerPort owner_port = {.stop = stop};

void
rig_connect(Rig *rig)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = rig,
        .source = &source_port,
        .source_user = rig,
        .sinks = {{&kab_producer_port, rig->producer}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = rig,
    };
    kab_engine_connect(rig->engine, &ports);
}
