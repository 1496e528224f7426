/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a producer's client: configuration, topics, limits, transactional
 * id; and closing it.
 *
 * A broker that does not answer is waited for, for ever; a topic that is
 * missing for a time, then the binding stops; what is forbidden stops it at
 * once. A client's batch.size cannot be changed: if the limits ask for less
 * than it was made with, it is made again.
 */
#include <inttypes.h>

#include "producer-client.h"
#include "refusal.h"

/* One call, and between two. */
enum { ASK_MS = 1000 };
#define RETRY_US 100000
#define REMAKE_US G_USEC_PER_SEC

static bool
is_cancelled(const KabClient *client)
{
    return atomic_load(&client->is_cancelled);
}

static void
again(KabClient *client, const char *waits_for)
{
    atomic_store(&client->waits_for, waits_for);
    kab_client_pause(client, RETRY_US);
}

/* --- The handle -------------------------------------------------------- */

static KabLogLevel
log_level(int syslog_level)
{
    if (syslog_level <= 2)
        return KAB_LOG_ERROR;
    if (syslog_level <= 4)
        return KAB_LOG_WARNING;
    return syslog_level <= 6 ? KAB_LOG_INFO : KAB_LOG_DEBUG;
}

/* Thread: rdkafka */
static void
on_log(const rd_kafka_t *handle, int level, const char *facility, const char *s)
{
    KabClient *client = rd_kafka_opaque(handle);
    char line[512];
    g_snprintf(line, sizeof line, "producer: %s: %s", facility, s);
    pthread_mutex_lock(&client->lock);
    if (!client->is_abandoned)
        client->edge->log(client->edge->user, log_level(level), KAB_NOWHERE,
                          line);
    pthread_mutex_unlock(&client->lock);
}

static bool
set_bytes(rd_kafka_conf_t *conf, const char *name, size_t bytes)
{
    char value[24];
    g_snprintf(value, sizeof value, "%zu", bytes);
    return rd_kafka_conf_set(conf, name, value, NULL, 0) == RD_KAFKA_CONF_OK;
}

static KabDone
make(KabClient *client)
{
    char text[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->plan.conf);
    set_bytes(conf, "batch.size", client->batch_bytes);
    /* The topics' limits decide, not the client's default of 1 MB. */
    if (!client->plan.is_size_given)
        set_bytes(conf, "message.max.bytes", 1000000000);
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    client->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!client->handle) {
        rd_kafka_conf_destroy(conf);
        return kab_client_say(client, KAB_DONE_STOP,
                              "a producer cannot be made: %s", text);
    }
    for (size_t i = 0; i < client->plan.n_topics; i++)
        client->topics[i] =
            rd_kafka_topic_new(client->handle, client->plan.topics[i], NULL);
    return KAB_DONE;
}

void
kab_client_close(KabClient *client)
{
    if (!client->handle)
        return;
    for (size_t i = 0; i < client->plan.n_topics; i++)
        g_clear_pointer(&client->topics[i], rd_kafka_topic_destroy);
    g_clear_pointer(&client->handle, rd_kafka_destroy);
}

/* --- What its brokers say meanwhile ------------------------------------ */

static KabDone
stop_for(KabClient *client,
         const char *what,
         const char *topic,
         rd_kafka_resp_err_t error)
{
    g_autofree char *advice = kab_client_dup_advice(client, error, topic);
    return kab_client_say(client, KAB_DONE_STOP, "%s%s%s: %s%s", what,
                          topic ? " " : "", topic ? topic : "",
                          rd_kafka_err2str(error), advice);
}

/* Events of a client that is not open yet: only refusals matter. */
static KabDone
hear(KabClient *client)
{
    KabDone done = KAB_DONE;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(client->handle);
    rd_kafka_event_t *event;
    while (done == KAB_DONE && (event = rd_kafka_queue_poll(queue, 0))) {
        rd_kafka_resp_err_t error = rd_kafka_event_error(event);
        const char *reason = rd_kafka_event_error_string(event);
        if (error && kab_refusal_verdict(error, 1) == KAB_VERDICT_STOP &&
            !kab_refusal_is_outage(error, reason))
            done = stop_for(client, reason, NULL, error);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return done;
}

/* --- Topics ------------------------------------------------------------ */

static KabDone
stop_missing(KabClient *client, const char *topic)
{
    return kab_client_say(
        client, KAB_DONE_STOP,
        "topic %s does not exist, and has not come within %" PRIi64
        " s; create it: kafka-topics.sh --bootstrap-server %s --create "
        "--topic %s --partitions N",
        topic, client->plan.missing_topic_us / (int64_t)G_USEC_PER_SEC,
        client->plan.bootstrap, topic);
}

static KabTopicAnswer
ask(KabClient *client,
    rd_kafka_topic_t *topic,
    int32_t *ret_n,
    rd_kafka_resp_err_t *ret_error)
{
    kab_client_enter(client);
    KabTopicAnswer answer = kab_limits_ask_partitions(client->handle, topic,
                                                      ASK_MS, ret_n, ret_error);
    kab_client_leave(client);
    return answer;
}

static KabDone
await_topic(KabClient *client, size_t i)
{
    int64_t missing_us = 0;
    rd_kafka_resp_err_t error;
    while (!is_cancelled(client)) {
        KabDone done = KAB_DONE;
        switch (ask(client, client->topics[i], &client->limits[i].n_partitions,
                    &error)) {
        case KAB_TOPIC_EXISTS:
            return KAB_DONE;
        case KAB_TOPIC_FORBIDDEN:
            return stop_for(client, "topic", client->plan.topics[i], error);
        case KAB_TOPIC_MISSING:
            if (!missing_us)
                missing_us = g_get_monotonic_time();
            if (g_get_monotonic_time() - missing_us >=
                client->plan.missing_topic_us)
                return stop_missing(client, client->plan.topics[i]);
            again(client, client->plan.awaited[i]);
            break;
        case KAB_TOPIC_UNKNOWN:
            done = hear(client);
            again(client, "no broker answers its producer");
            break;
        }
        if (done != KAB_DONE)
            return done;
    }
    return KAB_DONE_CANCELLED;
}

/* output.partition = same: has every output as many as this input? One that
 * is not there is the source's to wait for. */
static KabDone
compare_input(KabClient *client, const char *input)
{
    int32_t n = 0;
    rd_kafka_resp_err_t error;
    KabTopicAnswer answer = KAB_TOPIC_UNKNOWN;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client->handle, input, NULL);
    while (answer == KAB_TOPIC_UNKNOWN && !is_cancelled(client)) {
        answer = ask(client, topic, &n, &error);
        if (answer == KAB_TOPIC_UNKNOWN)
            again(client, "no broker answers its producer");
    }
    rd_kafka_topic_destroy(topic);
    for (size_t i = 0; answer == KAB_TOPIC_EXISTS && i < client->plan.n_outputs;
         i++)
        if (client->limits[i].n_partitions < n)
            return kab_client_say(
                client, KAB_DONE_STOP,
                "output.partition = same, but topic %s has %d partitions and "
                "its input %s has %d; add the missing ones: kafka-topics.sh "
                "--bootstrap-server %s --alter --topic %s --partitions %d",
                client->plan.topics[i], (int)client->limits[i].n_partitions,
                input, (int)n, client->plan.bootstrap, client->plan.topics[i],
                (int)n);
    return is_cancelled(client) ? KAB_DONE_CANCELLED : KAB_DONE;
}

static KabDone
await_sizes(KabClient *client)
{
    while (!is_cancelled(client)) {
        kab_client_enter(client);
        bool is_answered =
            kab_limits_ask_bytes(client->handle, client->plan.topics,
                                 client->plan.n_topics, ASK_MS, client->limits);
        kab_client_leave(client);
        if (is_answered)
            return KAB_DONE;
        again(client, "no broker answers its producer");
    }
    return KAB_DONE_CANCELLED;
}

static KabDone
learn(KabClient *client)
{
    KabDone done = KAB_DONE;
    for (size_t i = 0; done == KAB_DONE && i < client->plan.n_topics; i++)
        done = await_topic(client, i);
    char **inputs = client->plan.inputs;
    for (size_t i = 0; done == KAB_DONE && inputs && inputs[i]; i++)
        if (inputs[i][0] != '^')
            done = compare_input(client, inputs[i]);
    return done == KAB_DONE ? await_sizes(client) : done;
}

/* Was it made with a batch.size that a topic does not take? */
static bool
is_too_large(KabClient *client)
{
    size_t limit = client->batch_bytes;
    for (size_t i = 0; i < client->plan.n_topics; i++)
        limit = MIN(limit, client->limits[i].max_bytes);
    bool is_less = limit < client->batch_bytes;
    client->batch_bytes = MAX(limit, 1);
    return is_less;
}

/* --- Transactional id -------------------------------------------------- */

static KabDone
stop_for_id(KabClient *client, rd_kafka_resp_err_t error, const char *reason)
{
    g_autofree char *advice = kab_client_dup_advice(client, error, NULL);
    return kab_client_say(client, KAB_DONE_STOP,
                          "the transactional id %s is refused: %s%s",
                          client->plan.transactional_id, reason, advice);
}

static KabDone
init(KabClient *client)
{
    while (!is_cancelled(client)) {
        kab_client_enter(client);
        rd_kafka_error_t *error =
            rd_kafka_init_transactions(client->handle, ASK_MS);
        kab_client_leave(client);
        if (!error)
            return KAB_DONE;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        bool is_retriable = rd_kafka_error_is_retriable(error) &&
                            !rd_kafka_fatal_error(client->handle, NULL, 0);
        KabDone done = KAB_DONE_FATAL;
        if (kab_refusal_verdict(code, 1) == KAB_VERDICT_STOP)
            done = stop_for_id(client, code, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        if (done == KAB_DONE_STOP || !is_retriable)
            return done;
        again(client, "the transaction coordinator does not answer");
    }
    return KAB_DONE_CANCELLED;
}

/* --- Duties ------------------------------------------------------------ */

static KabDone
open_once(KabClient *client)
{
    KabDone done = make(client);
    if (done == KAB_DONE)
        done = learn(client);
    if (done == KAB_DONE && is_too_large(client))
        return KAB_DONE_ABORTED;
    if (done == KAB_DONE && client->plan.is_transactional)
        done = init(client);
    return done;
}

KabDone
kab_client_open(KabClient *client)
{
    client->batch_bytes = client->plan.batch_bytes;
    atomic_store(&client->waits_for, "its producer is being opened");
    for (;;) {
        KabDone done = open_once(client);
        if (done == KAB_DONE) {
            atomic_store(&client->waits_for, NULL);
            return done;
        }
        kab_client_enter(client);
        kab_client_close(client);
        kab_client_leave(client);
        if (done == KAB_DONE_STOP || done == KAB_DONE_CANCELLED)
            return done;
        if (done == KAB_DONE_FATAL)
            kab_client_pause(client, REMAKE_US);
    }
}

KabDone
kab_client_refresh(KabClient *client)
{
    for (size_t i = 0; i < client->plan.n_topics; i++) {
        int32_t n = 0;
        rd_kafka_resp_err_t error;
        if (ask(client, client->topics[i], &n, &error) == KAB_TOPIC_EXISTS)
            client->limits[i].n_partitions = n;
    }
    return KAB_DONE;
}
