/* SPDX-License-Identifier: Apache-2.0 */
/* How long a record takes from produce() until a reader of the output sees it.
 *
 *     bench-latency brokers=HOST:PORT input=T output=T rate=N seconds=S
 *
 * Writes at a steady rate to the input, each value begins with the time, and
 * reads the output; with the same topic twice that is what Kafka itself takes.
 * Prints one line of JSON. The first second is left out.
 */
#include <librdkafka/rdkafka.h>

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    VALUE_BYTES = 100,
    CALL_MS = 10000,
    LAST_MS = 2000,
    TRIES = 100,
    PAUSE_US = 100000,
};
#define SECOND_NS INT64_C(1000000000)

typedef struct {
    rd_kafka_t *consumer;
    int64_t begin_ns;  /* earlier records are left out */
    GArray *latencies; /* int64_t, ns */
    atomic_bool is_over;
} Reader;

static int64_t
now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND_NS + time.tv_nsec;
}

static void G_GNUC_NORETURN
die(const char *reason)
{
    fprintf(stderr, "bench-latency: %s\n", reason);
    exit(1);
}

static const char *
word(char **words, const char *name)
{
    g_autofree char *prefix = g_strconcat(name, "=", NULL);
    for (; *words; words++)
        if (g_str_has_prefix(*words, prefix))
            return *words + strlen(prefix);
    die("wanted brokers=, input=, output=, rate= and seconds=");
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, char **words)
{
    static const char *const properties[][2] = {
        {"group.id", "bench-latency"},    {"fetch.wait.max.ms", "100"},
        {"enable.auto.commit", "false"},  {"linger.ms", "0"},
        {"socket.nagle.disable", "true"}, {"log_level", "0"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];
    rd_kafka_conf_set(conf, "bootstrap.servers", word(words, "brokers"), NULL,
                      0);
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
        rd_kafka_conf_set(conf, properties[i][0], properties[i][1], NULL, 0);
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!client)
        die(reason);
    return client;
}

/* A topic that was just made may have no leader yet. */
static int64_t
ask_end(rd_kafka_t *consumer, const char *topic, int partition)
{
    int64_t low, high;
    for (int i = 0; i < TRIES; i++) {
        if (!rd_kafka_query_watermark_offsets(consumer, topic, partition, &low,
                                              &high, CALL_MS))
            return high;
        g_usleep(PAUSE_US);
    }
    die("no end of the output");
}

/* Reads every partition from what is its end now. */
static void
assign_ends(rd_kafka_t *consumer, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(8);
    if (rd_kafka_metadata(consumer, 0, handle, &metadata, CALL_MS))
        die("no metadata");
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset =
            ask_end(consumer, topic, i);
    rd_kafka_assign(consumer, list);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_topic_destroy(handle);
}

static void *
read_output(void *data)
{
    Reader *reader = data;
    while (!atomic_load(&reader->is_over)) {
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(reader->consumer, 100);
        if (!message)
            continue;
        int64_t sent_ns, latency_ns = now_ns();
        if (!message->err && message->len == VALUE_BYTES) {
            memcpy(&sent_ns, message->payload, sizeof sent_ns);
            latency_ns -= sent_ns;
            if (sent_ns >= reader->begin_ns)
                g_array_append_val(reader->latencies, latency_ns);
        }
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

/* Serves delivery reports until it is time for the next record. */
static void
wait_until(rd_kafka_t *producer, int64_t due_ns)
{
    rd_kafka_poll(producer, 0);
    int64_t left_ns = due_ns - now_ns();
    if (left_ns > 0)
        nanosleep(&(struct timespec){left_ns / SECOND_NS, left_ns % SECOND_NS},
                  NULL);
}

/* Returns how many records count. */
static int64_t
write_input(char **words, Reader *reader, int64_t start_ns)
{
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, words);
    rd_kafka_topic_t *topic =
        rd_kafka_topic_new(producer, word(words, "input"), NULL);
    int64_t rate = atoll(word(words, "rate")), n = 0;
    int64_t records = rate * atoll(word(words, "seconds"));
    char value[VALUE_BYTES] = "";
    for (int64_t i = 0; i < records; i++) {
        wait_until(producer, start_ns + i * SECOND_NS / rate);
        int64_t sent_ns = now_ns();
        memcpy(value, &sent_ns, sizeof sent_ns);
        n += sent_ns >= reader->begin_ns;
        rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                         value, sizeof value, &i, sizeof i, NULL);
    }
    rd_kafka_flush(producer, CALL_MS);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
    return n;
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double
quantile_ms(const GArray *latencies, double part)
{
    if (!latencies->len)
        return 0;
    guint at = (guint)(part * (double)(latencies->len - 1));
    return (double)g_array_index(latencies, int64_t, at) / 1e6;
}

int
main(int argc, char **argv)
{
    (void)argc;
    Reader reader = {.latencies = g_array_new(false, false, sizeof(int64_t)),
                     .consumer = client_new(RD_KAFKA_CONSUMER, argv + 1)};
    int64_t start_ns = now_ns();
    reader.begin_ns = start_ns + SECOND_NS;
    assign_ends(reader.consumer, word(argv + 1, "output"));
    pthread_t thread;
    pthread_create(&thread, NULL, read_output, &reader);
    int64_t n = write_input(argv + 1, &reader, start_ns);
    g_usleep(LAST_MS * 1000);
    atomic_store(&reader.is_over, true);
    pthread_join(thread, NULL);
    qsort(reader.latencies->data, reader.latencies->len, sizeof(int64_t),
          compare);
    printf(
        "{\"records\": %" G_GINT64_FORMAT ", \"seen\": %u, \"p50_ms\": %.3f, "
        "\"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
        n, reader.latencies->len, quantile_ms(reader.latencies, 0.5),
        quantile_ms(reader.latencies, 0.99), quantile_ms(reader.latencies, 1));
    g_array_unref(reader.latencies);
    rd_kafka_consumer_close(reader.consumer);
    rd_kafka_destroy(reader.consumer);
    return 0;
}
