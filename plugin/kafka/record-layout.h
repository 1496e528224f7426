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
#include <stdint.h>

#include <librdkafka/rdkafka.h>

enum { KAB_RECORD_LAYOUT_NO_KEY = 1 /* the varint of length -1 */ };

/* Where the varint that ends at `end` begins. NULL: it is not this number, or
 * longer than need be. From the end it comes highest bits first. */
static inline const unsigned char *
kab_record_layout_find_varint(const unsigned char *end, uint64_t number)
{
    const unsigned char *at = end - 1;
    uint64_t seen = *at;
    if (seen == 0 || seen > 0x7F)
        return NULL;
    while (seen < number) {
        if (*--at <= 0x7F)
            return NULL;
        seen = seen << 7 | (*at & 0x7F);
    }
    return seen == number ? at : NULL;
}

/* Is what ends at `end` the key, or the length that means none? */
static inline bool
kab_record_layout_is_behind_key(const rd_kafka_message_t *message,
                                const unsigned char *end)
{
    if (message->key)
        return (const unsigned char *)message->key + message->key_len == end;
    return end[-1] == KAB_RECORD_LAYOUT_NO_KEY;
}

/* True: the message stands in a record batch as the protocol has it, and its
 * number of headers is 0. False: ask librdkafka. Empty values and keys may have
 * an address of their own. */
static inline bool
kab_record_layout_lacks_headers(const rd_kafka_message_t *message)
{
    const unsigned char *value = message->payload;
    if (!value || !message->len || (message->key && !message->key_len))
        return false;
    uint64_t zigzag = (uint64_t)message->len << 1;
    const unsigned char *length = kab_record_layout_find_varint(value, zigzag);
    return length && kab_record_layout_is_behind_key(message, length) &&
           value[message->len] == 0;
}
