/* SPDX-License-Identifier: Apache-2.0 */
/* `kabridge skip`: adds one finished record to a committed state. */
#include "kab-test.h"

#include "skip.h"

enum { N_OFFSETS = 12 };

/* The committed state of a set of finished offsets, one bit each. */
static void
state_of(unsigned finished, int64_t *ret_offset, GArray *intervals)
{
    int64_t offset = 0;
    while (finished & (1u << offset))
        offset++;
    *ret_offset = offset;
    g_array_set_size(intervals, 0);
    for (int64_t from = offset; from < N_OFFSETS; from++) {
        int64_t to = from;
        while (finished & (1u << to))
            to++;
        KabInterval interval = {from, to};
        if (to > from)
            g_array_append_val(intervals, interval);
        from = to;
    }
}

static bool
are_equal(const GArray *a, const GArray *b)
{
    return a->len == b->len &&
           (a->len == 0 ||
            memcmp(a->data, b->data, a->len * sizeof(KabInterval)) == 0);
}

/* Tries every record with every set of finished records. */
TEST(a_skip_is_what_the_bridge_would_have_committed)
{
    g_autoptr(GArray) intervals =
        g_array_new(FALSE, FALSE, sizeof(KabInterval));
    g_autoptr(GArray) expected = g_array_new(FALSE, FALSE, sizeof(KabInterval));
    unsigned n_wrong = 0;
    for (unsigned finished = 0; finished < 1u << N_OFFSETS; finished++)
        for (int64_t skipped = 0; skipped < N_OFFSETS; skipped++) {
            int64_t offset, expected_offset;
            state_of(finished, &offset, intervals);
            bool is_new = kab_skip_apply(&offset, intervals, skipped);
            state_of(finished | 1u << skipped, &expected_offset, expected);
            n_wrong += is_new == !!(finished & (1u << skipped)) ||
                       offset != expected_offset ||
                       !are_equal(intervals, expected);
        }
    assert_int_equal(n_wrong, 0);
}

TEST(a_record_below_the_committed_offset_is_finished)
{
    g_autoptr(GArray) intervals =
        g_array_new(FALSE, FALSE, sizeof(KabInterval));
    int64_t offset = 7;
    assert_false(kab_skip_apply(&offset, intervals, 6));
    assert_int_equal(offset, 7);
    assert_true(kab_skip_apply(&offset, intervals, 7));
    assert_int_equal(offset, 8);
}

/* Another writer may split intervals anywhere. */
TEST(intervals_that_touch_are_read)
{
    g_autoptr(GArray) intervals =
        g_array_new(FALSE, FALSE, sizeof(KabInterval));
    KabInterval parts[] = {{2, 4}, {4, 6}};
    g_array_append_vals(intervals, parts, 2);
    int64_t offset = 0;
    assert_false(kab_skip_apply(&offset, intervals, 4));
    assert_int_equal(intervals->len, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_skip_is_what_the_bridge_would_have_committed),
        cmocka_unit_test(a_record_below_the_committed_offset_is_finished),
        cmocka_unit_test(intervals_that_touch_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
