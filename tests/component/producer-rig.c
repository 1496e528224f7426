/* SPDX-License-Identifier: Apache-2.0 */
/* See producer-rig.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kab-test.h"
#include "producer-internal.h"
#include "producer-rig.h"
#include "source.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)

/* --- The fake source --------------------------------------------------- */

rd_kafka_consumer_group_metadata_t *
kab_source_peek_group(const KabSource *source)
{
    return ((const Rig *)(const void *)source)->group;
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

static void
on_log(void *user, KabLogLevel level, KabPlace place, const char *message)
{
    Rig *rig = user;
    pthread_mutex_lock(&rig->log_lock);
    g_string_append_printf(rig->log, "%d %s\n", (int)level, message);
    pthread_mutex_unlock(&rig->log_lock);
    if (g_getenv("KAB_RIG_LOG"))
        g_printerr("# %.3f %d %s\n", (double)g_get_monotonic_time() / 1e6,
                   (int)level, message);
}

/* --- Life -------------------------------------------------------------- */

void
rig_set(Rig *rig, const char *name, const char *value)
{
    rig->properties[rig->setup.n_properties++] = (KabProperty){name, value};
}

int
rig_setup_broker(void **state)
{
    char text[256];
    RigBroker *broker = g_new0(RigBroker, 1);
    *state = broker;
    broker->bootstrap = g_getenv("KAB_BOOTSTRAP");
    if (broker->bootstrap)
        return 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    broker->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    broker->mock = rd_kafka_mock_cluster_new(broker->host, 1);
    broker->bootstrap = rd_kafka_mock_cluster_bootstraps(broker->mock);
    return 0;
}

int
rig_teardown_broker(void **state)
{
    RigBroker *broker = *state;
    if (broker->host) {
        rd_kafka_mock_cluster_destroy(broker->mock);
        rd_kafka_destroy(broker->host);
    }
    g_free(broker);
    return 0;
}

static void
join_broker(Rig *rig, RigBroker *broker)
{
    unsigned n = broker->n_rigs++;
    int pid = (int)getpid();
    rig->mock = broker->mock;
    rig->bootstrap = broker->bootstrap;
    rig->in = g_strdup_printf("in-%d-%u", pid, n);
    rig->out = g_strdup_printf("out-%d-%u", pid, n);
    rig->dead = g_strdup_printf("dead-%d-%u", pid, n);
    rig->group_name = g_strdup_printf("group-%d-%u", pid, n);
    rig_create_topic(rig, rig->in, 1, NULL, NULL);
    rig_create_topic(rig, rig->out, 4, NULL, NULL);
    rig_create_topic(rig, rig->dead, 1, NULL, NULL);
}

static const KabEngineOptions default_options = {
    .batch_count = 100,
    .batch_bytes = 1 << 20,
    .max_in_flight = 4,
    .threads = 4,
    .buffer_bytes = 64 << 20,
    .on_failure = KAB_ON_FAILURE_DLQ,
    .commit_interval_us = 10000,
    .transaction_interval_us = 100000,
    .retry_max_attempts = 3,
    .retry_backoff_us = 10000,
    .retry_backoff_max_us = 100000,
    .bisect = true,
    .rebalance_drain_timeout_us = 10 * G_USEC_PER_SEC,
    .shutdown_timeout_us = 25 * G_USEC_PER_SEC,
    .stall_timeout_us = 60 * G_USEC_PER_SEC,
    .metadata_cap = 2000,
};

Rig *
rig_new(void **state)
{
    Rig *rig = g_new0(Rig, 1);
    join_broker(rig, *state);
    rig->options = default_options;
    rig->patience_us = PATIENCE_US;
    rig->edge = (KabEdge){
        .user = rig,
        .binding = "scoring",
        .log = on_log,
        .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
    };
    rig->setup = (KabProducerSetup){
        .edge = &rig->edge,
        .source = (KabSource *)(void *)rig,
        .group = rig->group_name,
        .output_topic = rig->out,
        .dead_letter_topic = rig->dead,
        .passes_headers = true,
        .transactional_id = rig->group_name,
        .properties = rig->properties,
        .missing_topic_us = PATIENCE_US,
    };
    rig->loads = g_ptr_array_new();
    rig->calls = g_ptr_array_new();
    rig->arenas = g_ptr_array_new_with_free_func(g_free);
    rig->log = g_string_new(NULL);
    pthread_mutex_init(&rig->log_lock, NULL);
    rig_set(rig, "bootstrap.servers", rig->bootstrap);
    if (g_getenv("KAB_RIG_DEBUG"))
        rig_set(rig, "debug", g_getenv("KAB_RIG_DEBUG"));
    return rig;
}

/* Before the first commit the input begins at offset 0. */
static void
answer_loads(Rig *rig, int64_t now)
{
    while (rig->loads->len) {
        KabPartition *partition = g_ptr_array_remove_index(rig->loads, 0);
        int64_t offset = rig->mock ? rig->committed : rig_read_committed(rig);
        KabCommitted committed = {.has_offset = true, .offset = MAX(offset, 0)};
        kab_engine_loaded(rig->engine, partition, &committed, now);
    }
}

void
rig_start(Rig *rig)
{
    static const KabEffects effects = {
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
    g_autoptr(GError) error = NULL;
    rig->options.delivery = rig->setup.delivery;
    rig->engine = kab_engine_new(&rig->options, &effects, rig);
    rig->setup.engine = rig->engine;
    rig->producer = kab_producer_new(&rig->setup, &error);
    assert_null(error);
    int64_t now = g_get_monotonic_time();
    rig->partition = kab_engine_assigned(rig->engine, rig->in, 0, NULL, now);
    kab_engine_advance(rig->engine, now);
    answer_loads(rig, now);
    kab_engine_advance(rig->engine, now);
}

static bool
is_open(Rig *rig)
{
    return rig_state(rig).is_ready;
}

void
rig_open(Rig *rig)
{
    rig_start(rig);
    rig_until(rig, is_open);
}

static bool
is_closed(Rig *rig)
{
    return kab_producer_is_closed(rig->producer);
}

void
rig_free(Rig *rig)
{
    kab_producer_close(rig->producer);
    rig_until(rig, is_closed);
    assert_false(kab_producer_has_leaked(rig->producer));
    kab_engine_free(rig->engine);
    kab_producer_free(rig->producer);
    assert_int_equal(rig->n_messages_out, 0);
    assert_int_equal(rig->n_attempts_out, 0);
    if (rig->group)
        rd_kafka_consumer_group_metadata_destroy(rig->group);
    close(rig->edge.wake_fd);
    g_ptr_array_unref(rig->loads);
    g_ptr_array_unref(rig->calls);
    g_ptr_array_unref(rig->arenas);
    g_string_free(rig->log, TRUE);
    pthread_mutex_destroy(&rig->log_lock);
    g_free(rig->stop_message);
    g_free(rig->in);
    g_free(rig->out);
    g_free(rig->group_name);
    g_free(rig->dead);
    g_free(rig);
}

/* --- Topics ------------------------------------------------------------ */

static rd_kafka_t *
make_client(Rig *rig, rd_kafka_type_t type, const char *group)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rig->bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", NULL, 0);
    rd_kafka_conf_set(conf, "isolation.level", "read_committed", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    if (group)
        rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof text);
    assert_non_null(client);
    return client;
}

static void
await_admin(rd_kafka_t *client, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    if (rd_kafka_event_error(event))
        fail_msg("%s", rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
}

void
rig_create_topic(Rig *rig,
                 const char *topic,
                 int n_partitions,
                 const char *config,
                 const char *value)
{
    char text[256];
    if (rig->mock)
        return;
    rd_kafka_t *client = make_client(rig, RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(topic, n_partitions, 1, text, sizeof text);
    if (config)
        rd_kafka_NewTopic_set_config(wanted, config, value);
    rd_kafka_CreateTopics(client, &wanted, 1, NULL, queue);
    await_admin(client, queue);
    rd_kafka_NewTopic_destroy(wanted);
}

void
rig_set_topic_config(Rig *rig,
                     const char *topic,
                     const char *config,
                     const char *value)
{
    rd_kafka_t *client = make_client(rig, RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_ConfigResource_set_config(resource, config, value);
    rd_kafka_AlterConfigs(client, &resource, 1, NULL, queue);
    await_admin(client, queue);
    rd_kafka_ConfigResource_destroy(resource);
}

void
rig_add_partitions(Rig *rig, const char *topic, int n_partitions)
{
    char text[256];
    rd_kafka_t *client = make_client(rig, RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_NewPartitions_t *wanted = rd_kafka_NewPartitions_new(
        topic, (size_t)n_partitions, text, sizeof text);
    rd_kafka_CreatePartitions(client, &wanted, 1, NULL, queue);
    await_admin(client, queue);
    rd_kafka_NewPartitions_destroy(wanted);
}

/* A broker that was stopped takes a while to coordinate again. */
int64_t
rig_read_committed(Rig *rig)
{
    rd_kafka_t *client = make_client(rig, RD_KAFKA_CONSUMER, rig->group_name);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, rig->in, 0);
    rd_kafka_resp_err_t error;
    int64_t end = g_get_monotonic_time() + PATIENCE_US;
    do {
        error = rd_kafka_committed(client, list, 5000);
    } while (error && g_get_monotonic_time() < end);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    if (error)
        fail_msg("committed offsets: %s", rd_kafka_err2str(error));
    return MAX(offset, -1);
}

/* --- Records ----------------------------------------------------------- */

RigMessage *
rig_message(const char *key, const char *value)
{
    RigMessage *message = g_new0(RigMessage, 1);
    message->key = g_strdup(key);
    message->value = g_strdup(value);
    return message;
}

void
rig_take(Rig *rig, RigMessage *message)
{
    KabRecord record = {
        .key = {message->key, message->key ? strlen(message->key) : 0},
        .value = {message->value, strlen(message->value)},
        .topic = rig->in,
        .offset = rig->next_offset++,
        .timestamp_ms = 1234567890123,
    };
    rig->n_messages_out++;
    kab_engine_take(rig->engine, rig->partition, &record, message,
                    g_get_monotonic_time());
}

void
rig_take_range(Rig *rig, int from, int to)
{
    for (int i = from; i < to; i++) {
        g_autofree char *value = g_strdup_printf("%d", i);
        rig_take(rig, rig_message("key", value));
    }
}

KabOutput *
rig_output(Rig *rig, const KabRecord *record, KabResult *result)
{
    KabProduct *product = g_new0(KabProduct, 1);
    g_ptr_array_add(rig->arenas, product);
    product->output = (KabOutput)KAB_OUTPUT_INIT;
    product->output.key = record->key;
    product->output.value = record->value;
    result->outcome = KAB_OUTCOME_DONE;
    result->bytes += record->value.len;
    result->n_products++;
    if (result->last)
        result->last->next = product;
    else
        result->first = product;
    result->last = product;
    return &product->output;
}

/* --- A topic that is deleted ------------------------------------------- */

static bool
has_no_partitions(Rig *rig)
{
    pthread_mutex_lock(&rig->log_lock);
    bool is_gone = strstr(rig->log->str, "partition count changed") != NULL;
    pthread_mutex_unlock(&rig->log_lock);
    return is_gone;
}

void
rig_delete_output(Rig *rig, int n)
{
    KabClient *client = rig->producer->client;
    const rd_kafka_metadata_t *metadata;
    rd_kafka_mock_broker_set_rtt(rig->mock, 1, 200);
    rd_kafka_mock_broker_push_request_error_rtts(
        rig->mock, 1, 0, 1, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, 1000);
    rd_kafka_mock_topic_set_error(rig->mock, rig->out,
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    /* Asked, and not waited for. */
    rd_kafka_metadata(client->handle, 0, client->topics[0], &metadata, 1);
    rig_take_range(rig, n, n + 1);
    rig_until(rig, has_no_partitions);
}

void
rig_restore_output(Rig *rig)
{
    rd_kafka_mock_broker_set_rtt(rig->mock, 1, 0);
    rd_kafka_mock_topic_set_error(rig->mock, rig->out,
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
}

bool
rig_has_acknowledged(Rig *rig)
{
    return rig_counters(rig)->records_produced > 0;
}

/* --- Turning ----------------------------------------------------------- */

static void
answer_calls(Rig *rig, int64_t now)
{
    while (rig->calls->len) {
        KabAttempt *attempt = g_ptr_array_remove_index(rig->calls, 0);
        for (size_t i = 0; i < attempt->n; i++) {
            if (rig->answer)
                rig->answer(rig, &attempt->records[i], &attempt->results[i]);
            else
                rig_output(rig, &attempt->records[i], &attempt->results[i]);
        }
        kab_engine_answered(rig->engine, attempt, attempt->serial,
                            &(KabAnswer){.retry_after_ms = -1}, now);
    }
}

static void
answer_commit(Rig *rig, int64_t now)
{
    KabCommitItem *items = g_steal_pointer(&rig->commit_items);
    if (!items || rig->setup.delivery == KAB_DELIVERY_EXACTLY_ONCE)
        return;
    for (size_t i = 0; i < rig->n_commit_items; i++) {
        items[i].result = KAB_COMMIT_OK;
        rig->committed = items[i].offset;
    }
    kab_engine_commit_done(rig->engine, items, rig->n_commit_items, now);
}

static void
sleep_until(Rig *rig, int64_t deadline)
{
    struct pollfd fd = {.fd = rig->edge.wake_fd, .events = POLLIN};
    int64_t now = g_get_monotonic_time();
    int64_t left_ms = (deadline - now + 999) / 1000;
    poll(&fd, 1, (int)CLAMP(left_ms, 0, 1000));
}

void
rig_turn(Rig *rig)
{
    uint64_t counter;
    ssize_t n = read(rig->edge.wake_fd, &counter, sizeof counter);
    (void)n;
    int64_t now = g_get_monotonic_time();
    bool moved = kab_producer_turn(rig->producer, now);
    answer_loads(rig, now);
    answer_calls(rig, now);
    answer_commit(rig, now);
    kab_engine_advance(rig->engine, now);
    if (moved || rig->calls->len || rig->commit_items)
        return;
    sleep_until(rig, MIN(kab_engine_next_deadline(rig->engine),
                         kab_producer_deadline(rig->producer)));
}

void
rig_until(Rig *rig, bool (*is_true)(Rig *rig))
{
    int64_t end = g_get_monotonic_time() + rig->patience_us;
    while (!is_true(rig)) {
        if (g_get_monotonic_time() > end)
            fail_msg("it did not come; producer waits for %s; log:\n%s",
                     rig_state(rig).waits_for, rig->log->str);
        rig_turn(rig);
    }
}

static bool
is_finished(Rig *rig)
{
    KabEngineState state;
    kab_engine_get_state(rig->engine, g_get_monotonic_time(), &state);
    return rig->is_stopped || !state.records;
}

void
rig_finish(Rig *rig)
{
    rig_until(rig, is_finished);
}

const KabCounters *
rig_counters(Rig *rig)
{
    return kab_engine_counters(rig->engine);
}

KabProducerState
rig_state(Rig *rig)
{
    KabProducerState state;
    kab_producer_get_state(rig->producer, &state);
    return state;
}

/* --- Reading back ------------------------------------------------------ */

typedef struct {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    int n_partitions;
} Reader;

static Reader
make_reader(Rig *rig, const char *topic, int n_partitions)
{
    Reader reader = {.n_partitions = n_partitions};
    reader.client = make_client(rig, RD_KAFKA_CONSUMER, NULL);
    reader.queue = rd_kafka_queue_new(reader.client);
    reader.topic = rd_kafka_topic_new(reader.client, topic, NULL);
    for (int i = 0; i < n_partitions; i++)
        rd_kafka_consume_start_queue(reader.topic, i, RD_KAFKA_OFFSET_BEGINNING,
                                     reader.queue);
    return reader;
}

static void
destroy_reader(Reader *reader)
{
    for (int i = 0; i < reader->n_partitions; i++)
        rd_kafka_consume_stop(reader->topic, i);
    rd_kafka_topic_destroy(reader->topic);
    rd_kafka_queue_destroy(reader->queue);
    rd_kafka_destroy(reader->client);
}

/* NULL: nothing came. */
static rd_kafka_message_t *
read_next(Reader *reader)
{
    int64_t end = g_get_monotonic_time() + PATIENCE_US;
    while (g_get_monotonic_time() < end) {
        rd_kafka_message_t *message =
            rd_kafka_consume_queue(reader->queue, 100);
        if (message && !message->err)
            return message;
        if (message)
            rd_kafka_message_destroy(message);
    }
    return NULL;
}

char *
rig_read(Rig *rig, const char *topic, int n_partitions, int n)
{
    GString *line = g_string_new(NULL);
    Reader reader = make_reader(rig, topic, n_partitions);
    for (int i = 0; i < n; i++) {
        rd_kafka_message_t *message = read_next(&reader);
        if (!message)
            fail_msg("%d of %d records could be read from %s", i, n, topic);
        g_string_append_len(line, message->payload, (gssize)message->len);
        g_string_append_c(line, ',');
        rd_kafka_message_destroy(message);
    }
    destroy_reader(&reader);
    if (line->len)
        g_string_truncate(line, line->len - 1);
    return g_string_free(line, FALSE);
}

static char *
dup_bytes(const void *data, size_t len)
{
    return data ? g_strndup(data, len) : NULL;
}

static char *
dup_headers(rd_kafka_message_t *message)
{
    GString *line = g_string_new(NULL);
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(message, &headers))
        return g_string_free(line, FALSE);
    for (size_t i = 0;
         !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
        g_string_append_printf(line, "%s=%.*s;", name, (int)len,
                               value ? (const char *)value : "");
    return g_string_free(line, FALSE);
}

int
rig_count(Rig *rig, const char *topic, int n_partitions)
{
    int n = 0, n_ended = 0;
    Reader reader = make_reader(rig, topic, n_partitions);
    int64_t end = g_get_monotonic_time() + PATIENCE_US;
    while (n_ended < n_partitions && g_get_monotonic_time() < end) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(reader.queue, 100);
        if (!message)
            continue;
        n += !message->err;
        n_ended += message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        rd_kafka_message_destroy(message);
    }
    destroy_reader(&reader);
    assert_int_equal(n_ended, n_partitions);
    return n;
}

RigRecord *
rig_read_one(Rig *rig, const char *topic, int n_partitions)
{
    Reader reader = make_reader(rig, topic, n_partitions);
    rd_kafka_message_t *message = read_next(&reader);
    assert_non_null(message);
    RigRecord *record = g_new0(RigRecord, 1);
    record->key = dup_bytes(message->key, message->key_len);
    record->value = dup_bytes(message->payload, message->len);
    record->partition = message->partition;
    record->timestamp_ms = rd_kafka_message_timestamp(message, NULL);
    record->headers = dup_headers(message);
    rd_kafka_message_destroy(message);
    destroy_reader(&reader);
    return record;
}

void
rig_record_free(RigRecord *record)
{
    g_free(record->key);
    g_free(record->value);
    g_free(record->headers);
    g_free(record);
}
