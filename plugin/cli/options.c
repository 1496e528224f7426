/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge options: the reference of the configuration file. */
#include "options.h"

#include <stdio.h>
#include <sysexits.h>

#include "cli.h"

int
kab_cli_options(int argc, char **argv)
{
    static const char *const formats[] = {
#define X(NAME, text) text,
        KAB_OPTIONS_FORMATS(X)
#undef X
    };
    g_autofree char *format = NULL;
    const GOptionEntry entries[] = {
        {"format", 'f', 0, G_OPTION_ARG_STRING, &format,
         "text (default), markdown or man", "FORMAT"},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "",
                       "Prints every option of the configuration file.",
                       entries, 0, 0))
        return EX_USAGE;
    int chosen = format ? kab_cli_choose("format", format, formats,
                                         G_N_ELEMENTS(formats))
                        : KAB_OPTIONS_TEXT;
    if (chosen < 0)
        return EX_USAGE;
    g_autofree char *text = kab_options_dup_reference((KabOptionsFormat)chosen);
    fputs(text, stdout);
    return EX_OK;
}
