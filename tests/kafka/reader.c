/* SPDX-License-Identifier: Apache-2.0 */
/* The end is the high watermark at the start. A read_committed consumer passes
 * it only when every transaction before it has ended, which its
 * end-of-partition events show. Asked by such a consumer, the end would be the
 * last stable offset.
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

enum { TAKE = 1000, PATIENCE_US = 60 * G_USEC_PER_SEC };

typedef struct {
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    int64_t *ends; /* by partition; where reading ends */
    int partitions, open;
    ReadFunc read;
    void *data;
    bool stopped;
} Reader;

static void
reader_find_ends(Reader *reader,
                 const Words *words,
                 const char *topic,
                 const int64_t *ends)
{
    rd_kafka_t *client =
        client_new(words, RD_KAFKA_CONSUMER, "group.id", "kab-kafka-tool",
                   "isolation.level", "read_uncommitted", NULL);
    reader->partitions = topic_partitions(client, topic);
    reader->ends = g_new(int64_t, reader->partitions);
    for (int i = 0; i < reader->partitions; i++) {
        int64_t low = 0, high = 0;
        topic_watermarks(client, topic, i, &low, &high);
        int64_t end = ends ? MIN(ends[i], high) : high;
        reader->ends[i] = end > low ? end : -1;
    }
    rd_kafka_destroy(client);
}

static void
reader_assign(Reader *reader, const char *topic)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(reader->partitions);
    for (int i = 0; i < reader->partitions; i++)
        if (reader->ends[i] >= 0)
            rd_kafka_topic_partition_list_add(list, topic, i)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    reader->open = list->cnt;
    rd_kafka_assign(reader->client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The reader has reached this offset of the partition. */
static void
reader_reached(Reader *reader, int32_t partition, int64_t offset)
{
    if (reader->ends[partition] < 0 || offset < reader->ends[partition])
        return;
    reader->ends[partition] = -1;
    reader->open--;
}

static void
reader_take(Reader *reader, const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reader_reached(reader, message->partition, message->offset);
        return;
    }
    if (message->err)
        fail("reading: %s", rd_kafka_message_errstr(message));
    int64_t end = reader->ends[message->partition];
    if (end >= 0 && message->offset < end && !reader->stopped)
        reader->stopped = !reader->read(message, reader->data);
    reader_reached(reader, message->partition, message->offset + 1);
}

static void
reader_run(Reader *reader, const char *topic)
{
    rd_kafka_message_t *messages[TAKE];
    int64_t progress_us = g_get_monotonic_time();
    while (reader->open > 0 && !reader->stopped) {
        ssize_t n =
            rd_kafka_consume_batch_queue(reader->queue, 100, messages, TAKE);
        for (ssize_t i = 0; i < n; i++) {
            reader_take(reader, messages[i]);
            rd_kafka_message_destroy(messages[i]);
        }
        if (n > 0)
            progress_us = g_get_monotonic_time();
        else if (g_get_monotonic_time() - progress_us > PATIENCE_US)
            fail("%s: %d partitions did not end within a minute: an open "
                 "transaction?",
                 topic, reader->open);
    }
}

void
read_topic(const Words *words,
           const char *topic,
           const int64_t *ends,
           ReadFunc read,
           void *data)
{
    Reader reader = {.read = read, .data = data};
    reader.client = client_new(
        words, RD_KAFKA_CONSUMER, "group.id", "kab-kafka-tool",
        "enable.auto.commit", "false", "enable.auto.offset.store", "false",
        "enable.partition.eof", "true", "isolation.level",
        words_get(words, "isolation", "read_committed"),
        "auto.offset.reset", "error", "queued.min.messages", "1000000",
        "fetch.wait.max.ms", "10", NULL);
    reader_find_ends(&reader, words, topic, ends);
    reader.queue = rd_kafka_queue_get_consumer(reader.client);
    reader_assign(&reader, topic);
    reader_run(&reader, topic);
    rd_kafka_assign(reader.client, NULL);
    rd_kafka_queue_destroy(reader.queue);
    rd_kafka_destroy_flags(reader.client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    g_free(reader.ends);
}

static void
dump_bytes(const char *name, const void *bytes, size_t size)
{
    printf("\"%s\":", name);
    if (!bytes) {
        printf("null");
        return;
    }
    putchar('"');
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
    putchar('"');
}

static void
dump_headers(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name = NULL;
    const void *value = NULL;
    size_t size = 0;
    printf(",\"headers\":[");
    if (!rd_kafka_message_headers(message, &headers))
        for (size_t i = 0;
             !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
            g_autofree char *quoted = g_strescape(name, NULL);
            printf("%s{\"name\":\"%s\",", i ? "," : "", quoted);
            dump_bytes("value", value, size);
            putchar('}');
        }
    printf("]}\n");
}

static bool
dump_record(const rd_kafka_message_t *message, void *data)
{
    int64_t *left = data;
    rd_kafka_timestamp_type_t type;
    printf("{\"partition\":%d,\"offset\":%" PRId64 ",\"timestamp\":%" PRId64
           ",",
           message->partition, message->offset,
           rd_kafka_message_timestamp(message, &type));
    dump_bytes("key", message->key, message->key_len);
    putchar(',');
    dump_bytes("value", message->payload, message->len);
    dump_headers(message);
    return --*left > 0;
}

int
verb_dump(const Words *words)
{
    int64_t left = words_number(words, "limit", INT64_MAX);
    read_topic(words, words_need(words, "topic"), NULL, dump_record, &left);
    return 0;
}
