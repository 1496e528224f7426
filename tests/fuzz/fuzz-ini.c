/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the configuration file under any bytes. Also: no entry is
 * twice, and what is expanded is text. */
#include "fuzz.h"

#include <string.h>

#include "ini.h"

static char *
get_variable(void *user, const char *name)
{
    return strlen(name) % 2 ? g_strdup(name) : NULL;
}

static char *
get_file(void *user, const char *path, char **ret_problem)
{
    if (strlen(path) % 2)
        return g_strdup(path);
    *ret_problem = g_strdup("found none; wanted one");
    return NULL;
}

static void
check_section(const KabIniSection *section)
{
    for (unsigned i = 0; i < section->entries->len; i++) {
        const KabIniEntry *entry = section->entries->pdata[i];
        g_assert(kab_ini_section_find(section, entry->key) == entry);
        g_assert(!entry->value || g_utf8_validate(entry->value, -1, NULL));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const KabIniWorld world = {get_variable, get_file, NULL};
    g_autoptr(KabIni) ini = kab_ini_new((const char *)data, size, &world);
    for (unsigned i = 0; i < ini->sections->len; i++) {
        const KabIniSection *section = ini->sections->pdata[i];
        g_assert(kab_ini_find(ini, section->name) == section);
        check_section(section);
    }
    for (unsigned i = 0; i < ini->faults->len; i++) {
        const KabIniFault *fault = ini->faults->pdata[i];
        g_assert(fault->line && fault->sentence);
    }
    return 0;
}
