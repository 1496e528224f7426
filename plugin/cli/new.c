/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge new: creates a project for a function; `make` and `make test` work
 * at once. The files of template-c/ or template-python/ are compiled in.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cli.h"

/* path: within the project. In path and text, @NAME@ is the project's name and
 * @IDENTIFIER@ the same as a C identifier. */
typedef struct {
    const char *path, *text;
} KabTemplateFile;

static const KabTemplateFile c_files[] = {
#include "plugin/cli/template-c.inc"
};

static const KabTemplateFile python_files[] = {
#include "plugin/cli/template-python.inc"
};

/* A language, and the files of its project. */
typedef struct {
    const char *language;
    const KabTemplateFile *files;
    size_t n_files;
} KabTemplate;

static const KabTemplate templates[] = {
    {"c", c_files, G_N_ELEMENTS(c_files)},
    {"python", python_files, G_N_ELEMENTS(python_files)},
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
write_files(const KabTemplate *template, const char *name, GError **error)
{
    for (size_t i = 0; i < template->n_files; i++)
        if (!write_file(&template->files[i], name, error))
            return false;
    return true;
}

static int
refuse_name(const char *sentence)
{
    fprintf(stderr, "kabridge: %s\n", sentence);
    return EX_USAGE;
}

static int
make_project(const KabTemplate *template, const char *name)
{
    GError *error = NULL;
    if (!is_name(name))
        return refuse_name(
            "found a name that does not fit; wanted a lower-case letter, "
            "then lower-case letters, digits, - or _");
    if (mkdir(name, 0777) < 0 && errno == EEXIST)
        return refuse_name("found a file of that name; wanted a new name");
    if (!write_files(template, name, &error))
        return kab_cli_fail(error);
    printf("made %s; next: cd %s && make test\n", name, name);
    return EX_OK;
}

/* Without a language, the first template; -1: unknown language. */
static int
choose_template(const char *language)
{
    const char *languages[G_N_ELEMENTS(templates)];
    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++)
        languages[i] = templates[i].language;
    if (!language)
        return 0;
    return kab_cli_choose("language", language, languages,
                          G_N_ELEMENTS(languages));
}

int
kab_cli_new(int argc, char **argv)
{
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
    int chosen = choose_template(language);
    if (chosen < 0)
        return EX_USAGE;
    return make_project(&templates[chosen], argv[1]);
}
