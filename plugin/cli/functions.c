/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge functions: lists the values of `function`, with their options. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli.h"
#include "loader.h"
#include "options-value.h"

static void
on_broken(void *user, const char *file, const char *message)
{
    fprintf(stderr, "kabridge: %s\n", message);
}

static void
print_option(const KabOption *option)
{
    printf("    function.%s: %s", option->name,
           kab_value_type_name((KabValueType)option->type));
    if (option->range)
        printf(" %s", option->range);
    if (option->flags & KAB_OPTION_REQUIRED)
        fputs("; required", stdout);
    else if (option->default_value)
        printf("; default: %s",
               *option->default_value ? option->default_value : "empty");
    if (option->flags & KAB_OPTION_SECRET)
        fputs("; secret", stdout);
    printf("\n        %s\n", option->help ? option->help : "");
}

static void
print_module(const KabModule *module)
{
    const KabFunction *function = module->function;
    g_autofree char *file = g_path_get_basename(module->path);
    char *dot = strrchr(file, '.');
    if (dot)
        *dot = '\0';
    printf("%s: %s\n    (%s)\n", file,
           function->summary ? function->summary : "", module->path);
    for (size_t i = 0; i < function->n_options; i++)
        print_option(&function->options[i]);
}

int
kab_cli_functions(int argc, char **argv)
{
    g_autofree char *path = NULL;
    const GOptionEntry entries[] = {
        {"path", 0, 0, G_OPTION_ARG_STRING, &path,
         "directories to search, as in [modules] path", "DIRECTORIES"},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "",
                       "Lists the functions that a configuration can name, "
                       "with their options.",
                       entries, 0, 0))
        return EX_USAGE;
    g_autoptr(GArray) modules = kab_loader_list(path, on_broken, NULL);
    for (unsigned i = 0; i < modules->len; i++)
        print_module(&g_array_index(modules, KabModule, i));
    return EX_OK;
}
