/* SPDX-License-Identifier: Apache-2.0 */
/* How much one transaction may hold: see transaction-size.h. */
#include <glib.h>

#include "transaction-size.h"

/* One that held less failed for another reason, unless it was full. */
#define SMALL ((size_t)256 << 10)

enum { PATIENCE = 16, PATIENCE_MAX = 4096 };

void
kab_transaction_size_init(KabTransactionSize *size, size_t most)
{
    *size = (KabTransactionSize){.limit = most};
}

/* Failures without a success between them have one cause, perhaps an outage:
 * they make the limit smaller, but the wait before more is tried no longer. */
static void
lengthen_patience(KabTransactionSize *size)
{
    if (!size->has_failed)
        size->patience = CLAMP(size->patience * 2, PATIENCE, PATIENCE_MAX);
    size->has_failed = true;
}

void
kab_transaction_size_note_failure(KabTransactionSize *size, size_t held)
{
    bool is_small = held < SMALL && held < size->limit / 2;
    if (is_small)
        return;
    lengthen_patience(size);
    size->failed = MIN(size->limit, MAX(held, SMALL));
    size->limit = MAX(size->failed / 2, 1);
    size->successes = 0;
}

/* Three quarters of what failed. */
static size_t
steady_limit(const KabTransactionSize *size, size_t most)
{
    return size->failed ? MIN(size->failed - size->failed / 4, most) : most;
}

/* Without a failure for so long, the next one counts less. */
static void
try_more(KabTransactionSize *size, size_t most)
{
    size->successes = 0;
    if (!size->failed)
        size->patience /= 2;
    size->failed *= 2;
    if (steady_limit(size, most) == most)
        size->failed = 0;
}

void
kab_transaction_size_note_success(KabTransactionSize *size,
                                  size_t held,
                                  size_t most)
{
    bool is_full = held >= size->limit;
    size_t steady = steady_limit(size, most);
    size_t step = size->failed ? size->failed / 8 + 1 : size->limit;
    size->has_failed = false;
    if (size->limit >= steady) {
        size->limit = MAX(steady, 1);
        size->successes += is_full;
    } else if (is_full || !size->failed) {
        size->limit = MIN(size->limit + step, steady);
    }
    if (size->successes >= size->patience)
        try_more(size, most);
}
