/* SPDX-License-Identifier: Apache-2.0 */
/* A running binding: engine, source, producer and executor on one loop thread.
 *
 * The bridge's thread makes, opens, starts, stops and frees it, and never waits
 * for it. Everything else happens on the binding's own thread, including the
 * function's open() and close(), which may take long or hang. Other threads see
 * only snapshots, which the loop makes on request.
 */
#pragma once

#include "configuration.h"
#include "producer.h"
#include "readiness.h"
#include "source.h"
#include "state.h"
#include "tap.h"
#include "units.h"

/* One partition at the time of a snapshot. */
typedef struct {
    char *topic;
    int32_t number;
    KabPartitionState state;
    int64_t position, committed; /* -1: unknown or none */
    int64_t end, lag;            /* -1: unknown */
    uint64_t finished_beyond;    /* records finished above `committed` */
    int64_t oldest_unfinished;   /* offset; -1: none */
    int64_t oldest_us;           /* age of that record */
    const char *waits_for;       /* what that record waits for; static;
                                  * NULL: none */
    bool is_open;                /* the partition's records are taken */
} KabPartitionSnapshot;

/* Everything about a binding at one moment, for metrics and status. */
typedef struct {
    char *name;
    KabState state;
    char *reason;           /* why not ready; NULL: ready */
    KabObstacle obstacle;   /* kind of that reason */
    int64_t ready_since_us; /* time of the last change of readiness;
                             * monotonic */
    KabStall stall;         /* owns its topic; topic NULL: no stall */
    char *last_error;       /* NULL: none */
    int64_t made_us;        /* monotonic; an old one: the loop is stuck */
    KabCounters counters;
    KabEngineState engine;
    KabSourceState source;
    KabProducerState producer;
    uint64_t trace_spans_sent, trace_spans_lost;
    size_t n_unfinished; /* records taken, including those of partitions already
                          * released */
    int64_t function_silent_us; /* time without an answer while calls are out */
    uint64_t answers_misaligned; /* the function's unit of that name */
    size_t n_units;
    KabUnitCount units[KAB_MAX_UNITS]; /* the other units */
    size_t n_partitions;
    KabPartitionSnapshot *partitions;
} KabBindingSnapshot;

typedef struct KabBinding KabBinding;

/* Borrows settings until freed. on_changed: the binding is open, has stopped or
 * has ended; called on the binding's thread. */
KabBinding *kab_binding_new(const KabBindingSettings *settings,
                            void (*on_changed)(void *user),
                            void *user);
/* Starts the binding's thread, which opens the function. NULL: neither the file
 * nor the program names one, an error like that of a function that does not
 * open. */
void kab_binding_open(KabBinding *binding, const KabFunction *function);
/* Lets the binding make its clients and turn, at once or as soon as its
 * function is open. */
void kab_binding_start(KabBinding *binding);
/* Asks the binding to drain, leave its group and close the function. */
void kab_binding_stop(KabBinding *binding);
/* Applies new values of reloadable options, which are copied. */
void kab_binding_reload(KabBinding *binding,
                        const KabBindingSettings *settings);

/* When the function's open() or close() is to have returned; INT64_MAX: nobody
 * waits for it. */
int64_t kab_binding_patience_end_us(KabBinding *binding);
/* Ends the binding without its thread, if that time has come: thread and
 * function are leaked. */
void kab_binding_give_up(KabBinding *binding, int64_t now);

/* The function is neither open yet nor has it failed to open. */
bool kab_binding_is_opening(KabBinding *binding);
/* The function has been opened, and kab_binding_start() called. */
bool kab_binding_was_started(KabBinding *binding);
/* It calls the function no more, which may still have to be closed. */
bool kab_binding_has_stopped(KabBinding *binding);
bool kab_binding_has_ended(KabBinding *binding);

/* Valid once it has stopped: why the function did not open, why the binding
 * stopped by itself or what is unfinished; NULL: none of them. Borrowed. */
const GError *kab_binding_error(const KabBinding *binding);
/* Valid once it has stopped: records that were taken but never called. */
size_t kab_binding_n_left(const KabBinding *binding);
/* Valid after the end: were clients or threads leaked, because ending them
 * would have hung?
 */
bool kab_binding_has_leaked(const KabBinding *binding);
/* Call after the end, or before kab_binding_open(). Frees nothing if the
 * binding has leaked. Thread: any */
void kab_binding_free(KabBinding *binding);

/* Returns a new snapshot, made by the loop now; if the loop does not answer
 * within a second, the last one. Thread: any but the loop */
KabBindingSnapshot *kab_binding_snapshot(KabBinding *binding);
void kab_binding_snapshot_free(KabBindingSnapshot *snapshot);

/* The state of one record; see kab_engine_find(). Thread: any but the loop */
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
/* Borrowed until the binding is freed. Thread: any */
KabTap *kab_binding_tap(KabBinding *binding);
/* When the loop last turned, monotonic; 0: it is not meant to turn, because the
 * function is being opened or closed. Thread: any */
int64_t kab_binding_turned_us(const KabBinding *binding);
