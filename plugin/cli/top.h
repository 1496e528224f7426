/* SPDX-License-Identifier: Apache-2.0 */
/* What `kabridge top` shows, from two answers of the admin server. Pure. */
#pragma once

#include "terminal.h"
#include "top-history.h"

/* Per binding and metric family, the sum of the samples at one moment. */
typedef struct KabTopSums KabTopSums;

/* text: the body of /metrics. Returns new sums; lines that cannot be parsed are
 * ignored. */
KabTopSums *kab_top_sums_new(const char *text);
void kab_top_sums_free(KabTopSums *sums);

/* status: the JSON of /status. before NULL: no rates yet. history: the values
 * are added to it; NULL: none is shown. Returns a new text, or NULL if status
 * cannot be parsed. */
char *kab_top_dup_screen(const KabTerminal *terminal,
                         const char *status,
                         const KabTopSums *now,
                         const KabTopSums *before,
                         double seconds,
                         KabTopHistory *history);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabTopSums, kab_top_sums_free)
