/* SPDX-License-Identifier: Apache-2.0 */
/* Topics and groups: create, delete, inspect. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 30000 };

static rd_kafka_event_t *
wait_result(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event)
        fail("no answer within %d s", WAIT_MS / 1000);
    if (rd_kafka_event_error(event))
        fail("%s", rd_kafka_event_error_string(event));
    return event;
}

static void
set_config(rd_kafka_NewTopic_t *topic, const char *config)
{
    g_auto(GStrv) pairs = g_strsplit(config, ",", -1);
    for (char **pair = pairs; *pair; pair++) {
        char *colon = strchr(*pair, ':');
        if (!colon)
            fail("config: found %s; wanted property:value", *pair);
        *colon = '\0';
        rd_kafka_NewTopic_set_config(topic, *pair, colon + 1);
    }
}

int
verb_create(const Words *words)
{
    rd_kafka_t *client = client_new(words, RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    char reason[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        words_need(words, "topic"), (int)words_number(words, "partitions", 8),
        1, reason, sizeof(reason));
    if (!topic)
        fail("%s", reason);
    /* Generated records have old timestamps: keep retention from deleting
     * them. */
    rd_kafka_NewTopic_set_config(topic, "retention.ms", "-1");
    if (words_get(words, "config", NULL))
        set_config(topic, words_get(words, "config", NULL));
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = wait_result(queue);
    size_t n = 0;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &n);
    if (n != 1 || rd_kafka_topic_result_error(results[0]))
        fail("%s", rd_kafka_topic_result_error_string(results[0]));
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return 0;
}

int
verb_alter(const Words *words)
{
    rd_kafka_t *client = client_new(words, RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_ConfigResource_t *topic = rd_kafka_ConfigResource_new(
        RD_KAFKA_RESOURCE_TOPIC, words_need(words, "topic"));
    rd_kafka_ConfigResource_set_config(topic, words_need(words, "property"),
                                       words_need(words, "value"));
    rd_kafka_AlterConfigs(client, &topic, 1, NULL, queue);
    rd_kafka_event_destroy(wait_result(queue));
    rd_kafka_ConfigResource_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return 0;
}

int
verb_delete(const Words *words)
{
    rd_kafka_t *client = client_new(words, RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopic_t *topic =
        rd_kafka_DeleteTopic_new(words_need(words, "topic"));
    rd_kafka_DeleteTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_destroy(wait_result(queue));
    rd_kafka_DeleteTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return 0;
}

static void
print_members(rd_kafka_t *client, const char *group)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DescribeConsumerGroups(client, &group, 1, NULL, queue);
    rd_kafka_event_t *event = wait_result(queue);
    size_t n = 0;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(event), &n);
    size_t members =
        n ? rd_kafka_ConsumerGroupDescription_member_count(groups[0]) : 0;
    printf("\"state\":\"%s\",\"members\":[",
           n ? rd_kafka_consumer_group_state_name(
                   rd_kafka_ConsumerGroupDescription_state(groups[0]))
             : "none");
    for (size_t i = 0; i < members; i++) {
        const rd_kafka_MemberDescription_t *member =
            rd_kafka_ConsumerGroupDescription_member(groups[0], i);
        const rd_kafka_MemberAssignment_t *assignment =
            rd_kafka_MemberDescription_assignment(member);
        const rd_kafka_topic_partition_list_t *list =
            assignment ? rd_kafka_MemberAssignment_partitions(assignment)
                       : NULL;
        printf("%s{\"id\":\"%s\",\"partitions\":%d}", i ? "," : "",
               rd_kafka_MemberDescription_consumer_id(member),
               list ? list->cnt : 0);
    }
    printf("]");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

rd_kafka_topic_partition_list_t *
group_committed(const Words *words, rd_kafka_t *client)
{
    const char *topic = words_need(words, "topic");
    int partitions = topic_partitions(client, topic);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int try = 0; try < PATIENCE_TRIES; try++) {
        err = rd_kafka_committed(client, list, CALL_MS);
        if (!err)
            break;
        g_usleep(PATIENCE_PAUSE_US);
    }
    if (err)
        fail("committed: %s", rd_kafka_err2str(err));
    return list;
}

static void
print_partition(rd_kafka_t *client,
                const rd_kafka_topic_partition_t *element,
                int64_t *total_lag)
{
    int64_t low = 0, high = 0;
    topic_watermarks(client, element->topic, element->partition, &low, &high);
    int64_t lag = high - (element->offset >= 0 ? element->offset : low);
    *total_lag += lag;
    printf("%s{\"partition\":%d,\"committed\":%" PRId64 ",\"end\":%" PRId64
           ",\"lag\":%" PRId64 ",\"metadata\":\"%.*s\"}",
           element->partition ? "," : "", element->partition, element->offset,
           high, lag, (int)element->metadata_size,
           element->metadata ? (const char *)element->metadata : "");
}

int
verb_group(const Words *words)
{
    const char *group = words_need(words, "group");
    rd_kafka_t *client =
        client_new(words, RD_KAFKA_CONSUMER, "group.id", group,
                   "isolation.level", "read_uncommitted", NULL);
    rd_kafka_topic_partition_list_t *list = group_committed(words, client);
    int64_t lag = 0;
    printf("{\"partitions\":[");
    for (int i = 0; i < list->cnt; i++)
        print_partition(client, &list->elems[i], &lag);
    printf("],\"lag\":%" PRId64 ",", lag);
    print_members(client, group);
    printf("}\n");
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return 0;
}

int
verb_commit(const Words *words)
{
    rd_kafka_t *client = client_new(words, RD_KAFKA_CONSUMER, "group.id",
                                    words_need(words, "group"), NULL);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(
        list, words_need(words, "topic"),
        (int32_t)words_number(words, "partition", 0));
    element->offset = words_number(words, "offset", 0);
    const char *metadata = words_get(words, "metadata", NULL);
    if (metadata) {
        element->metadata = strdup(metadata);
        element->metadata_size = strlen(metadata);
    }
    rd_kafka_resp_err_t err = rd_kafka_commit(client, list, 0);
    if (err)
        fail("commit: %s", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return 0;
}

/* The quantities wait compares: numbers of records before the committed
 * offsets, before the ends, and between the two. */
typedef struct {
    int64_t committed, end, lag;
} Totals;

static Totals
totals_now(const Words *words, rd_kafka_t *client, bool group)
{
    Totals totals = {0};
    const char *topic = words_need(words, "topic");
    rd_kafka_topic_partition_list_t *list =
        group ? group_committed(words, client) : NULL;
    int partitions = list ? list->cnt : topic_partitions(client, topic);
    for (int i = 0; i < partitions; i++) {
        int64_t low = 0, high = 0;
        topic_watermarks(client, topic, i, &low, &high);
        int64_t offset = list ? list->elems[i].offset : low;
        totals.committed += MAX(offset, low);
        totals.end += high;
        totals.lag += high - MAX(offset, low);
    }
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    return totals;
}

static bool
reached(const Words *words, const Totals *totals)
{
    return totals->committed >= words_number(words, "committed", 0) &&
           totals->end >= words_number(words, "end", 0) &&
           totals->lag <= words_number(words, "lag", INT64_MAX);
}

int
verb_wait(const Words *words)
{
    const char *group = words_get(words, "group", NULL);
    rd_kafka_t *client = client_new(
        words, RD_KAFKA_CONSUMER, "group.id", group ? group : "kab-kafka-tool",
        "isolation.level", "read_uncommitted", NULL);
    int64_t start_us = g_get_monotonic_time();
    double seconds = g_ascii_strtod(words_get(words, "seconds", "60"), NULL);
    int64_t end_us = start_us + (int64_t)(seconds * G_USEC_PER_SEC);
    Totals totals = totals_now(words, client, group != NULL);
    while (!reached(words, &totals) && g_get_monotonic_time() < end_us) {
        g_usleep(20000);
        totals = totals_now(words, client, group != NULL);
    }
    printf("{\"reached\":%s,\"committed\":%" PRId64 ",\"end\":%" PRId64
           ",\"lag\":%" PRId64 ",\"seconds\":%.3f}\n",
           reached(words, &totals) ? "true" : "false", totals.committed,
           totals.end, totals.lag,
           (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    rd_kafka_destroy(client);
    return 0;
}
