/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by span: the grammar, pointers, strings, and replacing values. */
#include "kab-test.h"

#include <stdio.h>

#include "json-span.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static KabSpan
span_of(const char *text)
{
    return (KabSpan){text, strlen(text)};
}

/* The text's value; the text must be valid. */
static KabSpan
value_of(const char *text)
{
    KabSpan value;
    assert_true(
        kab_json_check(text, strlen(text), KAB_JSON_NONFINITE, &value, NULL));
    return value;
}

static void
assert_span(KabSpan span, const char *text)
{
    if (!text) {
        assert_null(span.at);
        return;
    }
    assert_non_null(span.at);
    assert_int_equal(span.len, strlen(text));
    assert_memory_equal(span.at, text, span.len);
}

static bool
is_json(const char *text, unsigned flags)
{
    KabSpan value;
    return kab_json_check(text, strlen(text), flags, &value, NULL);
}

TEST(values_of_the_grammar_are_accepted)
{
    static const char *const texts[] = {
        "null",
        "true",
        " false ",
        "0",
        "-0",
        "10",
        "-1.50",
        "1e5",
        "2E-7",
        "0.1e+30",
        "\"\"",
        "\"a\\u00E9\\n\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,[2]]",
        "{\"a\":{},\"\":[]}",
        "\t[1 , 2]\r\n",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    };
    for (size_t i = 0; i < LENGTH(texts); i++)
        if (!is_json(texts[i], KAB_JSON_STRICT))
            fail_msg("refused: %s", texts[i]);
}

TEST(everything_else_is_refused)
{
    static const char *const texts[] = {
        "",
        " ",
        "nul",
        "nulll",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "-",
        "0x1",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{1:1}",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "NaN",
        "Infinity",
        "-Infinity",
        "'a'",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "tru",
    };
    for (size_t i = 0; i < LENGTH(texts); i++)
        if (is_json(texts[i], KAB_JSON_STRICT))
            fail_msg("accepted: %s", texts[i]);
}

TEST(tokens_that_are_no_numbers_are_accepted_on_request)
{
    assert_true(is_json("[NaN,Infinity,-Infinity]", KAB_JSON_NONFINITE));
    assert_false(is_json("[Nan]", KAB_JSON_NONFINITE));
    assert_false(is_json("[-NaN]", KAB_JSON_NONFINITE));
    assert_false(is_json("[Inf]", KAB_JSON_NONFINITE));
}

TEST(containers_nest_up_to_the_limit)
{
    char text[2 * KAB_JSON_MAX_DEPTH + 3];
    for (size_t depth = KAB_JSON_MAX_DEPTH; depth <= KAB_JSON_MAX_DEPTH + 1;
         depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_int_equal(is_json(text, KAB_JSON_STRICT),
                         depth == KAB_JSON_MAX_DEPTH);
    }
}

TEST(a_fault_says_where_and_what_was_wanted)
{
    KabSpan value;
    KabJsonFault fault;
    assert_false(kab_json_check("[1, x]", 6, 0, &value, &fault));
    assert_int_equal(fault.offset, 4);
    assert_string_equal(fault.wanted, "a value");
    assert_false(kab_json_check("{\"a\" 1}", 7, 0, &value, &fault));
    assert_int_equal(fault.offset, 5);
    assert_string_equal(fault.wanted, "':'");
    assert_false(kab_json_check("[1]x", 4, 0, &value, &fault));
    assert_int_equal(fault.offset, 3);
}

TEST(a_prefix_ends_where_its_value_does)
{
    KabSpan value;
    assert_true(kab_json_check_prefix(" {\"a\":1} tail", 13, 0, &value, NULL));
    assert_span(value, "{\"a\":1}");
}

TEST(elements_and_members_are_walked)
{
    KabJsonIter iter = kab_json_iter(value_of("[ 1 ,[2,\"]\"], {} ]"));
    KabSpan name, value;
    static const char *const elements[] = {"1", "[2,\"]\"]", "{}"};
    for (size_t i = 0; i < LENGTH(elements); i++) {
        assert_true(kab_json_next_element(&iter, &value));
        assert_span(value, elements[i]);
    }
    assert_false(kab_json_next_element(&iter, &value));
    iter = kab_json_iter(value_of("{ \"a\" : 1 , \"b,\":\"x\\\"}\" }"));
    assert_true(kab_json_next_member(&iter, &name, &value));
    assert_span(name, "\"a\"");
    assert_span(value, "1");
    assert_true(kab_json_next_member(&iter, &name, &value));
    assert_span(name, "\"b,\"");
    assert_span(value, "\"x\\\"}\"");
    assert_false(kab_json_next_member(&iter, &name, &value));
}

/* What the check lists is what the walk finds. */
static void
assert_listed(const char *text, bool has_escape)
{
    KabJsonMember room[3];
    KabJsonMembers members = {.at = room,
                              .capacity = sizeof room / sizeof *room};
    KabSpan document, name, value;
    size_t n = 0;
    assert_true(kab_json_check_object(text, strlen(text), KAB_JSON_STRICT,
                                      &document, NULL, &members));
    assert_int_equal(members.has_escape, has_escape);
    KabJsonIter iter = kab_json_iter(document);
    if (kab_json_type(document) == KAB_JSON_OBJECT)
        for (; kab_json_next_member(&iter, &name, &value); n++) {
            if (n >= members.capacity)
                continue;
            assert_ptr_equal(room[n].name.at, name.at);
            assert_int_equal(room[n].name.len, name.len);
            assert_ptr_equal(room[n].value.at, value.at);
            assert_int_equal(room[n].value.len, value.len);
        }
    assert_int_equal(members.n, n);
}

TEST(the_members_of_an_object_are_listed_by_its_check)
{
    assert_listed("{}", false);
    assert_listed(" { } ", false);
    assert_listed("{\"a\":1}", false);
    assert_listed(" { \"a\" : 1 , \"b\" : \"x\" } ", false);
    assert_listed("{\"a\":{\"x\":{},\"y\":[]},\"b\":[1,{\"z\":2}]}", false);
    assert_listed("{\"a\":[],\"b\":{},\"a\":true}", false);
    assert_listed("{\"\":null,\"\\u0061\":-1e5}", true);
    assert_listed("{\"a\":[\"\\n\"]}", true);
    assert_listed("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":[5]}", false);
    assert_listed("[{\"a\":1},2]", false);
    assert_listed("\"text\"", false);
}

TEST(containers_are_counted)
{
    assert_int_equal(kab_json_count(value_of("[]")), 0);
    assert_int_equal(kab_json_count(value_of("[1,[2,3],4]")), 3);
    assert_int_equal(kab_json_count(value_of("{\"a\":1,\"b\":{}}")), 2);
    assert_int_equal(kab_json_count(value_of("7")), 0);
}

TEST(pointers_find_members_and_elements)
{
    KabSpan value =
        value_of("{\"data\":[{\"v\":[1.0,2]},{\"v\":null}],"
                 "\"a/b\":1,\"~\":2,\"\":3,\"\\u0041\":4,"
                 "\"twice\":5,\"twice\":6,\"long\":\"abcdefghijk\"}");
    static const struct {
        const char *pointer, *found;
    } cases[] = {
        {"/data/0/v", "[1.0,2]"},
        {"/data/1/v", "null"},
        {"/data/0/v/1", "2"},
        {"/a~1b", "1"},
        {"/~0", "2"},
        {"/", "3"},
        {"/A", "4"},
        {"/twice", "6"},
        {"/long", "\"abcdefghijk\""},
        {"/data/2", NULL},
        {"/data/00", NULL},
        {"/data/-", NULL},
        {"/data/x", NULL},
        {"/none", NULL},
        {"/a~1b/c", NULL},
        {"/data/0/v/1/0", NULL},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_span(kab_json_find(value, cases[i].pointer), cases[i].found);
    assert_span(kab_json_find(value, ""), value.at);
    assert_span(kab_json_member(value, "a/b"), "1");
    assert_span(kab_json_member(value, "b"), NULL);
}

TEST(pointers_are_judged)
{
    assert_true(kab_json_pointer_is_valid(""));
    assert_true(kab_json_pointer_is_valid("/a~0~1/"));
    assert_false(kab_json_pointer_is_valid("a"));
    assert_false(kab_json_pointer_is_valid("/a~2"));
    assert_false(kab_json_pointer_is_valid("/a~"));
    char deep[KAB_JSON_POINTER_MAX_LEVELS + 2];
    memset(deep, '/', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_false(kab_json_pointer_is_valid(deep));
    assert_true(kab_json_pointer_is_valid(deep + 1));
}

TEST(vectors_hold_finite_numbers_only)
{
    size_t n;
    assert_true(kab_json_is_vector(value_of("[1, -2.5,3e8]"), &n));
    assert_int_equal(n, 3);
    assert_false(kab_json_is_vector(value_of("[1,null]"), &n));
    assert_int_equal(n, 2);
    assert_false(kab_json_is_vector(value_of("[NaN]"), &n));
    assert_false(kab_json_is_vector(value_of("[-Infinity]"), &n));
    assert_false(kab_json_is_vector(value_of("[[1]]"), &n));
    assert_false(kab_json_is_vector(value_of("[\"1\"]"), &n));
    assert_false(kab_json_is_vector(value_of("[]"), &n));
    assert_int_equal(n, 0);
    assert_false(kab_json_is_vector(value_of("1"), &n));
}

TEST(vectors_are_judged_alike_wherever_the_odd_element_stands)
{
    static const char *const odd[] = {"null",   "true",        "NaN",
                                      "\"+1\"", "[1]",         "-Infinity",
                                      "{}",     "\"\xc3\xa4\""};
    size_t n;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (size_t before = 0; before < 20; before++) {
            char text[200] = "[";
            for (size_t k = 0; k < before; k++)
                strcat(text, k % 3 ? "1e-05, " : "0.25,");
            assert_true(kab_json_is_vector(value_of(strcat(text, "-7]")), &n));
            assert_int_equal(n, before + 1);
            strcpy(strrchr(text, '-'), odd[i]);
            strcat(text, ",1.5]");
            assert_false(kab_json_is_vector(value_of(text), &n));
            assert_int_equal(n, before + 2);
        }
}

TEST(whole_numbers_are_read)
{
    long long number;
    assert_true(kab_json_to_integer(value_of("-12"), &number));
    assert_int_equal(number, -12);
    assert_false(kab_json_to_integer(value_of("1.0"), &number));
    assert_false(kab_json_to_integer(value_of("1e3"), &number));
    assert_false(kab_json_to_integer(value_of("1234567890123456789"), &number));
    assert_false(kab_json_to_integer(value_of("\"1\""), &number));
}

TEST(strings_say_what_they_say)
{
    static const struct {
        const char *string, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\ud83dx\"", "\xef\xbf\xbdx"},
        {"\"\\ude00\"", "\xef\xbf\xbd"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        KabSpan string = value_of(cases[i].string);
        char text[64];
        size_t len = kab_json_decode(string, text);
        assert_span((KabSpan){text, len}, cases[i].text);
        assert_true(kab_json_string_is(string, text, len));
        assert_false(kab_json_string_is(string, "pl", 2));
        assert_false(kab_json_string_is(string, "plain\"\\/b and more", 17));
    }
}

TEST(texts_become_strings)
{
    static const char text[] = "a\"b\\c\n\x01\x1f\xc3\xa9/";
    static const char wanted[] = "\"a\\\"b\\\\c\\n\\u0001\\u001f\xc3\xa9/\"";
    char out[64];
    size_t len = kab_json_encode(text, sizeof text - 1, out);
    assert_span((KabSpan){out, len}, wanted);
    assert_int_equal(kab_json_encoded_len(text, sizeof text - 1), len);
    assert_true(kab_json_string_is((KabSpan){out, len}, text, sizeof text - 1));
}

TEST(utf8_is_judged)
{
    assert_true(kab_utf8_is_valid("", 0));
    assert_true(kab_utf8_is_valid("\xf4\x8f\xbf\xbf", 4));
    assert_false(kab_utf8_is_valid("\x80", 1));
    assert_false(kab_utf8_is_valid("\xe0\x9f\xbf", 3));
    assert_false(kab_utf8_is_valid("\xc3", 1));
}

static void *
alloc_plain(void *user, size_t size)
{
    unsigned *n_calls = user;
    ++*n_calls;
    return malloc(size);
}

/* Asserts the document after the puts; NULL: there is no such place. */
static void
assert_put(const char *document,
           const KabJsonPut *puts,
           size_t n,
           const char *wanted)
{
    unsigned n_calls = 0;
    size_t failed = n;
    KabSpan result = kab_json_put(value_of(document), puts, n, alloc_plain,
                                  &n_calls, &failed);
    assert_span(result, wanted);
    if (wanted) {
        assert_int_equal(n_calls, 1);
        free((char *)(uintptr_t)result.at);
    } else {
        assert_int_equal(failed, n - 1);
    }
}

static void
assert_put_one(const char *document, const char *pointer, const char *wanted)
{
    const KabJsonPut put = {pointer, span_of("[7]")};
    assert_put(document, &put, 1, wanted);
}

TEST(a_value_replaces_what_is_there)
{
    assert_put_one("{\"a\" : 1.00 ,\"b\":2}", "/a", "{\"a\" : [7] ,\"b\":2}");
    assert_put_one("{\"a\":[1,2,3]}", "/a/1", "{\"a\":[1,[7],3]}");
    assert_put_one("{\"a\":1,\"a\":2}", "/a", "{\"a\":1,\"a\":[7]}");
    assert_put_one("5", "", "[7]");
}

TEST(a_missing_member_is_added_with_the_objects_that_lead_to_it)
{
    assert_put_one("{}", "/a", "{\"a\":[7]}");
    assert_put_one("{ }", "/a", "{\"a\":[7] }");
    assert_put_one("{\"b\":1 }", "/a", "{\"b\":1,\"a\":[7] }");
    assert_put_one("{\"b\":{}}", "/b/c~1d/e", "{\"b\":{\"c/d\":{\"e\":[7]}}}");
    assert_put_one("{}", "/\"", "{\"\\\"\":[7]}");
}

TEST(arrays_are_appended_to_at_their_end_only)
{
    assert_put_one("[]", "/-", "[[7]]");
    assert_put_one("[1]", "/1", "[1,[7]]");
    assert_put_one("[1]", "/-/x", "[1,{\"x\":[7]}]");
    assert_put_one("[1]", "/2", NULL);
    assert_put_one("[1]", "/x", NULL);
    assert_put_one("{\"a\":1}", "/a/b", NULL);
}

TEST(several_values_are_put_in_turn)
{
    const KabJsonPut puts[] = {{"/ml/score", span_of("0.10")},
                               {"/ml/label", span_of("\"x\"")},
                               {"/id", span_of("8")}};
    assert_put("{\"id\": 1e0}", puts, 3,
               "{\"id\": 8,\"ml\":{\"score\":0.10,\"label\":\"x\"}}");
    const KabJsonPut wrong[] = {{"/ml", span_of("1")}, {"/ml/x", span_of("2")}};
    assert_put("{}", wrong, 2, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_the_grammar_are_accepted),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(tokens_that_are_no_numbers_are_accepted_on_request),
        cmocka_unit_test(containers_nest_up_to_the_limit),
        cmocka_unit_test(a_fault_says_where_and_what_was_wanted),
        cmocka_unit_test(a_prefix_ends_where_its_value_does),
        cmocka_unit_test(elements_and_members_are_walked),
        cmocka_unit_test(the_members_of_an_object_are_listed_by_its_check),
        cmocka_unit_test(containers_are_counted),
        cmocka_unit_test(pointers_find_members_and_elements),
        cmocka_unit_test(pointers_are_judged),
        cmocka_unit_test(vectors_hold_finite_numbers_only),
        cmocka_unit_test(
            vectors_are_judged_alike_wherever_the_odd_element_stands),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(strings_say_what_they_say),
        cmocka_unit_test(texts_become_strings),
        cmocka_unit_test(utf8_is_judged),
        cmocka_unit_test(a_value_replaces_what_is_there),
        cmocka_unit_test(
            a_missing_member_is_added_with_the_objects_that_lead_to_it),
        cmocka_unit_test(arrays_are_appended_to_at_their_end_only),
        cmocka_unit_test(several_values_are_put_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
