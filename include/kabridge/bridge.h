/* SPDX-License-Identifier: Apache-2.0 */
/* The embedding API: a bridge inside another program.
 *
 *     g_autoptr(GError) error = NULL;
 *     KabConfig *config = kab_config_new_from_file("bridge.conf", &error);
 *     KabBridge *bridge = config ? kab_bridge_new(config, &error) : NULL;
 *     kab_bridge_set_function(bridge, "scoring", &my_function);
 *     if (!kab_bridge_run(bridge, &error))
 *         g_printerr("%s\n", error->message);
 *     kab_bridge_free(bridge);
 *
 * Threads: everything from one thread, except kab_bridge_stop() and
 * kab_bridge_snapshot(), which any thread may call.
 */
#pragma once

#include <kabridge/error.h>

G_BEGIN_DECLS

/* A configuration: a file, and what was set over it. */
typedef struct KabConfig KabConfig;
/* The bindings of a configuration, running or not. */
typedef struct KabBridge KabBridge;

/* Reads a file. Returns a new configuration; NULL if the file cannot be
 * read. Faults in it are kept and reported by kab_bridge_new(), all at once.
 */
KAB_API KabConfig *kab_config_new_from_file(const char *path, GError **error);
/* "SECTION/KEY=VALUE", e.g. "binding scoring/batch.count=64"; wins over the
 * file. KAB_ERROR_USAGE if it is not of that form. */
KAB_API bool kab_config_set(KabConfig *config,
                            const char *assignment,
                            GError **error);
KAB_API void kab_config_free(KabConfig *config);

/* Checks the configuration and loads the modules; starts nothing. Takes the
 * configuration, also on failure. Returns a new bridge, or NULL with
 * KAB_ERROR_CONFIG and every fault, one a line. A binding without `function`
 * must be given one before it runs. */
KAB_API KabBridge *kab_bridge_new(KabConfig *config, GError **error);
/* Borrows function until the bridge is freed. False: no such binding, or
 * the function's options do not fit. */
KAB_API bool kab_bridge_set_function(KabBridge *bridge,
                                     const char *binding,
                                     const KabFunction *function,
                                     GError **error);
/* Runs until stopped and drained. True: everything called is finished and
 * committed. With KAB_ERROR_UNFINISHED clients and threads were leaked,
 * because they could not be ended without hanging: leave the process. */
KAB_API bool kab_bridge_run(KabBridge *bridge, GError **error);
/* Asks run to drain and return; the second time, to return at once.
 * Thread: any; async-signal-safe. */
KAB_API void kab_bridge_stop(KabBridge *bridge);
/* Not while it runs. After KAB_ERROR_UNFINISHED it frees nothing. */
KAB_API void kab_bridge_free(KabBridge *bridge);

/* Numbers of one binding at one moment. New fields only at the end. */
typedef struct {
    char *name;
    const char *state; /* static: starting, running, draining, stopped */
    char *reason;      /* why it is not ready; NULL: it is */
    char *last_error;  /* NULL: none */
    uint64_t records_consumed, records_produced, records_finished;
    uint64_t records_retried, dead_letters;
    uint64_t batches, calls, commits;
    uint64_t buffer_records, buffer_bytes; /* taken and not finished */
    unsigned calls_in_flight;
    int64_t lag; /* records behind the ends of its partitions; -1: unknown */
    unsigned partitions;
} KabBindingNumbers;

typedef struct {
    size_t struct_size;
    size_t n_bindings;
    KabBindingNumbers *bindings;
} KabSnapshot;

/* Returns a new snapshot of every binding. Thread: any. */
KAB_API KabSnapshot *kab_bridge_snapshot(KabBridge *bridge);
KAB_API void kab_snapshot_free(KabSnapshot *snapshot);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabConfig, kab_config_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabBridge, kab_bridge_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabSnapshot, kab_snapshot_free)

G_END_DECLS
