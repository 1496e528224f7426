/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge object as plugin/ops and the command see it, beyond
 * kabridge/bridge.h: its bindings are started, watched, reloaded, ended. */
#pragma once

#include "binding.h"

/* Borrowed until the next reload. */
const KabSettings *kab_bridge_settings(const KabBridge *bridge);

/* Snapshots of every binding, including those that a reload removed (their
 * counters stay). Returns a new array that frees its elements. Thread: any */
GPtrArray *kab_bridge_snapshots(KabBridge *bridge);
/* Finds a record in the binding that reads its topic. Thread: any */
bool kab_bridge_find(KabBridge *bridge,
                     const char *topic,
                     int32_t number,
                     int64_t offset,
                     KabWhereabouts *ret_whereabouts);
/* Sampled records of a binding; see kab_tap_read(). Returns a new array of
 * KabTapRecord; NULL: no such binding. Thread: any */
GPtrArray *kab_bridge_read_tap(KabBridge *bridge,
                               const char *binding,
                               uint64_t after,
                               uint64_t *ret_next,
                               uint64_t *ret_missed);
/* Are all loops turning? Thread: any */
bool kab_bridge_is_live(KabBridge *bridge);

/* Requests a reload of the file (contract, section 7). If the file has a fault,
 * the fault is logged and nothing changes. Thread: any; async-signal-safe. */
void kab_bridge_reload(KabBridge *bridge);
/* What became of the reloads so far. */
typedef struct {
    uint64_t n; /* with those that were refused */
    char *refusal; /* the faults, one a line, if the last one was refused */
} KabReloads;

/* The refusal is a new string. Thread: any */
KabReloads kab_bridge_dup_reloads(KabBridge *bridge);

/* Requests a log line with the state of every binding. Thread: any;
 * async-signal-safe. */
void kab_bridge_log_state(KabBridge *bridge);

/* Hooks for the service manager, on the thread of kab_bridge_run(). on_started
 * is called once, when every loop turns; on_tick every tick_us while all of
 * them do. */
typedef struct {
    void (*on_started)(void *user);
    void (*on_tick)(void *user);
    void *user;
    int64_t tick_us; /* one second at most */
} KabBridgeWatch;

void kab_bridge_set_watch(KabBridge *bridge, const KabBridgeWatch *watch);
/* Records that were taken but never called, and so will be delivered again.
 * Valid after kab_bridge_run(). */
size_t kab_bridge_n_left(const KabBridge *bridge);
