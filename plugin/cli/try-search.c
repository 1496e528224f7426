/* SPDX-License-Identifier: Apache-2.0 */
#include "try-search.h"

/* A row must have this much more than the rows before it to be followed by
 * another, and a cell this much more than a cheaper one to be preferred. */
#define GAIN 1.05
/* Two cells this far below the best of their row end the climb; one may be a
 * measurement that something disturbed. */
#define FALL 0.9
#define FALLS 2

void
kab_try_search_init(KabTrySearch *search,
                    int64_t budget_us,
                    size_t max_records,
                    unsigned max_calls)
{
    *search = (KabTrySearch){
        .budget_us = budget_us,
        .max_records = MAX(max_records, 1u),
        .max_calls = MAX(max_calls, 1u),
        .cells = g_array_new(FALSE, FALSE, sizeof(KabTryCell)),
    };
}

void
kab_try_search_clear(KabTrySearch *search)
{
    for (guint i = 0; i < search->cells->len; i++)
        g_free(g_array_index(search->cells, KabTryCell, i).reason);
    g_array_unref(search->cells);
}

void
kab_try_search_add(KabTrySearch *search, const KabTryCell *cell)
{
    g_array_append_val(search->cells, *cell);
}

/* --- Looked up --------------------------------------------------------- */

static const KabTryCell *
cell_at(const KabTrySearch *search, guint i)
{
    return &g_array_index(search->cells, KabTryCell, i);
}

const KabTryCell *
kab_try_search_find(const KabTrySearch *search, size_t records, unsigned calls)
{
    for (guint i = 0; i < search->cells->len; i++) {
        const KabTryCell *cell = cell_at(search, i);
        if (cell->records == records && cell->calls == calls)
            return cell;
    }
    return NULL;
}

/* calls 0: of all rows. */
const KabTryCell *
kab_try_search_best(const KabTrySearch *search, unsigned calls)
{
    const KabTryCell *best = NULL;
    for (guint i = 0; i < search->cells->len; i++) {
        const KabTryCell *cell = cell_at(search, i);
        if (cell->end == KAB_TRY_CELL_OK && (!calls || cell->calls == calls) &&
            (!best || cell->throughput > best->throughput))
            best = cell;
    }
    return best;
}

static size_t
next_power(size_t n, size_t max)
{
    return n >= max ? 0 : MIN(2 * n, max);
}

size_t
kab_try_search_larger(const KabTrySearch *search, size_t records)
{
    return next_power(records, search->max_records);
}

unsigned
kab_try_search_more(const KabTrySearch *search, unsigned calls)
{
    return (unsigned)next_power(calls, search->max_calls);
}

/* The size before `records` on the scale of sizes; 0: none. */
static size_t
smaller_size(size_t records)
{
    size_t size = 1;
    while (2 * size < records)
        size *= 2;
    return records > 1 ? size : 0;
}

/* --- What to measure next ---------------------------------------------- */

/* Has throughput fallen off between the best cell of the row and this one? */
static bool
has_fallen(const KabTrySearch *search, const KabTryCell *cell)
{
    const KabTryCell *best = kab_try_search_best(search, cell->calls);
    return best && cell->throughput < FALL * best->throughput;
}

/* A cell that was refused with no more calls in flight and no more records:
 * this one would be, too. */
static const KabTryCell *
find_refusal(const KabTrySearch *search, size_t records, unsigned calls)
{
    for (guint i = 0; i < search->cells->len; i++) {
        const KabTryCell *cell = cell_at(search, i);
        if (cell->end == KAB_TRY_CELL_REFUSED && cell->records <= records &&
            cell->calls <= calls)
            return cell;
    }
    return NULL;
}

/* From `from` to larger sizes, as long as they may be better; 0: none is
 * missing. */
static size_t
climb_row(const KabTrySearch *search, unsigned calls, size_t from)
{
    const KabTryCell *best = kab_try_search_best(search, calls);
    unsigned n_fallen = 0;
    for (size_t size = from; size > 0;
         size = kab_try_search_larger(search, size)) {
        const KabTryCell *cell = kab_try_search_find(search, size, calls);
        if (!cell)
            return find_refusal(search, size, calls) ? 0 : size;
        if (cell->end != KAB_TRY_CELL_OK)
            return 0;
        n_fallen += size > best->records && has_fallen(search, cell);
        if (n_fallen == FALLS)
            return 0;
    }
    return 0;
}

/* From `from` to smaller sizes, as long as they may be better: a larger one may
 * be beyond the budget with so many calls in flight. */
static size_t
descend_row(const KabTrySearch *search, unsigned calls, size_t from)
{
    const KabTryCell *best = kab_try_search_best(search, calls);
    unsigned n_fallen = 0;
    for (size_t size = from; size > 0; size = smaller_size(size)) {
        const KabTryCell *cell = kab_try_search_find(search, size, calls);
        if (!cell)
            return size;
        if (cell->end == KAB_TRY_CELL_REFUSED)
            return 0;
        n_fallen += best && size < best->records && has_fallen(search, cell);
        if (n_fallen == FALLS)
            return 0;
    }
    return 0;
}

static size_t
next_of_row(const KabTrySearch *search, unsigned calls, size_t from)
{
    size_t size = climb_row(search, calls, MIN(from, search->max_records));
    return size ? size
                : descend_row(search, calls, MIN(from, search->max_records));
}

/* The recommended row's missing sizes below its best, for the curve. */
static size_t
next_of_curve(const KabTrySearch *search, const KabTryCell *chosen)
{
    for (size_t size = 1; size > 0 && size < chosen->records;
         size = kab_try_search_larger(search, size))
        if (!kab_try_search_find(search, size, chosen->calls))
            return size;
    return 0;
}

bool
kab_try_search_next(const KabTrySearch *search,
                    size_t *ret_records,
                    unsigned *ret_calls)
{
    double best_before = 0;
    size_t from = 1;
    for (unsigned calls = 1; calls > 0;
         calls = kab_try_search_more(search, calls)) {
        *ret_calls = calls;
        *ret_records = next_of_row(search, calls, from);
        if (*ret_records)
            return true;
        const KabTryCell *best = kab_try_search_best(search, calls);
        if (!best || best->throughput < GAIN * best_before)
            break;
        best_before = best->throughput;
        from = best->records;
    }
    const KabTryCell *chosen = kab_try_search_advise(search).cell;
    *ret_calls = chosen ? chosen->calls : 0;
    *ret_records = chosen ? next_of_curve(search, chosen) : 0;
    return *ret_records > 0;
}

/* --- Recommended ------------------------------------------------------- */

static size_t
in_flight(const KabTryCell *cell)
{
    return cell->records * cell->calls;
}

static bool
is_cheaper(const KabTryCell *cell, const KabTryCell *than)
{
    if (in_flight(cell) != in_flight(than))
        return in_flight(cell) < in_flight(than);
    return cell->calls < than->calls;
}

static const KabTryCell *
cheapest_within_gain(const KabTrySearch *search, const KabTryCell *best)
{
    const KabTryCell *chosen = best;
    for (guint i = 0; i < search->cells->len; i++) {
        const KabTryCell *cell = cell_at(search, i);
        if (cell->end == KAB_TRY_CELL_OK &&
            GAIN * cell->throughput >= best->throughput &&
            is_cheaper(cell, chosen))
            chosen = cell;
    }
    return chosen;
}

/* If nothing is within the budget: the cell whose calls are shortest. */
static const KabTryCell *
shortest_cell(const KabTrySearch *search)
{
    const KabTryCell *shortest = NULL;
    for (guint i = 0; i < search->cells->len; i++) {
        const KabTryCell *cell = cell_at(search, i);
        if (cell->end == KAB_TRY_CELL_BEYOND &&
            (!shortest || cell->p99_us < shortest->p99_us))
            shortest = cell;
    }
    return shortest;
}

static KabTryLimit
limit_shown_by(const KabTryCell *more)
{
    switch (more->end) {
    case KAB_TRY_CELL_OK:
        return KAB_TRY_LIMIT_GAIN;
    case KAB_TRY_CELL_BEYOND:
        return KAB_TRY_LIMIT_BUDGET;
    case KAB_TRY_CELL_REFUSED:
        return KAB_TRY_LIMIT_REFUSED;
    }
    g_assert_not_reached();
}

/* The row's cell that says most about it: its best, or else its first. */
static const KabTryCell *
example_of_row(const KabTrySearch *search, unsigned calls)
{
    const KabTryCell *best = kab_try_search_best(search, calls);
    for (guint i = 0; !best && i < search->cells->len; i++)
        if (cell_at(search, i)->calls == calls)
            best = cell_at(search, i);
    return best;
}

static KabTryLimit
explain_limit(const KabTryCell *more, bool is_at_ceiling)
{
    if (is_at_ceiling)
        return KAB_TRY_LIMIT_CEILING;
    return more ? limit_shown_by(more) : KAB_TRY_LIMIT_UNKNOWN;
}

static const KabTryCell *
find_more_records(const KabTrySearch *search,
                  const KabTryCell *chosen,
                  size_t larger)
{
    const KabTryCell *more = kab_try_search_find(search, larger, chosen->calls);
    return more ? more : find_refusal(search, larger, chosen->calls);
}

KabTryAdvice
kab_try_search_advise(const KabTrySearch *search)
{
    KabTryAdvice advice = {0};
    const KabTryCell *best = kab_try_search_best(search, 0);
    advice.cell =
        best ? cheapest_within_gain(search, best) : shortest_cell(search);
    if (!advice.cell)
        return advice;
    size_t larger = kab_try_search_larger(search, advice.cell->records);
    unsigned more = kab_try_search_more(search, advice.cell->calls);
    if (larger)
        advice.more_records = find_more_records(search, advice.cell, larger);
    if (more)
        advice.more_calls = example_of_row(search, more);
    advice.records_limit = explain_limit(advice.more_records, !larger);
    advice.calls_limit = explain_limit(advice.more_calls, !more);
    return advice;
}
