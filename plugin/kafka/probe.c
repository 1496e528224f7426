/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a cluster what a binding will need of it.
 */
#include <string.h>

#include "limits-topic.h"
#include "probe.h"
#include "rdkafka-auto.h"
#include "refusal.h"

/* One try to learn of the group. */
enum { GROUP_SLICE_MS = 500 };

typedef struct {
    const KabProbeSetup *setup;
    GArray *findings;
    rd_kafka_t *client, *consumer;
    const rd_kafka_metadata_t *cluster; /* every topic that may be seen */
} Probe;

/* --- Saying ------------------------------------------------------------ */

static void
clear_finding(void *data)
{
    g_free(((KabProbeFinding *)data)->sentence);
}

static void G_GNUC_PRINTF(3, 4)
    say(Probe *probe, bool is_ok, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    KabProbeFinding finding = {is_ok, g_strdup_vprintf(format, args)};
    va_end(args);
    g_array_append_val(probe->findings, finding);
}

/* right: to do what was tried; name: on what. */
static void
say_error(Probe *probe,
          const char *what,
          rd_kafka_resp_err_t error,
          const char *right,
          const char *name)
{
    const KabProbeSetup *setup = probe->setup;
    g_autofree char *grant = kab_properties_dup_grant(
        KAB_CLIENT_PRODUCER, setup->producer, setup->n_producer);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        say(probe, false, "%s: %s; allow it: %s --operation %s %s", what,
            rd_kafka_err2str(error), grant, right, name);
    else
        say(probe, false, "%s: %s", what, rd_kafka_err2str(error));
}

static const char *
bootstrap(const Probe *probe)
{
    const char *servers =
        kab_properties_lookup(KAB_CLIENT_PRODUCER, probe->setup->producer,
                              probe->setup->n_producer, "bootstrap.servers");
    return servers ? servers : "(bootstrap.servers is not set)";
}

/* --- Clients ----------------------------------------------------------- */

/* Takes the configuration; NULL is one that could not be made. */
static rd_kafka_t *
make_client(Probe *probe,
            rd_kafka_type_t type,
            rd_kafka_conf_t *conf,
            const GError *error)
{
    char text[256] = "";
    if (!conf) {
        say(probe, false, "%s", error->message);
        return NULL;
    }
    kab_properties_mute(conf);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR);
    rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof text);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        say(probe, false, "a client cannot be made: %s", text);
    }
    return client;
}

static rd_kafka_t *
make_producer(Probe *probe)
{
    g_autoptr(GError) error = NULL;
    rd_kafka_conf_t *conf =
        kab_properties_new_conf(KAB_CLIENT_PRODUCER, probe->setup->producer,
                                probe->setup->n_producer, &error);
    return make_client(probe, RD_KAFKA_PRODUCER, conf, error);
}

static rd_kafka_t *
make_consumer(Probe *probe)
{
    g_autoptr(GError) error = NULL;
    rd_kafka_conf_t *conf =
        kab_properties_new_conf(KAB_CLIENT_CONSUMER, probe->setup->consumer,
                                probe->setup->n_consumer, &error);
    if (conf)
        rd_kafka_conf_set(conf, "group.id", probe->setup->group, NULL, 0);
    return make_client(probe, RD_KAFKA_CONSUMER, conf, error);
}

/* --- The cluster ------------------------------------------------------- */

/* The error that explains best why nobody answers; its text, with what to do
 * about it, or NULL: there was none. */
static char *
dup_first_error(rd_kafka_t *client)
{
    char *text = NULL;
    rd_kafka_event_t *event;
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_get_main(client);
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        rd_kafka_resp_err_t error = rd_kafka_event_error(event);
        g_autofree char *advice =
            kab_refusal_dup_advice(error, &(KabRefusalNames){0});
        if (!text && error)
            text = g_strjoin("; ", rd_kafka_event_error_string(event), advice,
                             NULL);
        rd_kafka_event_destroy(event);
    }
    return text;
}

/* Nobody has answered within the time that was given. */
static char *
dup_silence(rd_kafka_t *client, const char *servers, rd_kafka_resp_err_t error)
{
    g_autofree char *text = dup_first_error(client);
    return g_strdup_printf("no broker of %s answers: %s", servers,
                           text ? text : rd_kafka_err2str(error));
}

char *
kab_probe_dup_silence(rd_kafka_t *client, const char *servers, int timeout_ms)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(client, 0, NULL, &metadata, timeout_ms);
    if (error)
        return dup_silence(client, servers, error);
    rd_kafka_metadata_destroy(metadata);
    return NULL;
}

static bool
look_at_brokers(Probe *probe)
{
    rd_kafka_resp_err_t error = rd_kafka_metadata(
        probe->client, 1, NULL, &probe->cluster, probe->setup->timeout_ms);
    if (error) {
        g_autofree char *sentence =
            dup_silence(probe->client, bootstrap(probe), error);
        say(probe, false, "%s", sentence);
        return false;
    }
    say(probe, true, "brokers: %d answer as a cluster at %s",
        probe->cluster->broker_cnt, bootstrap(probe));
    return true;
}

static const rd_kafka_metadata_topic_t *
find(const Probe *probe, const char *topic)
{
    for (int i = 0; i < probe->cluster->topic_cnt; i++)
        if (strcmp(probe->cluster->topics[i].topic, topic) == 0)
            return &probe->cluster->topics[i];
    return NULL;
}

/* Among all topics, those that may not be seen are left out: asks for this
 * one. By a consumer, which makes no topic by asking. */
static rd_kafka_resp_err_t
ask_why_absent(const Probe *probe, const char *topic)
{
    int32_t n = 0;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (!probe->consumer)
        return error;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(probe->consumer, topic, NULL);
    kab_limits_ask_partitions(probe->consumer, handle, probe->setup->timeout_ms,
                              &n, &error);
    rd_kafka_topic_destroy(handle);
    return error;
}

static void
say_absent(Probe *probe, const char *what, const char *topic, const char *right)
{
    g_autofree char *name = g_strconcat("--topic ", topic, NULL);
    rd_kafka_resp_err_t error = ask_why_absent(probe, topic);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        say_error(probe, what, error, right, name);
    else
        say(probe, false,
            "%s does not exist; create it: kafka-topics.sh --bootstrap-server "
            "%s --create --topic %s --partitions N",
            what, bootstrap(probe), topic);
}

/* How many partitions it has; 0, and said why: none. */
static int
look_at_topic(Probe *probe,
              const char *role,
              const char *topic,
              const char *right)
{
    const rd_kafka_metadata_topic_t *found = find(probe, topic);
    g_autofree char *what = g_strdup_printf("%s %s", role, topic);
    if (found && !found->err)
        return found->partition_cnt;
    if (found)
        say(probe, false, "%s: %s", what, rd_kafka_err2str(found->err));
    else
        say_absent(probe, what, topic, right);
    return 0;
}

/* --- Inputs ------------------------------------------------------------ */

/* Reads at the end of its first partition: refusals come as messages. */
static rd_kafka_resp_err_t
try_reading(Probe *probe, const char *topic)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(probe->consumer, topic, NULL);
    if (rd_kafka_consume_start(handle, 0, RD_KAFKA_OFFSET_END) == 0) {
        rd_kafka_message_t *message =
            rd_kafka_consume(handle, 0, probe->setup->timeout_ms);
        if (message)
            error = message->err;
        if (message)
            rd_kafka_message_destroy(message);
        rd_kafka_consume_stop(handle, 0);
    }
    rd_kafka_topic_destroy(handle);
    return error == RD_KAFKA_RESP_ERR__PARTITION_EOF
               ? RD_KAFKA_RESP_ERR_NO_ERROR
               : error;
}

static void
look_at_input(Probe *probe, const char *topic)
{
    int n = look_at_topic(probe, "input topic", topic, "Read");
    if (!n || !probe->consumer)
        return;
    rd_kafka_resp_err_t error = try_reading(probe, topic);
    g_autofree char *what = g_strdup_printf("input topic %s", topic);
    g_autofree char *name = g_strconcat("--topic ", topic, NULL);
    if (error)
        say_error(probe, what, error, "Read", name);
    else
        say(probe, true, "%s: %d partitions, and may be read", what, n);
}

static void
look_at_pattern(Probe *probe, const char *pattern)
{
    int n = 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, &error);
    for (int i = 0; regex && i < probe->cluster->topic_cnt; i++)
        n += g_regex_match(regex, probe->cluster->topics[i].topic, 0, NULL);
    say(probe, n > 0, "input pattern %s: %d topics match now", pattern, n);
}

/* Has the consumer been told that it may not use its group? */
static bool
is_group_refused(rd_kafka_t *consumer)
{
    bool is_refused = false;
    rd_kafka_event_t *event;
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_get_consumer(consumer);
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        is_refused |= rd_kafka_event_error(event) ==
                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        rd_kafka_event_destroy(event);
    }
    return is_refused;
}

/* Asks its coordinator for an offset: any partition will do. One that does
 * not tell where the coordinator is, is not waited for: the call waits, and
 * only the consumer's queue says why. */
static rd_kafka_resp_err_t
ask_group(Probe *probe)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, probe->setup->input_topics[0], 0);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int ms = 0;
         ms < probe->setup->timeout_ms && error == RD_KAFKA_RESP_ERR__TIMED_OUT;
         ms += GROUP_SLICE_MS) {
        error = rd_kafka_committed(probe->consumer, list, GROUP_SLICE_MS);
        if (error && is_group_refused(probe->consumer))
            return RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    }
    return error ? error : list->elems[0].err;
}

static void
look_at_group(Probe *probe)
{
    const char *group = probe->setup->group;
    g_autofree char *what = g_strdup_printf("consumer group %s", group);
    g_autofree char *name = g_strconcat("--group ", group, NULL);
    rd_kafka_resp_err_t error = ask_group(probe);
    /* What is wrong with the topic was said of the topic. */
    if (!error || error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        say(probe, true, "%s: its coordinator answers", what);
    else
        say_error(probe, what, error, "Read", name);
}

static void
look_at_inputs(Probe *probe)
{
    for (const char *const *topic = probe->setup->input_topics; *topic; topic++)
        if (**topic == '^')
            look_at_pattern(probe, *topic);
        else
            look_at_input(probe, *topic);
    if (probe->consumer)
        look_at_group(probe);
}

/* --- Outputs ----------------------------------------------------------- */

static void
compare_partitions(Probe *probe, const char *output, int n)
{
    const char *const *input = probe->setup->input_topics;
    for (; probe->setup->partition_is_same && *input; input++) {
        const rd_kafka_metadata_topic_t *found = find(probe, *input);
        if (found && found->partition_cnt > n)
            say(probe, false,
                "output.partition = same, but output topic %s has %d "
                "partitions and input topic %s has %d; add the missing ones: "
                "kafka-topics.sh --bootstrap-server %s --alter --topic %s "
                "--partitions %d",
                output, n, *input, found->partition_cnt, bootstrap(probe),
                output, found->partition_cnt);
    }
}

static void
look_at_output(Probe *probe, const char *role, const char *topic)
{
    int n = look_at_topic(probe, role, topic, "Write");
    KabTopicLimits limits = {0};
    char *topics[] = {(char *)(uintptr_t)topic, NULL};
    if (!n)
        return;
    if (kab_limits_ask_bytes(probe->client, topics, 1, probe->setup->timeout_ms,
                             &limits))
        say(probe, true, "%s %s: %d partitions, records up to %zu bytes", role,
            topic, n, limits.max_bytes);
    else
        say(probe, false, "%s %s: max.message.bytes was not answered", role,
            topic);
}

static void
look_at_outputs(Probe *probe)
{
    const KabProbeSetup *setup = probe->setup;
    g_autoptr(GPtrArray) topics = g_ptr_array_new();
    if (setup->output_topic)
        g_ptr_array_add(topics, (char *)(uintptr_t)setup->output_topic);
    for (const char *const *t = setup->output_topics; t && *t; t++)
        g_ptr_array_add(topics, (char *)(uintptr_t)*t);
    for (guint i = 0; i < topics->len; i++) {
        const rd_kafka_metadata_topic_t *found = find(probe, topics->pdata[i]);
        look_at_output(probe, "output topic", topics->pdata[i]);
        if (found && !found->err)
            compare_partitions(probe, topics->pdata[i], found->partition_cnt);
    }
    if (setup->dead_letter_topic)
        look_at_output(probe, "dead-letter topic", setup->dead_letter_topic);
}

GArray *
kab_probe(const KabProbeSetup *setup)
{
    Probe probe = {.setup = setup};
    probe.findings = g_array_new(FALSE, FALSE, sizeof(KabProbeFinding));
    g_array_set_clear_func(probe.findings, clear_finding);
    probe.client = make_producer(&probe);
    if (probe.client && look_at_brokers(&probe)) {
        probe.consumer = make_consumer(&probe);
        look_at_inputs(&probe);
        look_at_outputs(&probe);
    }
    if (probe.cluster)
        rd_kafka_metadata_destroy(probe.cluster);
    if (probe.consumer)
        rd_kafka_destroy(probe.consumer);
    if (probe.client)
        rd_kafka_destroy(probe.client);
    return probe.findings;
}
