/* SPDX-License-Identifier: Apache-2.0 */
/* Writes records, at once or at a rate, plain or in transactions, some of
 * which are aborted. SIGTERM ends it early; the printed counts still hold.
 */
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    Pattern pattern;
    Record record;
    int partitions;
    bool spread; /* record n to partition n % partitions; else by key */
    int64_t transaction, abort_every;
    int64_t aborted; /* records written in aborted transactions */
    int64_t failed;
} Generator;

static volatile sig_atomic_t asked_to_end;

static void
on_signal(int number)
{
    asked_to_end = 1;
}

static void
on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *data)
{
    Generator *generator = data;
    bool purged = message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                  message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (message->err && !purged)
        generator->failed++;
}

static void
must(rd_kafka_error_t *error)
{
    if (error)
        fail("%s", rd_kafka_error_string(error));
}

static rd_kafka_headers_t *
headers_new(const Record *record)
{
    if (record->n_headers == 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->n_headers);
    for (size_t i = 0; i < record->n_headers; i++)
        rd_kafka_header_add(headers, record->headers[i].name, -1,
                            record->headers[i].value,
                            (ssize_t)record->headers[i].size);
    return headers;
}

static void
produce(Generator *generator, int64_t number)
{
    Record *record = &generator->record;
    record_make(&generator->pattern, number, record);
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = generator->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION,
         .u.i32 = generator->spread ? (int32_t)(number % generator->partitions)
                                    : RD_KAFKA_PARTITION_UA},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)record->value, record->value_size}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)record->key, record->key_size}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers_new(record)},
    };
    size_t n = G_N_ELEMENTS(fields) - (record->n_headers == 0);
    for (;;) {
        rd_kafka_error_t *error =
            rd_kafka_produceva(generator->client, fields, n);
        if (!error)
            return;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            must(error);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(generator->client, 10);
    }
}

/* Writes a full transaction and aborts it: none of its records may ever be
 * seen. */
static void
abort_some(Generator *generator, int64_t number)
{
    must(rd_kafka_begin_transaction(generator->client));
    for (int64_t i = 0; i < generator->transaction; i++, generator->aborted++)
        produce(generator, RECORD_ABORTED + number + i);
    rd_kafka_flush(generator->client, 30000);
    must(rd_kafka_abort_transaction(generator->client, 30000));
}

static void
before_record(Generator *generator, int64_t number, int64_t from)
{
    int64_t n = number - from, size = generator->transaction;
    if (!size || n % size != 0)
        return;
    if (n > 0)
        must(rd_kafka_commit_transaction(generator->client, 30000));
    if (generator->abort_every && (n / size) % generator->abort_every == 0)
        abort_some(generator, number);
    must(rd_kafka_begin_transaction(generator->client));
}

/* Number of records due by now. */
static int64_t
due(int64_t rate, int64_t start_us)
{
    if (rate == 0)
        return INT64_MAX;
    double seconds =
        (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;
    return (int64_t)(seconds * (double)rate);
}

static int64_t
run(Generator *generator, const Words *words, int64_t from)
{
    int64_t rate = words_number(words, "rate", 0);
    int64_t seconds = words_number(words, "seconds", 0);
    int64_t start_us = g_get_monotonic_time(), number = from;
    int64_t end_us = seconds ? start_us + seconds * G_USEC_PER_SEC : INT64_MAX;
    while (number < from + generator->pattern.records && !asked_to_end &&
           g_get_monotonic_time() < end_us) {
        if (number - from >= due(rate, start_us)) {
            rd_kafka_poll(generator->client, 5);
            continue;
        }
        before_record(generator, number, from);
        produce(generator, number++);
        if (number % 100 == 0)
            rd_kafka_poll(generator->client, 0);
    }
    return number;
}

static void
finish(Generator *generator, const Words *words, int64_t number)
{
    if (generator->transaction && number > 0)
        must(rd_kafka_commit_transaction(generator->client, 30000));
    if (strcmp(words_get(words, "end", ""), "abort") == 0)
        abort_some(generator, number);
    if (rd_kafka_flush(generator->client, 60000) || generator->failed)
        fail("%" PRId64 " records were not acknowledged", generator->failed);
}

static rd_kafka_t *
producer_new(const Words *words, Generator *generator)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];
    const char *id = words_get(words, "id", "kab-kafka-tool");
    const char *pairs[][2] = {
        {"bootstrap.servers", words_need(words, "brokers")},
        {"enable.idempotence", "true"},
        {"max.in.flight.requests.per.connection", "1"}, /* FIRST_BATCH */
        {"partitioner", "murmur2_random"},
        {"linger.ms", "5"},
        {"queue.buffering.max.messages", "500000"},
        {"retry.backoff.ms", "20"},
        {"log_level", "0"},
        {"message.timeout.ms", generator->transaction ? "60000" : "0"},
        {generator->transaction ? "transactional.id" : "client.id", id},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], reason,
                              sizeof(reason)) != RD_KAFKA_CONF_OK)
            fail("%s", reason);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, generator);
    rd_kafka_t *client =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!client)
        fail("%s", reason);
    return client;
}

int
verb_generate(const Words *words)
{
    const char *topic = words_need(words, "topic");
    Generator *generator = g_new0(Generator, 1);
    generator->pattern = pattern_from_words(words);
    if (!words_get(words, "records", NULL))
        generator->pattern.records = RECORD_ABORTED;
    generator->spread = words_flag(words, "spread");
    generator->transaction = words_number(words, "transaction", 0);
    generator->abort_every = words_number(words, "abort.every", 0);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    generator->client = producer_new(words, generator);
    generator->topic = rd_kafka_topic_new(generator->client, topic, NULL);
    generator->partitions = topic_partitions(generator->client, topic);
    if (generator->transaction)
        must(rd_kafka_init_transactions(generator->client, 30000));
    int64_t from = words_number(words, "from", 0);
    int64_t number = run(generator, words, from);
    finish(generator, words, number - from);
    printf("{\"records\":%" PRId64 ",\"aborted\":%" PRId64 "}\n", number,
           generator->aborted);
    rd_kafka_topic_destroy(generator->topic);
    rd_kafka_destroy(generator->client);
    g_free(generator);
    return 0;
}
