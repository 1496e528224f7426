/* SPDX-License-Identifier: Apache-2.0 */
/* The hot path: hands one output to librdkafka.
 *
 * Only keys (by librdkafka) and headers are copied; the product itself is the
 * opaque of its delivery report. Destinations are found by comparing pointers.
 */
#include <string.h>

#include "letter.h"
#include "producer-output.h"

enum { HEADERS_ON_STACK = 32 };

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

static inline size_t
find_destination(KabProducer *producer, const char *topic)
{
    if (!topic)
        return producer->output;
    for (size_t i = 0; i < producer->n_outputs; i++)
        if (producer->destinations[i].alias == topic)
            return i;
    return find_by_name(producer, topic);
}

static inline int64_t
choose_timestamp(const KabProducer *producer, const KabProducerOutput *output)
{
    if (output->product->output.timestamp_ms >= 0)
        return output->product->output.timestamp_ms;
    if (producer->setup.timestamp_is_now)
        return 0;
    return MAX(output->input->timestamp_ms, 0);
}

static void
resolve_letter(KabProducer *producer, KabProducerOutput *output)
{
    output->destination = producer->dead_letter;
    output->partition = -1;
    if (output->product->kind == KAB_PRODUCT_TRUNCATED)
        return;
    output->key = output->input->key;
    output->value = output->input->value;
    output->timestamp_ms = MAX(output->input->timestamp_ms, 0);
}

/* Passes the input through, in place of an output of the function. */
static void
resolve_passed(KabProducer *producer, KabProducerOutput *output)
{
    output->destination = producer->output;
    output->key = output->input->key;
    output->value = output->input->value;
    output->partition =
        producer->setup.partition_is_same ? output->input->partition : -1;
    output->timestamp_ms = choose_timestamp(producer, output);
}

static inline void
resolve_output(KabProducer *producer, KabProducerOutput *output)
{
    const KabOutput *given = &output->product->output;
    output->destination = find_destination(producer, given->topic);
    output->key = given->key;
    output->value = given->value;
    output->partition = given->partition;
    if (given->partition < 0 && producer->setup.partition_is_same)
        output->partition = output->input->partition;
    output->timestamp_ms = choose_timestamp(producer, output);
}

/* What a record that failed becomes. */
static G_NO_INLINE void
resolve_failed(KabProducer *producer, KabProducerOutput *output)
{
    output->key = output->value = (KabBytes){NULL, 0};
    output->timestamp_ms = 0;
    if (output->product->kind == KAB_PRODUCT_PASSED)
        resolve_passed(producer, output);
    else
        resolve_letter(producer, output);
}

static inline void
resolve(KabProducer *producer, KabProducerOutput *output)
{
    if (output->product->kind == KAB_PRODUCT_OUTPUT)
        resolve_output(producer, output);
    else
        resolve_failed(producer, output);
}

void
kab_output_resolve(KabProducer *producer, KabProducerOutput *output)
{
    resolve(producer, output);
}

/* --- Headers ----------------------------------------------------------- */

/* How many of the input's headers are passed on. */
static inline size_t
count_passed(const KabProducer *producer, const KabProducerOutput *output)
{
    if (output->product->kind == KAB_PRODUCT_TRUNCATED)
        return 0;
    if (!output->letter && !producer->setup.passes_headers)
        return 0;
    return producer->setup.get_headers(output->message, NULL, 0);
}

static void
add_passed(const KabProducer *producer,
           const KabProducerOutput *output,
           size_t n,
           rd_kafka_headers_t *headers)
{
    KabHeader on_stack[HEADERS_ON_STACK];
    g_autofree KabHeader *on_heap =
        n > HEADERS_ON_STACK ? g_new(KabHeader, n) : NULL;
    KabHeader *passed = on_heap ? on_heap : on_stack;
    producer->setup.get_headers(output->message, passed, n);
    for (size_t i = 0; i < n; i++)
        if (!output->letter || !kab_letter_owns_header(passed[i].name))
            rd_kafka_header_add(headers, passed[i].name, -1,
                                passed[i].value.data,
                                (ssize_t)passed[i].value.len);
}

/* A dead letter is for people, and rare: it takes a selection of them. */
static rd_kafka_headers_t *
move_passed(const KabProducer *producer, const KabProducerOutput *output)
{
    if (!producer->setup.move_headers || output->letter ||
        !output->product->is_unread)
        return NULL;
    return producer->setup.move_headers(output->message);
}

static rd_kafka_headers_t *
take_passed(const KabProducer *producer,
            const KabProducerOutput *output,
            size_t n)
{
    rd_kafka_headers_t *headers = n ? move_passed(producer, output) : NULL;
    if (headers)
        return headers;
    headers = rd_kafka_headers_new(n + output->product->output.n_headers + 11);
    if (n)
        add_passed(producer, output, n, headers);
    return headers;
}

/* n: of the input's that are passed on. */
static G_NO_INLINE rd_kafka_headers_t *
make_headers(const KabProducer *producer,
             const KabProducerOutput *output,
             size_t n)
{
    const KabOutput *given = &output->product->output;
    rd_kafka_headers_t *headers = take_passed(producer, output, n);
    for (size_t i = 0; i < given->n_headers; i++)
        rd_kafka_header_add(headers, given->headers[i].name, -1,
                            given->headers[i].value.data,
                            (ssize_t)given->headers[i].value.len);
    if (output->letter)
        kab_letter_add_headers(headers, producer->setup.group,
                               producer->setup.edge->binding, output->input,
                               output->letter,
                               output->product->kind == KAB_PRODUCT_TRUNCATED);
    return headers;
}

static inline rd_kafka_headers_t *
new_headers(const KabProducer *producer, const KabProducerOutput *output)
{
    size_t n = count_passed(producer, output);
    if (!n && !output->product->output.n_headers && !output->letter)
        return NULL;
    return make_headers(producer, output, n);
}

rd_kafka_headers_t *
kab_output_new_headers(const KabProducer *producer,
                       const KabProducerOutput *output)
{
    return new_headers(producer, output);
}

size_t
kab_output_header_bytes(const rd_kafka_headers_t *headers)
{
    size_t bytes = 0, len;
    const char *name;
    const void *value;
    for (size_t i = 0;
         !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
        bytes += kab_topic_limits_header_bytes(strlen(name), value ? len : 0);
    return bytes;
}

/* --- Producing -------------------------------------------------------- */

void
kab_producer_prepare_values(KabProducer *producer)
{
    static const rd_kafka_vtype_t types[KAB_N_VALUES] = {
        [KAB_VALUE_TOPIC] = RD_KAFKA_VTYPE_RKT,
        [KAB_VALUE_PARTITION] = RD_KAFKA_VTYPE_PARTITION,
        [KAB_VALUE_VALUE] = RD_KAFKA_VTYPE_VALUE,
        [KAB_VALUE_KEY] = RD_KAFKA_VTYPE_KEY,
        [KAB_VALUE_TIMESTAMP] = RD_KAFKA_VTYPE_TIMESTAMP,
        [KAB_VALUE_OPAQUE] = RD_KAFKA_VTYPE_OPAQUE,
        [KAB_VALUE_HEADERS] = RD_KAFKA_VTYPE_HEADERS,
    };
    for (size_t i = 0; i < KAB_N_VALUES; i++)
        producer->values[i].vtype = types[i];
}

/* Takes the headers on success. */
static rd_kafka_resp_err_t
hand_over(KabProducer *producer,
          KabProduct *product,
          const KabProducerOutput *output,
          rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t *values = producer->values;
    values[KAB_VALUE_TOPIC].u.rkt =
        producer->client->topics[output->destination];
    values[KAB_VALUE_PARTITION].u.i32 = output->partition;
    values[KAB_VALUE_VALUE].u.mem.ptr = (void *)(uintptr_t)output->value.data;
    values[KAB_VALUE_VALUE].u.mem.size = output->value.len;
    values[KAB_VALUE_KEY].u.mem.ptr = (void *)(uintptr_t)output->key.data;
    values[KAB_VALUE_KEY].u.mem.size = output->key.len;
    values[KAB_VALUE_TIMESTAMP].u.i64 = output->timestamp_ms;
    values[KAB_VALUE_OPAQUE].u.ptr = product;
    values[KAB_VALUE_HEADERS].u.headers = headers;
    rd_kafka_error_t *error = rd_kafka_produceva(
        producer->client->handle, values, KAB_N_VALUES - (headers ? 0 : 1));
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

/* Nothing in the way of any output, as nearly always? */
static bool
is_free(const KabProducer *producer)
{
    return !producer->client->is_busy && !producer->is_stopped &&
           !producer->is_alone && !g_hash_table_size(producer->suspects);
}

/* A suspect is produced alone: nothing else may be unreported then. */
static bool
must_wait(KabProducer *producer, KabProduct *product)
{
    bool is_quiet = !producer->client->n_unreported;
    if (is_quiet)
        producer->is_alone = false;
    bool is_suspect = g_hash_table_contains(producer->suspects, product);
    bool must = producer->client->is_busy || producer->is_stopped ||
                producer->is_alone || (is_suspect && !is_quiet);
    producer->is_full |= must;
    if (!must && is_suspect) {
        g_hash_table_remove(producer->suspects, product);
        producer->is_alone = true;
    }
    return must;
}

/* Takes the headers on success. */
static KabProduceStatus
produce_output(KabProducer *producer,
               KabProduct *product,
               const KabProducerOutput *output,
               rd_kafka_headers_t *headers)
{
    size_t excess = kab_output_excess(producer, output, headers);
    if (excess)
        return kab_output_exceed_limit(producer, output, excess);
    rd_kafka_resp_err_t error = hand_over(producer, product, output, headers);
    if (error)
        return kab_output_refuse(producer, output, error);
    if (!producer->client->n_unreported++)
        producer->client->quiet_us = producer->now;
    return KAB_PRODUCE_OK;
}

KabProduceStatus
kab_producer_produce(void *user,
                     KabProduct *product,
                     const KabRecord *input,
                     void *message,
                     const KabDeadLetter *letter)
{
    KabProducer *producer = user;
    KabClient *client = producer->client;
    if (!client || !client->is_open || client->is_lost)
        return KAB_PRODUCE_LOST;
    if (!is_free(producer) && must_wait(producer, product))
        return KAB_PRODUCE_FULL;
    KabProducerOutput output; /* the rest by resolve() */
    output.product = product;
    output.input = input;
    output.message = message;
    output.letter = letter;
    resolve(producer, &output);
    if (!kab_output_has_destination(producer, &output))
        return KAB_PRODUCE_REFUSED_RECORD;
    if (!kab_output_has_partition(producer, &output))
        return kab_output_miss_partition(producer, &output);
    rd_kafka_headers_t *headers = new_headers(producer, &output);
    KabProduceStatus status =
        produce_output(producer, product, &output, headers);
    if (status != KAB_PRODUCE_OK && headers)
        rd_kafka_headers_destroy(headers);
    return status;
}
