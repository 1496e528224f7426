/* SPDX-License-Identifier: Apache-2.0 */
/* Which batch sizes and numbers of calls in flight `try --find-batch`
 * measures, and which of them it recommends.
 *
 * Pure: cells come in with what was measured, and the next cell to measure
 * follows from those alone.
 *
 *   rows   calls in flight: 1, 2, 4 … the ceiling, as long as a row's best
 *          throughput is clearly above that of the rows before it
 *   cells  records in a batch: 1, 2, 4 … the ceiling. The first row takes all
 *          of them until one is beyond the budget, is refused or falls off.
 *          Later rows climb from the best size of the row before. In the end
 *          the recommended row is completed, so that its curve can be drawn
 *
 * The recommended cell has all but a twentieth of the best throughput within
 * the budget, with as few records in flight as possible.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef enum {
    KAB_TRY_CELL_OK,
    KAB_TRY_CELL_BEYOND,  /* 99 % of its calls are not within the budget */
    KAB_TRY_CELL_REFUSED, /* the function refused it; `reason` */
} KabTryCellEnd;

/* One measurement: batches of so many records, so many calls in flight. */
typedef struct {
    size_t records;
    unsigned calls;
    KabTryCellEnd end;
    char *reason;      /* REFUSED: the function's words; owned */
    double throughput; /* records per second */
    int64_t p50_us, p99_us;
    uint64_t n_calls; /* that were counted */
} KabTryCell;

/* Embedded in its owner; kab_try_search_init() before anything else. The
 * ceilings may be changed between cells. */
typedef struct {
    int64_t budget_us;  /* of one call */
    size_t max_records; /* at least 1 */
    unsigned max_calls; /* at least 1 */
    GArray *cells;      /* KabTryCell, in the order of measurement */
} KabTrySearch;

/* Why the recommendation is not larger. */
typedef enum {
    KAB_TRY_LIMIT_GAIN,    /* more gains less than a twentieth */
    KAB_TRY_LIMIT_BUDGET,  /* more is beyond the budget */
    KAB_TRY_LIMIT_REFUSED, /* more is refused */
    KAB_TRY_LIMIT_CEILING, /* the ceiling, and throughput still grew */
    KAB_TRY_LIMIT_UNKNOWN, /* more was not measured */
} KabTryLimit;

typedef struct {
    const KabTryCell *cell; /* borrowed from the search; NULL: none was
                               measured */
    KabTryLimit records_limit, calls_limit;
    /* The cell that shows the limit; NULL for CEILING and UNKNOWN. */
    const KabTryCell *more_records, *more_calls;
} KabTryAdvice;

void kab_try_search_init(KabTrySearch *search,
                         int64_t budget_us,
                         size_t max_records,
                         unsigned max_calls);
void kab_try_search_clear(KabTrySearch *search);
/* The next cell to measure; false: the search is complete. */
bool kab_try_search_next(const KabTrySearch *search,
                         size_t *ret_records,
                         unsigned *ret_calls);
/* Takes the cell's reason. */
void kab_try_search_add(KabTrySearch *search, const KabTryCell *cell);
/* NULL: not measured. Borrowed until the next cell is added. */
const KabTryCell *
kab_try_search_find(const KabTrySearch *search, size_t records, unsigned calls);
/* The row's cell with the best throughput within the budget; NULL: none. */
const KabTryCell *kab_try_search_best(const KabTrySearch *search,
                                      unsigned calls);
/* The size after `records` on the scale of sizes; 0: none. */
size_t kab_try_search_larger(const KabTrySearch *search, size_t records);
unsigned kab_try_search_more(const KabTrySearch *search, unsigned calls);
KabTryAdvice kab_try_search_advise(const KabTrySearch *search);
