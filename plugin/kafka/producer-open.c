/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a producer's client (configuration, topics, limits, transactional id)
 * and closes it.
 *
 * A broker that does not answer is waited for indefinitely. A missing topic is
 * waited for up to a limit, then the binding stops; a missing right stops it
 * at once. A client's batch.size cannot be changed: if the topics' limits turn
 * out to be lower, the client is created again.
 */
#include <inttypes.h>
#include <unistd.h>

#include "producer-client.h"
#include "refusal.h"

/* Time-out of one request, and the pause before the next. */
enum { ASK_MS = 1000 };
#define RETRY_US 100000
#define REMAKE_US G_USEC_PER_SEC

static bool
is_cancelled(const KabClient *client)
{
    return atomic_load(&client->is_cancelled);
}

static void
wait_for(KabClient *client, const char *waits_for)
{
    atomic_store(&client->waits_for, waits_for);
    kab_client_pause(client, RETRY_US);
}

/* --- The handle -------------------------------------------------------- */

/* Thread: any */
static void
log_line(KabClient *client, KabLogLevel level, const char *line)
{
    pthread_mutex_lock(&client->lock);
    if (!client->is_abandoned)
        client->edge->log(client->edge->user, level, KAB_NOWHERE, line);
    pthread_mutex_unlock(&client->lock);
}

/* Thread: rdkafka */
static void
on_log(const rd_kafka_t *handle, int level, const char *facility, const char *s)
{
    char line[512];
    g_snprintf(line, sizeof line, "producer: %s: %s", facility, s);
    log_line(rd_kafka_opaque(handle), kab_edge_client_level(level, facility),
             line);
}

static bool
set_bytes(rd_kafka_conf_t *conf, const char *name, size_t bytes)
{
    char value[24];
    g_snprintf(value, sizeof value, "%zu", bytes);
    return rd_kafka_conf_set(conf, name, value, NULL, 0) == RD_KAFKA_CONF_OK;
}

static KabDone
make_topics(KabClient *client)
{
    for (size_t i = 0; i < client->plan.n_topics; i++) {
        const char *name = client->plan.topics[i];
        client->topics[i] = rd_kafka_topic_new(client->handle, name, NULL);
        if (!client->topics[i])
            return kab_client_say(client, KAB_DONE_STOP,
                                  "topic %s cannot be written: %s", name,
                                  rd_kafka_err2str(rd_kafka_last_error()));
    }
    return KAB_DONE;
}

/* Thread: rdkafka */
static int
on_close_socket(int fd, void *user)
{
    KabClient *client = user;
    kab_health_note_closed(client->health, fd);
    return close(fd);
}

static KabDone
make_handle(KabClient *client)
{
    char text[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->plan.conf);
    set_bytes(conf, "batch.size", client->batch_bytes);
    /* Let the topics' limits decide, not the client's default of 1 MB. */
    if (!client->plan.is_size_given)
        set_bytes(conf, "message.max.bytes", 1000000000);
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    if (client->health) {
        rd_kafka_conf_set_closesocket_cb(conf, on_close_socket);
        kab_health_observe(client->health, conf);
    }
    client->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!client->handle) {
        rd_kafka_conf_destroy(conf);
        return kab_client_say(client, KAB_DONE_STOP,
                              "a producer cannot be made: %s", text);
    }
    return make_topics(client);
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

/* Serves events while the client opens: only refusals matter. */
static KabDone
hear_refusals(KabClient *client)
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
ask_partitions(KabClient *client,
               rd_kafka_topic_t *topic,
               int32_t *ret_n,
               rd_kafka_resp_err_t *ret_error)
{
    kab_client_enter(client);
    KabTopicAnswer answer = kab_topic_limits_ask_partitions(
        client->handle, topic, ASK_MS, ret_n, ret_error);
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
        switch (ask_partitions(client, client->topics[i],
                               &client->limits[i].n_partitions, &error)) {
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
            wait_for(client, client->plan.awaited[i]);
            break;
        case KAB_TOPIC_UNKNOWN:
            done = hear_refusals(client);
            wait_for(client, "no broker answers its producer");
            break;
        }
        if (done != KAB_DONE)
            return done;
    }
    return KAB_DONE_CANCELLED;
}

static KabDone
stop_for_partitions(KabClient *client, size_t i, const char *input, int n)
{
    g_autofree char *sentence = kab_topic_limits_dup_shortage(
        client->plan.topics[i], client->limits[i].n_partitions, input, n,
        client->plan.bootstrap);
    return kab_client_say(client, KAB_DONE_STOP, "%s", sentence);
}

/* output.partition = same: does every output have at least as many partitions
 * as this input? If the input is missing, the source waits for it. */
static KabDone
compare_input(KabClient *client, const char *input)
{
    int32_t n = 0;
    rd_kafka_resp_err_t error;
    KabTopicAnswer answer = KAB_TOPIC_UNKNOWN;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client->handle, input, NULL);
    while (answer == KAB_TOPIC_UNKNOWN && !is_cancelled(client)) {
        answer = ask_partitions(client, topic, &n, &error);
        if (answer == KAB_TOPIC_UNKNOWN)
            wait_for(client, "no broker answers its producer");
    }
    rd_kafka_topic_destroy(topic);
    for (size_t i = 0; answer == KAB_TOPIC_EXISTS && i < client->plan.n_outputs;
         i++)
        if (client->limits[i].n_partitions < n)
            return stop_for_partitions(client, i, input, n);
    return is_cancelled(client) ? KAB_DONE_CANCELLED : KAB_DONE;
}

static KabDone
await_sizes(KabClient *client)
{
    while (!is_cancelled(client)) {
        kab_client_enter(client);
        bool is_answered = kab_topic_limits_ask_bytes(
            client->handle, client->plan.topics, client->plan.n_topics, ASK_MS,
            client->limits);
        kab_client_leave(client);
        if (is_answered)
            return KAB_DONE;
        wait_for(client, "no broker answers its producer");
    }
    return KAB_DONE_CANCELLED;
}

static KabDone
learn_topics(KabClient *client)
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

/* Was the client created with a batch.size larger than some topic accepts? */
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

/* Fails the opening; a new client is created after a pause. */
static KabDone
fail_id(KabClient *client, const char *reason)
{
    char line[512];
    g_snprintf(line, sizeof line,
               "the transactional id %s cannot be taken, trying again with "
               "another client: %s",
               client->plan.transactional_id, reason);
    log_line(client, KAB_LOG_WARNING, line);
    atomic_store(&client->waits_for,
                 "the transactional id cannot be taken (see the log)");
    return KAB_DONE_FATAL;
}

/* May init_transactions() be repeated? If not, *ret_done says how the opening
 * ends. */
static bool
may_init_again(KabClient *client,
               const rd_kafka_error_t *error,
               KabDone *ret_done)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    const char *reason = rd_kafka_error_string(error);
    if (kab_refusal_verdict(code, 1) == KAB_VERDICT_STOP)
        *ret_done = stop_for_id(client, code, reason);
    else if (!rd_kafka_error_is_retriable(error) ||
             rd_kafka_fatal_error(client->handle, NULL, 0))
        *ret_done = fail_id(client, reason);
    else
        return true;
    return false;
}

static KabDone
init_transactions(KabClient *client)
{
    while (!is_cancelled(client)) {
        KabDone done;
        kab_client_enter(client);
        rd_kafka_error_t *error =
            rd_kafka_init_transactions(client->handle, ASK_MS);
        kab_client_leave(client);
        if (!error)
            return KAB_DONE;
        bool may_again = may_init_again(client, error, &done);
        rd_kafka_error_destroy(error);
        if (!may_again)
            return done;
        wait_for(client, "the transaction coordinator does not answer");
    }
    return KAB_DONE_CANCELLED;
}

/* --- Duties ------------------------------------------------------------ */

static KabDone
open_once(KabClient *client)
{
    KabDone done = make_handle(client);
    if (done == KAB_DONE)
        done = learn_topics(client);
    if (done == KAB_DONE && is_too_large(client))
        return KAB_DONE_ABORTED;
    if (done == KAB_DONE && client->plan.is_transactional)
        done = init_transactions(client);
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

/* Updates max_bytes of each topic; without an answer it stays as it was. */
static KabDone
refresh_sizes(KabClient *client)
{
    g_autofree KabTopicLimits *limits =
        g_memdup2(client->limits, client->plan.n_topics * sizeof *limits);
    kab_client_enter(client);
    bool is_answered =
        kab_topic_limits_ask_bytes(client->handle, client->plan.topics,
                                   client->plan.n_topics, ASK_MS, limits);
    kab_client_leave(client);
    for (size_t i = 0; is_answered && i < client->plan.n_topics; i++)
        client->limits[i].max_bytes = limits[i].max_bytes;
    return KAB_DONE;
}

KabDone
kab_client_refresh(KabClient *client)
{
    for (size_t i = 0; i < client->plan.n_topics; i++) {
        int32_t n = 0;
        rd_kafka_resp_err_t error;
        if (ask_partitions(client, client->topics[i], &n, &error) ==
            KAB_TOPIC_EXISTS)
            client->limits[i].n_partitions = n;
    }
    return refresh_sizes(client);
}
