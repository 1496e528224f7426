/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge new: a project for a function, whose make and make test work at
 * once. Its files are those of template-c/, compiled in.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cli.h"

/* path: within the project. In both, @NAME@ is its name and @IDENTIFIER@ the
 * name as C writes it. */
typedef struct {
    const char *path, *text;
} KabTemplateFile;

static const KabTemplateFile files[] = {
#include "plugin/cli/template-c.inc"
};

static bool
is_name(const char *name)
{
    static const char *const characters = G_CSET_a_2_z G_CSET_DIGITS "_-";
    return g_ascii_islower(*name) && !name[strspn(name, characters)] &&
           strlen(name) <= 64;
}

static char *
dup_filled(const char *text, const char *name)
{
    g_autofree char *identifier = g_strdup(name);
    GString *filled = g_string_new(text);
    g_string_replace(filled, "@NAME@", name, 0);
    g_string_replace(filled, "@IDENTIFIER@", g_strdelimit(identifier, "-", '_'),
                     0);
    return g_string_free(filled, FALSE);
}

static bool
write_file(const KabTemplateFile *file, const char *name, GError **error)
{
    g_autofree char *within = dup_filled(file->path, name);
    g_autofree char *path = g_build_filename(name, within, NULL);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *text = dup_filled(file->text, name);
    if (g_mkdir_with_parents(directory, 0777) == 0)
        return g_file_set_contents(path, text, -1, error);
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s",
                directory, g_strerror(errno));
    return false;
}

static bool
write_files(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        if (!write_file(&files[i], name, error))
            return false;
    return true;
}

static int
refuse(const char *sentence)
{
    fprintf(stderr, "kabridge: %s\n", sentence);
    return EX_USAGE;
}

static int
make_project(const char *name)
{
    GError *error = NULL;
    if (!is_name(name))
        return refuse("found a name that does not fit; wanted a small letter "
                      "and then small letters, digits, - or _");
    if (mkdir(name, 0777) < 0 && errno == EEXIST)
        return refuse("found that name here already; wanted a new one");
    if (!write_files(name, &error))
        return kab_cli_fail(error);
    printf("made %s; next: cd %s && make test\n", name, name);
    return EX_OK;
}

int
kab_cli_new(int argc, char **argv)
{
    static const char *const languages[] = {"c", "python"};
    g_autofree char *language = NULL;
    const GOptionEntry entries[] = {
        {"language", 'l', 0, G_OPTION_ARG_STRING, &language,
         "c (default) or python", "LANGUAGE"},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "NAME",
                       "Makes a directory NAME with a function, its build and "
                       "its test.",
                       entries, 1, 1))
        return EX_USAGE;
    int chosen = language ? kab_cli_choose("language", language, languages,
                                           G_N_ELEMENTS(languages))
                          : 0;
    if (chosen < 0)
        return EX_USAGE;
    if (chosen == 1)
        return refuse("found python, which needs the function worker, and "
                      "this version has none; wanted --language c");
    return make_project(argv[1]);
}
