/* SPDX-License-Identifier: Apache-2.0 */
/* Body of /tap: sampled records as JSON. Pure. Thread: any. */
#pragma once

#include "tap.h"

/* {"next": …, "missed": …, "records": […]}. records: KabTapRecord. UTF-8 bytes
 * are shown as text, others as "…_base64"; for truncated ones, "…_bytes" is the
 * original length. Returns a new string. */
char *
kab_tap_dup_json(const GPtrArray *records, uint64_t next, uint64_t missed);
