/* SPDX-License-Identifier: Apache-2.0 */
/* Prints effective values, each after its origin, for `check --print`: default,
 * FILE:LINE (with "environment" if ${…} was used), or --set.
 */
#include <string.h>

#include "options-value.h"
#include "settings-internal.h"

static const char hidden[] = "(secret)";

/* State of one kab_settings_dup_text(). */
typedef struct {
    const KabConfig *config;
    GString *text;
} KabPrint;

static void
append_line(const KabPrint *print,
            const KabIniEntry *entry,
            const char *key,
            const char *value)
{
    g_autoptr(GString) origin = g_string_new(NULL);
    if (!entry)
        g_string_append(origin, "default");
    else if (!entry->line)
        g_string_append(origin, "--set");
    else
        g_string_append_printf(
            origin, "%s:%u%s", print->config->path, entry->line,
            entry->origin == KAB_INI_EXPANDED ? " environment" : "");
    /* A file's content may have line breaks. */
    g_autofree char *one_line = g_strdup(value);
    for (char *c = one_line; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    g_string_append_printf(print->text, "%-24s %s = %s\n", origin->str, key,
                           one_line);
}

/* The value of the field, for defaults that the settings derive. */
static char *
dup_derived(const KabOptionRow *row, const void *structure)
{
    const void *field = (const char *)structure + row->offset;
    if (row->rule.type == KAB_VALUE_STRING) {
        const char *text = *(char *const *)field;
        return g_strdup(text ? text : "");
    }
    if (row->rule.type == KAB_VALUE_CHOICE) {
        g_auto(GStrv) choices = g_strsplit(row->rule.range, "|", -1);
        return g_strdup(choices[*(const int *)field]);
    }
    return g_strdup("");
}

static void
append_option(const KabPrint *print,
              const KabIniSection *section,
              const KabOptionRow *row,
              const void *structure,
              unsigned modes)
{
    const KabIniEntry *entry =
        section ? kab_ini_section_find(section, row->name) : NULL;
    const char *standard = kab_option_default(row, modes);
    g_autofree char *derived =
        entry || standard ? NULL : dup_derived(row, structure);
    const char *value = entry ? entry->value : standard ? standard : derived;
    append_line(print, entry, row->name,
                row->flags & KAB_ROW_SECRET ? hidden : value);
}

static void
append_options(const KabPrint *print,
               KabSection known,
               const KabIniSection *section,
               const void *structure,
               unsigned modes)
{
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].section == known && !kab_option_is_prefix(&rows[i]))
            append_option(print, section, &rows[i], structure, modes);
}

/* A URL without its password. Returns a new string. */
static char *
dup_without_password(const char *value)
{
    const char *from = strstr(value, "://");
    const char *end = from ? from + 3 + strcspn(from + 3, "/?#") : value;
    const char *at = g_strrstr_len(value, end - value, "@");
    const char *colon = at ? strchr(from + 3, ':') : NULL;
    if (!colon || colon > at)
        return g_strdup(value);
    return g_strdup_printf("%.*s:%s%s", (int)(colon - value), value, hidden,
                           at);
}

static void
append_function_option(const KabPrint *print,
                       const KabIniSection *section,
                       const KabOption *option,
                       const char *name,
                       const char *value)
{
    g_autofree char *key = g_strconcat("function.", name, NULL);
    g_autofree char *shown = dup_without_password(value);
    append_line(print, kab_ini_section_find(section, key), key,
                option->flags & KAB_OPTION_SECRET ? hidden : shown);
}

static bool
is_given(const GArray *texts, const KabOption *option)
{
    for (unsigned i = 0; i < texts->len; i++)
        if (kab_option_takes(option,
                             g_array_index(texts, KabOptionText, i).key))
            return true;
    return false;
}

static void
append_function(const KabPrint *print,
                const KabIniSection *section,
                const KabBindingSettings *binding)
{
    const KabFunction *function = binding->module.function;
    const GArray *texts = binding->function_texts;
    for (unsigned i = 0; function && i < texts->len; i++) {
        const KabOptionText *text = &g_array_index(texts, KabOptionText, i);
        append_function_option(print, section,
                               kab_option_find(function, text->key), text->key,
                               text->value);
    }
    for (size_t i = 0; function && i < function->n_options; i++) {
        const KabOption *option = &function->options[i];
        if (option->default_value && !is_given(texts, option))
            append_function_option(print, section, option, option->name,
                                   option->default_value);
    }
}

static void
append_property(const KabPrint *print,
                const KabIniEntry *entry,
                const char *prefix,
                const char *name,
                const char *value)
{
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    append_line(print, entry, key,
                kab_property_is_secret(name) ? hidden : value);
}

/* In the binding's section or in [kafka]? */
static bool
is_property_given(const KabPrint *print,
                  const KabIniSection *section,
                  const char *prefix,
                  const char *name)
{
    const KabIniSection *kafka = kab_ini_find(print->config->ini, "kafka");
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    return kab_ini_section_find(section, key) ||
           (kafka && kab_ini_section_find(kafka, name));
}

/* Properties that we set and the user did not; those of [kafka] are printed
 * there. */
static void
append_client(const KabPrint *print,
              const KabIniSection *section,
              const char *prefix,
              KabClientKind kind,
              const GArray *properties)
{
    size_t n;
    const KabClientDefault *rows = kab_client_defaults(&n);
    const KabProperty *user = (const KabProperty *)properties->data;
    for (unsigned i = 0; i < section->entries->len; i++) {
        const KabIniEntry *entry = section->entries->pdata[i];
        if (g_str_has_prefix(entry->key, prefix))
            append_property(print, entry, prefix, entry->key + strlen(prefix),
                            entry->value);
    }
    for (size_t i = 0; i < n; i++) {
        const char *value =
            kab_properties_lookup(kind, user, properties->len, rows[i].name);
        if ((rows[i].clients & kind) && value &&
            !is_property_given(print, section, prefix, rows[i].name))
            append_property(print, NULL, prefix, rows[i].name, value);
    }
}

static void
append_kafka(const KabPrint *print)
{
    const KabIniSection *kafka = kab_ini_find(print->config->ini, "kafka");
    if (!kafka)
        return;
    g_string_append(print->text, "[kafka]\n");
    for (unsigned i = 0; i < kafka->entries->len; i++) {
        const KabIniEntry *entry = kafka->entries->pdata[i];
        append_property(print, entry, "", entry->key, entry->value);
    }
}

static void
append_binding(const KabPrint *print, const KabBindingSettings *binding)
{
    const KabIniSection *section = kab_binding_section(print->config, binding);
    g_string_append_printf(print->text, "\n[%s]\n", section->name);
    append_options(print, KAB_SECTION_BINDING, section, binding,
                   kab_binding_modes(binding));
    append_function(print, section, binding);
    append_client(print, section, "consumer.", KAB_CLIENT_CONSUMER,
                  binding->consumer);
    append_client(print, section, "producer.", KAB_CLIENT_PRODUCER,
                  binding->producer);
}

char *
kab_settings_dup_text(const KabConfig *config, const KabSettings *settings)
{
    const KabPrint print = {config, g_string_new(NULL)};
    append_kafka(&print);
    for (unsigned i = 0; i < settings->bindings->len; i++)
        append_binding(&print, settings->bindings->pdata[i]);
    for (int s = KAB_SECTION_ADMIN; s < KAB_N_SECTIONS; s++) {
        const char *name = kab_section_name((KabSection)s);
        g_string_append_printf(print.text, "\n[%s]\n", name);
        append_options(&print, (KabSection)s, kab_ini_find(config->ini, name),
                       settings, false);
    }
    return g_string_free(print.text, FALSE);
}
