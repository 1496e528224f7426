/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the topics we write to: partitions, and bytes.
 *
 * The broker measures a request, not a record: the smallest limit of all
 * destinations bounds a request (batch.size), and each record is measured as a
 * request of its own before it is produced.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "types.h"

/* The broker's default for max.message.bytes. */
enum { KAB_TOPIC_LIMITS_DEFAULT_BYTES = 1048588 };

typedef struct {
    int32_t n_partitions;
    size_t max_bytes; /* max.message.bytes */
} KabTopicLimits;

typedef enum {
    KAB_TOPIC_EXISTS,
    KAB_TOPIC_MISSING,
    KAB_TOPIC_FORBIDDEN, /* not authorised; see *ret_error */
    KAB_TOPIC_UNKNOWN,   /* no broker answered, or no leader yet */
} KabTopicAnswer;

/* Asks for a topic's partitions; librdkafka then knows the topic, so that the
 * first record to it does not wait. Blocks. Thread: any */
KabTopicAnswer kab_topic_limits_ask_partitions(rd_kafka_t *client,
                                               rd_kafka_topic_t *handle,
                                               int timeout_ms,
                                               int32_t *ret_n_partitions,
                                               rd_kafka_resp_err_t *ret_error);
/* Asks for max.message.bytes of each topic; fills in the default where that is
 * refused. False: no broker answered. Blocks. Thread: any */
bool kab_topic_limits_ask_bytes(rd_kafka_t *client,
                                char *const *topics,
                                size_t n,
                                int timeout_ms,
                                KabTopicLimits *limits);

/* Returns a new string: under output.partition = same the output has fewer
 * partitions than the input, and what to do about it. Thread: any */
char *kab_topic_limits_dup_shortage(const char *output,
                                    int n_output,
                                    const char *input,
                                    int n_input,
                                    const char *bootstrap);

/* Size of a request with only this record, without headers: 61 bytes of the
 * batch's header, and the record's fields besides key, value and headers:
 * length, attributes, timestamp and offset deltas, lengths of key and value,
 * number of headers. Alone in its batch, its deltas are 0. Thread: any */
static inline size_t
kab_topic_limits_record_bytes(size_t key_len, size_t value_len)
{
    return 61 + (5 + 1 + 1 + 1 + 5 + 5 + 5) + key_len + value_len;
}

size_t kab_topic_limits_header_bytes(size_t name_len, size_t value_len);
