/* SPDX-License-Identifier: Apache-2.0 */
/* See producer-rig.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kab-test.h"
#include "api-keys.h"
#include "producer-internal.h"
#include "producer-rig-internal.h"

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
        .get_headers = rig_get_headers,
        .dup_group = rig_dup_group,
        .group_user = rig,
        .group = rig->group_name,
        .output_topic = rig->out,
        .dead_letter_topic = rig->dead,
        .passes_headers = true,
        .transactional_id = rig->group_name,
        .properties = rig->properties,
        .missing_topic_us = PATIENCE_US,
        .report_us = 60 * G_USEC_PER_SEC,
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

/* Until the first commit the input begins at offset 0. */
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
    g_autoptr(GError) error = NULL;
    rig->options.delivery = rig->setup.delivery;
    rig->engine = kab_engine_new(&rig->options);
    rig->setup.engine = rig->engine;
    rig->producer = kab_producer_new(&rig->setup, &error);
    assert_null(error);
    rig_connect(rig);
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
    const KabTaken taken = {
        .record = {.key = {message->key,
                           message->key ? strlen(message->key) : 0},
                   .value = {message->value, strlen(message->value)},
                   .topic = rig->in,
                   .offset = rig->next_offset++,
                   .timestamp_ms = 1234567890123},
        .message = message,
    };
    rig->n_messages_out++;
    kab_engine_take(rig->engine, rig->partition, &taken, 1,
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
        rig->mock, 1, KAB_API_PRODUCE, 1,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, 1000);
    rd_kafka_mock_topic_set_error(rig->mock, rig->out,
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    /* Send the Metadata request, but do not wait for the answer. */
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

uint64_t
rig_count_ended(Rig *rig, KabEnd end)
{
    return rig_counters(rig)->records_finished[end];
}

KabProducerState
rig_state(Rig *rig)
{
    KabProducerState state;
    kab_producer_get_state(rig->producer, &state);
    return state;
}
