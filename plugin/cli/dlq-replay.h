/* SPDX-License-Identifier: Apache-2.0 */
/* Sends dead letters back to the topics they came from. */
#pragma once

#include "dlq-scan.h"
#include "letter-view.h"

typedef struct KabDlqReplay KabDlqReplay;

/* Creates the producer. Borrows both arguments until freed. */
KabDlqReplay *kab_dlq_replay_new(const KabBindingSettings *settings,
                                 KabDlqScan *scan,
                                 GError **error);
/* Takes the letter. view: its headers; NULL: the letter is not sent, only
 * passed. Sends the collected letters when there are many. */
bool kab_dlq_replay_add(KabDlqReplay *replay,
                        rd_kafka_message_t *letter,
                        const KabLetterView *view,
                        GError **error);
/* Waits until every added letter is acknowledged, then commits. False: only the
 * letters before the first unacknowledged one are committed. */
bool kab_dlq_replay_flush(KabDlqReplay *replay, GError **error);
/* Number of acknowledged letters. */
uint64_t kab_dlq_replay_count(const KabDlqReplay *replay);
void kab_dlq_replay_free(KabDlqReplay *replay);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDlqReplay, kab_dlq_replay_free)
