/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters match a filter, and how they are counted and shown. */
#include "kab-test.h"

#include <string.h>

#include "dlq-filter.h"
#include "dlq-summary.h"
#include "letter-print.h"

static const int64_t now_ms = INT64_C(1769846400000); /* 2026-01-31 08:00 */

static KabLetterView
make_view(char *class_, int32_t partition, int64_t timestamp_ms)
{
    static char topic[] = "payments", stage[] = "function";
    return (KabLetterView){.topic = topic,
                           .stage = stage,
                           .class_ = class_,
                           .partition = partition,
                           .timestamp_ms = timestamp_ms};
}

TEST(a_time_ago_and_a_time_are_both_read)
{
    int64_t since;
    assert_true(kab_dlq_parse_since("2h", now_ms, &since));
    assert_int_equal(since, now_ms - INT64_C(7200000));
    assert_true(kab_dlq_parse_since("2026-01-31T08:00:00Z", 0, &since));
    assert_int_equal(since, now_ms);
    assert_false(kab_dlq_parse_since("yesterday", now_ms, &since));
}

TEST(a_letter_must_fit_everything_that_is_asked)
{
    char class_[] = "permanent";
    KabLetterView view = make_view(class_, 3, now_ms);
    KabDlqFilter any = {.partition = -1};
    assert_true(kab_dlq_filter_takes(&any, &view));
    KabDlqFilter other = {.class_ = "timeout", .partition = -1};
    assert_false(kab_dlq_filter_takes(&other, &view));
    KabDlqFilter elsewhere = {.partition = 2};
    assert_false(kab_dlq_filter_takes(&elsewhere, &view));
    KabDlqFilter later = {.partition = -1, .since_ms = now_ms + 1};
    assert_false(kab_dlq_filter_takes(&later, &view));
}

TEST(a_letter_without_a_timestamp_is_left_out_only_by_a_time)
{
    KabLetterView view = make_view(NULL, 3, -1);
    KabDlqFilter any = {.partition = -1};
    assert_true(kab_dlq_filter_takes(&any, &view));
    KabDlqFilter young = {.partition = -1, .since_ms = now_ms};
    assert_false(kab_dlq_filter_takes(&young, &view));
}

TEST(a_summary_has_the_most_letters_first_and_their_times)
{
    g_auto(KabDlqSummary) summary;
    kab_dlq_summary_init(&summary);
    char permanent[] = "permanent", timeout[] = "timeout";
    KabLetterView first = make_view(permanent, 0, now_ms);
    KabLetterView second = make_view(timeout, 0, now_ms + 5000);
    KabLetterView third = make_view(timeout, 0, now_ms - 5000);
    kab_dlq_summary_add(&summary, &first);
    kab_dlq_summary_add(&summary, &second);
    kab_dlq_summary_add(&summary, &third);
    g_autofree char *text = kab_dlq_summary_dup_text(&summary);
    assert_string_equal(
        text, "letters\tclass\tstage\tinput\toldest\tnewest\n"
              "2\ttimeout\tfunction\tpayments\t2026-01-31T07:59:55Z\t"
              "2026-01-31T08:00:05Z\n"
              "1\tpermanent\tfunction\tpayments\t2026-01-31T08:00:00Z\t"
              "2026-01-31T08:00:00Z\n");
    g_autofree char *json = kab_dlq_summary_dup_json(&summary);
    assert_string_equal(
        json, "{\"letters\":2,\"class\":\"timeout\",\"stage\":\"function\","
              "\"topic\":\"payments\",\"oldest\":\"2026-01-31T07:59:55Z\","
              "\"newest\":\"2026-01-31T08:00:05Z\"}\n"
              "{\"letters\":1,\"class\":\"permanent\",\"stage\":\"function\","
              "\"topic\":\"payments\",\"oldest\":\"2026-01-31T08:00:00Z\","
              "\"newest\":\"2026-01-31T08:00:00Z\"}\n");
}

TEST(a_letter_as_json_has_null_for_what_it_does_not_tell)
{
    KabLetterView view = make_view(NULL, 3, -1);
    char message[] = "not\na \"number\"";
    view.message = message;
    view.offset = 41;
    view.attempts = -1;
    const rd_kafka_message_t letter = {.partition = 1, .offset = 7};
    g_autofree char *line = kab_letter_dup_json(&letter, &view, "new");
    assert_string_equal(
        line,
        "{\"topic\":\"payments\",\"partition\":3,\"offset\":41,"
        "\"timestamp\":null,\"class\":null,\"stage\":\"function\","
        "\"attempts\":null,\"message\":\"not\\na \\\"number\\\"\","
        "\"replays\":0,\"binding\":null,\"group\":null,"
        "\"letter_partition\":1,\"letter_offset\":7,\"state\":\"new\"}\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_ago_and_a_time_are_both_read),
        cmocka_unit_test(a_letter_must_fit_everything_that_is_asked),
        cmocka_unit_test(
            a_letter_without_a_timestamp_is_left_out_only_by_a_time),
        cmocka_unit_test(a_summary_has_the_most_letters_first_and_their_times),
        cmocka_unit_test(a_letter_as_json_has_null_for_what_it_does_not_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
