/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the verbs that run a bridge: opening its configuration, exiting. */
#pragma once

#include "kabridge/bridge.h"

#include "configuration.h"

/* Reads the file and applies every --set to it; sets may be NULL. Returns a new
 * configuration. */
KabConfig *kab_cli_open(const char *path, char *const *sets, GError **error);

/* The entry for --set in a verb's option table. */
#define KAB_CLI_SET_ENTRY(sets)                                                \
    {                                                                          \
        "set", 's', 0, G_OPTION_ARG_STRING_ARRAY, sets,                        \
            "a value that wins over the file's; may be repeated",              \
            "'SECTION/KEY=VALUE'"                                              \
    }

/* The binding of that name; the only one if name is NULL. Borrowed. NULL: there
 * is none, or there are several; the error has been printed, and the verb
 * returns EX_USAGE. */
const KabBindingSettings *kab_cli_choose_binding(const KabSettings *settings,
                                                 const char *name);

/* Exits at once after a failed run: leaked threads of clients and functions may
 * still use what exit() would destroy. */
G_NORETURN void kab_cli_leave(int status);
