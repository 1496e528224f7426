/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that a function names itself: tokens, rows, cache hits.
 *
 * A fixed table, filled from the front, that never shrinks. Adding to a known
 * name takes no lock, so a function may count for every record.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kabridge/function.h"

/* One counter at one moment. */
typedef struct {
    const char *name; /* interned: lives as long as the process */
    uint64_t n;
} KabUnitCount;

/* Embedded in the context of a function, zeroed. Thread: any. */
typedef struct {
    struct {
        _Atomic(const char *) name; /* interned; NULL: free; free slots come
                                     * last */
        atomic_uint_fast64_t n;
    } slots[KAB_MAX_UNITS];
} KabUnits;

/* False: the table is full and does not contain the name. Thread: any. */
bool kab_units_add(KabUnits *units, const char *name, uint64_t n);
/* Fills in at most KAB_MAX_UNITS counts; returns how many. Thread: any. */
size_t kab_units_read(KabUnits *units, KabUnitCount *ret_counts);
