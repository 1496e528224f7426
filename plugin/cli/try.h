/* SPDX-License-Identifier: Apache-2.0 */
/* A function tried out on lines of text, without Kafka.
 *
 * The engine and the executor are those of a running bridge; around them the
 * lines are the one partition, printing is the sink, and a commit succeeds at
 * once. So batches, order, retries and halving are what a bridge would do.
 */
#pragma once

#include <stdio.h>

#include "configuration.h"

/* What became of the lines. */
typedef struct {
    uint64_t n_lines, n_done, n_dropped, n_bad, n_batches;
    bool has_leaked; /* a thread could not be ended: leave the process */
} KabTryResult;

/* Runs the binding's function over every line of `in`; outputs go to stdout
 * in the order of the lines, lines that failed to stderr with their place.
 * False: the function did not open, or gave up. With a function that does not
 * return it does not either. */
bool kab_try_run(const KabBindingSettings *settings,
                 FILE *in,
                 const char *in_name,
                 KabTryResult *ret_result,
                 GError **error);
