/* SPDX-License-Identifier: Apache-2.0 */
/* Begins and ends what verbs do with a bridge. */
#include "session.h"

#include <stdio.h>
#include <unistd.h>

KabConfig *
kab_cli_open(const char *path, char *const *sets, GError **error)
{
    g_autoptr(KabConfig) config = kab_config_new_from_file(path, error);
    if (!config)
        return NULL;
    for (char *const *set = sets; set && *set; set++)
        if (!kab_config_set(config, *set, error))
            return NULL;
    return g_steal_pointer(&config);
}

void
kab_cli_leave(int status)
{
    fflush(NULL);
    _exit(status);
}
