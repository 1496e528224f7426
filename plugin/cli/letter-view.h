/* SPDX-License-Identifier: Apache-2.0 */
/* A dead letter as described by its headers. */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <librdkafka/rdkafka.h>

#define KAB_REPLAYS_HEADER "__kabridge.replays"

/* Strings belong to the view; NULL: the header is missing. */
typedef struct {
    char *topic, *binding, *group, *stage, *class_, *message;
    int32_t partition;
    int64_t offset, attempts, replays; /* -1: the header is missing (replays:
                                        * 0) */
    int64_t timestamp_ms;
    bool is_truncated;
} KabLetterView;

/* False: the headers do not tell where the record came from; *ret_problem is a
 * new sentence. The view then has the headers that are present. */
bool kab_letter_view_init(KabLetterView *view,
                          const rd_kafka_message_t *message,
                          char **ret_problem);
void kab_letter_view_clear(KabLetterView *view);
/* Headers for the replayed record: its original ones and the number of replays.
 * Returns new headers. */
rd_kafka_headers_t *
kab_letter_view_new_headers(const KabLetterView *view,
                            const rd_kafka_message_t *message);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KabLetterView, kab_letter_view_clear)
