/* SPDX-License-Identifier: Apache-2.0 */
/* A whole configuration under any bytes: reader, table, cross checks, text. A
 * file that is taken is printed, and its digests are the same a second time.
 */
#include "fuzz.h"

#include <string.h>

#include "settings-internal.h"

static char *
get_variable(void *user, const char *name)
{
    return strlen(name) % 2 ? g_strdup(name) : NULL;
}

static char *
get_file(void *user, const char *path, char **ret_problem)
{
    *ret_problem = g_strdup("found none; wanted one");
    return NULL;
}

static void
check_again(const KabConfig *config, const KabSettings *settings)
{
    g_autofree char *text = kab_settings_dup_text(config, settings);
    g_autoptr(KabSettings) again =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_PROGRAM, NULL);
    g_assert(g_utf8_validate(text, -1, NULL));
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *one = settings->bindings->pdata[i];
        const KabBindingSettings *other = again->bindings->pdata[i];
        g_assert_cmpstr(one->fixed_digest, ==, other->fixed_digest);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const KabIniWorld world = {get_variable, get_file, NULL};
    g_autoptr(KabConfig) config =
        kab_config_new_from_text("f", (const char *)data, size, &world);
    g_autoptr(GError) error = NULL;
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_PROGRAM, &error);
    if (settings)
        check_again(config, settings);
    else
        g_assert(g_utf8_validate(error->message, -1, NULL));
    return 0;
}
