/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a function on lines of text, without Kafka.
 *
 * The engine and the executor are those of a running bridge. Around them, the
 * lines form one partition, printing is the sink, and a commit succeeds at
 * once. So batches, order, retries and splitting are as in a bridge.
 */
#pragma once

#include <stdio.h>

#include "configuration.h"
#include "try-print.h"

/* Result of a trial: counts of lines and of calls. */
typedef struct {
    uint64_t n_lines, n_done, n_dropped, n_bad, n_batches;
    uint64_t n_batched;          /* records of all batches, retries included */
    uint64_t max_batch;          /* largest batch, in records */
    int64_t call_us, longest_us; /* total of all calls, and the longest */
    uint64_t n_calls;            /* answered calls */
    int64_t took_us;             /* of the whole trial */
    bool has_leaked; /* a thread could not be ended: leave the process */
} KabTryResult;

/* Runs the binding's function over every line of `in`, and prints the outcome
 * of each (try-print.h); with KAB_TRY_JSON the lines are records as JSON.
 * False: the function failed to open, or gave up. Does not return while the
 * function does not. */
bool kab_try_run(const KabBindingSettings *settings,
                 FILE *in,
                 const char *in_name,
                 KabTryFormat format,
                 KabTryResult *ret_result,
                 GError **error);
