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

/* A digest of intervals, to tell whether two commits are the same. */
static inline uint64_t
kab_intervals_digest(const KabInterval *intervals, size_t n)
{
    uint64_t digest = n;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ (uint64_t)intervals[i].from) *
                 UINT64_C(0x9e3779b97f4a7c15);
        digest =
            (digest ^ (uint64_t)intervals[i].to) * UINT64_C(0xc2b2ae3d27d4eb4f);
        digest ^= digest >> 31;
    }
    return digest;
}
