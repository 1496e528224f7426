/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge try --find-batch: which batch size, and how many calls in flight? */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "configuration.h"

typedef struct {
    const char *in_name;
    bool is_json; /* lines are records as JSON, and so is what is printed */
    int seconds;  /* for everything after the first answer */
} KabTryFindSetup;

/* Measures the binding's function over the lines of `in` and prints what was
 * found. The binding's batch.count, batch.bytes and max.in.flight are ceilings,
 * and latency.target says how long a call may take: settings as `batching =
 * adaptive` reads them. Returns the exit status; errors have been printed. */
int kab_try_find_batch(const KabBindingSettings *settings,
                       FILE *in,
                       const KabTryFindSetup *setup);
