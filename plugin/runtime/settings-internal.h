/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the settings: the text, and the list of faults.
 *
 * configuration.c keeps the text; settings.c turns sections into structures;
 * settings-binding.c does so for a binding; settings-check.c finds
 * contradictions; settings-text.c prints.
 */
#pragma once

#include "configuration.h"
#include "ini.h"
#include "options.h"
#include "properties-known.h"

/* A file as read, with the values set over it merged in: such entries and
 * sections have line 0. Owned by the program until kab_bridge_new(). */
struct KabConfig {
    char *path;
    KabIni *ini;
    GPtrArray *assignments; /* arguments of kab_config_set(), in order */
};

/* A place and a sentence; faults are printed in the order of their lines. */
typedef struct {
    unsigned line, number; /* number: order of discovery */
    char *text;
} KabConfigFault;

/* State of one kab_settings_new(). */
typedef struct {
    const KabConfig *config;
    KabSettings *settings;
    KabFunctionsFrom functions_from;
    GPtrArray *faults; /* KabConfigFault */
    GPtrArray *known;  /* result of kab_settings_known() */
    unsigned n_hints;  /* suggestions looked up */
} KabSettingsBuilder;

/* Place of one fault. key NULL: the whole section; section NULL: the whole
 * file. Line 0: a value set over the file, or, if is_absent, no line at all. */
typedef struct {
    unsigned line;
    bool is_absent;
    const char *section, *key;
} KabFaultPlace;

/* Borrows text. Returns a new configuration. */
KabConfig *kab_config_new_from_text(const char *path,
                                    const char *text,
                                    size_t text_len,
                                    const KabIniWorld *world);

/* What a fault's line begins with: "FILE:LINE: [section] key: ". Returns a new
 * string. */
char *kab_fault_dup_place(const KabConfig *config, KabFaultPlace place);

GPtrArray *kab_faults_new(void);
/* Takes sentence. */
void kab_fault_take(GPtrArray *faults,
                    const KabConfig *config,
                    KabFaultPlace place,
                    char *sentence);
/* Reports all faults, one per line, in order, as KAB_ERROR_CONFIG. */
void kab_faults_report(GPtrArray *faults, GError **error);

/* The place of an entry or, if it is missing, of its section. */
KabFaultPlace kab_fault_place(const KabIniSection *section, const char *key);

/* A binding and where its faults go. */
typedef struct {
    KabSettingsBuilder *builder;
    const KabIniSection *section;
    const KabBindingSettings *binding;
} KabCheck;

/* settings-clients.c */
/* A property in milliseconds; standard_us if neither we nor the user set it. */
int64_t kab_settings_property_us(const KabCheck *check,
                                 KabClientKind kind,
                                 const char *name,
                                 int64_t standard_us);
void kab_settings_check_brokers(const KabCheck *check);
void kab_settings_check_clients(const KabCheck *check);

/* settings.c: stores one value in its field; adds a fault if it does not
 * fit. */
void kab_settings_store(KabSettingsBuilder *builder,
                        const KabIniSection *section,
                        const KabIniEntry *entry,
                        const KabOptionRow *row,
                        void *structure);
void kab_settings_store_default(const KabOptionRow *row,
                                unsigned modes,
                                void *structure);
/* librdkafka's properties (KabKnownProperty), listed at the first call. */
const GPtrArray *kab_settings_known(KabSettingsBuilder *builder);
/* name: without the prefix that selects the client. */
void kab_settings_check_property(KabSettingsBuilder *builder,
                                 const KabIniSection *section,
                                 const KabIniEntry *entry,
                                 const char *name,
                                 KabClientKind clients);
/* settings-binding.c */
void kab_settings_add_binding(KabSettingsBuilder *builder,
                              const KabIniSection *section);
void kab_binding_settings_free(void *binding);
/* settings-check.c: contradictions within a binding, and between bindings. */
void kab_settings_check_binding(KabSettingsBuilder *builder,
                                const KabIniSection *section,
                                const KabBindingSettings *binding);
void kab_settings_check_bindings(KabSettingsBuilder *builder);

/* settings-hint.c: the key that a user may have meant, in a section or in a
 * binding. Returns a new string; NULL: no suggestion, or too many lookups: they
 * are expensive, and a file may consist of unknown keys. */
char *kab_settings_dup_plain_hint(KabSettingsBuilder *builder,
                                  KabSection section,
                                  const char *key);
char *kab_settings_dup_hint(KabSettingsBuilder *builder, const char *key);

/* "scoring" of "binding scoring"; NULL: not the section of a binding. */
const char *kab_binding_name_of(const char *section);
/* The KAB_MODE_* flags of a binding that has been read. */
unsigned kab_binding_modes(const KabBindingSettings *binding);
KabIniSection *kab_binding_section(const KabConfig *config,
                                   const KabBindingSettings *binding);
