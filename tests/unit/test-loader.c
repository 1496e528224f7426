/* SPDX-License-Identifier: Apache-2.0 */
/* Which modules are opened, and the messages for those that are not. */
#include "kab-test.h"

#include <glib/gstdio.h>

#include "loader.h"

/* Returns the directory of the modules built from tests/support/modules. */
static char *
modules_directory(void)
{
    return g_build_filename(g_getenv("top_builddir"), "tests", "support",
                            "modules", ".libs", NULL);
}

static void
assert_refused(const char *name, const char *format_of_path)
{
    g_autofree char *directory = modules_directory();
    g_autofree char *file = g_strdup_printf("%s/%s.so", directory, name);
    g_autoptr(GString) expected = g_string_new(format_of_path);
    g_string_replace(expected, "FILE", file, 0);
    g_autoptr(GError) error = NULL;
    KabModule module = {0};
    assert_false(kab_loader_open(directory, name, &module, &error));
    assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_CONFIG));
    assert_string_equal(error->message, expected->str);
    assert_null(module.function);
}

TEST(a_module_is_found_by_name_and_by_path)
{
    g_autofree char *directory = modules_directory();
    g_autofree char *file = g_build_filename(directory, "fitting.so", NULL);
    KabModule by_name, by_path;
    assert_true(kab_loader_open(directory, "fitting", &by_name, NULL));
    assert_true(kab_loader_open(NULL, file, &by_path, NULL));
    assert_ptr_equal(by_name.function, by_path.function);
    assert_string_equal(by_name.path, file);
    assert_string_equal(by_name.function->name, "fitting");
}

TEST(the_first_directory_wins)
{
    g_autofree char *directory = modules_directory();
    g_autofree char *path = g_strconcat("/nonexistent::", directory, NULL);
    KabModule module;
    g_setenv("KABRIDGE_MODULE_PATH", path, TRUE);
    assert_true(kab_loader_open("/elsewhere", "fitting", &module, NULL));
    g_unsetenv("KABRIDGE_MODULE_PATH");
}

TEST(an_unknown_name_gets_the_nearest)
{
    g_autofree char *directory = modules_directory();
    g_autoptr(GError) error = NULL;
    KabModule module;
    assert_false(kab_loader_open(directory, "fiting", &module, &error));
    assert_true(g_str_has_prefix(error->message,
                                 "found \"fiting\"; wanted a function in /"));
    assert_true(g_str_has_suffix(error->message, ", perhaps \"fitting\""));
    assert_non_null(strstr(error->message, directory));
}

TEST(a_file_without_a_slash_gets_one)
{
    g_autoptr(GError) error = NULL;
    KabModule module;
    assert_false(kab_loader_open(NULL, "mine.so", &module, &error));
    assert_true(g_str_has_suffix(error->message, ", perhaps \"./mine.so\""));
}

TEST(another_major_is_refused_with_both_numbers)
{
    assert_refused("wrong-major",
                   "found FILE, built for function ABI 2.0; wanted ABI 1.0 or "
                   "an older minor: build it against this kabridge");
}

TEST(a_newer_minor_is_refused_with_both_numbers)
{
    assert_refused("newer-minor",
                   "found FILE, built for function ABI 1.1; wanted ABI 1.0 or "
                   "an older minor: build it against this kabridge");
}

TEST(a_missing_field_is_refused)
{
    assert_refused("no-process", "found FILE without .process; wanted it in "
                                 "KAB_FUNCTION_DEFINE()");
    assert_refused("no-name", "found FILE without .name; wanted it in "
                              "KAB_FUNCTION_DEFINE()");
}

TEST(a_short_structure_is_refused_with_both_numbers)
{
    g_autofree char *expected = g_strdup_printf(
        "found FILE, whose kab_function has 16 bytes; wanted %zu, as in ABI "
        "1.0: use KAB_FUNCTION_DEFINE()",
        sizeof(KabFunction));
    assert_refused("short-struct", expected);
}

TEST(a_longer_structure_is_read_by_its_head)
{
    g_autofree char *directory = modules_directory();
    KabModule module;
    assert_true(kab_loader_open(directory, "larger-struct", &module, NULL));
    assert_true(module.function->struct_size > sizeof(KabFunction));
    assert_string_equal(module.function->name, "larger-struct");
}

TEST(longer_options_are_read_by_their_own_stride)
{
    g_autofree char *directory = modules_directory();
    KabModule module;
    assert_true(kab_loader_open(directory, "larger-option", &module, NULL));
    const KabFunction *function = module.function;
    assert_int_equal(function->option_size, sizeof(KabOption));
    assert_int_equal(function->n_options, 2);
    assert_string_equal(function->options[0].name, "first");
    assert_string_equal(function->options[1].name, "second");
    assert_string_equal(function->options[1].default_value, "7");
}

static void
never_called(void *instance, KabBatch *batch)
{
    fail();
}

TEST(options_without_a_size_are_refused)
{
    const KabOption option = {"count", KAB_OPTION_INTEGER, NULL, NULL, "", 0};
    const KabFunction function = {KAB_FUNCTION_HEAD, .name = "given",
                                  .options = &option, .n_options = 1,
                                  .process = never_called};
    KabFunction without = function;
    without.option_size = 0;
    g_autoptr(GError) error = NULL;
    assert_ptr_equal(kab_loader_adopt(&function, "b", NULL), &function);
    assert_null(kab_loader_adopt(&without, "b", &error));
    assert_non_null(strstr(error->message, "whose .option_size is 0; wanted"));
}

TEST(an_option_that_contradicts_itself_is_refused)
{
    assert_refused("bad-option",
                   "found FILE, whose option size contradicts itself; wanted "
                   "a name, a type, a range of that type and a default within "
                   "it");
}

TEST(an_object_that_is_no_module_is_refused)
{
    assert_refused("no-symbol",
                   "found FILE without the symbol kab_function; wanted a "
                   "module with KAB_FUNCTION_DEFINE()");
}

TEST(an_undefined_symbol_is_found_at_once)
{
    g_autofree char *directory = modules_directory();
    g_autoptr(GError) error = NULL;
    KabModule module;
    assert_false(kab_loader_open(directory, "undefined", &module, &error));
    assert_non_null(strstr(error->message, "does not open"));
    assert_non_null(strstr(error->message, "kab_test_symbol_of_nobody"));
}

TEST(a_path_without_a_file_is_refused)
{
    g_autoptr(GError) error = NULL;
    KabModule module;
    assert_false(kab_loader_open(NULL, "./nowhere.so", &module, &error));
    assert_string_equal(error->message,
                        "found ./nowhere.so, which does not exist; wanted a "
                        "module");
}

static void
count_broken(void *user, const char *file, const char *message)
{
    unsigned *n = user;
    assert_true(g_str_has_suffix(file, ".so"));
    assert_non_null(strstr(message, "; wanted "));
    (*n)++;
}

/* Writes the first n bytes of a valid module; n negative: all but the last
 * -n. */
static char *
write_part(const char *name, gssize n)
{
    g_autofree char *directory = modules_directory();
    g_autofree char *whole = g_build_filename(directory, "fitting.so", NULL);
    g_autofree char *content = NULL;
    char *file = g_build_filename(g_get_tmp_dir(), name, NULL);
    gsize len;
    assert_true(g_file_get_contents(whole, &content, &len, NULL));
    gssize part = n < 0 ? (gssize)len + n : n;
    assert_true(g_file_set_contents(file, content, part, NULL));
    return file;
}

static void
assert_problem(const char *path, const char *problem)
{
    g_autofree char *expected =
        g_strdup_printf("found %s, %s; wanted a module", path, problem);
    g_autoptr(GError) error = NULL;
    KabModule module;
    assert_false(kab_loader_open(NULL, path, &module, &error));
    assert_string_equal(error->message, expected);
}

TEST(a_file_that_was_cut_off_is_refused_wherever_it_ends)
{
    g_autofree char *directory = modules_directory();
    g_autofree char *whole = g_build_filename(directory, "fitting.so", NULL);
    g_autofree char *content = NULL;
    gsize len;
    assert_true(g_file_get_contents(whole, &content, &len, NULL));
    for (gssize n = 64; n < (gssize)len; n += 509) {
        g_autofree char *file = write_part("kab-cut-off.so", n);
        assert_problem(file, "which is cut off");
        g_unlink(file);
    }
    g_autofree char *file = write_part("kab-cut-off.so", -1);
    assert_problem(file, "which is cut off");
    g_unlink(file);
}

TEST(what_is_no_shared_object_is_refused_with_its_path)
{
    g_autofree char *empty = write_part("kab-empty.so", 0);
    g_autofree char *head = write_part("kab-head.so", 20);
    assert_problem(empty, "which is empty");
    assert_problem(head, "which is no shared object");
    assert_problem("/dev/zero", "which is no regular file");
    assert_problem("/tmp", "which is a directory");
    assert_problem("/nonexistent/x.so", "which does not exist");
    g_unlink(empty);
    g_unlink(head);
}

TEST(the_list_goes_on_after_a_broken_module)
{
    static const char *const expected[] = {"fitting", "larger-option",
                                           "larger-struct"};
    g_autofree char *directory = modules_directory();
    unsigned n_broken = 0, n_found = 0;
    g_autoptr(GArray) modules =
        kab_loader_list(directory, count_broken, &n_broken);
    for (unsigned i = 0; i < modules->len; i++) {
        const KabModule *module = &g_array_index(modules, KabModule, i);
        if (g_str_has_prefix(module->path, directory))
            assert_string_equal(module->function->name, expected[n_found++]);
    }
    assert_int_equal(n_found, 3);
    assert_true(n_broken >= 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_is_found_by_name_and_by_path),
        cmocka_unit_test(the_first_directory_wins),
        cmocka_unit_test(an_unknown_name_gets_the_nearest),
        cmocka_unit_test(a_file_without_a_slash_gets_one),
        cmocka_unit_test(another_major_is_refused_with_both_numbers),
        cmocka_unit_test(a_newer_minor_is_refused_with_both_numbers),
        cmocka_unit_test(a_missing_field_is_refused),
        cmocka_unit_test(a_short_structure_is_refused_with_both_numbers),
        cmocka_unit_test(a_longer_structure_is_read_by_its_head),
        cmocka_unit_test(longer_options_are_read_by_their_own_stride),
        cmocka_unit_test(options_without_a_size_are_refused),
        cmocka_unit_test(an_option_that_contradicts_itself_is_refused),
        cmocka_unit_test(an_object_that_is_no_module_is_refused),
        cmocka_unit_test(an_undefined_symbol_is_found_at_once),
        cmocka_unit_test(a_path_without_a_file_is_refused),
        cmocka_unit_test(a_file_that_was_cut_off_is_refused_wherever_it_ends),
        cmocka_unit_test(what_is_no_shared_object_is_refused_with_its_path),
        cmocka_unit_test(the_list_goes_on_after_a_broken_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
