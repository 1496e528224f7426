/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration, read and checked: what the bindings start from.
 *
 * Three steps: ini.c reads lines with their numbers and expands ${…};
 * options.c knows the table (options-table.h) and turns values into fields;
 * this joins them, checks what contradicts, and loads the functions. Every
 * fault is collected, with its place:
 *     FILE:LINE: [section] key: found …; wanted …
 */
#pragma once

#include "kabridge/bridge.h"

#include "context.h"
#include "engine.h"
#include "loader.h"
#include "log.h"
#include "properties.h"

/* Options of [binding NAME]. All memory is its own. */
typedef struct {
    char *name;
    char **input_topics;  /* NULL-terminated; "^…" is a pattern */
    char *output_topic;   /* NULL: none */
    char **output_topics; /* NULL-terminated, perhaps empty */
    char *dead_letter_topic;
    char *group;
    char *transactional_id; /* prefix: GROUP-NAME-INSTANCE unless set */
    bool is_transactional_id_set;
    bool partition_is_same, timestamp_is_now, passes_headers;
    bool is_adaptive;
    int64_t latency_target_us;
    KabEngineOptions engine; /* complete: threads resolved, ceilings */

    KabModule module;            /* function NULL: to be given by the program */
    GArray *function_texts;      /* KabOptionText */
    GArray *consumer, *producer; /* KabProperty: [kafka], then the binding's */

    /* Of everything that is not reloadable, as text: two are equal if the
     * binding can go on. And of everything that is. */
    char *fixed_digest, *reloadable_digest;

    GStringChunk *texts; /* what the arrays point to */
} KabBindingSettings;

typedef enum { KAB_ON_STOP_EXIT, KAB_ON_STOP_CONTINUE } KabOnStop;

typedef struct {
    GPtrArray *bindings; /* KabBindingSettings, in the file's order */
    char *admin_listen;  /* NULL: no HTTP server */
    KabLogLevel log_level;
    KabLogFormat log_format;
    char *module_path; /* NULL: none */
    KabOnStop on_stop;
    char *instance;
} KabSettings;

/* Who will give functions that the file does not name. */
typedef enum {
    KAB_FUNCTIONS_FROM_FILE,    /* `function` is required */
    KAB_FUNCTIONS_FROM_PROGRAM, /* may be left out */
} KabFunctionsFrom;

/* Borrows config. Returns new settings, or NULL with KAB_ERROR_CONFIG and
 * every fault, one a line. */
KabSettings *kab_settings_new(const KabConfig *config,
                              KabFunctionsFrom functions_from,
                              GError **error);
void kab_settings_free(KabSettings *settings);
const KabBindingSettings *kab_settings_find(const KabSettings *settings,
                                            const char *binding);
/* Is the topic one of its inputs, or of their patterns? */
bool kab_binding_settings_reads(const KabBindingSettings *binding,
                                const char *topic);

/* Are the function.* keys right for a function that a program gives? The
 * error's code is KAB_ERROR_CONFIG, with a line a fault. */
bool kab_settings_check_function(const KabConfig *config,
                                 const KabBindingSettings *binding,
                                 const KabFunction *function,
                                 GError **error);

/* The file of a configuration, to read it again. Borrowed. */
const char *kab_config_path(const KabConfig *config);
/* Reads the file again, keeping what was set over it. Returns a new
 * configuration. */
KabConfig *kab_config_reread(const KabConfig *config, GError **error);

/* Effective values and their origin, for check --print: a line each,
 * secrets hidden. Returns a new string. */
char *kab_settings_dup_text(const KabConfig *config,
                            const KabSettings *settings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabSettings, kab_settings_free)
