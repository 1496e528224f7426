/* SPDX-License-Identifier: Apache-2.0 */
/* What the admin server says as JSON, from snapshots.
 *
 * Pure: snapshots in, text out; `now` is monotonic. Thread: any.
 */
#pragma once

#include "binding.h"

/* Of /status. snapshots: KabBindingSnapshot. Returns a new string. */
char *kab_status_dup_json(const GPtrArray *snapshots,
                          const char *instance,
                          int64_t now);
/* Of /ready. Ready: every binding is. Returns a new string. */
char *kab_status_dup_ready_json(const GPtrArray *snapshots,
                                int64_t now,
                                bool *ret_is_ready);
/* Of /live. Returns a new string. */
char *kab_status_dup_live_json(bool is_live);
/* Of /status?topic=…: where one record is. real_now is of the wall clock.
 * Returns a new string. */
char *kab_status_dup_record_json(const KabWhereabouts *whereabouts,
                                 int64_t now,
                                 int64_t real_now);
/* {"error": …}. Returns a new string. */
char *kab_status_dup_error_json(const char *message);

const char *kab_state_name(KabState state);
