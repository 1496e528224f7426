/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq-filter.h"

#include "options-value.h"

bool
kab_dlq_parse_since(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, utc);
    if (time) {
        *ret_ms = g_date_time_to_unix(time) * 1000;
        return true;
    }
    const KabValueRule rule = {.type = KAB_VALUE_DURATION};
    KabValue value;
    if (!kab_value_parse(&rule, text, &value))
        return false;
    *ret_ms = MAX(now_ms - value.number / 1000, 1);
    return true;
}

bool
kab_dlq_filter_takes(const KabDlqFilter *filter, const KabLetterView *view)
{
    return (!filter->class_ || g_strcmp0(filter->class_, view->class_) == 0) &&
           (filter->partition < 0 || filter->partition == view->partition) &&
           (!filter->since_ms || view->timestamp_ms >= filter->since_ms);
}
