/* SPDX-License-Identifier: Apache-2.0 */
/* A dead letter as its headers tell of it. */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <librdkafka/rdkafka.h>

#define KAB_REPLAYS_HEADER "__kabridge.replays"

/* Texts are the view's; NULL: the header is not there. */
typedef struct {
    char *topic, *binding, *group, *stage, *class_, *message;
    int32_t partition;
    int64_t offset, attempts, replays; /* -1: not there; replays: 0 */
    int64_t timestamp_ms;
    bool is_truncated;
} KabLetterView;

/* False: it does not say where the record came from; *ret_problem is a new
 * sentence. The view is filled with what there is. */
bool kab_letter_view_init(KabLetterView *view,
                          const rd_kafka_message_t *message,
                          char **ret_problem);
void kab_letter_view_clear(KabLetterView *view);
/* Headers of the record when it goes back: its own, and how often it did.
 * Returns new headers. */
rd_kafka_headers_t *
kab_letter_view_new_headers(const KabLetterView *view,
                            const rd_kafka_message_t *message);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KabLetterView, kab_letter_view_clear)
