/* SPDX-License-Identifier: Apache-2.0 */
/* The structure of a bridge. Only bridge*.c include this. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "bridge.h"
#include "loop.h"

/* One reading of the file. Lives as long as any binding that was started from
 * it. */
typedef struct {
    atomic_uint references;
    KabConfig *config;
    KabSettings *settings;
} KabGeneration;

/* A binding and what it was started from. A member that a reload removed is
 * kept, so that its counters stay. Held by the bridge's list, and by readers on
 * other threads while they wait for the binding's answer. */
typedef struct {
    atomic_uint references;
    KabGeneration *generation;
    const KabBindingSettings *settings; /* of the generation */
    KabBinding *binding;
    const KabFunction *function;
    char *reloadable_digest; /* of the options in force */
    atomic_bool is_removed;  /* a reload removed it from the file */
    bool is_noted;           /* its end has been handled */
    bool is_replaced;        /* start it anew once it has ended */
} KabMember;

/* Made by kab_bridge_new(). Owned by the thread of kab_bridge_run(); `mutex`
 * guards the list of members against readers on other threads, and nobody
 * waits for a binding while holding it. */
struct KabBridge {
    KabGeneration *generation;
    GHashTable *given; /* binding name -> KabFunction given by the program */
    KabLoop *loop;
    pthread_mutex_t mutex;
    GPtrArray *members; /* KabMember */
    KabReloads reloads; /* guarded by the mutex, too */
    GPtrArray *left;    /* replaced, but not ended: kept for their threads */
    KabBridgeWatch watch;
    bool is_open; /* every function was open, or one did not open */
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
/* The last reference frees the binding, which must have ended. Thread: any */
void kab_member_unref(KabMember *member);

/* Returns a new array that holds references to all members. Thread: any */
GPtrArray *kab_bridge_list_members(KabBridge *bridge);
KabMember *kab_bridge_find_member(KabBridge *bridge, const char *name);
/* Do descriptors and threads suffice for the bindings of this generation? */
bool kab_bridge_check_limits(const KabBridge *bridge,
                             const KabGeneration *generation,
                             GError **error);
void kab_bridge_stop_all(KabBridge *bridge);

/* bridge-reload.c */
void kab_bridge_reload_now(KabBridge *bridge);
/* Starts anew those bindings that were drained for a reload. */
void kab_bridge_restart_ended(KabBridge *bridge);

/* bridge-look.c */
void kab_bridge_log_now(KabBridge *bridge);
