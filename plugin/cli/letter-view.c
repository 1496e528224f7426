/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a dead letter's headers. Any producer can write them, so nothing about
 * them is taken for granted.
 */
#include "letter-view.h"

#include <inttypes.h>
#include <string.h>

#include "letter.h"

static rd_kafka_headers_t *
peek_headers(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers))
        return NULL;
    return headers;
}

/* Returns a new string; NULL: no such header, or it has no value. */
static char *
dup_text(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value = NULL;
    size_t len = 0;
    if (!headers || rd_kafka_header_get_last(headers, name, &value, &len) ||
        !value)
        return NULL;
    return g_utf8_make_valid(value, (gssize)len);
}

static int64_t
read_number(const rd_kafka_headers_t *headers,
            const char *name,
            int64_t max,
            int64_t otherwise)
{
    g_autofree char *text = dup_text(headers, name);
    int64_t number;
    if (!text || !g_ascii_string_to_signed(text, 10, 0, max, &number, NULL))
        return otherwise;
    return number;
}

bool
kab_letter_view_init(KabLetterView *view,
                     const rd_kafka_message_t *message,
                     char **ret_problem)
{
    const rd_kafka_headers_t *headers = peek_headers(message);
    g_autofree char *truncated =
        dup_text(headers, KAB_LETTER_PREFIX "truncated");
    *view = (KabLetterView){
        .topic = dup_text(headers, KAB_LETTER_PREFIX "topic"),
        .binding = dup_text(headers, KAB_LETTER_PREFIX "binding"),
        .group = dup_text(headers, KAB_LETTER_PREFIX "group"),
        .stage = dup_text(headers, KAB_LETTER_PREFIX "stage"),
        .class_ = dup_text(headers, KAB_LETTER_PREFIX "class"),
        .message = dup_text(headers, KAB_LETTER_PREFIX "message"),
        .partition = (int32_t)read_number(
            headers, KAB_LETTER_PREFIX "partition", INT32_MAX, -1),
        .offset =
            read_number(headers, KAB_LETTER_PREFIX "offset", INT64_MAX, -1),
        .attempts =
            read_number(headers, KAB_LETTER_PREFIX "attempts", INT64_MAX, -1),
        .timestamp_ms =
            read_number(headers, KAB_LETTER_PREFIX "timestamp", INT64_MAX, -1),
        .replays = read_number(headers, KAB_REPLAYS_HEADER, INT32_MAX, 0),
        .is_truncated = g_strcmp0(truncated, "true") == 0,
    };
    const char *missing = NULL;
    if (view->offset < 0)
        missing = "offset";
    if (view->partition < 0)
        missing = "partition";
    if (!view->topic)
        missing = "topic";
    if (!missing)
        return true;
    *ret_problem = g_strdup_printf("found no right header " KAB_LETTER_PREFIX
                                   "%s; wanted a dead letter of kabridge",
                                   missing);
    return false;
}

void
kab_letter_view_clear(KabLetterView *view)
{
    g_free(view->topic);
    g_free(view->binding);
    g_free(view->group);
    g_free(view->stage);
    g_free(view->class_);
    g_free(view->message);
}

rd_kafka_headers_t *
kab_letter_view_new_headers(const KabLetterView *view,
                            const rd_kafka_message_t *message)
{
    const rd_kafka_headers_t *old = peek_headers(message);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0;
         old && !rd_kafka_header_get_all(old, i, &name, &value, &len); i++)
        if (!kab_letter_owns_header(name) &&
            strcmp(name, KAB_REPLAYS_HEADER) != 0)
            rd_kafka_header_add(headers, name, -1, value, (ssize_t)len);
    char replays[24];
    g_snprintf(replays, sizeof replays, "%" PRIi64, view->replays + 1);
    rd_kafka_header_add(headers, KAB_REPLAYS_HEADER, -1, replays, -1);
    return headers;
}
