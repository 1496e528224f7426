/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that a cluster has what a binding will need.
 */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "internal-topics.h"
#include "probe.h"
#include "rdkafka-auto.h"
#include "refusal.h"
#include "topic-limits.h"

/* How long one request for the group's offset may block, and the pause after
 * one that no coordinator was there for. */
enum { GROUP_SLICE_MS = 500, COORDINATOR_PAUSE_MS = 100 };

typedef struct {
    const KabProbeSetup *setup;
    GArray *findings;
    rd_kafka_t *client, *consumer;
    const rd_kafka_metadata_t *cluster; /* every topic we are allowed to see */
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

/* right: the ACL operation that the attempt needs; name: the resource, as
 * kafka-acls.sh takes it. */
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
get_bootstrap(const Probe *probe)
{
    const char *servers =
        kab_properties_lookup(KAB_CLIENT_PRODUCER, probe->setup->producer,
                              probe->setup->n_producer, "bootstrap.servers");
    return servers ? servers : "(bootstrap.servers is not set)";
}

/* --- Clients ----------------------------------------------------------- */

/* Takes the configuration; NULL: making it failed with error. */
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

/* Returns a new string: the first error the client raised, which best explains
 * why no broker answers, with what to do about it. NULL: none. */
static char *
dup_first_error(rd_kafka_t *client, const char *warning)
{
    char *text = NULL;
    rd_kafka_event_t *event;
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_get_main(client);
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        rd_kafka_resp_err_t error = rd_kafka_event_error(event);
        g_autofree char *advice = kab_refusal_dup_advice(
            error, &(KabRefusalNames){.log_in = warning});
        if (!text && error)
            text = g_strjoin("; ", rd_kafka_event_error_string(event), advice,
                             NULL);
        rd_kafka_event_destroy(event);
    }
    return text;
}

/* No broker has answered in time: returns a sentence that says why. */
static char *
dup_silence(rd_kafka_t *client,
            const char *servers,
            const char *warning,
            rd_kafka_resp_err_t error)
{
    g_autofree char *text = dup_first_error(client, warning);
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
        return dup_silence(client, servers, NULL, error);
    rd_kafka_metadata_destroy(metadata);
    return NULL;
}

/* NULL: the name resolves. */
static const char *
explain_unresolved(const char *host)
{
    struct addrinfo *addresses = NULL;
    int error = getaddrinfo(host, NULL, NULL, &addresses);
    if (error)
        return gai_strerror(error);
    freeaddrinfo(addresses);
    return NULL;
}

/* From here on the client connects only to the advertised names. */
static bool
look_at_names(Probe *probe)
{
    bool is_well = true;
    for (int i = 0; i < probe->cluster->broker_cnt; i++) {
        const rd_kafka_metadata_broker_t *broker = &probe->cluster->brokers[i];
        const char *problem = explain_unresolved(broker->host);
        if (problem)
            say(probe, false,
                "broker %d advertises %s:%d, a name that does not resolve on "
                "this host: %s; see advertised.listeners of the broker",
                (int)broker->id, broker->host, broker->port, problem);
        is_well &= !problem;
    }
    return is_well;
}

static bool
look_at_brokers(Probe *probe)
{
    const KabProbeSetup *setup = probe->setup;
    rd_kafka_resp_err_t error = rd_kafka_metadata(
        probe->client, 1, NULL, &probe->cluster, setup->timeout_ms);
    if (error) {
        g_autofree char *warning = kab_properties_dup_warning(
            KAB_CLIENT_PRODUCER, setup->producer, setup->n_producer);
        g_autofree char *sentence =
            dup_silence(probe->client, get_bootstrap(probe), warning, error);
        say(probe, false, "%s", sentence);
        return false;
    }
    say(probe, true, "brokers: %d answer as a cluster at %s",
        probe->cluster->broker_cnt, get_bootstrap(probe));
    return look_at_names(probe);
}

static const rd_kafka_metadata_topic_t *
find_topic(const Probe *probe, const char *topic)
{
    for (int i = 0; i < probe->cluster->topic_cnt; i++)
        if (strcmp(probe->cluster->topics[i].topic, topic) == 0)
            return &probe->cluster->topics[i];
    return NULL;
}

/* A listing of all topics omits those we may not see, so ask for this one by
 * name. Through a consumer: asking does not create the topic. */
static rd_kafka_resp_err_t
ask_why_absent(const Probe *probe, const char *topic)
{
    int32_t n = 0;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (!probe->consumer)
        return error;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(probe->consumer, topic, NULL);
    kab_topic_limits_ask_partitions(probe->consumer, handle,
                                    probe->setup->timeout_ms, &n, &error);
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
            what, get_bootstrap(probe), topic);
}

/* Returns the number of partitions; 0: none, and a finding says why. */
static int
look_at_topic(Probe *probe,
              const char *role,
              const char *topic,
              const char *right)
{
    const rd_kafka_metadata_topic_t *found = find_topic(probe, topic);
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

/* Reads at the end of the first partition: a refusal arrives as a message. */
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
        n += !kab_topic_is_internal(probe->cluster->topics[i].topic) &&
             g_regex_match(regex, probe->cluster->topics[i].topic, 0, NULL);
    say(probe, n > 0, "input pattern %s: %d topics match now", pattern, n);
}

/* Has the consumer reported that it may not use its group? Waits so long for a
 * report. */
static bool
is_group_refused(rd_kafka_t *consumer, int wait_ms)
{
    bool is_refused = false;
    rd_kafka_event_t *event;
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_get_consumer(consumer);
    while ((event = rd_kafka_queue_poll(queue, wait_ms))) {
        is_refused |= rd_kafka_event_error(event) ==
                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        rd_kafka_event_destroy(event);
        wait_ms = 0;
    }
    return is_refused;
}

/* A new cluster makes the topic of the offsets when it is first asked for a
 * coordinator, and a broker that has just become one loads it. */
static bool
has_no_coordinator_yet(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
           error == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           error == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

/* Asks the coordinator for an offset; any partition will do. In short slices:
 * if the coordinator's address is refused, the call keeps waiting and only the
 * consumer's queue says why. */
static rd_kafka_resp_err_t
ask_group(Probe *probe)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, probe->setup->input_topics[0], 0);
    int64_t end_us = g_get_monotonic_time() + probe->setup->timeout_ms * 1000L;
    for (;;) {
        rd_kafka_resp_err_t error =
            rd_kafka_committed(probe->consumer, list, GROUP_SLICE_MS);
        if (!error)
            return list->elems[0].err;
        bool is_early = has_no_coordinator_yet(error);
        if (is_group_refused(probe->consumer,
                             is_early ? COORDINATOR_PAUSE_MS : 0))
            return RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        if ((!is_early && error != RD_KAFKA_RESP_ERR__TIMED_OUT) ||
            g_get_monotonic_time() >= end_us)
            return error;
    }
}

static void
look_at_group(Probe *probe)
{
    const char *group = probe->setup->group;
    g_autofree char *what = g_strdup_printf("consumer group %s", group);
    g_autofree char *name = g_strconcat("--group ", group, NULL);
    rd_kafka_resp_err_t error = ask_group(probe);
    /* An error of the topic has been reported with the topic. */
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
        const rd_kafka_metadata_topic_t *found = find_topic(probe, *input);
        if (found && found->partition_cnt > n) {
            g_autofree char *sentence = kab_topic_limits_dup_shortage(
                output, n, *input, found->partition_cnt, get_bootstrap(probe));
            say(probe, false, "%s", sentence);
        }
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
    if (kab_topic_limits_ask_bytes(probe->client, topics, 1,
                                   probe->setup->timeout_ms, &limits))
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
        const rd_kafka_metadata_topic_t *found =
            find_topic(probe, topics->pdata[i]);
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
