/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a committed offset under any bytes. Its first eight are
 * the offset. Also: what is accepted is ascending, disjoint, above the
 * offset, and says the same when it is encoded again. */
#include "fuzz.h"

#include <string.h>

#include "committed.h"

static void
check(int64_t offset, const GArray *intervals)
{
    int64_t last = offset;
    const KabInterval *interval = (const void *)intervals->data;
    for (guint i = 0; i < intervals->len; i++, interval++) {
        g_assert(interval->from >= last && interval->to > interval->from);
        last = interval->to;
    }
}

static void
check_again(int64_t offset, GArray *intervals)
{
    g_autofree char *metadata =
        kab_committed_encode(offset, (void *)intervals->data, intervals->len);
    g_autoptr(GArray) again = g_array_new(FALSE, FALSE, sizeof(KabInterval));
    const char *problem;
    if (!metadata)
        return;
    g_assert(kab_committed_decode(metadata, strlen(metadata), offset, again,
                                  &problem));
    g_assert(again->len <= intervals->len);
    g_assert(memcmp(again->data, intervals->data,
                    again->len * sizeof(KabInterval)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t offset;
    if (size < sizeof offset)
        return 0;
    memcpy(&offset, data, sizeof offset);
    if (offset < 0)
        return 0;
    g_autoptr(GArray) intervals =
        g_array_new(FALSE, FALSE, sizeof(KabInterval));
    const char *problem = NULL;
    bool ok =
        kab_committed_decode((const char *)data + sizeof offset,
                             size - sizeof offset, offset, intervals, &problem);
    g_assert(ok || (problem && !intervals->len));
    check(offset, intervals);
    check_again(offset, intervals);
    return 0;
}
