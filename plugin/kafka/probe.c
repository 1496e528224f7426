/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a cluster what a binding will need of it.
 */
#include <string.h>

#include "limits-topic.h"
#include "probe.h"
#include "rdkafka-auto.h"
#include "refusal.h"

typedef struct {
    const KabProbeSetup *setup;
    GArray *findings;
    rd_kafka_t *client;
    const rd_kafka_metadata_t *cluster; /* every topic */
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

static void
say_error(Probe *probe, const char *what, rd_kafka_resp_err_t error)
{
    const char *advice = kab_refusal_advice(error);
    say(probe, false, "%s: %s%s%s", what, rd_kafka_err2str(error),
        advice ? "; " : "", advice ? advice : "");
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

static void
drop_log(const rd_kafka_t *client,
         int level,
         const char *facility,
         const char *s)
{
}

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
    rd_kafka_conf_set_log_cb(conf, drop_log);
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

/* The error that explains best why nobody answers; NULL: there was none. */
static char *
dup_first_error(rd_kafka_t *client)
{
    char *text = NULL;
    rd_kafka_event_t *event;
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_get_main(client);
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        if (!text && rd_kafka_event_error(event))
            text = g_strdup(rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
    return text;
}

static bool
look_at_brokers(Probe *probe)
{
    rd_kafka_resp_err_t error = rd_kafka_metadata(
        probe->client, 1, NULL, &probe->cluster, probe->setup->timeout_ms);
    if (error) {
        g_autofree char *text = dup_first_error(probe->client);
        say(probe, false, "no broker of %s answers: %s", bootstrap(probe),
            text ? text : rd_kafka_err2str(error));
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

/* How many partitions it has; 0, and said why: none. */
static int
look_at_topic(Probe *probe, const char *role, const char *topic)
{
    const rd_kafka_metadata_topic_t *found = find(probe, topic);
    g_autofree char *what = g_strdup_printf("%s %s", role, topic);
    if (!found)
        say(probe, false,
            "%s does not exist, or may not be seen; create it: "
            "kafka-topics.sh --bootstrap-server %s --create --topic %s "
            "--partitions N",
            what, bootstrap(probe), topic);
    else if (found->err)
        say_error(probe, what, found->err);
    else
        return found->partition_cnt;
    return 0;
}

/* --- Inputs ------------------------------------------------------------ */

/* Reads at the end of its first partition: refusals come as messages. */
static rd_kafka_resp_err_t
try_reading(Probe *probe, rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
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
look_at_input(Probe *probe, rd_kafka_t *consumer, const char *topic)
{
    int n = look_at_topic(probe, "input topic", topic);
    if (!n || !consumer)
        return;
    rd_kafka_resp_err_t error = try_reading(probe, consumer, topic);
    g_autofree char *what = g_strdup_printf("input topic %s", topic);
    if (error)
        say_error(probe, what, error);
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

/* Asks its coordinator for an offset: any partition will do. */
static void
look_at_group(Probe *probe, rd_kafka_t *consumer)
{
    const char *topic = probe->setup->input_topics[0];
    g_autofree char *what =
        g_strdup_printf("consumer group %s", probe->setup->group);
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    rd_kafka_resp_err_t error =
        rd_kafka_committed(consumer, list, probe->setup->timeout_ms);
    if (!error && list->elems[0].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        error = list->elems[0].err;
    if (error)
        say_error(probe, what, error);
    else
        say(probe, true, "%s: its coordinator answers", what);
}

static void
look_at_inputs(Probe *probe)
{
    rd_kafka_t *consumer = make_consumer(probe);
    for (const char *const *topic = probe->setup->input_topics; *topic; topic++)
        if (**topic == '^')
            look_at_pattern(probe, *topic);
        else
            look_at_input(probe, consumer, *topic);
    if (!consumer)
        return;
    look_at_group(probe, consumer);
    rd_kafka_destroy(consumer);
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
    int n = look_at_topic(probe, role, topic);
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
        look_at_inputs(&probe);
        look_at_outputs(&probe);
    }
    if (probe.cluster)
        rd_kafka_metadata_destroy(probe.cluster);
    if (probe.client)
        rd_kafka_destroy(probe.client);
    return probe.findings;
}
