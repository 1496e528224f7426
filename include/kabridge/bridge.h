/* SPDX-License-Identifier: Apache-2.0 */
/* The embedding API: run a bridge inside another program.
 *
 *     g_autoptr(GError) error = NULL;
 *     KabConfig *config = kab_config_new_from_file("bridge.conf", &error);
 *     KabBridge *bridge = config ? kab_bridge_new(config, &error) : NULL;
 *     kab_bridge_set_function(bridge, "scoring", &my_function);
 *     if (!kab_bridge_run(bridge, &error))
 *         g_printerr("%s\n", error->message);
 *     kab_bridge_free(bridge);
 *
 * Threads: make every call from one thread, except kab_bridge_stop() and
 * kab_bridge_snapshot(), which any thread may call.
 */
#pragma once

#include <kabridge/error.h>

G_BEGIN_DECLS

/* A configuration: the text of a file plus the values set over it. */
typedef struct KabConfig KabConfig;
/* The bindings of a configuration, running or not. */
typedef struct KabBridge KabBridge;

/* Reads a file. Returns a new configuration; NULL if the file cannot be read.
 * Faults in its content are kept, and kab_bridge_new() reports all of them at
 * once.
 */
KAB_API KabConfig *kab_config_new_from_file(const char *path, GError **error);
/* Sets one value, which takes precedence over the file. assignment:
 * "SECTION/KEY=VALUE", e.g. "binding scoring/batch.count=64". False with
 * KAB_ERROR_USAGE if it does not have that form. */
KAB_API bool
kab_config_set(KabConfig *config, const char *assignment, GError **error);
KAB_API void kab_config_free(KabConfig *config);

/* Checks the configuration and loads the modules; starts nothing. Takes the
 * configuration, also on failure. Returns a new bridge, or NULL with
 * KAB_ERROR_CONFIG and every fault, one per line. A binding without a
 * `function` key needs kab_bridge_set_function() before the run. */
KAB_API KabBridge *kab_bridge_new(KabConfig *config, GError **error);
/* Sets the function of a binding. Borrows function until the bridge is freed.
 * False: there is no such binding, or its function.* options do not fit. */
KAB_API bool kab_bridge_set_function(KabBridge *bridge,
                                     const char *binding,
                                     const KabFunction *function,
                                     GError **error);
/* The error may be left out. */
#define kab_bridge_set_function(...)                                           \
    KAB_BRIDGE_SET_FUNCTION(__VA_ARGS__, NULL, )
#define KAB_BRIDGE_SET_FUNCTION(bridge, binding, function, error, ...)         \
    (kab_bridge_set_function)(bridge, binding, function, error)
/* Runs until the bridge is stopped and drained. True: every record given to a
 * function is finished and its offset committed. KAB_ERROR_UNFINISHED means
 * that clients or threads could not be ended without hanging and were leaked:
 * exit the process. */
KAB_API bool kab_bridge_run(KabBridge *bridge, GError **error);
/* Asks kab_bridge_run() to drain and return; a second call asks it to return at
 * once. Thread: any; async-signal-safe. */
KAB_API void kab_bridge_stop(KabBridge *bridge);
/* Frees the bridge; never call it during kab_bridge_run(). After
 * KAB_ERROR_UNFINISHED it frees nothing. */
KAB_API void kab_bridge_free(KabBridge *bridge);

/* Counters and state of one binding at one moment. New fields are only added at
 * the end. */
typedef struct {
    char *name;
    const char *state; /* static: starting, running, draining, leaving (its
                        * group), stopped */
    char *reason;      /* why the binding is not ready; NULL: it is ready */
    char *last_error;  /* NULL: none */
    uint64_t records_consumed, records_produced, records_finished;
    uint64_t records_retried, dead_letters;
    uint64_t batches, calls, commits;
    uint64_t buffer_records, buffer_bytes; /* taken from Kafka, not finished */
    unsigned calls_in_flight;
    int64_t lag; /* records behind the ends of its partitions; -1: unknown */
    unsigned partitions;
} KabBindingNumbers;

typedef struct {
    size_t struct_size;
    size_t n_bindings;
    KabBindingNumbers **bindings; /* n_bindings pointers, because
                                   * KabBindingNumbers may grow */
} KabSnapshot;

/* Returns a new snapshot of every binding. Thread: any. */
KAB_API KabSnapshot *kab_bridge_snapshot(KabBridge *bridge);
KAB_API void kab_snapshot_free(KabSnapshot *snapshot);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabConfig, kab_config_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabBridge, kab_bridge_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabSnapshot, kab_snapshot_free)

G_END_DECLS
