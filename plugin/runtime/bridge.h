/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge object: its bindings, started, watched, reloaded, ended. What
 * plugin/ops and the command see of it beyond kabridge/bridge.h. */
#pragma once

#include "binding.h"

/* Borrowed; changes with a reload. */
const KabSettings *kab_bridge_settings(const KabBridge *bridge);

/* Snapshots of every binding, those that a reload removed included (their
 * counters stay). Returns a new array that frees its elements. Thread: any */
GPtrArray *kab_bridge_snapshots(KabBridge *bridge);
/* Where a record is, in whichever binding reads that topic. Thread: any */
bool kab_bridge_find(KabBridge *bridge,
                     const char *topic,
                     int32_t number,
                     int64_t offset,
                     KabWhereabouts *ret_whereabouts);
/* Do all loops turn? Thread: any */
bool kab_bridge_is_live(KabBridge *bridge);

/* Reads the file again (contract, section 7). With a fault: nothing changes;
 * it is logged. Thread: any; async-signal-safe: only asks. */
void kab_bridge_reload(KabBridge *bridge);
/* Logs the state of every binding. Thread: any; async-signal-safe. */
void kab_bridge_log_state(KabBridge *bridge);

/* Called once, when every loop turns (for the service manager); and about
 * once a second while all of them do. On the thread of kab_bridge_run(). */
typedef struct {
    void (*on_started)(void *user);
    void (*on_tick)(void *user);
    void *user;
} KabBridgeWatch;

void kab_bridge_set_watch(KabBridge *bridge, const KabBridgeWatch *watch);
/* Records that will be delivered again although nothing is unfinished: taken,
 * but waiting. After run. */
size_t kab_bridge_n_left(const KabBridge *bridge);
