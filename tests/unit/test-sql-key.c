/* SPDX-License-Identifier: Apache-2.0 */
/* The function "sql": canonical numbers, distinct keys, rows by key. */
#include "kab-test.h"

#include <stdio.h>

#include "sql-key.h"
#include "sql-number.h"

static const char *
canonical(const char *text)
{
    static char written[256];
    size_t len = sql_number_write(text, strlen(text), written);
    written[len] = '\0';
    return written;
}

static SqlPart
text_part(const char *text)
{
    return (SqlPart){.data = text, .len = strlen(text)};
}

static SqlPart
number_part(SqlKeys *keys, const char *text)
{
    SqlPart part;
    assert_true(sql_part_set_number(&part, &keys->arena, text, strlen(text)));
    return part;
}

static bool
give(SqlKeys *keys, SqlPart part, const char *json)
{
    return sql_keys_give(keys, &part, json, strlen(json));
}

static int
set_up(void **state)
{
    static SqlKeys keys;
    sql_keys_init(&keys, 1, 42);
    sql_keys_reset(&keys, 1000);
    *state = &keys;
    return 0;
}

static int
tear_down(void **state)
{
    sql_keys_clear(*state);
    return 0;
}

TEST(a_number_has_one_text)
{
    assert_string_equal(canonical("7"), "7");
    assert_string_equal(canonical("7.0"), "7");
    assert_string_equal(canonical("70e-1"), "7");
    assert_string_equal(canonical(" +007 "), "7");
    assert_string_equal(canonical("-0.0"), "0");
    assert_string_equal(canonical("1e2"), "100");
    assert_string_equal(canonical("-1.50"), "-1.5");
    assert_string_equal(canonical("0.00120"), "0.0012");
    assert_string_equal(canonical("120.5e-4"), "0.01205");
}

TEST(a_number_keeps_its_digits)
{
    const char *digits = "1234567890123456789012345678901234567890123456789012"
                         "34567890.12345678901234567890123456789";
    assert_string_equal(canonical(digits), digits);
    assert_string_equal(canonical("9007199254740993"), "9007199254740993");
    assert_string_equal(canonical("1e400"), "1e400");
    assert_string_equal(canonical("12.5E-400"), "125e-401");
}

TEST(what_is_no_number_has_none)
{
    const char *const texts[] = {"",    "-",   ".",   "e5",    "1e",  "1e+",
                                 "0x1", "NaN", "1 2", "1.2.3", "--1", "7a"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(canonical(texts[i]), "");
}

TEST(equal_keys_are_one)
{
    SqlKeys *keys = *state;
    SqlPart seven = number_part(keys, "7.0"), text = text_part("7");
    SqlPart eight = number_part(keys, "8");
    uint32_t first = sql_keys_add(keys, &seven);
    assert_int_equal(sql_keys_add(keys, &text), first);
    assert_int_not_equal(sql_keys_add(keys, &eight), first);
    assert_int_equal(keys->n, 2);
}

TEST(a_thousand_keys_are_told_apart)
{
    SqlKeys *keys = *state;
    char texts[1000][8];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(texts[i], sizeof texts[i], "k%u", i);
        SqlPart part = text_part(texts[i]);
        assert_int_equal(sql_keys_add(keys, &part), i);
    }
    for (unsigned i = 0; i < 1000; i++) {
        SqlPart part = text_part(texts[i]);
        assert_int_equal(sql_keys_add(keys, &part), i);
    }
}

TEST(parts_of_composite_keys_do_not_run_together)
{
    SqlKeys keys;
    sql_keys_init(&keys, 2, 42);
    sql_keys_reset(&keys, 2);
    SqlPart one[] = {text_part("ab"), text_part("c")};
    SqlPart other[] = {text_part("a"), text_part("bc")};
    sql_keys_add(&keys, one);
    sql_keys_add(&keys, other);
    assert_int_equal(keys.n, 2);
    sql_keys_clear(&keys);
}

TEST(each_row_goes_to_the_key_that_it_names)
{
    SqlKeys *keys = *state;
    SqlPart one = text_part("a"), other = text_part("b");
    SqlKey *first = &keys->keys[sql_keys_add(keys, &one)];
    SqlKey *second = &keys->keys[sql_keys_add(keys, &other)];
    assert_true(give(keys, text_part("b"), "{1}"));
    assert_true(give(keys, text_part("b"), "{2}"));
    assert_null(first->first);
    assert_int_equal(second->n_rows, 2);
    assert_memory_equal(second->first->json, "{1}", 3);
    assert_memory_equal(second->first->next->json, "{2}", 3);
}

TEST(a_row_that_nobody_asked_for_is_noticed)
{
    SqlKeys *keys = *state;
    SqlPart bob = text_part("Bob");
    sql_keys_add(keys, &bob);
    assert_false(give(keys, text_part("bob"), "{}"));
    assert_false(give(keys, text_part("Bob "), "{}"));
}

TEST(a_text_that_the_database_reads_as_a_number_gets_its_row)
{
    SqlKeys *keys = *state;
    SqlPart seven = number_part(keys, "7"), odd = text_part("07");
    SqlKey *plain = &keys->keys[sql_keys_add(keys, &seven)];
    SqlKey *padded = &keys->keys[sql_keys_add(keys, &odd)];
    assert_true(give(keys, number_part(keys, "7"), "{}"));
    assert_int_equal(plain->n_rows, 1);
    assert_int_equal(padded->n_rows, 1);
}

TEST(a_text_that_looks_like_a_number_is_not_one_beside_text)
{
    SqlKeys *keys = *state;
    SqlPart seven = text_part("7"), odd = text_part("07");
    SqlKey *plain = &keys->keys[sql_keys_add(keys, &seven)];
    SqlKey *padded = &keys->keys[sql_keys_add(keys, &odd)];
    assert_true(give(keys, text_part("07"), "{}"));
    assert_int_equal(plain->n_rows, 0);
    assert_int_equal(padded->n_rows, 1);
}

#define KEY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KEY_TEST(a_number_has_one_text),
        KEY_TEST(a_number_keeps_its_digits),
        KEY_TEST(what_is_no_number_has_none),
        KEY_TEST(equal_keys_are_one),
        KEY_TEST(a_thousand_keys_are_told_apart),
        KEY_TEST(parts_of_composite_keys_do_not_run_together),
        KEY_TEST(each_row_goes_to_the_key_that_it_names),
        KEY_TEST(a_row_that_nobody_asked_for_is_noticed),
        KEY_TEST(a_text_that_the_database_reads_as_a_number_gets_its_row),
        KEY_TEST(a_text_that_looks_like_a_number_is_not_one_beside_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
