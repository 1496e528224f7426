/* SPDX-License-Identifier: Apache-2.0 */
/* Counts dead letters by class, stage and input topic. Pure. */
#pragma once

#include "letter-view.h"

/* Embedded in the task of `dlq`. */
typedef struct {
    GHashTable *kinds; /* "class\tstage\ttopic" -> its counts */
} KabDlqSummary;

void kab_dlq_summary_init(KabDlqSummary *summary);
void kab_dlq_summary_clear(KabDlqSummary *summary);
void kab_dlq_summary_add(KabDlqSummary *summary, const KabLetterView *view);

/* One line per kind, most letters first, with the count and the times of the
 * oldest and the newest record. Returns a new string. */
char *kab_dlq_summary_dup_text(const KabDlqSummary *summary);
/* The same as an object per line. Returns a new string. */
char *kab_dlq_summary_dup_json(const KabDlqSummary *summary);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KabDlqSummary, kab_dlq_summary_clear)
