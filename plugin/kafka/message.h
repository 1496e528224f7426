/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as the engine holds them: librdkafka's own or, for a parked record,
 * a copy in one block. A librdkafka message keeps its whole fetch response in
 * memory; a block keeps only itself.
 *
 * Both are passed around as one opaque pointer. The holder releases it.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "types.h"

/* What kab_message_hold() does about headers: nothing; parse them; parse them
 * unless the record's own bytes say that it has none. */
typedef enum {
    KAB_HEADERS_LEFT,
    KAB_HEADERS_PARSED,
    KAB_HEADERS_SEEN,
} KabHeaderUse;

/* reads_headers: the headers of every record will be read. */
KabHeaderUse kab_message_header_use(bool reads_headers);

/* Takes the message. */
void *kab_message_hold(rd_kafka_message_t *message, KabHeaderUse use);

/* Moves the message's headers out of it; NULL: it has none, or holds them in
 * another form. They are the caller's, and read anew the next time somebody
 * asks for them. Thread: the loop; not while another thread may read the
 * message. */
rd_kafka_headers_t *kab_message_move_headers(void *message);

/* Copies the record out of its fetch response and points it at the copy. Takes
 * message; returns the pointer that replaces it. */
void *kab_message_detach(void *message, KabRecord *record);

void kab_message_release(void *message);

/* Fills in the first `capacity` headers, in order, and returns how many there
 * are. Borrowed from the message. Thread: any that may read the message */
size_t kab_message_get_headers(void *message, KabHeader *ret, size_t capacity);
