/* SPDX-License-Identifier: Apache-2.0 */
/* How many lines of a kind are written. */
#include "kab-test.h"

#include <glib.h>

#include "log.h"

TEST(of_a_kind_five_lines_are_written_then_they_are_counted)
{
    KabLogLimit limit = {0};
    unsigned n_left_out = 0;
    for (int i = 0; i < 5; i++) {
        assert_true(kab_log_limit_pass(&limit, &n_left_out));
        assert_int_equal(n_left_out, 0);
    }
    assert_false(kab_log_limit_pass(&limit, &n_left_out));
    assert_false(kab_log_limit_pass(&limit, &n_left_out));
    limit.until_us = 0; /* as if ten seconds had passed */
    assert_true(kab_log_limit_pass(&limit, &n_left_out));
    assert_int_equal(n_left_out, 2);
    assert_true(kab_log_limit_pass(&limit, &n_left_out));
    assert_int_equal(n_left_out, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            of_a_kind_five_lines_are_written_then_they_are_counted),
    };
    cmocka_set_test_filter(g_getenv("KAB_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
