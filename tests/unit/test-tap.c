/* SPDX-License-Identifier: Apache-2.0 */
/* The tap: a reader sees the records that pass, and nothing else. */
#include "kab-test.h"

#include <string.h>

#include <glib.h>

#include "tap-json.h"

#define SECOND INT64_C(1000000)
enum { N = 8 };

typedef struct {
    KabTap *tap;
    int64_t now;
    KabRecord records[N];
    KabResult results[N];
    KabAttempt attempt;
    KabAnswer answer;
    KabProduct product;
} Fixture;

static KabBytes
bytes_of(const char *text)
{
    return (KabBytes){text, strlen(text)};
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->tap = kab_tap_new();
    fixture->now = SECOND;
    for (size_t i = 0; i < N; i++)
        fixture->records[i] = (KabRecord){.key = bytes_of("k"),
                                          .value = bytes_of("in"),
                                          .topic = "payments",
                                          .partition = 3,
                                          .offset = (int64_t)i};
    fixture->attempt = (KabAttempt){.n = 1,
                                    .records = fixture->records,
                                    .results = fixture->results,
                                    .number = 2};
    fixture->product.output.value = bytes_of("out");
    fixture->results[0] =
        (KabResult){.outcome = KAB_OUTCOME_DONE, .first = &fixture->product};
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    kab_tap_free(fixture->tap);
    g_free(fixture);
    return 0;
}

static void
pass(Fixture *fixture)
{
    kab_tap_note(fixture->tap, &fixture->attempt, &fixture->answer,
                 fixture->now - 2606, fixture->now);
}

static char *
dup_read(Fixture *fixture, uint64_t after)
{
    uint64_t next, missed;
    g_autoptr(GPtrArray) records =
        kab_tap_read(fixture->tap, after, fixture->now, &next, &missed);
    return kab_tap_dup_json(records, next, missed);
}

TEST(nothing_is_kept_before_somebody_reads)
{
    Fixture *fixture = *state;
    assert_false(kab_tap_is_on(fixture->tap));
    pass(fixture);
    g_autofree char *first = dup_read(fixture, 0);
    assert_string_equal(first, "{\"next\":0,\"missed\":0,\"records\":[]}\n");
    assert_true(kab_tap_is_on(fixture->tap));
}

TEST(a_record_is_shown_with_its_outcome_its_output_and_its_time)
{
    Fixture *fixture = *state;
    g_free(dup_read(fixture, 0));
    pass(fixture);
    g_autofree char *text = dup_read(fixture, 0);
    assert_non_null(strstr(text, "\"next\":1,\"missed\":0"));
    assert_non_null(strstr(text, "\"topic\":\"payments\",\"partition\":3,"
                                 "\"offset\":0"));
    assert_non_null(strstr(text, "\"key\":\"k\",\"value\":\"in\","
                                 "\"outcome\":\"done\",\"attempt\":2"));
    assert_non_null(strstr(text, "\"call_ms\":2.606,"));
    assert_non_null(strstr(text, "\"outputs\":[{\"partition\":0,\"key\":null,"
                                 "\"value\":\"out\"}]"));
}

TEST(a_reader_goes_on_where_it_was)
{
    Fixture *fixture = *state;
    g_free(dup_read(fixture, 0));
    pass(fixture);
    g_autofree char *text = dup_read(fixture, 1);
    assert_string_equal(text, "{\"next\":1,\"missed\":0,\"records\":[]}\n");
}

TEST(the_tap_closes_when_nobody_reads_for_some_seconds)
{
    Fixture *fixture = *state;
    g_free(dup_read(fixture, 0));
    fixture->now += 4 * SECOND;
    pass(fixture);
    assert_false(kab_tap_is_on(fixture->tap));
    g_autofree char *text = dup_read(fixture, 0);
    assert_non_null(strstr(text, "\"records\":[]"));
}

TEST(of_a_large_batch_and_of_a_second_only_some_are_sampled)
{
    Fixture *fixture = *state;
    fixture->attempt.n = N;
    g_free(dup_read(fixture, 0));
    pass(fixture);
    uint64_t next, missed;
    g_ptr_array_unref(
        kab_tap_read(fixture->tap, 0, fixture->now, &next, &missed));
    assert_int_equal(next, 4);
    for (int i = 0; i < 1000; i++)
        pass(fixture);
    g_ptr_array_unref(
        kab_tap_read(fixture->tap, 0, fixture->now, &next, &missed));
    assert_int_equal(next, 100);
}

TEST(what_is_overwritten_is_counted_as_missed)
{
    Fixture *fixture = *state;
    uint64_t next, missed;
    for (int i = 0; i < 3; i++) {
        g_ptr_array_unref(
            kab_tap_read(fixture->tap, 0, fixture->now, &next, &missed));
        for (int k = 0; k < 100; k++)
            pass(fixture);
        fixture->now += SECOND;
    }
    g_autoptr(GPtrArray) records =
        kab_tap_read(fixture->tap, 0, fixture->now, &next, &missed);
    assert_int_equal(next, 300);
    assert_int_equal(missed, 44);
    assert_int_equal(records->len, 256);
}

TEST(long_bytes_are_cut_and_told_and_others_are_base64)
{
    Fixture *fixture = *state;
    g_autofree char *value = g_strnfill(5000, 'x');
    fixture->records[0].value = bytes_of(value);
    fixture->records[0].key = (KabBytes){"\xff\x00", 2};
    g_free(dup_read(fixture, 0));
    pass(fixture);
    g_autofree char *text = dup_read(fixture, 0);
    assert_non_null(strstr(text, "\"value_bytes\":5000"));
    assert_true(strlen(text) < 2000);
    assert_non_null(strstr(text, "\"key_base64\":\"/wA=\""));
}

TEST(a_failed_call_shows_its_reason)
{
    Fixture *fixture = *state;
    fixture->results[0] = (KabResult){.outcome = KAB_OUTCOME_NONE};
    fixture->answer = (KabAnswer){.failed = true, .reason = "model busy"};
    g_free(dup_read(fixture, 0));
    pass(fixture);
    g_autofree char *text = dup_read(fixture, 0);
    assert_non_null(strstr(text, "\"outcome\":\"failed\",\"reason\":\"model "
                                 "busy\""));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(nothing_is_kept_before_somebody_reads),
        T(a_record_is_shown_with_its_outcome_its_output_and_its_time),
        T(a_reader_goes_on_where_it_was),
        T(the_tap_closes_when_nobody_reads_for_some_seconds),
        T(of_a_large_batch_and_of_a_second_only_some_are_sampled),
        T(what_is_overwritten_is_counted_as_missed),
        T(long_bytes_are_cut_and_told_and_others_are_base64),
        T(a_failed_call_shows_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
