/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON answers of the admin server, from snapshots.
 *
 * Pure: snapshots in, text out; `now` is monotonic. Thread: any.
 */
#pragma once

#include "bridge.h"

/* Body of /status. snapshots: KabBindingSnapshot. Returns a new string. */
char *kab_status_dup_json(const GPtrArray *snapshots,
                          const char *instance,
                          const KabReloads *reloads,
                          int64_t now);
/* Body of /ready: ready if every binding is. Returns a new string. */
char *kab_status_dup_ready_json(const GPtrArray *snapshots,
                                int64_t now,
                                bool *ret_is_ready);
/* Body of /live. Returns a new string. */
char *kab_status_dup_live_json(bool is_live);
/* Body of /status?topic=…: where one record is. real_now: by the wall clock.
 * Returns a new string. */
char *kab_status_dup_record_json(const KabWhereabouts *whereabouts,
                                 int64_t now,
                                 int64_t real_now);
/* {"error": …}. Returns a new string. */
char *kab_status_dup_error_json(const char *message);
