/* SPDX-License-Identifier: Apache-2.0 */
/* One more finished record: an interval grows, joins its neighbour, or is
 * new; those that touch the committed offset move it.
 */
#include "skip.h"

static KabInterval *
at(GArray *intervals, guint i)
{
    return &g_array_index(intervals, KabInterval, i);
}

/* The first that ends at or behind the record, or their number. */
static guint
find(GArray *intervals, int64_t skipped)
{
    guint i = 0;
    while (i < intervals->len && at(intervals, i)->to < skipped)
        i++;
    return i;
}

static void
add(GArray *intervals, guint i, int64_t skipped)
{
    bool touches_before = i < intervals->len && at(intervals, i)->to == skipped;
    guint next = touches_before ? i + 1 : i;
    bool touches_after =
        next < intervals->len && at(intervals, next)->from == skipped + 1;
    if (touches_before && touches_after) {
        at(intervals, i)->to = at(intervals, next)->to;
        g_array_remove_index(intervals, next);
    } else if (touches_before) {
        at(intervals, i)->to++;
    } else if (touches_after) {
        at(intervals, next)->from--;
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
    guint i = find(intervals, skipped);
    if (i < intervals->len && at(intervals, i)->from <= skipped &&
        skipped < at(intervals, i)->to)
        return false;
    guint next = i + 1;
    if (i < intervals->len && next < intervals->len &&
        at(intervals, next)->from == skipped)
        return false;
    add(intervals, i, skipped);
    if (at(intervals, 0)->from == *offset) {
        *offset = at(intervals, 0)->to;
        g_array_remove_index(intervals, 0);
    }
    return true;
}
