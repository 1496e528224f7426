/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration, read and checked: what the bindings start from.
 *
 * Three steps: ini.c reads lines with their numbers and expands ${…}; options.c
 * knows the table (options-table.h) and turns values into fields; the settings
 * files join the two, find contradictions, and load the functions. Every fault
 * is collected, with its place:
 *     FILE:LINE: [section] key: found …; wanted …
 */
#pragma once

#include "kabridge/bridge.h"

#include "context.h"
#include "engine.h"
#include "loader.h"
#include "log.h"
#include "properties.h"

/* Options of [binding NAME]. Owns all its memory. */
typedef struct {
    char *name;
    char **input_topics;  /* NULL-terminated; "^…" is a pattern */
    char *output_topic;   /* NULL: none */
    char **output_topics; /* NULL-terminated; may be empty */
    char *dead_letter_topic;
    char *group;
    char *transactional_id; /* for exactly-once; the prefix is
                             * GROUP-NAME-INSTANCE unless set */
    bool is_transactional_id_set;
    bool partition_is_same, timestamp_is_now, passes_headers;
    char *trace_endpoint;    /* NULL: no tracing */
    const char *instance;    /* the process's; borrowed from KabSettings */
    KabEngineOptions engine; /* complete: threads resolved, ceilings applied */

    KabModule module;            /* function NULL: the program gives one */
    char *function_place;        /* what a fault of its open() begins with */
    GArray *function_texts;      /* KabOptionText */
    GArray *consumer, *producer; /* KabProperty: those of [kafka] first, then
                                  * the binding's own */

    /* Digests of the options that are not reloadable, and of those that are. If
     * fixed_digest is unchanged, the running binding can go on. */
    char *fixed_digest, *reloadable_digest;

    GStringChunk *texts; /* storage of the arrays' strings */
} KabBindingSettings;

typedef enum { KAB_ON_STOP_EXIT, KAB_ON_STOP_CONTINUE } KabOnStop;

typedef struct {
    GPtrArray *bindings; /* KabBindingSettings, in the file's order */
    char *admin_listen;  /* NULL: no HTTP server */
    bool has_tap;        /* /tap may show records */
    KabLogLevel log_level;
    KabLogFormat log_format;
    char *module_path; /* NULL: none */
    KabOnStop on_stop;
    char *instance;
} KabSettings;

/* Who provides the functions that the file does not name. */
typedef enum {
    KAB_FUNCTIONS_FROM_FILE,    /* `function` is required */
    KAB_FUNCTIONS_FROM_PROGRAM, /* may be left out */
} KabFunctionsFrom;

/* Borrows config. Returns new settings, or NULL with KAB_ERROR_CONFIG and every
 * fault, one per line. */
KabSettings *kab_settings_new(const KabConfig *config,
                              KabFunctionsFrom functions_from,
                              GError **error);
void kab_settings_free(KabSettings *settings);
const KabBindingSettings *kab_settings_find(const KabSettings *settings,
                                            const char *binding);
/* Is the topic one of the binding's inputs, by name or by pattern? */
bool kab_binding_settings_reads(const KabBindingSettings *binding,
                                const char *topic);

/* Do the function.* keys fit a function that the program gives? If not,
 * KAB_ERROR_CONFIG with the faults, one per line. */
bool kab_settings_check_function(const KabConfig *config,
                                 const KabBindingSettings *binding,
                                 const KabFunction *function,
                                 GError **error);

/* The path of the configuration file. Borrowed. */
const char *kab_config_path(const KabConfig *config);
/* Reads the file again and keeps the values set over it. Returns a new
 * configuration. */
KabConfig *kab_config_reread(const KabConfig *config, GError **error);

/* Effective values and their origin, for check --print: one per line, secrets
 * hidden. Returns a new string. */
char *kab_settings_dup_text(const KabConfig *config,
                            const KabSettings *settings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabSettings, kab_settings_free)
