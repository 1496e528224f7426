/* SPDX-License-Identifier: Apache-2.0 */
/* Asks brokers for limits, and measures records against them.
 */
#include <stdlib.h>

#include <glib.h>

#include "topic-limits.h"

size_t
kab_topic_limits_header_bytes(size_t name_len, size_t value_len)
{
    return 5 + name_len + 5 + value_len;
}

char *
kab_topic_limits_dup_shortage(const char *output,
                              int n_output,
                              const char *input,
                              int n_input,
                              const char *bootstrap)
{
    return g_strdup_printf(
        "output.partition = same, but output topic %s has %d partitions and "
        "input topic %s has %d; add the missing ones: kafka-topics.sh "
        "--bootstrap-server %s --alter --topic %s --partitions %d",
        output, n_output, input, n_input, bootstrap, output, n_input);
}

static KabTopicAnswer
judge_topic(const rd_kafka_metadata_topic_t *topic,
            rd_kafka_resp_err_t *ret_error)
{
    *ret_error = topic->err;
    if (!topic->err)
        return topic->partition_cnt > 0 ? KAB_TOPIC_EXISTS : KAB_TOPIC_UNKNOWN;
    if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        topic->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return KAB_TOPIC_MISSING;
    if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        topic->err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
        return KAB_TOPIC_FORBIDDEN;
    return KAB_TOPIC_UNKNOWN;
}

KabTopicAnswer
kab_topic_limits_ask_partitions(rd_kafka_t *client,
                                rd_kafka_topic_t *handle,
                                int timeout_ms,
                                int32_t *ret_n_partitions,
                                rd_kafka_resp_err_t *ret_error)
{
    const rd_kafka_metadata_t *metadata = NULL;
    *ret_error = rd_kafka_metadata(client, 0, handle, &metadata, timeout_ms);
    if (*ret_error)
        return KAB_TOPIC_UNKNOWN;
    KabTopicAnswer answer = KAB_TOPIC_UNKNOWN;
    if (metadata->topic_cnt == 1) {
        answer = judge_topic(&metadata->topics[0], ret_error);
        *ret_n_partitions = metadata->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    return answer;
}

/* 0: the answer does not contain it. */
static size_t
read_bytes(const rd_kafka_ConfigResource_t *resource)
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *name = rd_kafka_ConfigEntry_name(entries[i]);
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && g_str_equal(name, "max.message.bytes"))
            return strtoul(value, NULL, 10);
    }
    return 0;
}

static void
read_all(rd_kafka_event_t *event,
         char *const *topics,
         size_t n,
         KabTopicLimits *limits)
{
    size_t n_resources = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &n_resources);
    for (size_t r = 0; r < n_resources; r++) {
        size_t bytes = read_bytes(resources[r]);
        const char *name = rd_kafka_ConfigResource_name(resources[r]);
        for (size_t i = 0; bytes && i < n; i++)
            if (g_str_equal(topics[i], name))
                limits[i].max_bytes = bytes;
    }
}

/* librdkafka sends DescribeConfigs to the controller, and waits if no known
 * broker is the controller (as in the mock cluster). */
static bool
has_controller(rd_kafka_t *client, int timeout_ms)
{
    bool is_there = false;
    const rd_kafka_metadata_t *metadata = NULL;
    if (rd_kafka_metadata(client, 0, NULL, &metadata, timeout_ms))
        return true;
    int32_t controller = rd_kafka_controllerid(client, timeout_ms);
    for (int i = 0; i < metadata->broker_cnt; i++)
        is_there |= metadata->brokers[i].id == controller;
    rd_kafka_metadata_destroy(metadata);
    return is_there;
}

bool
kab_topic_limits_ask_bytes(rd_kafka_t *client,
                           char *const *topics,
                           size_t n,
                           int timeout_ms,
                           KabTopicLimits *limits)
{
    char message[256];
    for (size_t i = 0; i < n; i++)
        limits[i].max_bytes = KAB_TOPIC_LIMITS_DEFAULT_BYTES;
    if (!n || !has_controller(client, timeout_ms))
        return true;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, message,
                                              sizeof message);
    rd_kafka_ConfigResource_t **resources =
        g_new0(rd_kafka_ConfigResource_t *, n);
    for (size_t i = 0; i < n; i++)
        resources[i] =
            rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i]);
    rd_kafka_DescribeConfigs(client, resources, n, options, queue);
    /* On a time-out librdkafka itself delivers the answer. */
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * timeout_ms);
    rd_kafka_resp_err_t error =
        event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!error)
        read_all(event, topics, n, limits);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy_array(resources, n);
    g_free(resources);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return error != RD_KAFKA_RESP_ERR__TIMED_OUT &&
           error != RD_KAFKA_RESP_ERR__TRANSPORT;
}
