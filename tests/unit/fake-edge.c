/* SPDX-License-Identifier: Apache-2.0 */
/* See fake-edge.h. */
#include "fake-edge.h"

#include <string.h>

static void
invoke(void *user, KabAttempt *attempt)
{
    FakeEdge *edge = user;
    edge->attempts_out++;
    edge->n_invoked++;
    g_ptr_array_add(edge->calls, attempt);
}

static void
cancel(void *user, KabAttempt *attempt)
{
    (void)attempt;
    ((FakeEdge *)user)->n_cancelled++;
}

static void
release_attempt(void *user, KabAttempt *attempt)
{
    (void)attempt;
    ((FakeEdge *)user)->attempts_out--;
}

static void
release_message(void *user, void *message)
{
    ((FakeEdge *)user)->messages_out--;
    g_free(message);
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    size_t size = record->key.len + record->value.len;
    char *copy = g_malloc(size + 1);
    memcpy(copy, message, size);
    copy[size] = '\0';
    if (record->key.data)
        record->key.data = copy;
    record->value.data = copy + record->key.len;
    memset(message, 0xdb, size);
    g_free(message);
    ((FakeEdge *)user)->n_detached++;
    return copy;
}

static KabProduceStatus
produce(void *user,
        KabProduct *product,
        const KabRecord *input,
        void *message,
        const KabDeadLetter *letter)
{
    FakeEdge *edge = user;
    if (!edge->room)
        return KAB_PRODUCE_FULL;
    if (edge->room != SIZE_MAX)
        edge->room--;
    const char *mark = letter ? "!" : "";
    if (letter) {
        g_free(edge->letter_message);
        edge->letter_message = g_strdup(letter->message);
    }
    KabBytes value = product->output.value;
    g_ptr_array_add(edge->values, value.data ? g_strndup(value.data, value.len)
                                             : g_strdup(""));
    g_ptr_array_add(edge->produced, product);
    g_ptr_array_add(edge->lines,
                    g_strdup_printf("%s%d", mark, (int)input->offset));
    (void)message;
    return KAB_PRODUCE_OK;
}

static void
replace_sink(void *user, uint32_t epoch)
{
    FakeEdge *edge = user;
    edge->epoch = epoch;
    edge->wants_sink = true;
}

static void
begin_transaction(void *user, uint32_t epoch)
{
    FakeEdge *edge = user;
    edge->transaction = epoch;
    edge->wants_begin = true;
}

static void
flush(void *user)
{
    ((FakeEdge *)user)->n_flushed++;
}

static void
end_transaction(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    FakeEdge *edge = user;
    (void)epoch;
    edge->wants_end = true;
    edge->n_ends++;
    edge->end_items = items;
    edge->n_end_items = n;
    edge->end_offset = n ? items[0].offset : -1;
}

static void
abort_transaction(void *user, uint32_t epoch)
{
    FakeEdge *edge = user;
    (void)epoch;
    edge->wants_abort = true;
    edge->n_aborts++;
}

static void
commit(void *user, KabCommitItem *items, size_t n)
{
    FakeEdge *edge = user;
    edge->commit_items = items;
    edge->n_commit_items = n;
    edge->n_commits++;
    edge->committed = items[0].offset;
}

static void
load(void *user, KabPartition *partition)
{
    (void)partition;
    ((FakeEdge *)user)->n_loads++;
}

static void
add(void *user, KabPartition *partition, int64_t offset)
{
    (void)partition;
    (void)offset;
    ((FakeEdge *)user)->n_adds++;
}

static void
unassign(void *user, KabPartition *partition)
{
    FakeEdge *edge = user;
    edge->n_unassigned++;
    if (partition == edge->partition)
        edge->partition = NULL;
}

static void
valve(void *user, KabPartition *partition, bool open)
{
    (void)partition;
    ((FakeEdge *)user)->n_closed += !open;
}

static void
stop(void *user, KabStopReason reason, const char *message)
{
    FakeEdge *edge = user;
    edge->is_stopped = true;
    edge->stop_reason = reason;
    edge->stop_message = g_strdup(message);
}

static void
failed(void *user,
       const KabRecord *record,
       const KabDeadLetter *why,
       KabFate fate)
{
    FakeEdge *edge = user;
    g_ptr_array_add(edge->failures,
                    g_strdup_printf("%d: %s: %d", (int)record->offset,
                                    why->message, (int)fate));
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

static const KabSinkPort sink_port = {
    .produce = produce,
    .flush = flush,
    .replace = replace_sink,
    .begin = begin_transaction,
    .end = end_transaction,
    .abort = abort_transaction,
};

static const KabOwnerPort owner_port = {.failed = failed, .stop = stop};

static void
connect_ports(FakeEdge *edge)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = edge,
        .source = &source_port,
        .source_user = edge,
        .sinks = {{&sink_port, edge}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = edge,
    };
    kab_engine_connect(edge->engine, &ports);
}

FakeEdge *
fake_edge_new(void)
{
    FakeEdge *edge = g_new0(FakeEdge, 1);
    edge->options = (KabEngineOptions){
        .batch_count = 4,
        .batch_bytes = 1 << 20,
        .max_in_flight = 2,
        .threads = 2,
        .buffer_bytes = 1 << 20,
        .commit_interval_us = 10000,
        .transaction_interval_us = 100000,
        .retry_max_attempts = 3,
        .retry_backoff_us = 1000,
        .retry_backoff_max_us = 8000,
        .bisect = true,
        .rebalance_drain_timeout_us = 10000000,
        .shutdown_timeout_us = 25000000,
        .stall_timeout_us = 60000000,
        .metadata_cap = 2000,
    };
    edge->calls = g_ptr_array_new();
    edge->produced = g_ptr_array_new();
    edge->lines = g_ptr_array_new_with_free_func(g_free);
    edge->arenas = g_ptr_array_new_with_free_func(g_free);
    edge->values = g_ptr_array_new_with_free_func(g_free);
    edge->failures = g_ptr_array_new_with_free_func(g_free);
    edge->room = SIZE_MAX;
    edge->now = 1000000;
    edge->auto_commit = true;
    return edge;
}

void
fake_edge_open_sink(FakeEdge *edge)
{
    g_assert_true(edge->wants_sink);
    edge->wants_sink = false;
    kab_engine_sink_ready(edge->engine, edge->epoch, edge->now);
    fake_edge_advance(edge, 0);
}

void
fake_edge_start(FakeEdge *edge)
{
    edge->engine = kab_engine_new(&edge->options);
    connect_ports(edge);
    fake_edge_advance(edge, 0);
    fake_edge_open_sink(edge);
    edge->partition =
        kab_engine_assigned(edge->engine, "in", 0, NULL, edge->now);
    fake_edge_advance(edge, 0);
    KabCommitted committed = {.has_offset = true};
    kab_engine_loaded(edge->engine, edge->partition, &committed, edge->now);
    fake_edge_advance(edge, 0);
}

void
fake_edge_free(FakeEdge *edge)
{
    kab_engine_free(edge->engine);
    g_assert_cmpuint(edge->messages_out, ==, 0);
    g_assert_cmpuint(edge->attempts_out, ==, 0);
    g_ptr_array_unref(edge->calls);
    g_ptr_array_unref(edge->produced);
    g_ptr_array_unref(edge->lines);
    g_ptr_array_unref(edge->arenas);
    g_ptr_array_unref(edge->failures);
    g_ptr_array_unref(edge->values);
    g_free(edge->stop_message);
    g_free(edge->letter_message);
    g_free(edge);
}

void
fake_edge_advance(FakeEdge *edge, int64_t by_us)
{
    edge->now += by_us;
    kab_engine_advance(edge->engine, edge->now);
    while (edge->auto_commit && edge->commit_items)
        fake_edge_commit_done(edge, KAB_COMMIT_OK);
}

void
fake_edge_take(FakeEdge *edge, int64_t offset, const char *key)
{
    char *message = g_strdup_printf("%sk%d", key ? key : "", (int)offset);
    size_t key_len = key ? strlen(key) : 0;
    const KabTaken taken = {
        .record = {.key = {key ? message : NULL, key_len},
                   .value = {message + key_len, strlen(message) - key_len},
                   .topic = "in",
                   .offset = offset},
        .message = message,
    };
    edge->messages_out++;
    kab_engine_take(edge->engine, edge->partition, &taken, 1, edge->now);
}

void
fake_edge_take_range(FakeEdge *edge, int64_t from, int64_t to)
{
    for (int64_t offset = from; offset < to; offset++)
        fake_edge_take(edge, offset, NULL);
}

KabAttempt *
fake_edge_call(FakeEdge *edge, size_t i)
{
    g_assert_cmpuint(i, <, edge->calls->len);
    return edge->calls->pdata[i];
}

void
fake_edge_output(FakeEdge *edge, KabAttempt *attempt, size_t i)
{
    KabProduct *product = g_new0(KabProduct, 1);
    g_ptr_array_add(edge->arenas, product);
    product->output = (KabOutput)KAB_OUTPUT_INIT;
    product->output.value = attempt->records[i].value;
    KabResult *result = &attempt->results[i];
    result->outcome = KAB_OUTCOME_DONE;
    result->bytes += product->output.value.len;
    result->n_products++;
    if (result->last)
        result->last->next = product;
    else
        result->first = product;
    result->last = product;
}

static void
answer(FakeEdge *edge, KabAttempt *attempt, const KabAnswer *given)
{
    g_ptr_array_remove(edge->calls, attempt);
    kab_engine_answered(edge->engine, attempt, attempt->serial, given,
                        edge->now);
    fake_edge_advance(edge, 0);
}

void
fake_edge_answer(FakeEdge *edge, KabAttempt *attempt)
{
    for (size_t i = 0; i < attempt->n; i++)
        fake_edge_output(edge, attempt, i);
    fake_edge_complete(edge, attempt);
}

void
fake_edge_complete(FakeEdge *edge, KabAttempt *attempt)
{
    answer(edge, attempt, &(KabAnswer){.retry_after_ms = -1});
}

void
fake_edge_fail(FakeEdge *edge,
               KabAttempt *attempt,
               KabFailure failure,
               int64_t retry_after_ms)
{
    answer(edge, attempt,
           &(KabAnswer){.failed = true,
                        .failure = failure,
                        .retry_after_ms = retry_after_ms,
                        .reason = "as the test wants"});
}

void
fake_edge_acknowledge(FakeEdge *edge)
{
    while (edge->produced->len)
        kab_engine_acknowledged(edge->engine,
                                g_ptr_array_steal_index(edge->produced, 0),
                                edge->now);
    fake_edge_advance(edge, 0);
}

void
fake_edge_commit_done(FakeEdge *edge, KabCommitResult result)
{
    KabCommitItem *items = g_steal_pointer(&edge->commit_items);
    for (size_t i = 0; i < edge->n_commit_items; i++)
        items[i].result = result;
    kab_engine_commit_done(edge->engine, items, edge->n_commit_items,
                           edge->now);
    kab_engine_advance(edge->engine, edge->now);
}

char *
fake_edge_offsets(const KabAttempt *attempt)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < attempt->n; i++)
        g_string_append_printf(text, i ? ",%d" : "%d",
                               (int)attempt->records[i].offset);
    return g_string_free(text, FALSE);
}

char *
fake_edge_output_line(const FakeEdge *edge)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < edge->lines->len; i++)
        g_string_append_printf(text, i ? ",%s" : "%s",
                               (char *)edge->lines->pdata[i]);
    return g_string_free(text, FALSE);
}
