/* SPDX-License-Identifier: Apache-2.0 */
/* Directories, shared objects, and what a description must look like.
 *
 * Messages have the form of a configuration's faults: found …; wanted ….
 */
#include "loader.h"

#include <string.h>
#include <unistd.h>

#include <gmodule.h>

#include "options-value.h"

/* What the structure of each minor version of our major has at least. */
static const size_t least_size[] = {
    [0] = G_STRUCT_OFFSET(KabFunction, close) + sizeof(void *),
};
G_STATIC_ASSERT(G_N_ELEMENTS(least_size) == KAB_ABI_MINOR + 1);

G_GNUC_PRINTF(2, 3)
static bool
refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *sentence = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, KAB_ERROR, KAB_ERROR_CONFIG, sentence);
    return false;
}

/* In the build tree the program, or its libtool wrapper's target, stands
 * beside the modules; NULL if this is not it. */
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

/* In the order in which they are searched. */
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

/* The module's name; NULL if the file is none. */
static char *
dup_name_of_file(const char *file)
{
    static const char suffix[] = "." G_MODULE_SUFFIX;
    if (!g_str_has_suffix(file, suffix) || g_str_has_prefix(file, "lib"))
        return NULL;
    return g_strndup(file, strlen(file) - strlen(suffix));
}

/* Adds names that are not there yet; each is mapped to its file. */
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

/* Is what a function says of an option in itself right? */
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
            return refuse(error,
                          "found %s, whose option %s contradicts itself; "
                          "wanted a name, a type, a range of that type and a "
                          "default within it",
                          where, option->name ? option->name : "without name");
    }
    return true;
}

bool
kab_loader_check(const KabFunction *function, const char *where, GError **error)
{
    if (function->abi_major != KAB_ABI_MAJOR ||
        function->abi_minor > KAB_ABI_MINOR)
        return refuse(error,
                      "found %s, built for function ABI %u.%u; wanted ABI "
                      "%u.%u or an older minor: build it against this "
                      "kabridge",
                      where, function->abi_major, function->abi_minor,
                      KAB_ABI_MAJOR, KAB_ABI_MINOR);
    if (function->struct_size < least_size[function->abi_minor])
        return refuse(error,
                      "found %s, whose kab_function has %u bytes; wanted %zu, "
                      "as in ABI %u.%u: use KAB_FUNCTION_DEFINE()",
                      where, function->struct_size,
                      least_size[function->abi_minor], function->abi_major,
                      function->abi_minor);
    const char *missing = missing_field(function);
    if (missing)
        return refuse(error,
                      "found %s without .%s; wanted it in "
                      "KAB_FUNCTION_DEFINE()",
                      where, missing);
    return check_options(function, where, error);
}

/* A description of ours that is no shorter than ours: what an older minor
 * does not have is zero. The module stays, and so does its copy. */
static const KabFunction *
whole(const KabFunction *function)
{
    static const char key[] = "kab-function-whole";
    if (function->struct_size >= sizeof *function)
        return function;
    KabFunction *copy = g_dataset_get_data(function, key);
    if (copy)
        return copy;
    copy = g_new0(KabFunction, 1);
    memcpy(copy, function, function->struct_size);
    g_dataset_set_data_full(function, key, copy, g_free);
    return copy;
}

static bool
open_file(const char *file, KabModule *ret_module, GError **error)
{
    void *symbol;
    GModule *module = g_module_open(file, G_MODULE_BIND_LOCAL);
    if (!module)
        return refuse(error,
                      "found %s, which does not open; wanted a module "
                      "with all it needs (%s)",
                      file, g_module_error());
    if (!g_module_symbol(module, "kab_function", &symbol) || !symbol) {
        g_module_close(module);
        return refuse(error,
                      "found %s without the symbol kab_function; wanted "
                      "a module with KAB_FUNCTION_DEFINE()",
                      file);
    }
    if (!kab_loader_check(symbol, file, error)) {
        g_module_close(module);
        return false;
    }
    g_module_make_resident(module);
    *ret_module = (KabModule){whole(symbol), g_intern_string(file)};
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
    return refuse(error, "found %s; wanted a function in %s%s%s%s", quoted,
                  list, nearest ? ", perhaps \"" : "", nearest ? nearest : "",
                  nearest ? "\"" : "");
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
