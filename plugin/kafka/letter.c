/* SPDX-License-Identifier: Apache-2.0 */
/* Dead-letter headers: where the record came from and why it failed.
 */
#include <inttypes.h>
#include <string.h>

#include "letter.h"

bool
kab_letter_owns_header(const char *name)
{
    return g_str_has_prefix(name, KAB_LETTER_PREFIX);
}

char *
kab_letter_dup_message(const char *text)
{
    char *message = g_utf8_make_valid(text, -1);
    if (strlen(message) > KAB_LETTER_MESSAGE_BYTES) {
        const char *limit = message + KAB_LETTER_MESSAGE_BYTES;
        char *end = g_utf8_find_prev_char(message, limit + 1);
        *end = '\0';
    }
    return message;
}

static void
add_text(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    rd_kafka_header_add(headers, name, -1, value, (ssize_t)strlen(value));
}

static void
add_number(rd_kafka_headers_t *headers, const char *name, int64_t number)
{
    char text[24];
    g_snprintf(text, sizeof text, "%" PRIi64, number);
    add_text(headers, name, text);
}

void
kab_letter_add_headers(rd_kafka_headers_t *headers,
                       const char *group,
                       const char *binding,
                       const KabRecord *input,
                       const KabDeadLetter *letter,
                       bool is_truncated)
{
    g_autofree char *message = kab_letter_dup_message(letter->message);
    add_text(headers, KAB_LETTER_PREFIX "topic", input->topic);
    add_number(headers, KAB_LETTER_PREFIX "partition", input->partition);
    add_number(headers, KAB_LETTER_PREFIX "offset", input->offset);
    add_number(headers, KAB_LETTER_PREFIX "timestamp", input->timestamp_ms);
    add_text(headers, KAB_LETTER_PREFIX "group", group);
    add_text(headers, KAB_LETTER_PREFIX "binding", binding);
    add_text(headers, KAB_LETTER_PREFIX "stage", kab_stage_name(letter->stage));
    add_number(headers, KAB_LETTER_PREFIX "attempts", letter->calls);
    add_text(headers, KAB_LETTER_PREFIX "class",
             kab_class_name(letter->class_));
    add_text(headers, KAB_LETTER_PREFIX "message", message);
    if (is_truncated)
        add_text(headers, KAB_LETTER_PREFIX "truncated", "true");
}
