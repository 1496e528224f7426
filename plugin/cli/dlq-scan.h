/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the dead-letter topic of a binding from a start to the end that it had
 * when the scan was opened. Blocks; errors are KAB_ERROR_UNAVAILABLE.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "configuration.h"

typedef struct KabDlqScan KabDlqScan;

typedef enum {
    KAB_DLQ_FROM_BEGINNING,
    KAB_DLQ_FROM_COMMITTED, /* after the letters already replayed */
} KabDlqStart;

/* Borrows settings, which must have a dead-letter topic. */
KabDlqScan *kab_dlq_scan_new(const KabBindingSettings *settings,
                             KabDlqStart start,
                             GError **error);
/* Returns the next letter, which the caller destroys before freeing the scan;
 * NULL: the end, or an error. */
rd_kafka_message_t *kab_dlq_scan_next(KabDlqScan *scan, GError **error);
/* Was the letter replayed, according to the replay group's committed offset? */
bool kab_dlq_scan_is_replayed(const KabDlqScan *scan,
                              const rd_kafka_message_t *letter);
/* Marks everything in the letter's partition up to and including it as
 * handled. */
void kab_dlq_scan_pass(KabDlqScan *scan, const rd_kafka_message_t *letter);
/* Commits the position of passed letters. */
bool kab_dlq_scan_commit(KabDlqScan *scan, GError **error);
void kab_dlq_scan_free(KabDlqScan *scan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDlqScan, kab_dlq_scan_free)
