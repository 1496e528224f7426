/* SPDX-License-Identifier: Apache-2.0 */
/* The minimum cost of a bridge: a bare but correct librdkafka loop.
 *
 * Batch consume; zero-copy produce to the input's partition with an idempotent
 * producer; waits for delivery reports; every 10 ms commits what was
 * acknowledged, in the order in which it was consumed. One thread.
 *
 *     bench-floor brokers=HOST:PORT input=T output=T group=G [PROPERTY=VALUE]
 *
 * Runs until SIGTERM. run.py measures it from outside, as it does kabridge.
 */
#include <librdkafka/rdkafka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TAKE = 1000,
    BATCHES = 64, /* maximum of batches not yet acknowledged */
    PARTITIONS = 1024,
    COMMIT_NS = 10000000,
};

/* Messages of one consume call. They live until every output is acknowledged,
 * because the outputs point into them. */
typedef struct {
    rd_kafka_message_t *messages[TAKE];
    size_t count, unacknowledged;
} Batch;

typedef struct {
    rd_kafka_t *consumer, *producer;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t *output;
    const char *input;
    Batch batches[BATCHES]; /* a ring */
    size_t head, tail;
    int64_t finished[PARTITIONS]; /* the next offset to commit; 0: nothing
                                   * new */
    int partitions;
    int64_t committed_ns;
} Floor;

static volatile sig_atomic_t asked_to_end;

static void
on_signal(int number)
{
    asked_to_end = 1;
}

static int64_t
now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void
die(const char *reason)
{
    fprintf(stderr, "bench-floor: %s\n", reason);
    exit(1);
}

static void
on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    if (message->err)
        die(rd_kafka_message_errstr(message));
    ((Batch *)message->_private)->unacknowledged--;
}

static void
produce(Floor *bench, Batch *batch, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = bench->output},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = message->partition},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {message->payload, message->len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {message->key, message->key_len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP,
         .u.i64 = rd_kafka_message_timestamp(message, &type)},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = batch},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0},
    };
    rd_kafka_error_t *error;
    while ((error = rd_kafka_produceva(bench->producer, fields,
                                       sizeof(fields) / sizeof(*fields)))) {
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die(rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        rd_kafka_poll(bench->producer, 10);
    }
}

static void
take(Floor *bench, int timeout_ms)
{
    Batch *batch = &bench->batches[bench->tail % BATCHES];
    rd_kafka_message_t *messages[TAKE];
    ssize_t n =
        rd_kafka_consume_batch_queue(bench->queue, timeout_ms, messages, TAKE);
    batch->count = 0;
    for (ssize_t i = 0; i < n; i++) {
        if (messages[i]->err)
            rd_kafka_message_destroy(messages[i]);
        else
            batch->messages[batch->count++] = messages[i];
    }
    batch->unacknowledged = batch->count;
    for (size_t i = 0; i < batch->count; i++)
        produce(bench, batch, batch->messages[i]);
    if (batch->count > 0)
        bench->tail++;
}

/* Frees the oldest batches, as far as they are acknowledged. */
static void
finish(Floor *bench)
{
    while (bench->head != bench->tail) {
        Batch *batch = &bench->batches[bench->head % BATCHES];
        if (batch->unacknowledged > 0)
            return;
        for (size_t i = 0; i < batch->count; i++) {
            const rd_kafka_message_t *message = batch->messages[i];
            bench->finished[message->partition] = message->offset + 1;
            if (message->partition >= bench->partitions)
                bench->partitions = message->partition + 1;
            rd_kafka_message_destroy(batch->messages[i]);
        }
        bench->head++;
    }
}

static void
commit(Floor *bench)
{
    if (now_ns() - bench->committed_ns < COMMIT_NS)
        return;
    bench->committed_ns = now_ns();
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(bench->partitions);
    for (int i = 0; i < bench->partitions; i++) {
        if (bench->finished[i] > 0)
            rd_kafka_topic_partition_list_add(list, bench->input, i)->offset =
                bench->finished[i];
        bench->finished[i] = 0;
    }
    if (list->cnt > 0)
        rd_kafka_commit(bench->consumer, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) !=
        RD_KAFKA_CONF_OK)
        die(reason);
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (!client)
        die(reason);
    return client;
}

static const char *
word(char **words, const char *name)
{
    size_t length = strlen(name);
    for (; *words; words++)
        if (strncmp(*words, name, length) == 0 && (*words)[length] == '=')
            return *words + length + 1;
    die("wanted brokers=, input=, output= and group=");
    return NULL;
}

/* Sets the same properties as kabridge, so that the two are comparable. */
static void
open_clients(Floor *bench, char **words)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", word(words, "brokers"));
    set(conf, "group.id", word(words, "group"));
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "partition.assignment.strategy", "cooperative-sticky");
    set(conf, "socket.nagle.disable", "true");
    bench->consumer = client_new(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(bench->consumer);
    bench->queue = rd_kafka_queue_get_consumer(bench->consumer);
    conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", word(words, "brokers"));
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "5");
    set(conf, "queue.buffering.max.messages", "1000000");
    set(conf, "socket.nagle.disable", "true");
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    bench->producer = client_new(RD_KAFKA_PRODUCER, conf);
    bench->output =
        rd_kafka_topic_new(bench->producer, word(words, "output"), NULL);
    bench->input = word(words, "input");
}

static void
subscribe(Floor *bench)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, bench->input,
                                      RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(bench->consumer, list);
    if (err)
        die(rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(list);
}

int
main(int argc, char **argv)
{
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    Floor *bench = calloc(1, sizeof(*bench));
    if (!bench)
        die("no memory");
    open_clients(bench, argv + 1);
    subscribe(bench);
    while (!asked_to_end) {
        bool is_idle = bench->head == bench->tail;
        bool is_full = bench->tail - bench->head == BATCHES;
        if (!is_full)
            take(bench, is_idle ? 100 : 10);
        rd_kafka_poll(bench->producer, is_full ? 10 : 0);
        finish(bench);
        commit(bench);
    }
    rd_kafka_flush(bench->producer, 10000);
    finish(bench);
    bench->committed_ns = 0;
    commit(bench);
    rd_kafka_queue_destroy(bench->queue);
    rd_kafka_consumer_close(bench->consumer);
    rd_kafka_topic_destroy(bench->output);
    rd_kafka_destroy(bench->producer);
    rd_kafka_destroy(bench->consumer);
    free(bench);
    return 0;
}
