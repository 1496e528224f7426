/* SPDX-License-Identifier: Apache-2.0 */
/* The dead-letter topic of a binding, read from a start to the end it had
 * when it was opened. Blocks; errors are KAB_ERROR_UNAVAILABLE.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "configuration.h"

typedef struct KabDlqScan KabDlqScan;

typedef enum {
    KAB_DLQ_FROM_BEGINNING,
    KAB_DLQ_FROM_COMMITTED, /* behind what was replayed */
} KabDlqStart;

/* Borrows settings, which have a dead-letter topic. */
KabDlqScan *kab_dlq_scan_new(const KabBindingSettings *settings,
                             KabDlqStart start,
                             GError **error);
/* Returns the next letter, the caller's to destroy before the scan is freed;
 * NULL: the end, or an error. */
rd_kafka_message_t *kab_dlq_scan_next(KabDlqScan *scan, GError **error);
/* Was the letter replayed, as far as the group of replays has committed? */
bool kab_dlq_scan_is_replayed(const KabDlqScan *scan,
                              const rd_kafka_message_t *letter);
/* Everything of its partition up to the letter is done with. */
void kab_dlq_scan_pass(KabDlqScan *scan, const rd_kafka_message_t *letter);
/* Commits what was passed. */
bool kab_dlq_scan_commit(KabDlqScan *scan, GError **error);
void kab_dlq_scan_free(KabDlqScan *scan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDlqScan, kab_dlq_scan_free)
