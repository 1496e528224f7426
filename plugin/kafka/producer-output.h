/* SPDX-License-Identifier: Apache-2.0 */
/* One output on its way through producer-produce.c, the hot path, and
 * producer-refuse.c, which says why an output cannot be written.
 */
#pragma once

#include "producer-internal.h"

/* One output with all options of the binding applied. */
typedef struct {
    size_t destination;
    KabBytes key, value;
    int32_t partition;    /* -1: librdkafka's partitioner */
    int64_t timestamp_ms; /* 0: now */
    const KabProduct *product;
    const KabRecord *input;
    void *message;
    const KabDeadLetter *letter;
} KabProducerOutput;

/* producer-produce.c */
/* Fills in what follows from product, input and the binding's options. */
void kab_output_resolve(KabProducer *producer, KabProducerOutput *output);
/* Returns new headers, or NULL for none. */
rd_kafka_headers_t *kab_output_new_headers(const KabProducer *producer,
                                           const KabProducerOutput *output);
size_t kab_output_header_bytes(const rd_kafka_headers_t *headers);

/* By how many bytes the output exceeds the limit; 0: not at all, or it is
 * compressed and only the broker can tell. */
static inline size_t
kab_output_excess(const KabProducer *producer,
                  const KabProducerOutput *output,
                  const rd_kafka_headers_t *headers)
{
    if (producer->is_compressed)
        return 0;
    size_t bytes =
        kab_topic_limits_record_bytes(output->key.len, output->value.len);
    if (headers)
        bytes += kab_output_header_bytes(headers);
    size_t limit = producer->client->limits[output->destination].max_bytes;
    return bytes <= limit ? 0 : bytes - limit;
}

static inline bool
kab_output_has_partition(const KabProducer *producer,
                         const KabProducerOutput *output)
{
    return output->partition <
           producer->client->limits[output->destination].n_partitions;
}

/* producer-refuse.c */
/* Only for kab_output_has_destination(). */
void kab_output_explain_destination(KabProducer *producer);

/* False: no topic of the binding is meant; explained. */
static inline bool
kab_output_has_destination(KabProducer *producer,
                           const KabProducerOutput *output)
{
    if (output->destination != SIZE_MAX)
        return true;
    kab_output_explain_destination(producer);
    return false;
}

/* The partition is unknown: asks for the topic's partitions again, or
 * refuses. */
KabProduceStatus kab_output_miss_partition(KabProducer *producer,
                                           const KabProducerOutput *output);
/* The topic's limit may have been raised since: asks for it again before
 * refusing the record. */
KabProduceStatus kab_output_exceed_limit(KabProducer *producer,
                                         const KabProducerOutput *output,
                                         size_t excess);
/* librdkafka has refused the output. */
KabProduceStatus kab_output_refuse(KabProducer *producer,
                                   const KabProducerOutput *output,
                                   rd_kafka_resp_err_t error);
