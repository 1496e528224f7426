/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs that run a bridge share: opening its configuration, leaving. */
#pragma once

#include "kabridge/bridge.h"

#include "configuration.h"

/* Reads CONFIG and applies every --set to it; sets may be NULL. Returns a
 * new configuration. */
KabConfig *kab_cli_open(const char *path, char *const *sets, GError **error);

/* The entry of --set for a verb's table of options. */
#define KAB_CLI_SET_ENTRY(sets)                                                \
    {                                                                          \
        "set", 's', 0, G_OPTION_ARG_STRING_ARRAY, sets,                        \
            "a value that wins over the file's; may be repeated",              \
            "'SECTION/KEY=VALUE'"                                              \
    }

/* The binding of that name; the only one if name is NULL. Borrowed. NULL: there
 * is none, or there are several; it is said, the verb returns EX_USAGE. */
const KabBindingSettings *kab_cli_choose_binding(const KabSettings *settings,
                                                 const char *name);

/* Leaves the process at once, after a run that failed: threads of clients and
 * functions may have been leaked, and what exit() would take apart, they may
 * be using. */
G_NORETURN void kab_cli_leave(int status);
