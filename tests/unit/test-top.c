/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `kabridge top`, from hand-made answers. */
#include "kab-test.h"

#include "top.h"

static const char status[] =
    "{\"version\":\"1.2\",\"instance\":\"host-1\",\"bindings\":[{\"name\":"
    "\"sc\\\"or\",\"state\":\"running\",\"reason\":null,\"last_error\":"
    "\"model busy\",\"partitions\":[{\"topic\":\"in\",\"partition\":3,"
    "\"state\":\"owned\",\"position\":12,\"committed\":null,\"end\":20,"
    "\"lag\":8,\"finished_beyond\":1}]}]}";

static const char earlier[] =
    "kabridge_records_consumed_total{binding=\"sc\\\"or\"} 100\n"
    "kabridge_batch_records_sum{binding=\"sc\\\"or\"} 100\n"
    "kabridge_batch_records_count{binding=\"sc\\\"or\"} 10\n";

static const char later[] =
    "# HELP kabridge_records_consumed_total x\n"
    "kabridge_records_consumed_total{binding=\"sc\\\"or\"} 500\n"
    "kabridge_records_finished_total{binding=\"sc\\\"or\",outcome=\"done\"} 7\n"
    "kabridge_records_finished_total{binding=\"sc\\\"or\",outcome=\"x\"} 3\n"
    "kabridge_batch_records_sum{binding=\"sc\\\"or\"} 500\n"
    "kabridge_batch_records_count{binding=\"sc\\\"or\"} 20\n"
    "nonsense\n";

static const KabTerminal plain = {.stream = NULL};

static char *
dup_screen(const char *text, double seconds)
{
    g_autoptr(KabTopSums) before = kab_top_sums_new(earlier);
    g_autoptr(KabTopSums) now = kab_top_sums_new(later);
    return kab_top_dup_screen(&plain, text, now, before, seconds, NULL);
}

TEST(rates_and_means_are_of_the_time_between)
{
    g_autofree char *screen = dup_screen(status, 2);
    assert_non_null(strstr(screen, "sc\"or               running       "
                                   "  200        5        0        0       "
                                   "40"));
}

TEST(a_partition_shows_what_is_known)
{
    g_autofree char *screen = dup_screen(status, 2);
    assert_non_null(strstr(screen, "  in [3]                      owned     "
                                   "          12           -          20"));
}

TEST(a_last_error_is_shown)
{
    g_autofree char *screen = dup_screen(status, 2);
    assert_non_null(strstr(screen, "last error: model busy\n"));
    assert_null(strstr(screen, "not ready"));
}

TEST(adaptive_limits_are_shown_with_the_reason)
{
    static const char text[] =
        "{\"bindings\":[{\"name\":\"a\",\"reason\":null,\"batch_limit\":154,"
        "\"calls_in_flight_limit\":1,\"adaptive\":{\"reason\":\"a call was "
        "long: fewer records\"},\"partitions\":[]}]}";
    g_autofree char *screen = dup_screen(text, 2);
    assert_non_null(strstr(screen, "  adaptive: up to 154 records, 1 call; a "
                                   "call was long: fewer records\n"));
    g_autofree char *other = dup_screen(status, 2);
    assert_null(strstr(other, "adaptive"));
}

TEST(what_is_no_status_is_refused)
{
    static const char *const texts[] = {"", "[]", "{}", "{\"bindings\":1}"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_null(dup_screen(texts[i], 1));
}

TEST(there_are_no_rates_before_a_second_look)
{
    g_autoptr(KabTopSums) now = kab_top_sums_new(later);
    g_autofree char *screen =
        kab_top_dup_screen(&plain, status, now, NULL, 1, NULL);
    assert_non_null(strstr(screen, "running           0        0"));
}

TEST(a_minute_of_looks_is_a_line_of_bars_with_its_scale)
{
    g_autoptr(KabTopSums) before = kab_top_sums_new(earlier);
    g_autoptr(KabTopSums) now = kab_top_sums_new(later);
    KabTopHistory *history = kab_top_history_new();
    g_free(kab_top_dup_screen(&plain, status, now, before, 1, history));
    g_autofree char *screen =
        kab_top_dup_screen(&plain, status, now, before, 2, history);
    assert_non_null(strstr(screen, "█▅ highest      10"));
    assert_null(strstr(screen, "\033"));
    kab_top_history_free(history);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_and_means_are_of_the_time_between),
        cmocka_unit_test(a_partition_shows_what_is_known),
        cmocka_unit_test(a_last_error_is_shown),
        cmocka_unit_test(adaptive_limits_are_shown_with_the_reason),
        cmocka_unit_test(what_is_no_status_is_refused),
        cmocka_unit_test(there_are_no_rates_before_a_second_look),
        cmocka_unit_test(a_minute_of_looks_is_a_line_of_bars_with_its_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
