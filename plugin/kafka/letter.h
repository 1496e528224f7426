/* SPDX-License-Identifier: Apache-2.0 */
/* What a dead letter says, and the headers of everything that is produced.
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
/* Is it a header of an older dead letter, which a new set replaces?
 * Thread: any */
bool kab_letter_owns_header(const char *name);
/* Returns a new string: text as UTF-8, cut to KAB_LETTER_MESSAGE_BYTES at a
 * character. Thread: any */
char *kab_letter_dup_message(const char *text);
