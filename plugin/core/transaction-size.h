/* SPDX-License-Identifier: Apache-2.0 */
/* How much one transaction may hold.
 *
 * Behind a slow wire a transaction that holds too much times out, and all of
 * it is sent again. The size at which one failed is remembered. The next one
 * may hold half of it; those that succeed raise the limit in steps to three
 * quarters, where it stays. After some more successes twice the remembered
 * size is tried. Each time that it fails again more successes are awaited, so
 * that failures become rare; a size that never fails again is forgotten.
 *
 * Pure, without time: transactions are its clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Embedded in the sink. */
typedef struct {
    size_t limit;       /* a transaction that holds as much settles */
    size_t failed;      /* one failed with this much; 0: none is remembered */
    unsigned successes; /* at the steady limit, since the last change */
    unsigned patience;  /* as many successes, and more is tried */
    bool has_failed;    /* the last one: no success since then */
} KabTransactionSize;

/* At most `most` bytes: what the budget leaves. */
void kab_transaction_size_init(KabTransactionSize *size, size_t most);
/* A transaction that held so much failed, perhaps because of its size. */
void kab_transaction_size_note_failure(KabTransactionSize *size, size_t held);
void kab_transaction_size_note_success(KabTransactionSize *size,
                                       size_t held,
                                       size_t most);
