/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumed record's own bytes say, before librdkafka is asked.
 *
 * librdkafka answers "has it headers?" by parsing them, which allocates even
 * where there are none and then costs a fifth of the whole way of a small
 * record. Its messages point into the fetch response, where the protocol puts
 * the number of headers right behind the value (record batches, magic 2):
 *
 *   ... key length | key | value length | value | number of headers | headers
 *
 * The lengths are zigzag varints. Older message sets (magic 0 and 1) have
 * 32-bit lengths there, which never look like these: the first byte of a
 * varint of several bytes is above 127, that of a valid length below.
 */
#pragma once

#include <stdbool.h>

#include <librdkafka/rdkafka.h>

/* True: the message stands in a record batch as the protocol has it, and its
 * number of headers is 0. False: ask librdkafka. */
bool kab_record_layout_lacks_headers(const rd_kafka_message_t *message);
