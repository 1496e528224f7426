/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration: the file's text, the values set over it, and the faults. */
#include "configuration.h"

#include <string.h>

#include "options-value.h"
#include "settings-internal.h"
#include "small-file.h"

static void
set_entry(KabIni *ini, const char *section_name, const char *key, char *value)
{
    KabIniSection *section = kab_ini_find_or_add(ini, section_name);
    KabIniEntry *entry = kab_ini_section_find_or_add(section, key);
    g_free(entry->value);
    entry->value = value;
    entry->line = 0;
    entry->origin = KAB_INI_VERBATIM;
}

/* "SECTION/KEY=VALUE" */
static bool
apply_assignment(KabIni *ini, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    const char *slash = strchr(assignment, '/');
    if (!equals || !slash || slash > equals)
        return false;
    g_autofree char *section =
        g_strndup(assignment, (size_t)(slash - assignment));
    g_autofree char *key = g_strndup(slash + 1, (size_t)(equals - slash) - 1);
    g_strstrip(section);
    g_strstrip(key);
    if (!*section || !*key || !g_utf8_validate(assignment, -1, NULL))
        return false;
    set_entry(ini, section, key, g_strstrip(g_strdup(equals + 1)));
    return true;
}

KabConfig *
kab_config_new_from_text(const char *path,
                         const char *text,
                         size_t text_len,
                         const KabIniWorld *world)
{
    KabConfig *config = g_new0(KabConfig, 1);
    config->path = g_strdup(path);
    config->ini = kab_ini_new(text, text_len, world);
    config->assignments = g_ptr_array_new_with_free_func(g_free);
    return config;
}

KabConfig *
kab_config_new_from_file(const char *path, GError **error)
{
    g_autoptr(GError) problem = NULL;
    size_t len;
    g_autofree char *text = kab_small_file_read(path, &len, &problem);
    if (!text) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "%s: found no file that can be read; wanted a "
                    "configuration of 1 MiB at most (%s)",
                    path, problem->message);
        return NULL;
    }
    return kab_config_new_from_text(path, text, len, &kab_ini_world);
}

bool
kab_config_set(KabConfig *config, const char *assignment, GError **error)
{
    if (apply_assignment(config->ini, assignment)) {
        g_ptr_array_add(config->assignments, g_strdup(assignment));
        return true;
    }
    /* The text after the '=' may be a secret. */
    g_autofree char *before = g_strndup(assignment, strcspn(assignment, "="));
    g_autofree char *quoted = kab_quote(before);
    g_set_error(error, KAB_ERROR, KAB_ERROR_USAGE,
                "--set: found %s; wanted SECTION/KEY=VALUE, like "
                "'binding scoring/batch.count=64'",
                quoted);
    return false;
}

KabConfig *
kab_config_reread(const KabConfig *config, GError **error)
{
    KabConfig *fresh = kab_config_new_from_file(config->path, error);
    for (unsigned i = 0; fresh && i < config->assignments->len; i++) {
        const char *assignment = config->assignments->pdata[i];
        apply_assignment(fresh->ini, assignment);
        g_ptr_array_add(fresh->assignments, g_strdup(assignment));
    }
    return fresh;
}

void
kab_config_free(KabConfig *config)
{
    if (!config)
        return;
    g_free(config->path);
    kab_ini_free(config->ini);
    g_ptr_array_unref(config->assignments);
    g_free(config);
}

const char *
kab_config_path(const KabConfig *config)
{
    return config->path;
}

static void
fault_free(void *data)
{
    KabConfigFault *fault = data;
    g_free(fault->text);
    g_free(fault);
}

GPtrArray *
kab_faults_new(void)
{
    return g_ptr_array_new_with_free_func(fault_free);
}

KabFaultPlace
kab_fault_place(const KabIniSection *section, const char *key)
{
    const KabIniEntry *entry = key ? kab_ini_section_find(section, key) : NULL;
    return (KabFaultPlace){.line = entry ? entry->line : section->line,
                           .section = section->name,
                           .key = key};
}

char *
kab_fault_dup_place(const KabConfig *config, KabFaultPlace place)
{
    GString *text = g_string_new(NULL);
    if (place.line)
        g_string_append_printf(text, "%s:%u: ", config->path, place.line);
    else
        g_string_append_printf(
            text, "%s: ", place.is_absent ? config->path : "--set");
    if (place.section)
        g_string_append_printf(text, "[%s]", place.section);
    if (place.key)
        g_string_append_printf(text, " %s", place.key);
    if (place.section)
        g_string_append(text, ": ");
    return g_string_free(text, FALSE);
}

void
kab_fault_take(GPtrArray *faults,
               const KabConfig *config,
               KabFaultPlace place,
               char *sentence)
{
    g_autofree char *where = kab_fault_dup_place(config, place);
    KabConfigFault *fault = g_new(KabConfigFault, 1);
    *fault = (KabConfigFault){place.line, faults->len,
                              g_strconcat(where, sentence, NULL)};
    g_free(sentence);
    g_ptr_array_add(faults, fault);
}

/* Values set over the file sort last. */
static int
compare_faults(const void *a, const void *b)
{
    const KabConfigFault *one = *(KabConfigFault *const *)a;
    const KabConfigFault *other = *(KabConfigFault *const *)b;
    if (one->line != other->line)
        return one->line - 1 < other->line - 1 ? -1 : 1;
    return one->number < other->number ? -1 : 1;
}

void
kab_faults_report(GPtrArray *faults, GError **error)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    g_ptr_array_sort(faults, compare_faults);
    for (unsigned i = 0; i < faults->len; i++) {
        const KabConfigFault *fault = faults->pdata[i];
        g_string_append_printf(lines, "%s%s", i ? "\n" : "", fault->text);
    }
    g_set_error_literal(error, KAB_ERROR, KAB_ERROR_CONFIG, lines->str);
}
