/* SPDX-License-Identifier: Apache-2.0 */
/* Sends dead letters back to the topics they came from. */
#pragma once

#include "dlq-scan.h"
#include "letter-view.h"

typedef struct KabDlqReplay KabDlqReplay;

/* Makes the producer. Borrows both until it is freed. */
KabDlqReplay *kab_dlq_replay_new(const KabBindingSettings *settings,
                                 KabDlqScan *scan,
                                 GError **error);
/* Takes the letter; view: of it, NULL: it does not go back and is only
 * passed. Sends what is collected when that is much. */
bool kab_dlq_replay_add(KabDlqReplay *replay,
                        rd_kafka_message_t *letter,
                        const KabLetterView *view,
                        GError **error);
/* Waits until all that was added is acknowledged, then commits. False: what
 * was acknowledged before the first that was not is committed. */
bool kab_dlq_replay_flush(KabDlqReplay *replay, GError **error);
/* Acknowledged. */
uint64_t kab_dlq_replay_count(const KabDlqReplay *replay);
void kab_dlq_replay_free(KabDlqReplay *replay);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDlqReplay, kab_dlq_replay_free)
