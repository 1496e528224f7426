/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of every binding as Prometheus text, from snapshots.
 *
 * The families are the rows of metrics-table.h; all of them are present from
 * the start, whatever the mode. Pure: snapshots in, text out. Thread: any.
 */
#pragma once

#include "bridge.h"

/* Content type of /metrics. */
#define KAB_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* snapshots: KabBindingSnapshot. Returns a new string. */
char *kab_metrics_dup_text(const GPtrArray *snapshots,
                           const KabReloads *reloads);
/* The page doc/metrics.md. Returns a new string. */
char *kab_metrics_dup_markdown(void);
