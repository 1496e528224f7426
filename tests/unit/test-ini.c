/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the configuration file, and values as users write them. */
#include "kab-test.h"

#include "ini.h"
#include "options-value.h"

static char *
get_variable(void *user, const char *name)
{
    if (strcmp(name, "HOME_BROKER") == 0)
        return g_strdup("broker:9092");
    if (strcmp(name, "EMPTY") == 0)
        return g_strdup("");
    if (strcmp(name, "LATIN") == 0)
        return g_strdup("\xe9");
    return NULL;
}

static char *
get_file(void *user, const char *path, char **ret_problem)
{
    if (strcmp(path, "/run/secret") == 0)
        return g_strdup("hunter2\n");
    if (strcmp(path, "/run/lines") == 0)
        return g_strdup("one\ntwo\r\n");
    *ret_problem = g_strdup("found no such file; wanted one");
    return NULL;
}

static const KabIniWorld world = {get_variable, get_file, NULL};

static KabIni *
read_text(const char *text)
{
    return kab_ini_new(text, strlen(text), &world);
}

/* The entry in section "s"; NULL: there is none. */
static const KabIniEntry *
entry_of(const KabIni *ini, const char *key)
{
    const KabIniSection *section = kab_ini_find(ini, "s");
    return section ? kab_ini_section_find(section, key) : NULL;
}

static void
assert_value(const char *text, const char *value)
{
    g_autoptr(KabIni) ini = read_text(text);
    assert_int_equal(ini->faults->len, 0);
    assert_non_null(entry_of(ini, "k"));
    assert_string_equal(entry_of(ini, "k")->value, value);
}

static void
assert_fault(const char *text, unsigned line, const char *sentence)
{
    g_autoptr(KabIni) ini = read_text(text);
    assert_int_equal(ini->faults->len, 1);
    const KabIniFault *fault = ini->faults->pdata[0];
    assert_string_equal(fault->sentence, sentence);
    assert_int_equal(fault->line, line);
}

TEST(a_value_runs_to_the_end_of_its_line)
{
    assert_value("[s]\nk = a value = with # and ; in it  \n",
                 "a value = with # and ; in it");
    assert_value("[s]\n\tk=\"quoted\"\n", "\"quoted\"");
    assert_value("[s]\nk =\n", "");
    assert_value("[s]\nk = last line", "last line");
}

TEST(comments_and_empty_lines_are_skipped)
{
    assert_value("# one\n; two\n\n   \n[s]\n#k = 1\nk = 2\n", "2");
}

TEST(a_comment_must_not_be_indented)
{
    assert_fault("[s]\n  # k = 1\n", 2,
                 "found # behind blanks; wanted a comment to begin at the "
                 "beginning of its line");
}

TEST(a_byte_order_mark_and_crlf_are_accepted)
{
    assert_value("\xEF\xBB\xBF[s]\r\nk = v\r\n\r\n", "v");
}

TEST(blanks_in_a_section_name_are_one)
{
    g_autoptr(KabIni) ini = read_text("[ binding \t scoring ]\n");
    assert_non_null(kab_ini_find(ini, "binding scoring"));
}

TEST(entries_know_their_lines)
{
    g_autoptr(KabIni) ini = read_text("\n[s]\n\nk = v\n");
    assert_int_equal(kab_ini_find(ini, "s")->line, 2);
    assert_int_equal(entry_of(ini, "k")->line, 4);
    assert_int_equal(entry_of(ini, "k")->origin, KAB_INI_VERBATIM);
}

TEST(variables_are_expanded)
{
    assert_value("[s]\nk = ${HOME_BROKER},x\n", "broker:9092,x");
    assert_value("[s]\nk = ${EMPTY}\n", "");
    assert_value("[s]\nk = ${MISSING:-a b}\n", "a b");
    assert_value("[s]\nk = ${EMPTY:-default}\n", "default");
    assert_value("[s]\nk = ${MISSING:-}\n", "");
    assert_value("[s]\nk = ${HOME_BROKER:-unused}\n", "broker:9092");
}

TEST(files_are_expanded_without_their_last_newline)
{
    assert_value("[s]\nk = ${file:/run/secret}\n", "hunter2");
    assert_value("[s]\nk = ${file:/run/lines}\n", "one\ntwo");
}

TEST(dollars_are_taken_as_they_are_or_doubled)
{
    assert_value("[s]\nk = ^orders-.*$\n", "^orders-.*$");
    assert_value("[s]\nk = $HOME $${HOME} $$\n", "$HOME ${HOME} $");
}

TEST(what_is_expanded_is_not_expanded_again)
{
    g_autoptr(KabIni) ini = read_text("[s]\nk = ${MISSING:-$$}\n");
    assert_string_equal(entry_of(ini, "k")->value, "$$");
    assert_int_equal(entry_of(ini, "k")->origin, KAB_INI_EXPANDED);
}

TEST(an_expansion_that_fails_is_a_fault_with_its_key)
{
    g_autoptr(KabIni) ini = read_text("[s]\nk = ${MISSING}\n");
    const KabIniFault *fault = ini->faults->pdata[0];
    assert_string_equal(fault->section, "s");
    assert_string_equal(fault->key, "k");
    assert_null(entry_of(ini, "k")->value);
    assert_fault("[s]\nk = ${MISSING}\n", 2,
                 "found ${MISSING}, which is not in the environment; wanted "
                 "it set, or ${MISSING:-default}");
    assert_fault("[s]\nk = ${HOME_BROKER\n", 2,
                 "found ${ without its }; wanted ${NAME}, or $$ for a dollar");
    assert_fault("[s]\nk = ${}\n", 2,
                 "found ${…} around no name; wanted ${NAME}, "
                 "${NAME:-default}, ${file:PATH}, or $$ for a dollar");
    assert_fault("[s]\nk = ${file:/nowhere}\n", 2,
                 "found no such file; wanted one");
    assert_fault("[s]\nk = ${LATIN}\n", 2,
                 "found ${LATIN}, which is not UTF-8; wanted a text");
}

TEST(duplicates_are_faults)
{
    assert_fault("[s]\nk = 1\nk = 2\n", 3,
                 "found this key a second time, the first is in line 2; "
                 "wanted it once");
    assert_fault("[s]\n[t]\n[s]\n", 3,
                 "found this section a second time, the first is in line 1; "
                 "wanted it once");
}

TEST(a_line_that_says_nothing_is_a_fault)
{
    assert_fault("[s]\nword\n", 2,
                 "found a line without =; wanted key = value, [section] or # "
                 "comment");
    assert_fault("[s]\n= v\n", 2,
                 "found a line without a key; wanted key = value, [section] "
                 "or # comment");
    assert_fault("k = v\n", 1,
                 "found a key before any section; wanted [section] above it");
    assert_fault("[s\nk = v\nl = w\n", 1,
                 "found a [ without its ] at the end of the line; wanted "
                 "[section]");
}

TEST(bytes_that_are_no_text_are_a_fault)
{
    static const char sentence[] =
        "found bytes that are no text; wanted UTF-8 without NUL";
    static const char nul[] = "[s]\nk = a\0b\n";
    assert_fault("[s]\nk = \xff\n", 2, sentence);
    g_autoptr(KabIni) ini = kab_ini_new(nul, sizeof nul - 1, &world);
    assert_int_equal(ini->faults->len, 1);
    assert_string_equal(((KabIniFault *)ini->faults->pdata[0])->sentence,
                        sentence);
}

TEST(a_line_without_end_is_a_fault)
{
    g_autofree char *filler = g_strnfill(70000, 'x');
    g_autofree char *text = g_strdup_printf("[s]\nk = %s\n", filler);
    assert_fault(text, 2,
                 "found a line of more than 65536 bytes; wanted a shorter "
                 "one");
}

TEST(the_reader_goes_on_after_faults)
{
    g_autoptr(KabIni) ini =
        read_text("x\n[s]\nword\nk = 1\nk = 2\n[t\nk = 3\n[u]\nk = ${\n");
    assert_int_equal(ini->faults->len, 5);
    assert_string_equal(entry_of(ini, "k")->value, "1");
    assert_non_null(kab_ini_find(ini, "u"));
}

/* --- Values -------------------------------------------------------------- */

typedef struct {
    KabValueType type;
    const char *range, *text;
    bool fits;
    int64_t number;
} Case;

static const Case cases[] = {
    {KAB_VALUE_INTEGER, "1..10", "10", true, 10},
    {KAB_VALUE_INTEGER, "1..10", "11", false, 0},
    {KAB_VALUE_INTEGER, "1..10", "0", false, 0},
    {KAB_VALUE_INTEGER, NULL, "-7", true, -7},
    {KAB_VALUE_INTEGER, "5..", "4", false, 0},
    {KAB_VALUE_INTEGER, NULL, "1k", false, 0},
    {KAB_VALUE_INTEGER, NULL, "+1", false, 0},
    {KAB_VALUE_INTEGER, NULL, "", false, 0},
    {KAB_VALUE_INTEGER, NULL, "9223372036854775807", true, INT64_MAX},
    {KAB_VALUE_INTEGER, NULL, "9223372036854775808", false, 0},
    {KAB_VALUE_SIZE, NULL, "64KiB", true, 65536},
    {KAB_VALUE_SIZE, NULL, "64k", true, 65536},
    {KAB_VALUE_SIZE, NULL, "1MiB", true, 1048576},
    {KAB_VALUE_SIZE, NULL, "1m", true, 1048576},
    {KAB_VALUE_SIZE, NULL, "2 GiB", true, INT64_C(2147483648)},
    {KAB_VALUE_SIZE, NULL, "4096", true, 4096},
    {KAB_VALUE_SIZE, NULL, "64KB", false, 0},
    {KAB_VALUE_SIZE, NULL, "-1", false, 0},
    {KAB_VALUE_SIZE, NULL, "9223372036854775807GiB", false, 0},
    {KAB_VALUE_DURATION, NULL, "250us", true, 250},
    {KAB_VALUE_DURATION, NULL, "10ms", true, 10000},
    {KAB_VALUE_DURATION, NULL, "5s", true, 5000000},
    {KAB_VALUE_DURATION, NULL, "2m", true, 120000000},
    {KAB_VALUE_DURATION, NULL, "0", true, 0},
    {KAB_VALUE_DURATION, NULL, "10", false, 0},
    {KAB_VALUE_DURATION, NULL, "1.5s", false, 0},
    {KAB_VALUE_DURATION, "1ms..1s", "2s", false, 0},
    {KAB_VALUE_BOOLEAN, NULL, "true", true, 1},
    {KAB_VALUE_BOOLEAN, NULL, "No", true, 0},
    {KAB_VALUE_BOOLEAN, NULL, "maybe", false, 0},
    {KAB_VALUE_CHOICE, "a|b|c", "c", true, 2},
    {KAB_VALUE_CHOICE, "a|b|c", "a|b", false, 0},
    {KAB_VALUE_RATE, NULL, "100/s", true, 100},
    {KAB_VALUE_RATE, NULL, "5/10ms", true, 5},
    {KAB_VALUE_RATE, "1..1000", "100/s", true, 100},
    {KAB_VALUE_RATE, "1..1000", "2000/s", false, 0},
    {KAB_VALUE_RATE, NULL, "0/s", false, 0},
    {KAB_VALUE_RATE, NULL, "100", false, 0},
    {KAB_VALUE_RATIO, "0..1", "0.25", true, 0},
    {KAB_VALUE_RATIO, "0..1", "1.5", false, 0},
    {KAB_VALUE_RATIO, "0..1", "nan", false, 0},
};

TEST(values_fit_their_type_and_range)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        const KabValueRule rule = {.type = c->type, .range = c->range};
        KabValue value = {0};
        if (kab_value_parse(&rule, c->text, &value) != c->fits ||
            value.number != c->number)
            fail_msg("%s", c->text);
    }
}

TEST(a_word_stands_for_a_number)
{
    const KabValueRule rule = {.type = KAB_VALUE_DURATION,
                               .range = "0..1h",
                               .word = "never",
                               .number = INT64_MAX};
    KabValue value;
    assert_true(kab_value_parse(&rule, "never", &value));
    assert_int_equal(value.number, INT64_MAX);
    g_autofree char *problem = kab_value_dup_problem(&rule, "soon", false);
    assert_string_equal(problem,
                        "found \"soon\"; wanted a time 0..1h, like 250us, "
                        "10ms, 5s or 2m, or never");
}

TEST(a_secret_is_not_shown)
{
    const KabValueRule rule = {.type = KAB_VALUE_INTEGER};
    g_autofree char *problem = kab_value_dup_problem(&rule, "hunter2", true);
    assert_string_equal(problem, "found something else; wanted a whole number");
}

TEST(quoted_text_is_short_and_plain)
{
    g_autofree char *filler = g_strnfill(500, 'x');
    g_autofree char *quoted = kab_quote(filler);
    g_autofree char *escaped = kab_quote("a\nb\033[31m");
    assert_true(strlen(quoted) < 100);
    assert_string_equal(escaped, "\"a\\x0ab\\x1b[31m\"");
}

TEST(the_nearest_name_is_found)
{
    static const char *const names[] = {"batch.count", "batch.bytes", "order"};
    assert_string_equal(kab_nearest("bach.count", names, 3), "batch.count");
    assert_string_equal(kab_nearest("batch_bytes", names, 3), "batch.bytes");
    assert_string_equal(kab_nearest("odrer", names, 3), "order");
    assert_null(kab_nearest("group", names, 3));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_runs_to_the_end_of_its_line),
        cmocka_unit_test(comments_and_empty_lines_are_skipped),
        cmocka_unit_test(a_comment_must_not_be_indented),
        cmocka_unit_test(a_byte_order_mark_and_crlf_are_accepted),
        cmocka_unit_test(blanks_in_a_section_name_are_one),
        cmocka_unit_test(entries_know_their_lines),
        cmocka_unit_test(variables_are_expanded),
        cmocka_unit_test(files_are_expanded_without_their_last_newline),
        cmocka_unit_test(dollars_are_taken_as_they_are_or_doubled),
        cmocka_unit_test(what_is_expanded_is_not_expanded_again),
        cmocka_unit_test(an_expansion_that_fails_is_a_fault_with_its_key),
        cmocka_unit_test(duplicates_are_faults),
        cmocka_unit_test(a_line_that_says_nothing_is_a_fault),
        cmocka_unit_test(bytes_that_are_no_text_are_a_fault),
        cmocka_unit_test(a_line_without_end_is_a_fault),
        cmocka_unit_test(the_reader_goes_on_after_faults),
        cmocka_unit_test(values_fit_their_type_and_range),
        cmocka_unit_test(a_word_stands_for_a_number),
        cmocka_unit_test(a_secret_is_not_shown),
        cmocka_unit_test(quoted_text_is_short_and_plain),
        cmocka_unit_test(the_nearest_name_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
