/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of encoded offset intervals.
 *
 * The encoding (written by plugin/kafka/committed.c) is a row of LEB128
 * varints: the distance from the end of the previous interval (from the
 * committed offset for the first), then the length. The engine needs its
 * size to keep a commit below the broker's offset.metadata.max.bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "types.h"

static inline size_t
kab_varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

/* Bytes that one interval takes after `previous`. */
static inline size_t
kab_interval_size(int64_t previous, KabInterval interval)
{
    return kab_varint_size((uint64_t)(interval.from - previous)) +
           kab_varint_size((uint64_t)(interval.to - interval.from));
}
