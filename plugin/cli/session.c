/* SPDX-License-Identifier: Apache-2.0 */
/* Begins and ends the verbs that run a bridge. */
#include "session.h"

#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "output.h"

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

const KabBindingSettings *
kab_cli_choose_binding(const KabSettings *settings, const char *name)
{
    const GPtrArray *bindings = settings->bindings;
    if (!name && bindings->len == 1)
        return bindings->pdata[0];
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < bindings->len; i++) {
        const KabBindingSettings *binding = bindings->pdata[i];
        if (name && g_str_equal(binding->name, name))
            return binding;
        g_string_append_printf(names, "%s%s", i ? ", " : "", binding->name);
    }
    fprintf(stderr, "kabridge: --binding: found %s; wanted one of %s\n",
            name ? name : "nothing", names->str);
    return NULL;
}

void
kab_cli_leave(int status)
{
    kab_output_end(status);
    kab_log_flush();
    fflush(NULL);
    _exit(status);
}
