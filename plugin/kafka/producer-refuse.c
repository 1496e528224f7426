/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that cannot be written, or not now: why, and what follows. */
#include <string.h>

#include "producer-output.h"

/* Do not ask for partitions and limits more often than this. */
#define BELIEVED_US (5 * G_USEC_PER_SEC)

static void G_GNUC_PRINTF(2, 3)
    explain(KabProducer *producer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_vsnprintf(producer->refusal, sizeof producer->refusal, format, args);
    va_end(args);
}

const char *
kab_producer_explain(void *user)
{
    const KabProducer *producer = user;
    return producer->refusal;
}

static const char *
name_of(const KabProducer *producer, const KabProducerOutput *output)
{
    return producer->destinations[output->destination].name;
}

void
kab_output_explain_destination(KabProducer *producer)
{
    explain(producer, "an output has no topic that the binding writes to");
}

/* Were partitions and limits asked for so recently that asking again is
 * useless? */
static bool
is_believed(const KabProducer *producer, const KabProducerOutput *output)
{
    int64_t asked_us = producer->destinations[output->destination].asked_us;
    return asked_us && g_get_monotonic_time() - asked_us < BELIEVED_US;
}

/* Asks for the destination's partitions and limits again. */
static void
ask_destination(KabProducer *producer, const KabProducerOutput *output)
{
    producer->destinations[output->destination].asked_us =
        g_get_monotonic_time();
    kab_client_give(producer->client, KAB_DUTY_REFRESH, NULL);
}

static void
exceeds_limit(KabProducer *producer,
              const KabProducerOutput *output,
              size_t excess)
{
    size_t limit = producer->client->limits[output->destination].max_bytes;
    explain(producer,
            "an output of %zu bytes is more than topic %s takes "
            "(max.message.bytes %zu)",
            limit + excess, name_of(producer, output), limit);
}

static void
lacks_partition(KabProducer *producer, const KabProducerOutput *output)
{
    explain(producer,
            "an output names partition %d, which topic %s does not have",
            (int)output->partition, name_of(producer, output));
}

static void
stop_for_partitions(KabProducer *producer, const KabProducerOutput *output)
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

KabProduceStatus
kab_output_miss_partition(KabProducer *producer,
                          const KabProducerOutput *output)
{
    if (!is_believed(producer, output)) {
        ask_destination(producer, output);
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

KabProduceStatus
kab_output_exceed_limit(KabProducer *producer,
                        const KabProducerOutput *output,
                        size_t excess)
{
    if (!is_believed(producer, output)) {
        ask_destination(producer, output);
        producer->is_full = true;
        return KAB_PRODUCE_FULL;
    }
    exceeds_limit(producer, output, excess);
    return KAB_PRODUCE_REFUSED_RECORD;
}

KabProduceStatus
kab_output_refuse(KabProducer *producer,
                  const KabProducerOutput *output,
                  rd_kafka_resp_err_t error)
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
        /* The transaction must be aborted: an outstanding delivery report will
         * say so. Without one, judge the error here. */
        if (!producer->client->n_unreported)
            break;
        producer->is_full = true;
        return KAB_PRODUCE_FULL;
    default:
        break;
    }
    g_snprintf(text, sizeof text, "an output to %s could not be produced: %s",
               name_of(producer, output), rd_kafka_err2str(error));
    kab_producer_note_loss(producer, producer->client, KAB_LOSS_REFUSED, text);
    return KAB_PRODUCE_LOST;
}

/* While the client asks for limits it is busy: the record's first output
 * waits, and all its outputs are measured again. */
static bool
measure_output(KabProducer *producer,
               const KabProducerOutput *output,
               size_t excess)
{
    bool lacks = output->product->output.partition >= 0 &&
                 !kab_output_has_partition(producer, output);
    if (!lacks && !excess)
        return true;
    if (!is_believed(producer, output)) {
        ask_destination(producer, output);
        return true;
    }
    if (lacks)
        lacks_partition(producer, output);
    else
        exceeds_limit(producer, output, excess);
    return false;
}

bool
kab_producer_measure(void *user,
                     const KabProduct *product,
                     const KabRecord *input,
                     void *message)
{
    KabProducer *producer = user;
    KabProducerOutput output = {
        .product = product, .input = input, .message = message};
    if (!producer->client || !producer->client->is_open ||
        producer->client->is_busy)
        return true;
    kab_output_resolve(producer, &output);
    if (!kab_output_has_destination(producer, &output))
        return false;
    rd_kafka_headers_t *headers = kab_output_new_headers(producer, &output);
    size_t excess = kab_output_excess(producer, &output, headers);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return measure_output(producer, &output, excess);
}
