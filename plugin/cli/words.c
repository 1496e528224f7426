/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the verbs: parsing arguments, reporting errors. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli.h"
#include "log.h"
#include "options-value.h"

static bool
has_right_number(int n, const char *positional, int n_least, int n_most)
{
    if (n >= n_least && n <= n_most)
        return true;
    fprintf(stderr, "kabridge: found %d words; wanted %s\n", n,
            *positional ? positional : "none");
    return false;
}

bool
kab_cli_parse(int *argc,
              char ***argv,
              const char *positional,
              const char *help,
              const GOptionEntry *entries,
              int n_least,
              int n_most)
{
    g_autofree char *program = g_strconcat("kabridge ", (*argv)[0], NULL);
    g_autoptr(GOptionContext) context = g_option_context_new(positional);
    g_autoptr(GError) error = NULL;
    g_set_prgname(program);
    g_option_context_set_summary(context, help);
    if (entries)
        g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        fprintf(stderr, "kabridge: %s; %s --help lists the options\n",
                error->message, program);
        return false;
    }
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        (*argv)[1] = (*argv)[0];
        (*argv)++;
        (*argc)--;
    }
    return has_right_number(*argc - 1, positional, n_least, n_most);
}

/* Takes the error. */
static int
print_error(GError *error, const char *before)
{
    int status = kab_error_exit_status(error);
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    for (char **line = lines; *line; line++)
        kab_log_print("%s%s\n", before, *line);
    g_error_free(error);
    return status;
}

int
kab_cli_fail(GError *error)
{
    bool has_places = g_error_matches(error, KAB_ERROR, KAB_ERROR_CONFIG);
    return print_error(error, has_places ? "" : "kabridge: ");
}

int
kab_cli_fail_of_bindings(GError *error)
{
    return print_error(error, "kabridge: ");
}

int
kab_cli_choose(const char *what,
               const char *word,
               const char *const *names,
               size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(names[i], word) == 0)
            return (int)i;
    g_autofree char *quoted = kab_quote(word);
    g_autoptr(GString) list = g_string_new(NULL);
    for (size_t i = 0; i < n_names; i++)
        g_string_append_printf(list, "%s%s", i ? ", " : "", names[i]);
    fprintf(stderr, "kabridge: found %s %s; wanted one of %s\n", what, quoted,
            list->str);
    return -1;
}
