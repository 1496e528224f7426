/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of a dead letter.
 */
#include "kab-test.h"

#include "letter.h"

static const KabRecord input = {
    .topic = "in",
    .partition = 3,
    .offset = 42,
    .timestamp_ms = 1700000000000,
};

static char *
dup_value(rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t len;
    if (rd_kafka_header_get_last(headers, name, &value, &len))
        return NULL;
    return g_strndup(value, len);
}

static void
assert_says(rd_kafka_headers_t *headers, const char *name, const char *wanted)
{
    g_autofree char *full = g_strconcat(KAB_LETTER_PREFIX, name, NULL);
    g_autofree char *value = dup_value(headers, full);
    assert_non_null(value);
    assert_string_equal(value, wanted);
}

TEST(it_names_the_place_the_cause_and_the_attempts)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(11);
    KabDeadLetter letter = {KAB_STAGE_DECODE, KAB_CLASS_TIMEOUT, 7, "why"};
    kab_letter_add_headers(headers, "g", "b", &input, &letter, false);
    assert_says(headers, "topic", "in");
    assert_says(headers, "partition", "3");
    assert_says(headers, "offset", "42");
    assert_says(headers, "timestamp", "1700000000000");
    assert_says(headers, "group", "g");
    assert_says(headers, "binding", "b");
    assert_says(headers, "stage", "decode");
    assert_says(headers, "attempts", "7");
    assert_says(headers, "class", "timeout");
    assert_says(headers, "message", "why");
    assert_int_equal(rd_kafka_header_cnt(headers), 10);
    rd_kafka_headers_destroy(headers);
}

/* Others read these words out of dead letters. */
TEST(its_stages_and_classes_are_the_documented_words)
{
    static const char *const stages[] = {"function", "produce", "decode"};
    static const char *const classes[] = {"transient", "permanent", "timeout",
                                          "rejected", "crash"};
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        assert_string_equal(kab_stage_name((KabStage)i), stages[i]);
    assert_int_equal(G_N_ELEMENTS(classes), KAB_N_CLASSES);
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
        assert_string_equal(kab_class_name((KabClass)i), classes[i]);
}

TEST(a_truncated_one_says_so)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(11);
    KabDeadLetter letter = {KAB_STAGE_PRODUCE, KAB_CLASS_PERMANENT, 1, ""};
    kab_letter_add_headers(headers, "g", "b", &input, &letter, true);
    assert_says(headers, "truncated", "true");
    rd_kafka_headers_destroy(headers);
}

TEST(its_message_ends_at_a_character)
{
    g_autofree char *text = g_strnfill(1023, 'a');
    g_autofree char *long_text = g_strconcat(text, "\303\274\303\274", NULL);
    g_autofree char *message = kab_letter_dup_message(long_text);
    assert_string_equal(message, text);
}

TEST(a_message_of_just_the_limit_is_kept)
{
    g_autofree char *text = g_strnfill(KAB_LETTER_MESSAGE_BYTES, 'a');
    g_autofree char *message = kab_letter_dup_message(text);
    assert_string_equal(message, text);
    g_autofree char *longer = g_strconcat(text, "b", NULL);
    g_autofree char *cut = kab_letter_dup_message(longer);
    assert_string_equal(cut, text);
}

TEST(its_message_is_utf_8_whatever_the_function_said)
{
    g_autofree char *bytes = g_strnfill(2000, '\377');
    g_autofree char *message = kab_letter_dup_message(bytes);
    assert_true(g_utf8_validate(message, -1, NULL));
    assert_true(strlen(message) <= KAB_LETTER_MESSAGE_BYTES);
    assert_true(strlen(message) > KAB_LETTER_MESSAGE_BYTES - 4);
}

TEST(it_replaces_only_its_own_headers)
{
    assert_true(kab_letter_owns_header("__kabridge.errors.message"));
    assert_false(kab_letter_owns_header("__kabridge.replays"));
    assert_false(kab_letter_owns_header("errors.message"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_names_the_place_the_cause_and_the_attempts),
        cmocka_unit_test(its_stages_and_classes_are_the_documented_words),
        cmocka_unit_test(a_truncated_one_says_so),
        cmocka_unit_test(its_message_ends_at_a_character),
        cmocka_unit_test(a_message_of_just_the_limit_is_kept),
        cmocka_unit_test(its_message_is_utf_8_whatever_the_function_said),
        cmocka_unit_test(it_replaces_only_its_own_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
