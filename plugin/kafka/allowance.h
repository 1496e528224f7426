/* SPDX-License-Identifier: Apache-2.0 */
/* An allowance of log lines about one thing: some at once, then one per period.
 * During an outage that lasts or comes and goes, the same few lines would
 * otherwise fill the log. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* Zero-initialised; one thread. */
typedef struct {
    int64_t refilled_us;
    unsigned n_used;
    unsigned n_left_out; /* for the caller: lines suppressed so far */
} KabAllowance;

/* May one more line be logged now? */
static inline bool
kab_allowance_take(KabAllowance *allowance,
                   unsigned most,
                   int64_t refill_us,
                   int64_t now)
{
    int64_t n_refilled = (now - allowance->refilled_us) / refill_us;
    if (n_refilled > 0) {
        allowance->n_used -= (unsigned)MIN(n_refilled, allowance->n_used);
        allowance->refilled_us = now;
    }
    if (allowance->n_used >= most)
        return false;
    allowance->n_used++;
    return true;
}
