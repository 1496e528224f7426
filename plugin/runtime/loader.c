/* SPDX-License-Identifier: Apache-2.0 */
/* Finds directories and shared objects, and checks function descriptions.
 *
 * Messages have the form of configuration faults: found …; wanted ….
 */
#include "loader.h"

#include <string.h>
#include <unistd.h>

#include <gmodule.h>

#include "elf-check.h"
#include "options-value.h"

/* Minimum size of the structure in each minor version of our major version. */
static const size_t least_size[] = {
    [0] = G_STRUCT_OFFSET(KabFunction, close) + sizeof(void *),
};
G_STATIC_ASSERT(G_N_ELEMENTS(least_size) == KAB_ABI_MINOR + 1);
static const size_t least_option_size =
    G_STRUCT_OFFSET(KabOption, flags) + sizeof(uint32_t);

G_GNUC_PRINTF(2, 3)
static bool
refuse_module(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *sentence = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, KAB_ERROR, KAB_ERROR_CONFIG, sentence);
    return false;
}

/* In a build tree, the program (or the target of its libtool wrapper) lies
 * beside the modules. NULL: this is no build tree. */
static char *
dup_uninstalled_directory(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = program ? g_path_get_dirname(program) : NULL;
    const char *const candidates[] = {".libs", "."};
    for (size_t i = 0; directory && i < G_N_ELEMENTS(candidates); i++) {
        g_autofree char *candidate =
            g_canonicalize_filename(candidates[i], directory);
        g_autofree char *archive =
            g_build_filename(candidate, "libkab-runtime.la", NULL);
        if (g_file_test(archive, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&candidate);
    }
    return NULL;
}

static void
add_directories(GStrvBuilder *builder, const char *path)
{
    g_auto(GStrv) directories = g_strsplit(path ? path : "", ":", -1);
    for (char **directory = directories; *directory; directory++)
        if (**directory)
            g_strv_builder_add(builder, *directory);
}

/* In search order. */
static char **
dup_directories(const char *path)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *uninstalled = dup_uninstalled_directory();
    add_directories(builder, g_getenv("KABRIDGE_MODULE_PATH"));
    add_directories(builder, path);
    add_directories(builder, uninstalled);
    add_directories(builder, KAB_MODULE_DIR);
    return g_strv_builder_end(builder);
}

/* The module's name; NULL if the file name is not that of a module. */
static char *
dup_name_of_file(const char *file)
{
    static const char suffix[] = "." G_MODULE_SUFFIX;
    if (!g_str_has_suffix(file, suffix) || g_str_has_prefix(file, "lib"))
        return NULL;
    return g_strndup(file, strlen(file) - strlen(suffix));
}

/* Adds new names, each mapped to its file. */
static void
add_files(GHashTable *files, const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *file;
    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *name = dup_name_of_file(file);
        if (name && !g_hash_table_contains(files, name))
            g_hash_table_insert(files, g_steal_pointer(&name),
                                g_build_filename(directory, file, NULL));
    }
}

static GHashTable *
find_files(const char *path)
{
    GHashTable *files =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) directories = dup_directories(path);
    for (char **directory = directories; *directory; directory++)
        add_files(files, *directory);
    return files;
}

static const char *
missing_field(const KabFunction *function)
{
    if (!function->name || !*function->name)
        return "name";
    if (!function->process)
        return "process";
    if (!function->options && function->n_options)
        return "options";
    return NULL;
}

/* Is the function's declaration of an option consistent in itself? */
static bool
is_sound(const KabOption *option)
{
    KabValueRule rule = {.type = (KabValueType)option->type,
                         .range = option->range};
    KabValue value;
    if (!option->name || option->type < KAB_OPTION_STRING ||
        option->type > KAB_OPTION_CHOICE || !kab_value_rule_is_sound(&rule))
        return false;
    if (g_str_has_suffix(option->name, ".*"))
        return option->type == KAB_OPTION_STRING;
    return !option->default_value ||
           kab_value_parse(&rule, option->default_value, &value);
}

static bool
check_options(const KabFunction *function, const char *where, GError **error)
{
    for (size_t i = 0; i < function->n_options; i++) {
        const KabOption *option = &function->options[i];
        if (!is_sound(option))
            return refuse_module(
                error,
                "found %s, whose option %s contradicts itself; "
                "wanted a name, a type, a range of that type and a "
                "default within it",
                where, option->name ? option->name : "without name");
    }
    return true;
}

static bool
check_sizes(const KabFunction *function, const char *where, GError **error)
{
    if (function->struct_size < least_size[function->abi_minor])
        return refuse_module(
            error,
            "found %s, whose kab_function has %u bytes; wanted %zu, "
            "as in ABI %u.%u: use KAB_FUNCTION_DEFINE()",
            where, function->struct_size, least_size[function->abi_minor],
            function->abi_major, function->abi_minor);
    if (function->n_options && (function->option_size < least_option_size ||
                                function->option_size % sizeof(void *)))
        return refuse_module(
            error,
            "found %s, whose .option_size is %u; wanted the size of "
            "KabOption, %zu in ABI %u.%u: use KAB_FUNCTION_DEFINE() "
            "or KAB_FUNCTION_HEAD",
            where, function->option_size, sizeof(KabOption), KAB_ABI_MAJOR,
            KAB_ABI_MINOR);
    return true;
}

static bool
check_head(const KabFunction *function, const char *where, GError **error)
{
    if (function->abi_major != KAB_ABI_MAJOR ||
        function->abi_minor > KAB_ABI_MINOR)
        return refuse_module(
            error,
            "found %s, built for function ABI %u.%u; wanted ABI "
            "%u.%u or an older minor: build it against this "
            "kabridge",
            where, function->abi_major, function->abi_minor, KAB_ABI_MAJOR,
            KAB_ABI_MINOR);
    if (!check_sizes(function, where, error))
        return false;
    const char *missing = missing_field(function);
    if (missing)
        return refuse_module(error,
                             "found %s without .%s; wanted it in "
                             "KAB_FUNCTION_DEFINE()",
                             where, missing);
    return true;
}

/* Copies the module's options into our own KabOption layout. Fields that an
 * older minor version lacks are zero; fields that a newer one adds are
 * dropped. */
static void
copy_options(KabOption *options, const KabFunction *function)
{
    size_t size = MIN(function->option_size, sizeof(KabOption));
    for (size_t i = 0; i < function->n_options; i++)
        memcpy(&options[i],
               (const char *)function->options + i * function->option_size,
               size);
}

/* The description in our own layout: a copy if a size differs. The copy is kept
 * beside the original for the life of the process. */
static const KabFunction *
dup_resized(const KabFunction *function)
{
    static const char key[] = "kab-function-resized";
    bool has_our_stride =
        !function->n_options || function->option_size == sizeof(KabOption);
    if (function->struct_size >= sizeof *function && has_our_stride)
        return function;
    KabFunction *copy = g_dataset_get_data(function, key);
    if (copy)
        return copy;
    copy = g_malloc0(sizeof *copy + function->n_options * sizeof(KabOption));
    memcpy(copy, function, MIN(function->struct_size, sizeof *copy));
    copy->options = (KabOption *)(copy + 1);
    copy->option_size = sizeof(KabOption);
    copy_options((KabOption *)(copy + 1), function);
    g_dataset_set_data_full(function, key, copy, g_free);
    return copy;
}

const KabFunction *
kab_loader_adopt(const KabFunction *function, const char *where, GError **error)
{
    if (!check_head(function, where, error))
        return NULL;
    const KabFunction *resized = dup_resized(function);
    return check_options(resized, where, error) ? resized : NULL;
}

static bool
open_library_in(const char *directory)
{
    g_autofree char *file =
        g_build_filename(directory, "libkabridge.so." KAB_LIBRARY_MAJOR, NULL);
    GModule *library = g_module_open(file, G_MODULE_BIND_LOCAL);
    if (!library)
        return false;
    g_module_make_resident(library);
    return true;
}

/* Modules need libkabridge by its name alone. In a prefix that the dynamic
 * linker does not search, that name is known once the library was opened by
 * its path. */
static bool
open_library(void)
{
    g_autofree char *uninstalled = dup_uninstalled_directory();
    return (uninstalled && open_library_in(uninstalled)) ||
           open_library_in(KAB_LIBRARY_DIR);
}

static GModule *
open_module(const char *file)
{
    GModule *module = g_module_open(file, G_MODULE_BIND_LOCAL);
    if (module || !strstr(g_module_error(), "libkabridge.so"))
        return module;
    return open_library() ? g_module_open(file, G_MODULE_BIND_LOCAL) : NULL;
}

static bool
open_file(const char *file, KabModule *ret_module, GError **error)
{
    void *symbol;
    const char *problem = kab_elf_problem(file);
    if (problem)
        return refuse_module(error, "found %s, %s; wanted a module", file,
                             problem);
    GModule *module = open_module(file);
    if (!module)
        return refuse_module(error,
                             "found %s, which does not open; wanted a module "
                             "with all it needs (%s)",
                             file, g_module_error());
    if (!g_module_symbol(module, "kab_function", &symbol) || !symbol) {
        g_module_close(module);
        return refuse_module(error,
                             "found %s without the symbol kab_function; wanted "
                             "a module with KAB_FUNCTION_DEFINE()",
                             file);
    }
    const KabFunction *function = kab_loader_adopt(symbol, file, error);
    if (!function) {
        g_dataset_destroy(symbol);
        g_module_close(module);
        return false;
    }
    g_module_make_resident(module);
    *ret_module = (KabModule){function, g_intern_string(file)};
    return true;
}

static bool
refuse_unknown(const char *path,
               const char *name,
               GHashTable *files,
               GError **error)
{
    unsigned n;
    g_autofree char *quoted = kab_quote(name);
    g_auto(GStrv) directories = dup_directories(path);
    g_autofree char *list = g_strjoinv(", ", directories);
    g_autofree const char **names =
        (void *)g_hash_table_get_keys_as_array(files, &n);
    g_autofree char *path_of_file = g_strconcat("./", name, NULL);
    const char *nearest = g_str_has_suffix(name, "." G_MODULE_SUFFIX)
                              ? path_of_file
                              : kab_nearest(name, names, n);
    return refuse_module(error, "found %s; wanted a function in %s%s%s%s",
                         quoted, list, nearest ? ", perhaps \"" : "",
                         nearest ? nearest : "", nearest ? "\"" : "");
}

bool
kab_loader_open(const char *path,
                const char *name,
                KabModule *ret_module,
                GError **error)
{
    if (strchr(name, '/'))
        return open_file(name, ret_module, error);
    g_autoptr(GHashTable) files = find_files(path);
    const char *file = g_hash_table_lookup(files, name);
    if (!file)
        return refuse_unknown(path, name, files, error);
    return open_file(file, ret_module, error);
}

static int
compare_modules(const void *a, const void *b)
{
    g_autofree char *one = g_path_get_basename(((const KabModule *)a)->path);
    g_autofree char *other = g_path_get_basename(((const KabModule *)b)->path);
    return strcmp(one, other);
}

GArray *
kab_loader_list(const char *path,
                void (*on_broken)(void *user,
                                  const char *file,
                                  const char *message),
                void *user)
{
    GArray *modules = g_array_new(FALSE, FALSE, sizeof(KabModule));
    g_autoptr(GHashTable) files = find_files(path);
    GHashTableIter iter;
    void *file;
    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, NULL, &file)) {
        KabModule module;
        g_autoptr(GError) error = NULL;
        if (open_file(file, &module, &error))
            g_array_append_val(modules, module);
        else
            on_broken(user, file, error->message);
    }
    g_array_sort(modules, compare_modules);
    return modules;
}
