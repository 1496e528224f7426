/* SPDX-License-Identifier: Apache-2.0 */
/* How `dlq` shows a dead letter: a row of a table, or a line of JSON. Pure. */
#pragma once

#include <jansson.h>

#include "letter-view.h"

#define KAB_LETTER_TABLE_HEAD                                                  \
    "letter\tstate\tinput\tclass\tstage\tattempts\tmessage\n"

/* Each returns a new line with its end. state: what the verb knows or does. */
char *kab_letter_dup_row(const rd_kafka_message_t *letter,
                         const KabLetterView *view,
                         const char *state);
char *kab_letter_dup_json(const rd_kafka_message_t *letter,
                          const KabLetterView *view,
                          const char *state);

/* Returns a new string; NULL: the time is unknown. */
char *kab_letter_dup_time(int64_t time_ms);
/* Appends the object as one line. Takes it. */
void kab_letter_append_line(GString *text, json_t *object);
