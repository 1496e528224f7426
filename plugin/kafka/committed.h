/* SPDX-License-Identifier: Apache-2.0 */
/* The committed state's metadata: what is finished beyond the committed
 * offset, as text in the commit's metadata field.
 *
 * Format: "kab1:" and base64 of: version, the committed offset it belongs to
 * (ignored if another offset is committed: someone reset the group), a row of
 * varints (intervals.h), CRC-32C of all before. Never above 4096 bytes as
 * sent (the broker's default offset.metadata.max.bytes).
 */
#pragma once

#include <glib.h>

#include "types.h"

/* At most this many bytes of intervals in one commit (intervals.h), before
 * base64; the engine's own cap (KabEngineOptions.metadata_cap) must not exceed
 * it. */
#define KAB_COMMITTED_MAX_BYTES 3040

/* Returns a new string; NULL for no intervals. Intervals that do not fit are
 * left out, the highest first. */
char *kab_committed_encode(int64_t offset,
                           const KabInterval *intervals,
                           size_t n_intervals);

/* Appends KabInterval to ret_intervals: ascending, disjoint, above offset.
 * NULL or empty metadata: true, nothing appended. Foreign or damaged: false,
 * nothing appended, and *ret_problem (static) says what is wrong. */
bool kab_committed_decode(const char *metadata,
                          size_t len,
                          int64_t offset,
                          GArray *ret_intervals,
                          const char **ret_problem);
