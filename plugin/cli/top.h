/* SPDX-License-Identifier: Apache-2.0 */
/* What `kabridge top` shows, from two answers of the admin server. Pure. */
#pragma once

#include "terminal.h"

/* Sums of the samples of each family of each binding at one moment. */
typedef struct KabTopSums KabTopSums;

/* text: of /metrics. Returns new sums; what is not understood is left out. */
KabTopSums *kab_top_sums_new(const char *text);
void kab_top_sums_free(KabTopSums *sums);

/* status: of /status, JSON. before NULL: no rates yet. Returns a new text, or
 * NULL if the status is not one. */
char *kab_top_dup_screen(const KabTerminal *terminal,
                         const char *status,
                         const KabTopSums *now,
                         const KabTopSums *before,
                         double seconds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabTopSums, kab_top_sums_free)
