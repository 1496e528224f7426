/* SPDX-License-Identifier: Apache-2.0 */
/* How a function reads its options, and how their values are checked. */
#include "kab-test.h"

#include <sysexits.h>

#include "context.h"

static const KabOption options[] = {
    {"url", KAB_OPTION_STRING, NULL, NULL, "", KAB_OPTION_REQUIRED},
    {"pin", KAB_OPTION_INTEGER, NULL, "1000..9999", "", KAB_OPTION_SECRET},
    {"count", KAB_OPTION_INTEGER, "3", "1..1000", "", 0},
    {"limit", KAB_OPTION_SIZE, "64KiB", NULL, "", 0},
    {"wait", KAB_OPTION_DURATION, "250ms", "0..1m", "", 0},
    {"verify", KAB_OPTION_BOOLEAN, "true", NULL, "", 0},
    {"mode", KAB_OPTION_CHOICE, "batch", "batch|each", "", 0},
    {"header.*", KAB_OPTION_STRING, NULL, NULL, "", 0},
};
static const KabFunction function = {
    .name = "tried", .options = options, .n_options = G_N_ELEMENTS(options)};

static KabContext *
make(const KabOptionText *texts, size_t n_texts)
{
    return kab_context_new("b", &function, texts, n_texts, 4);
}

TEST(defaults_are_read_by_type)
{
    KabContext *context = make(NULL, 0);
    assert_null(kab_context_get_string(context, "url"));
    assert_int_equal(kab_context_get_integer(context, "count"), 3);
    assert_int_equal(kab_context_get_size(context, "limit"), 65536);
    assert_int_equal(kab_context_get_duration_us(context, "wait"), 250000);
    assert_true(kab_context_get_boolean(context, "verify"));
    assert_string_equal(kab_context_get_string(context, "mode"), "batch");
    assert_int_equal(kab_context_get_max_in_flight(context), 4);
    kab_context_free(context);
}

TEST(given_values_win)
{
    const KabOptionText texts[] = {
        {"url", "http://x"}, {"count", "7"}, {"wait", "2s"}, {"verify", "no"}};
    KabContext *context = make(texts, G_N_ELEMENTS(texts));
    assert_string_equal(kab_context_get_string(context, "url"), "http://x");
    assert_int_equal(kab_context_get_integer(context, "count"), 7);
    assert_int_equal(kab_context_get_duration_us(context, "wait"), 2000000);
    assert_false(kab_context_get_boolean(context, "verify"));
    kab_context_free(context);
}

TEST(keys_of_a_prefix_are_listed)
{
    const KabOptionText texts[] = {
        {"header.X-One", "1"}, {"count", "7"}, {"header.X-Two", "2"}};
    KabContext *context = make(texts, G_N_ELEMENTS(texts));
    assert_string_equal(kab_context_get_key(context, "header.*", 0),
                        "header.X-One");
    assert_string_equal(kab_context_get_key(context, "header.*", 1),
                        "header.X-Two");
    assert_null(kab_context_get_key(context, "header.*", 2));
    assert_null(kab_context_get_key(context, "count", 0));
    assert_string_equal(kab_context_get_string(context, "header.X-Two"), "2");
    assert_null(kab_context_get_string(context, "header.X-Three"));
    kab_context_free(context);
}

TEST(why_open_fails_is_kept)
{
    KabContext *context = make(NULL, 0);
    assert_null(kab_context_failure(context));
    assert_false(kab_context_fail(context, "no model %d", 7));
    assert_string_equal(kab_context_failure(context), "no model 7");
    kab_context_free(context);
}

/* An escape sequence would be obeyed by the terminal that shows it. */
TEST(what_a_function_says_of_itself_is_printable)
{
    KabContext *context = make(NULL, 0);
    kab_context_fail(context, "%s", "no\n\033[2Jmodel \xC2\x9B or \xFF");
    assert_string_equal(kab_context_failure(context),
                        "no\\x0a\\x1b[2Jmodel \\x9b or \xEF\xBF\xBD");
    kab_context_set_waiting(context, "for\007it \xC3\xA4");
    g_autofree char *waiting = kab_context_dup_waiting(context);
    assert_string_equal(waiting, "for\\x07it \xC3\xA4");
    kab_context_free(context);
}

static void
count_call(void *user)
{
    (*(unsigned *)user)++;
}

TEST(each_change_of_a_ceiling_is_told)
{
    KabContext *context = make(NULL, 0);
    unsigned n_told = 0;
    kab_context_watch_ceilings(context, count_call, &n_told);
    kab_context_set_max_batch(context, 32);
    kab_context_set_max_batch_bytes(context, 4096);
    kab_context_set_max_in_flight(context, 2);
    kab_context_set_max_batch(context, 0);
    KabCeilings ceilings = kab_context_ceilings(context);
    assert_int_equal(n_told, 4);
    assert_int_equal(ceilings.records, 0);
    assert_int_equal(ceilings.bytes, 4096);
    assert_int_equal(ceilings.calls, 2);
    kab_context_free(context);
}

TEST(units_are_counted_by_name)
{
    KabContext *context = make(NULL, 0);
    KabUnitCount counts[KAB_MAX_UNITS];
    kab_context_count(context, "tokens", 5);
    kab_context_count(context, "rows", 1);
    kab_context_count(context, "tokens", 7);
    assert_int_equal(kab_context_read_units(context, counts), 2);
    assert_string_equal(counts[0].name, "tokens");
    assert_int_equal(counts[0].n, 12);
    assert_string_equal(counts[1].name, "rows");
    assert_int_equal(counts[1].n, 1);
    kab_context_free(context);
}

TEST(units_beyond_the_table_are_ignored)
{
    KabContext *context = make(NULL, 0);
    KabUnitCount counts[KAB_MAX_UNITS];
    for (int i = 0; i < KAB_MAX_UNITS + 3; i++) {
        g_autofree char *name = g_strdup_printf("unit-%d", i);
        kab_context_count(context, name, 1);
    }
    kab_context_count(context, "unit-0", 1);
    assert_int_equal(kab_context_read_units(context, counts), KAB_MAX_UNITS);
    assert_int_equal(counts[0].n, 2);
    kab_context_free(context);
}

TEST(what_a_function_waits_for_is_kept_until_it_says_null)
{
    KabContext *context = make(NULL, 0);
    assert_null(kab_context_dup_waiting(context));
    kab_context_set_waiting(context, "the model loads");
    g_autofree char *waiting = kab_context_dup_waiting(context);
    assert_string_equal(waiting, "the model loads");
    kab_context_set_waiting(context, NULL);
    assert_null(kab_context_dup_waiting(context));
    kab_context_free(context);
}

TEST(a_key_finds_its_option)
{
    assert_ptr_equal(kab_option_find(&function, "count"), &options[2]);
    assert_ptr_equal(kab_option_find(&function, "header.X"), &options[7]);
    assert_null(kab_option_find(&function, "header."));
    assert_null(kab_option_find(&function, "counts"));
}

static void
assert_problem(const char *key, const char *value, const char *sentence)
{
    g_autofree char *problem =
        kab_option_problem(kab_option_find(&function, key), value);
    if (sentence)
        assert_string_equal(problem, sentence);
    else
        assert_null(problem);
}

TEST(values_are_judged_by_type_and_range)
{
    assert_problem("count", "1000", NULL);
    assert_problem("count", "1001",
                   "found \"1001\"; wanted a whole number 1..1000");
    assert_problem("mode", "some", "found \"some\"; wanted one of batch, each");
    assert_problem("url", "", "found nothing; wanted a text");
    assert_problem("pin", "12",
                   "found something else; wanted a whole number "
                   "1000..9999");
}

TEST(errors_have_exit_statuses)
{
    static const int expected[] = {
        [KAB_ERROR_CONFIG] = EX_CONFIG,
        [KAB_ERROR_USAGE] = EX_USAGE,
        [KAB_ERROR_UNAVAILABLE] = EX_UNAVAILABLE,
        [KAB_ERROR_UNFINISHED] = EX_TEMPFAIL,
        [KAB_ERROR_INTERNAL] = EX_SOFTWARE,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autoptr(GError) error = g_error_new(KAB_ERROR, (int)i, "x");
        assert_int_equal(kab_error_exit_status(error), expected[i]);
    }
    g_autoptr(GError) other = g_error_new(G_FILE_ERROR, 1, "x");
    assert_int_equal(kab_error_exit_status(other), EX_SOFTWARE);
    assert_int_equal(kab_error_exit_status(NULL), EX_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_read_by_type),
        cmocka_unit_test(given_values_win),
        cmocka_unit_test(keys_of_a_prefix_are_listed),
        cmocka_unit_test(why_open_fails_is_kept),
        cmocka_unit_test(what_a_function_says_of_itself_is_printable),
        cmocka_unit_test(each_change_of_a_ceiling_is_told),
        cmocka_unit_test(units_are_counted_by_name),
        cmocka_unit_test(units_beyond_the_table_are_ignored),
        cmocka_unit_test(what_a_function_waits_for_is_kept_until_it_says_null),
        cmocka_unit_test(a_key_finds_its_option),
        cmocka_unit_test(values_are_judged_by_type_and_range),
        cmocka_unit_test(errors_have_exit_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
