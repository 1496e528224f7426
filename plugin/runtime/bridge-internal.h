/* SPDX-License-Identifier: Apache-2.0 */
/* The structure of a bridge. Only bridge*.c include this. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "bridge.h"
#include "loop.h"

/* One reading of the file. Lives as long as a binding that was started from
 * it. Thread: that of run. */
typedef struct {
    unsigned references;
    KabConfig *config;
    KabSettings *settings;
} KabGeneration;

/* A binding and what it was started from. One that a reload removed stays,
 * so that its counters do. */
typedef struct {
    KabGeneration *generation;
    const KabBindingSettings *settings; /* of the generation */
    const KabFunction *function;
    KabBinding *binding;     /* NULL: not opened yet */
    char *reloadable_digest; /* of the options in force */
    bool is_removed;         /* by a reload */
    bool is_noted;           /* that it has ended */
    bool is_replaced;        /* once it has ended, it is started anew */
} KabMember;

/* Made by kab_bridge_new(). The thread of run owns it; `mutex` guards the
 * list of members against those that only look. */
struct KabBridge {
    KabGeneration *generation;
    GHashTable *given; /* binding -> KabFunction of the program */
    KabLoop *loop;
    pthread_mutex_t mutex;
    GPtrArray *members; /* KabMember */
    KabBridgeWatch watch;
    bool has_started, is_stopping, has_leaked;
    int64_t tick_us;
    atomic_uint n_stops;
    atomic_bool is_reload_asked, is_log_asked;
};

KabGeneration *kab_generation_new(KabConfig *config, GError **error);
void kab_generation_unref(KabGeneration *generation);

KabMember *kab_member_new(KabBridge *bridge,
                          KabGeneration *generation,
                          const KabBindingSettings *settings);
bool kab_member_open(KabBridge *bridge, KabMember *member, GError **error);
void kab_member_free(KabMember *member);

void kab_bridge_stop_all(KabBridge *bridge);

/* bridge-reload.c */
void kab_bridge_reload_now(KabBridge *bridge);
/* Those that were drained for a reload start anew. */
void kab_bridge_restart_ended(KabBridge *bridge);

/* bridge-look.c */
void kab_bridge_log_now(KabBridge *bridge);
