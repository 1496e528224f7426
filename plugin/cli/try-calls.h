/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a trial: their durations, and the records with the topic,
 * partition, offset and timestamp given in their lines.
 */
#pragma once

#include <glib.h>

#include "types.h"

/* Embedded in the trial; loop thread. */
typedef struct {
    GHashTable *open; /* KabAttempt -> state of its call */
    uint64_t n, max_records;
    int64_t sum_us, longest_us;
} KabTryCalls;

void kab_try_calls_init(KabTryCalls *calls);
void kab_try_calls_clear(KabTryCalls *calls);
/* Call before the function. With has_places, the attempt's records become those
 * given in the lines, until kab_try_calls_end(). */
void
kab_try_calls_begin(KabTryCalls *calls, KabAttempt *attempt, bool has_places);
void kab_try_calls_entered(KabTryCalls *calls,
                           KabAttempt *attempt,
                           int64_t entered_us);
void
kab_try_calls_answered(KabTryCalls *calls, KabAttempt *attempt, int64_t now_us);
void kab_try_calls_end(KabTryCalls *calls, KabAttempt *attempt);
