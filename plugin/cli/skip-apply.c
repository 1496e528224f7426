/* SPDX-License-Identifier: Apache-2.0 */
/* Adds one finished record: an interval grows, merges with its neighbour, or is
 * new; intervals that touch the committed offset advance it.
 */
#include "skip.h"

static KabInterval *
interval_at(GArray *intervals, guint i)
{
    return &g_array_index(intervals, KabInterval, i);
}

/* Index of the first interval that ends at or after the record; if none does,
 * the number of intervals. */
static guint
find_interval(GArray *intervals, int64_t skipped)
{
    guint i = 0;
    while (i < intervals->len && interval_at(intervals, i)->to < skipped)
        i++;
    return i;
}

static void
add_interval(GArray *intervals, guint i, int64_t skipped)
{
    bool touches_before =
        i < intervals->len && interval_at(intervals, i)->to == skipped;
    guint next = touches_before ? i + 1 : i;
    bool touches_after = next < intervals->len &&
                         interval_at(intervals, next)->from == skipped + 1;
    if (touches_before && touches_after) {
        interval_at(intervals, i)->to = interval_at(intervals, next)->to;
        g_array_remove_index(intervals, next);
    } else if (touches_before) {
        interval_at(intervals, i)->to++;
    } else if (touches_after) {
        interval_at(intervals, next)->from--;
    } else {
        KabInterval alone = {skipped, skipped + 1};
        g_array_insert_val(intervals, i, alone);
    }
}

bool
kab_skip_apply(int64_t *offset, GArray *intervals, int64_t skipped)
{
    if (skipped < *offset)
        return false;
    guint i = find_interval(intervals, skipped);
    if (i < intervals->len && interval_at(intervals, i)->from <= skipped &&
        skipped < interval_at(intervals, i)->to)
        return false;
    guint next = i + 1;
    if (i < intervals->len && next < intervals->len &&
        interval_at(intervals, next)->from == skipped)
        return false;
    add_interval(intervals, i, skipped);
    if (interval_at(intervals, 0)->from == *offset) {
        *offset = interval_at(intervals, 0)->to;
        g_array_remove_index(intervals, 0);
    }
    return true;
}
