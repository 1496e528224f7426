/* SPDX-License-Identifier: Apache-2.0 */
/* The hot path: one output into librdkafka.
 *
 * Nothing is copied but keys (by librdkafka) and headers, if there are any;
 * the product itself is the opaque of its report. Destinations are found by
 * comparing pointers.
 */
#include <string.h>

#include "letter.h"
#include "producer-internal.h"

/* What was asked this recently is believed. */
#define BELIEVED_US (5 * G_USEC_PER_SEC)
enum { HEADERS_ON_STACK = 32 };

/* One output with all rules of the binding applied. */
typedef struct {
    size_t destination;
    KabBytes key, value;
    int32_t partition;    /* -1: librdkafka's partitioner */
    int64_t timestamp_ms; /* 0: now */
    const KabProduct *product;
    const KabRecord *input;
    void *message;
    const KabDeadLetter *letter;
} Output;

/* --- Rules ------------------------------------------------------------- */

static size_t
find_by_name(KabProducer *producer, const char *topic)
{
    for (size_t i = 0; i < producer->n_outputs; i++) {
        if (strcmp(producer->destinations[i].name, topic) == 0) {
            producer->destinations[i].alias = topic;
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t
find(KabProducer *producer, const char *topic)
{
    if (!topic)
        return producer->output;
    for (size_t i = 0; i < producer->n_outputs; i++)
        if (producer->destinations[i].alias == topic)
            return i;
    return find_by_name(producer, topic);
}

static int64_t
choose_timestamp(const KabProducer *producer, const Output *output)
{
    if (output->product->output.timestamp_ms >= 0)
        return output->product->output.timestamp_ms;
    if (producer->setup.timestamp_is_now)
        return 0;
    return MAX(output->input->timestamp_ms, 0);
}

static void
resolve_letter(KabProducer *producer, Output *output)
{
    output->destination = producer->dead_letter;
    output->partition = -1;
    if (output->product->is_truncated)
        return;
    output->key = output->input->key;
    output->value = output->input->value;
    output->timestamp_ms = MAX(output->input->timestamp_ms, 0);
}

static void
resolve(KabProducer *producer, Output *output)
{
    const KabOutput *given = &output->product->output;
    if (output->product->is_dead_letter) {
        resolve_letter(producer, output);
        return;
    }
    output->destination = find(producer, given->topic);
    output->key = given->key;
    output->value = given->value;
    output->partition = given->partition;
    if (given->partition < 0 && producer->setup.partition_is_same)
        output->partition = output->input->partition;
    output->timestamp_ms = choose_timestamp(producer, output);
}

/* --- Headers ----------------------------------------------------------- */

/* The input's headers, if they are passed on. */
static size_t
count_passed(const KabProducer *producer, const Output *output)
{
    if (output->product->is_truncated)
        return 0;
    if (!output->letter && !producer->setup.passes_headers)
        return 0;
    return kab_source_get_headers(output->message, NULL, 0);
}

static void
add_passed(const Output *output, size_t n, rd_kafka_headers_t *headers)
{
    KabHeader on_stack[HEADERS_ON_STACK];
    g_autofree KabHeader *on_heap =
        n > HEADERS_ON_STACK ? g_new(KabHeader, n) : NULL;
    KabHeader *passed = on_heap ? on_heap : on_stack;
    kab_source_get_headers(output->message, passed, n);
    for (size_t i = 0; i < n; i++)
        if (!output->letter || !kab_letter_owns_header(passed[i].name))
            rd_kafka_header_add(headers, passed[i].name, -1,
                                passed[i].value.data,
                                (ssize_t)passed[i].value.len);
}

/* Returns new headers, or NULL for none. */
static rd_kafka_headers_t *
make_headers(const KabProducer *producer, const Output *output)
{
    const KabOutput *given = &output->product->output;
    size_t n = count_passed(producer, output);
    if (!n && !given->n_headers && !output->letter)
        return NULL;
    rd_kafka_headers_t *headers =
        rd_kafka_headers_new(n + given->n_headers + 11);
    if (n)
        add_passed(output, n, headers);
    for (size_t i = 0; i < given->n_headers; i++)
        rd_kafka_header_add(headers, given->headers[i].name, -1,
                            given->headers[i].value.data,
                            (ssize_t)given->headers[i].value.len);
    if (output->letter)
        kab_letter_add_headers(headers, producer->setup.group,
                               producer->setup.edge->binding, output->input,
                               output->letter, output->product->is_truncated);
    return headers;
}

static size_t
count_header_bytes(const rd_kafka_headers_t *headers)
{
    size_t bytes = 0, len;
    const char *name;
    const void *value;
    for (size_t i = 0;
         headers && !rd_kafka_header_get_all(headers, i, &name, &value, &len);
         i++)
        bytes += kab_limits_header_bytes(strlen(name), value ? len : 0);
    return bytes;
}

/* --- May it be produced at all? ---------------------------------------- */

static void G_GNUC_PRINTF(2, 3)
    explain(KabProducer *producer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_vsnprintf(producer->refusal, sizeof producer->refusal, format, args);
    va_end(args);
}

const char *
kab_producer_explain(const KabProducer *producer)
{
    return producer->refusal;
}

static const char *
name_of(const KabProducer *producer, const Output *output)
{
    return producer->destinations[output->destination].name;
}

static bool
has_destination(KabProducer *producer, const Output *output)
{
    if (output->destination != SIZE_MAX)
        return true;
    explain(producer, "an output has no topic that the binding writes to");
    return false;
}

/* Compressed it may be smaller: then only the broker can tell. */
static bool
is_too_large(KabProducer *producer,
             const Output *output,
             const rd_kafka_headers_t *headers)
{
    size_t bytes = kab_limits_record_bytes(output->key.len, output->value.len) +
                   count_header_bytes(headers);
    size_t limit = producer->client->limits[output->destination].max_bytes;
    if (producer->is_compressed || bytes <= limit)
        return false;
    explain(producer,
            "an output of %zu bytes is more than topic %s takes "
            "(max.message.bytes %zu)",
            bytes, name_of(producer, output), limit);
    return true;
}

static bool
has_partition(const KabProducer *producer, const Output *output)
{
    return output->partition <
           producer->client->limits[output->destination].n_partitions;
}

static void
lacks_partition(KabProducer *producer, const Output *output)
{
    explain(producer,
            "an output names partition %d, which topic %s does not have",
            (int)output->partition, name_of(producer, output));
}

static void
stop_for_partitions(KabProducer *producer, const Output *output)
{
    const char *topic = name_of(producer, output);
    int n = producer->client->limits[output->destination].n_partitions;
    kab_producer_stop(
        producer,
        g_strdup_printf("output.partition = same, but topic %s has %d "
                        "partitions and a record came from %s [%d]; add the "
                        "missing ones: kafka-topics.sh --alter --topic %s "
                        "--partitions %d",
                        topic, n, output->input->topic,
                        (int)output->input->partition, topic,
                        (int)output->input->partition + 1));
}

/* Was it asked so recently that there is nothing new? */
static bool
is_believed(const KabProducer *producer, const Output *output)
{
    int64_t asked_us = producer->destinations[output->destination].asked_us;
    return g_get_monotonic_time() - asked_us < BELIEVED_US;
}

/* The partition is not known: asks for it, or refuses. */
static KabProduceStatus
miss_partition(KabProducer *producer, const Output *output)
{
    if (!is_believed(producer, output)) {
        producer->destinations[output->destination].asked_us =
            g_get_monotonic_time();
        kab_client_give(producer->client, KAB_DUTY_REFRESH, NULL);
        producer->is_full = true;
        return KAB_PRODUCE_FULL;
    }
    if (output->product->output.partition < 0) {
        stop_for_partitions(producer, output);
        producer->is_full = true;
        return KAB_PRODUCE_FULL;
    }
    lacks_partition(producer, output);
    return KAB_PRODUCE_REFUSED_RECORD;
}

bool
kab_producer_measure(KabProducer *producer,
                     const KabProduct *product,
                     const KabRecord *input,
                     void *message)
{
    Output output = {.product = product, .input = input, .message = message};
    if (!producer->client || !producer->client->is_open ||
        producer->client->is_busy)
        return true;
    resolve(producer, &output);
    if (!has_destination(producer, &output))
        return false;
    bool is_named = product->output.partition >= 0;
    if (is_named && !has_partition(producer, &output) &&
        is_believed(producer, &output)) {
        lacks_partition(producer, &output);
        return false;
    }
    rd_kafka_headers_t *headers = make_headers(producer, &output);
    bool is_possible = !is_too_large(producer, &output, headers);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return is_possible;
}

/* --- Producing --------------------------------------------------------- */

/* Takes the headers on success. */
static rd_kafka_resp_err_t
hand_over(KabProducer *producer,
          KabProduct *product,
          const Output *output,
          rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t values[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT,
         .u.rkt = producer->client->topics[output->destination]},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = output->partition},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)output->value.data, output->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)output->key.data, output->key.len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = output->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = product},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(producer->client->handle, values,
                           G_N_ELEMENTS(values) - (headers ? 0 : 1));
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

static KabProduceStatus
refuse(KabProducer *producer, const Output *output, rd_kafka_resp_err_t error)
{
    char text[256];
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        producer->is_full = true;
        return KAB_PRODUCE_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        explain(producer,
                "an output to topic %s is larger than "
                "producer.message.max.bytes",
                name_of(producer, output));
        return KAB_PRODUCE_REFUSED_RECORD;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
        producer->is_full = producer->is_doubtful = true;
        return KAB_PRODUCE_FULL;
    case RD_KAFKA_RESP_ERR__STATE:
        /* The transaction must be aborted; a report will say so. */
        if (!producer->client->n_unreported)
            break;
        producer->is_full = true;
        return KAB_PRODUCE_FULL;
    default:
        break;
    }
    g_snprintf(text, sizeof text, "an output to %s could not be produced: %s",
               name_of(producer, output), rd_kafka_err2str(error));
    producer->client->is_lost = true;
    producer->state.losses[KAB_LOSS_REFUSED]++;
    producer->setup.edge->log(producer->setup.edge->user, KAB_LOG_WARNING,
                              KAB_NOWHERE, text);
    return KAB_PRODUCE_LOST;
}

/* A suspect goes when nothing else is out, and nothing goes with it. */
static bool
must_wait(KabProducer *producer, KabProduct *product)
{
    bool is_quiet = !producer->client->n_unreported;
    if (is_quiet)
        producer->is_alone = false;
    bool is_suspect = g_hash_table_size(producer->suspects) &&
                      g_hash_table_contains(producer->suspects, product);
    bool must = producer->client->is_busy || producer->is_stopped ||
                producer->is_alone || (is_suspect && !is_quiet);
    producer->is_full |= must;
    if (!must && is_suspect) {
        g_hash_table_remove(producer->suspects, product);
        producer->is_alone = true;
    }
    return must;
}

KabProduceStatus
kab_producer_produce(KabProducer *producer,
                     KabProduct *product,
                     const KabRecord *input,
                     void *message,
                     const KabDeadLetter *letter)
{
    KabClient *client = producer->client;
    if (!client || !client->is_open || client->is_lost)
        return KAB_PRODUCE_LOST;
    if (must_wait(producer, product))
        return KAB_PRODUCE_FULL;
    Output output = {.product = product,
                     .input = input,
                     .message = message,
                     .letter = letter};
    resolve(producer, &output);
    if (!has_destination(producer, &output))
        return KAB_PRODUCE_REFUSED_RECORD;
    if (!has_partition(producer, &output))
        return miss_partition(producer, &output);
    rd_kafka_headers_t *headers = make_headers(producer, &output);
    KabProduceStatus status = KAB_PRODUCE_REFUSED_RECORD;
    if (!is_too_large(producer, &output, headers)) {
        rd_kafka_resp_err_t error =
            hand_over(producer, product, &output, headers);
        if (!error) {
            client->n_unreported++;
            return KAB_PRODUCE_OK;
        }
        status = refuse(producer, &output, error);
    }
    if (headers)
        rd_kafka_headers_destroy(headers);
    return status;
}
