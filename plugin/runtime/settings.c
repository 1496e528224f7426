/* SPDX-License-Identifier: Apache-2.0 */
/* From sections to settings: first the defaults, then what is configured.
 *
 * Every fault is collected; structures are filled as far as possible, so that
 * one pass finds all faults.
 */
#include "configuration.h"

#include <string.h>
#include <unistd.h>

#include "settings-internal.h"
#include "ticket.h"

/* A binding's calls whose outputs are not all acknowledged, at most. */
static const size_t most_attempts = 1 << 16;

static const char kafka_section[] = "kafka";

const char *
kab_binding_name_of(const char *section)
{
    static const char prefix[] = "binding";
    size_t len = strlen(prefix);
    if (strncmp(section, prefix, len) != 0)
        return NULL;
    if (!section[len])
        return "";
    return section[len] == ' ' ? section + len + 1 : NULL;
}

KabIniSection *
kab_binding_section(const KabConfig *config, const KabBindingSettings *binding)
{
    const GPtrArray *sections = config->ini->sections;
    for (unsigned i = 0; i < sections->len; i++) {
        KabIniSection *section = sections->pdata[i];
        const char *name = kab_binding_name_of(section->name);
        if (name && strcmp(name, binding->name) == 0)
            return section;
    }
    return NULL;
}

void
kab_settings_store(KabSettingsBuilder *builder,
                   const KabIniSection *section,
                   const KabIniEntry *entry,
                   const KabOptionRow *row,
                   void *structure)
{
    bool is_empty = !*entry->value;
    if ((!is_empty || kab_option_may_be_empty(row)) &&
        kab_option_store(row, structure, entry->value))
        return;
    kab_fault_take(builder->faults, builder->config,
                   kab_fault_place(section, entry->key),
                   kab_value_dup_problem(&row->rule, entry->value,
                                         row->flags & KAB_ROW_SECRET));
}

void
kab_settings_store_default(const KabOptionRow *row,
                           unsigned modes,
                           void *structure)
{
    const char *text = kab_option_default(row, modes);
    if (!text && row->rule.type == KAB_VALUE_LIST)
        text = "";
    if (text && !kab_option_store(row, structure, text))
        g_error("the default of option %s does not fit it", row->name);
}

const GPtrArray *
kab_settings_known(KabSettingsBuilder *builder)
{
    if (!builder->known)
        builder->known = kab_known_properties_new();
    return builder->known;
}

/* Is it a property of the other kind of client, and so without effect? */
static bool
is_misplaced(KabSettingsBuilder *builder,
             const char *name,
             KabClientKind clients)
{
    if (clients == KAB_CLIENT_BOTH)
        return false;
    const KabKnownProperty *property =
        kab_known_properties_find(kab_settings_known(builder), name);
    return property && !(property->clients & clients);
}

/* NULL: the property is valid. */
static char *
dup_property_problem(KabSettingsBuilder *builder,
                     const char *name,
                     const char *value,
                     KabClientKind clients)
{
    char *message = NULL;
    const char *refusal = kab_property_refusal(name);
    if (refusal && !kab_property_is_set_to(name, value))
        return g_strdup_printf("found a property that the bridge sets itself "
                               "(%s); wanted none",
                               refusal);
    if (is_misplaced(builder, name, clients))
        return g_strdup_printf(
            "found a property of the other client; wanted "
            "%s%s",
            clients == KAB_CLIENT_CONSUMER ? "producer." : "consumer.", name);
    return kab_property_check(name, value, &message) ? NULL : message;
}

void
kab_settings_check_property(KabSettingsBuilder *builder,
                            const KabIniSection *section,
                            const KabIniEntry *entry,
                            const char *name,
                            KabClientKind clients)
{
    char *problem = dup_property_problem(builder, name, entry->value, clients);
    if (problem)
        kab_fault_take(builder->faults, builder->config,
                       kab_fault_place(section, entry->key), problem);
}

static void
add_ini_faults(KabSettingsBuilder *builder)
{
    const GPtrArray *faults = builder->config->ini->faults;
    for (unsigned i = 0; i < faults->len; i++) {
        const KabIniFault *fault = faults->pdata[i];
        KabFaultPlace place = {
            .line = fault->line, .section = fault->section, .key = fault->key};
        kab_fault_take(builder->faults, builder->config, place,
                       g_strdup(fault->sentence));
    }
}

static void
refuse_section(KabSettingsBuilder *builder, const KabIniSection *section)
{
    static const char *const names[] = {"kafka", "binding NAME", "admin",
                                        "log",   "modules",      "bridge"};
    const char *nearest =
        kab_nearest(section->name, names, G_N_ELEMENTS(names));
    kab_fault_take(
        builder->faults, builder->config,
        (KabFaultPlace){.line = section->line, .section = section->name},
        g_strdup_printf("found an unknown section; wanted [kafka], [binding "
                        "NAME], [admin], [log], [modules] or [bridge]%s%s%s",
                        nearest ? ", perhaps [" : "", nearest ? nearest : "",
                        nearest ? "]" : ""));
}

static void
refuse_key(KabSettingsBuilder *builder,
           const KabIniSection *section,
           const KabIniEntry *entry,
           KabSection known)
{
    g_autofree char *nearest =
        kab_settings_dup_plain_hint(builder, known, entry->key);
    kab_fault_take(
        builder->faults, builder->config, kab_fault_place(section, entry->key),
        g_strdup_printf("found an unknown key; wanted one of "
                        "[%s]%s%s",
                        kab_section_name(known), nearest ? ", perhaps " : "",
                        nearest ? nearest : ""));
}

static void
read_plain_section(KabSettingsBuilder *builder, KabSection known)
{
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].section == known)
            kab_settings_store_default(&rows[i], 0, builder->settings);
    const KabIniSection *section =
        kab_ini_find(builder->config->ini, kab_section_name(known));
    for (unsigned i = 0; section && i < section->entries->len; i++) {
        const KabIniEntry *entry = section->entries->pdata[i];
        const KabOptionRow *row = kab_options_find(known, entry->key);
        if (!row)
            refuse_key(builder, section, entry, known);
        else if (entry->value)
            kab_settings_store(builder, section, entry, row, builder->settings);
    }
}

static void
read_kafka(KabSettingsBuilder *builder)
{
    const KabIniSection *section =
        kab_ini_find(builder->config->ini, kafka_section);
    for (unsigned i = 0; section && i < section->entries->len; i++) {
        const KabIniEntry *entry = section->entries->pdata[i];
        if (entry->value)
            kab_settings_check_property(builder, section, entry, entry->key,
                                        KAB_CLIENT_BOTH);
    }
}

/* A binding that exists only through --set is probably a misspelt name. */
static bool
is_mistaken(const KabIniSection *section)
{
    return !section->line && !kab_ini_section_find(section, "input.topics");
}

static void
refuse_binding(KabSettingsBuilder *builder, const KabIniSection *section)
{
    const GPtrArray *sections = builder->config->ini->sections;
    g_autofree const char **names = g_new(const char *, sections->len + 1);
    unsigned n = 0;
    for (unsigned i = 0; i < sections->len; i++) {
        const KabIniSection *other = sections->pdata[i];
        if (other->line && kab_binding_name_of(other->name))
            names[n++] = other->name;
    }
    const char *nearest = kab_nearest(section->name, names, n);
    kab_fault_take(builder->faults, builder->config,
                   (KabFaultPlace){.section = section->name},
                   g_strdup_printf("found a binding that the file does not "
                                   "have; wanted one of its %u%s%s%s",
                                   n, nearest ? ", perhaps [" : "",
                                   nearest ? nearest : "", nearest ? "]" : ""));
}

static void
read_bindings(KabSettingsBuilder *builder)
{
    const GPtrArray *sections = builder->config->ini->sections;
    for (unsigned i = 0; i < sections->len; i++) {
        const KabIniSection *section = sections->pdata[i];
        bool is_known = strcmp(section->name, kafka_section) == 0;
        for (int s = KAB_SECTION_ADMIN; s < KAB_N_SECTIONS; s++)
            is_known |=
                strcmp(section->name, kab_section_name((KabSection)s)) == 0;
        if (kab_binding_name_of(section->name) && is_mistaken(section))
            refuse_binding(builder, section);
        else if (kab_binding_name_of(section->name))
            kab_settings_add_binding(builder, section);
        else if (!is_known)
            refuse_section(builder, section);
    }
    if (!builder->settings->bindings->len && !builder->faults->len)
        kab_fault_take(builder->faults, builder->config,
                       (KabFaultPlace){.is_absent = true},
                       g_strdup("found no binding; wanted a section [binding "
                                "NAME]"));
}

/* "HOST:PORT", "[ADDRESS]:PORT" */
static bool
is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    const KabValueRule rule = {.type = KAB_VALUE_INTEGER, .range = "0..65535"};
    KabValue port;
    return colon && colon != text && kab_value_parse(&rule, colon + 1, &port);
}

static void
finish_plain_sections(KabSettingsBuilder *builder)
{
    KabSettings *settings = builder->settings;
    if (!settings->instance)
        settings->instance = g_strdup(g_get_host_name());
    if (settings->admin_listen && !is_address(settings->admin_listen)) {
        const KabIniSection *section =
            kab_ini_find(builder->config->ini, "admin");
        g_autofree char *quoted = kab_quote(settings->admin_listen);
        kab_fault_take(
            builder->faults, builder->config,
            kab_fault_place(section, "listen"),
            g_strdup_printf("found %s; wanted ADDRESS:PORT, or off", quoted));
    }
}

/* Half of the table of calls is for bindings that a reload has ended, whose
 * function still holds handles. */
static void
share_tickets(const KabSettings *settings)
{
    const GPtrArray *bindings = settings->bindings;
    for (unsigned i = 0; i < bindings->len; i++) {
        KabBindingSettings *binding = bindings->pdata[i];
        binding->engine.max_attempts =
            MIN(most_attempts, KAB_MAX_TICKETS / 2 / bindings->len);
    }
}

KabSettings *
kab_settings_new(const KabConfig *config,
                 KabFunctionsFrom functions_from,
                 GError **error)
{
    g_autoptr(GPtrArray) faults = kab_faults_new();
    g_autoptr(KabSettings) settings = g_new0(KabSettings, 1);
    settings->bindings =
        g_ptr_array_new_with_free_func(kab_binding_settings_free);
    KabSettingsBuilder builder = {.config = config,
                                  .settings = settings,
                                  .functions_from = functions_from,
                                  .faults = faults};
    add_ini_faults(&builder);
    for (int s = KAB_SECTION_ADMIN; s < KAB_N_SECTIONS; s++)
        read_plain_section(&builder, (KabSection)s);
    finish_plain_sections(&builder);
    read_kafka(&builder);
    read_bindings(&builder);
    kab_settings_check_bindings(&builder);
    share_tickets(settings);
    g_clear_pointer(&builder.known, g_ptr_array_unref);
    if (faults->len) {
        kab_faults_report(faults, error);
        return NULL;
    }
    return g_steal_pointer(&settings);
}

void
kab_settings_free(KabSettings *settings)
{
    if (!settings)
        return;
    g_ptr_array_unref(settings->bindings);
    g_free(settings->admin_listen);
    g_free(settings->module_path);
    g_free(settings->instance);
    g_free(settings);
}

const KabBindingSettings *
kab_settings_find(const KabSettings *settings, const char *binding)
{
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *candidate = settings->bindings->pdata[i];
        if (strcmp(candidate->name, binding) == 0)
            return candidate;
    }
    return NULL;
}
