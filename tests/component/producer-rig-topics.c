/* SPDX-License-Identifier: Apache-2.0 */
/* The rig's topics, created and read by clients of their own. See
 * producer-rig.h.
 */
#include <string.h>

#include "kab-test.h"
#include "producer-rig-internal.h"

/* Partitions of a topic that an older mock cluster creates on request; newer
 * ones create none for a producer that does not allow it. */
enum { MOCK_PARTITIONS = 4 };

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
    if (rig->mock) {
        rd_kafka_mock_topic_create(rig->mock, topic, MOCK_PARTITIONS, 1);
        return;
    }
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

/* Ask repeatedly: a broker that was stopped needs a while before it
 * coordinates the group again. */
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

/* NULL: nothing arrived. */
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
