/* SPDX-License-Identifier: Apache-2.0 */
/* A binding at work: engine, source, producer, executor on one loop thread.
 *
 * Made, started, asked to stop and freed by the bridge's thread; all else
 * happens on its own loop. What others see of it are snapshots, made on the
 * loop when asked for.
 */
#pragma once

#include "configuration.h"
#include "producer.h"
#include "source.h"

#define KAB_STATES(X)                                                          \
    X(STARTING, "starting") /* waits for its group and its producer */         \
    X(RUNNING, "running")   /* takes and calls */                              \
    X(DRAINING, "draining") /* takes nothing; finishes what is called */       \
    X(LEAVING, "leaving")   /* drained; leaves its group */                    \
    X(STOPPED, "stopped")   /* final; its thread has ended */

typedef enum {
#define X(NAME, text) KAB_STATE_##NAME,
    KAB_STATES(X)
#undef X
} KabState;

/* One partition as of a snapshot. */
typedef struct {
    char *topic;
    int32_t number;
    KabPartitionState state;
    int64_t position, committed; /* -1: unknown, none */
    int64_t end, lag;            /* -1: unknown */
    uint64_t finished_beyond;    /* records */
    int64_t oldest_unfinished;   /* offset; -1: none */
    int64_t oldest_us;           /* its age */
} KabPartitionSnapshot;

/* Everything of a binding at one moment; for metrics and status. */
typedef struct {
    char *name;
    KabState state;
    char *reason;     /* why it is not ready; NULL: ready */
    char *last_error; /* NULL: none */
    int64_t made_us;  /* monotonic; old: its loop does not turn */
    KabCounters counters;
    KabEngineState engine;
    KabSourceState source;
    KabProducerState producer;
    size_t n_unfinished; /* records taken, also once it has let go of them */
    unsigned max_in_flight;
    size_t n_partitions;
    KabPartitionSnapshot *partitions;
} KabBindingSnapshot;

typedef struct KabBinding KabBinding;

/* Borrows settings until it is freed. function: settings' or the program's. */
KabBinding *kab_binding_new(const KabBindingSettings *settings,
                            const KabFunction *function,
                            void (*on_ended)(void *user),
                            void *user);
/* Opens the function; nothing runs yet. The error's code is
 * KAB_ERROR_CONFIG. */
bool kab_binding_open(KabBinding *binding, GError **error);
/* Starts its thread. */
void kab_binding_start(KabBinding *binding);
bool kab_binding_was_started(const KabBinding *binding);
/* Instead of a start: it has ended, and the error is why. Copies it. */
void kab_binding_refuse(KabBinding *binding, const GError *error);
/* Drain and leave. Thread: any */
void kab_binding_stop(KabBinding *binding);
/* New values of reloadable options; they are copied. */
void kab_binding_reload(KabBinding *binding,
                        const KabBindingSettings *settings);
bool kab_binding_has_ended(const KabBinding *binding);
/* After it has ended: NULL, or why it stopped by itself or what is
 * unfinished. Borrowed. */
const GError *kab_binding_error(const KabBinding *binding);
/* Records taken, waiting and never called at the end. */
size_t kab_binding_n_left(const KabBinding *binding);
/* Clients or threads could not be ended without hanging. After it has ended.
 */
bool kab_binding_has_leaked(const KabBinding *binding);
/* Frees nothing if it has leaked. */
void kab_binding_free(KabBinding *binding);

/* Returns a new snapshot, made by the loop now, or, if it does not answer
 * within a second, the last one. Thread: any but the loop */
KabBindingSnapshot *kab_binding_snapshot(KabBinding *binding);
void kab_binding_snapshot_free(KabBindingSnapshot *snapshot);

/* Where one record is; see kab_engine_find(). Thread: any but the loop */
typedef struct {
    KabSlotState state;
    const char *waits_for; /* static */
    int64_t since_us;      /* monotonic */
} KabWhereabouts;

bool kab_binding_find(KabBinding *binding,
                      const char *topic,
                      int32_t number,
                      int64_t offset,
                      KabWhereabouts *ret_whereabouts);
/* When its loop last turned, monotonic; 0: not started. Thread: any */
int64_t kab_binding_turned_us(const KabBinding *binding);
