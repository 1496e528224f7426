/* SPDX-License-Identifier: Apache-2.0 */
#include "kab-test.h"

#include "quirks.h"

TEST(a_quirk_ends_with_the_version_that_mends_it)
{
    assert_true(
        kab_quirk_applies_to(KAB_QUIRK_COMMIT_BEHIND_JOIN, 0x020002ff));
    assert_true(
        kab_quirk_applies_to(KAB_QUIRK_COMMIT_BEHIND_JOIN, 0x020902ff));
    assert_false(
        kab_quirk_applies_to(KAB_QUIRK_COMMIT_BEHIND_JOIN, 0x020a00ff));
}

TEST(an_open_quirk_is_in_every_version)
{
    assert_true(kab_quirk_applies_to(KAB_QUIRK_SILENT_CLOSE, 0x020002ff));
    assert_true(kab_quirk_applies_to(KAB_QUIRK_SILENT_CLOSE, 0x021001ff));
}

TEST(what_stands_on_the_inside_of_the_client_is_not_used_beyond_what_was_seen)
{
    assert_true(kab_quirk_applies_to(KAB_QUIRK_HEADERS_PARSED, 0x021001ff));
    assert_false(kab_quirk_applies_to(KAB_QUIRK_HEADERS_PARSED, 0x021100ff));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quirk_ends_with_the_version_that_mends_it),
        cmocka_unit_test(an_open_quirk_is_in_every_version),
        cmocka_unit_test(
            what_stands_on_the_inside_of_the_client_is_not_used_beyond_what_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
