/* SPDX-License-Identifier: Apache-2.0 */
#include "record-layout.h"

#include <stdint.h>

enum { NO_KEY = 1 /* the varint of length -1 */ };

static uint64_t
zigzag_of(size_t length)
{
    return (uint64_t)length << 1;
}

static size_t
count_varint_bytes(uint64_t zigzag)
{
    size_t n = 1;
    while (zigzag >>= 7)
        n++;
    return n;
}

static bool
is_varint(const unsigned char *at, uint64_t zigzag)
{
    for (; zigzag > 0x7F; zigzag >>= 7)
        if (*at++ != (unsigned char)(zigzag | 0x80))
            return false;
    return *at == zigzag;
}

/* Is what ends at `end` the key, or the length that means none? */
static bool
is_behind_key(const rd_kafka_message_t *message, const unsigned char *end)
{
    if (message->key)
        return (const unsigned char *)message->key + message->key_len == end;
    return end[-1] == NO_KEY;
}

/* Empty values and keys may have an address of their own. */
bool
kab_record_layout_lacks_headers(const rd_kafka_message_t *message)
{
    const unsigned char *value = message->payload;
    if (!value || !message->len || (message->key && !message->key_len))
        return false;
    uint64_t zigzag = zigzag_of(message->len);
    const unsigned char *length = value - count_varint_bytes(zigzag);
    return is_behind_key(message, length) && is_varint(length, zigzag) &&
           value[message->len] == 0;
}
