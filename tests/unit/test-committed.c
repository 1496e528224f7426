/* SPDX-License-Identifier: Apache-2.0 */
/* The codec of a commit's metadata: round trips, and what decoding refuses. */
#include "kab-test.h"

#include "committed.h"
#include "intervals.h"

/* The broker's default offset.metadata.max.bytes. */
#define LIMIT 4096

static GArray *
decode(const char *metadata, int64_t offset, const char **ret_problem)
{
    GArray *intervals = g_array_new(FALSE, FALSE, sizeof(KabInterval));
    *ret_problem = NULL;
    bool ok = kab_committed_decode(metadata, metadata ? strlen(metadata) : 0,
                                   offset, intervals, ret_problem);
    assert_int_equal(ok, *ret_problem == NULL);
    if (!ok)
        assert_int_equal(intervals->len, 0);
    return intervals;
}

static void
assert_refused(const char *metadata, int64_t offset, const char *problem)
{
    const char *found;
    g_autoptr(GArray) intervals = decode(metadata, offset, &found);
    assert_int_equal(intervals->len, 0);
    assert_string_equal(found, problem);
}

static void
assert_round_trip(int64_t offset, const KabInterval *intervals, size_t n)
{
    g_autofree char *metadata = kab_committed_encode(offset, intervals, n);
    const char *problem;
    g_autoptr(GArray) found = decode(metadata, offset, &problem);
    assert_null(problem);
    assert_int_equal(found->len, n);
    assert_memory_equal(found->data, intervals, n * sizeof *intervals);
}

TEST(nothing_finished_beyond_needs_no_metadata)
{
    assert_null(kab_committed_encode(7, NULL, 0));
    const char *problem;
    g_autoptr(GArray) intervals = decode(NULL, 7, &problem);
    assert_null(problem);
    assert_int_equal(intervals->len, 0);
    g_autoptr(GArray) of_empty = decode("", 7, &problem);
    assert_null(problem);
    assert_int_equal(of_empty->len, 0);
}

TEST(intervals_come_back_as_they_were)
{
    assert_round_trip(0, (KabInterval[]){{1, 2}}, 1);
    assert_round_trip(10, (KabInterval[]){{12, 15}, {15, 16}, {400, 70000}}, 3);
    assert_round_trip(10, (KabInterval[]){{10, 11}}, 1);
    assert_round_trip(INT64_MAX - 9,
                      (KabInterval[]){{INT64_MAX - 2, INT64_MAX}}, 1);
    assert_round_trip(0, (KabInterval[]){{1, INT64_MAX}}, 1);
}

TEST(the_form_is_fixed)
{
    g_autofree char *metadata =
        kab_committed_encode(300, (KabInterval[]){{302, 303}}, 1);
    assert_string_equal(metadata, "kab1:AawCAgHYd8Hv");
}

TEST(the_cap_of_the_engine_fits_into_what_the_broker_takes)
{
    g_autoptr(GArray) intervals =
        g_array_new(FALSE, FALSE, sizeof(KabInterval));
    int64_t offset = INT64_MAX / 2, last = offset;
    for (size_t size = 0;;) {
        KabInterval interval = {last + 1, last + 2};
        size += kab_interval_size(last, interval);
        if (size > KAB_COMMITTED_MAX_BYTES)
            break;
        g_array_append_val(intervals, interval);
        last = interval.to;
    }
    g_autofree char *metadata =
        kab_committed_encode(offset, (void *)intervals->data, intervals->len);
    assert_in_range(strlen(metadata), LIMIT - 50, LIMIT);
    assert_round_trip(offset, (void *)intervals->data, intervals->len);
}

TEST(what_does_not_fit_is_left_out_from_the_top)
{
    enum { N = 10000 };
    g_autofree KabInterval *intervals = g_new(KabInterval, N);
    for (int i = 0; i < N; i++)
        intervals[i] = (KabInterval){2 * i + 1, 2 * i + 2};
    g_autofree char *metadata = kab_committed_encode(0, intervals, N);
    assert_true(strlen(metadata) <= LIMIT);
    const char *problem;
    g_autoptr(GArray) found = decode(metadata, 0, &problem);
    assert_null(problem);
    assert_in_range(found->len, 1000, N - 1);
    assert_memory_equal(found->data, intervals, found->len * sizeof *intervals);
}

TEST(what_is_not_ours_is_refused_with_its_reason)
{
    g_autofree char *good =
        kab_committed_encode(300, (KabInterval[]){{302, 303}}, 1);
    assert_refused("instance-7", 300, "another program wrote it");
    assert_refused("kab1", 300, "another program wrote it");
    assert_refused("kab1:", 300, "it is not base64");
    assert_refused("kab1:AawCAgHYd8H*", 300, "it is not base64");
    assert_refused("kab1:AawC", 300, "it is cut off");
    assert_refused("kab1:AawCAgHYd8Hw", 300, "its checksum is wrong");
    assert_refused("kab1:AqwCAgHYd8Hv", 300, "a newer kabridge wrote it");
    assert_refused(good, 301,
                   "it belongs to another offset: the group was reset");
    g_autofree char *long_one = g_strnfill(8000, 'A');
    g_autofree char *too_long = g_strconcat("kab1:", long_one, NULL);
    assert_refused(too_long, 300, "it is not base64");
}

/* Every single flipped bit is detected. */
TEST(no_damage_is_taken_for_the_truth)
{
    KabInterval intervals[] = {{12, 15}, {17, 18}, {400, 70000}};
    g_autofree char *good = kab_committed_encode(10, intervals, 3);
    for (size_t at = 5; at < strlen(good); at++) {
        for (int bit = 0; bit < 7; bit++) {
            g_autofree char *bad = g_strdup(good);
            bad[at] ^= (char)(1 << bit);
            const char *problem;
            g_autoptr(GArray) found = decode(bad, 10, &problem);
            if (!problem)
                assert_memory_equal(found->data, intervals, sizeof intervals);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_finished_beyond_needs_no_metadata),
        cmocka_unit_test(intervals_come_back_as_they_were),
        cmocka_unit_test(the_form_is_fixed),
        cmocka_unit_test(the_cap_of_the_engine_fits_into_what_the_broker_takes),
        cmocka_unit_test(what_does_not_fit_is_left_out_from_the_top),
        cmocka_unit_test(what_is_not_ours_is_refused_with_its_reason),
        cmocka_unit_test(no_damage_is_taken_for_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
