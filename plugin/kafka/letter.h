/* SPDX-License-Identifier: Apache-2.0 */
/* What a dead letter says, and the headers it says it with.
 */
#pragma once

#include <glib.h>
#include <librdkafka/rdkafka.h>

#include "types.h"

#define KAB_LETTER_PREFIX "__kabridge.errors."
enum { KAB_LETTER_MESSAGE_BYTES = 1024 };

/* Adds a dead letter's headers. Thread: any */
void kab_letter_add_headers(rd_kafka_headers_t *headers,
                            const char *group,
                            const char *binding,
                            const KabRecord *input,
                            const KabDeadLetter *letter,
                            bool is_truncated);
/* Is this a header of an earlier dead letter, to be replaced by a new set?
 * Thread: any */
bool kab_letter_owns_header(const char *name);
/* Returns a new string: text as valid UTF-8, truncated to
 * KAB_LETTER_MESSAGE_BYTES at a character boundary. Thread: any */
char *kab_letter_dup_message(const char *text);
