/* SPDX-License-Identifier: Apache-2.0 */
/* Spans: made from a call, written as JSON of ExportTraceServiceRequest.
 *
 * OTLP/JSON wants hexadecimal ids, and times as strings of nanoseconds. The
 * attributes are those of OpenTelemetry for messaging.
 */
#include "trace-span.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <jansson.h>

#include "kabridge/version.h"

enum {
    MOST_HEADERS = 64,
    PARENT_LEN = 55,
    KIND_CONSUMER = 5,
    STATUS_ERROR = 2,
    MOST_REASON = 256
};

/* --- traceparent ------------------------------------------------------- */

static bool
parse_hex(const char *text, uint8_t *bytes, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]);
        int low = g_ascii_xdigit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high * 16 + low);
        any |= bytes[i];
    }
    return any != 0;
}

/* A later version may be longer, but has the same beginning. */
static bool
has_form(const char *text, size_t len)
{
    if (len < PARENT_LEN || text[2] != '-' || text[35] != '-' ||
        text[52] != '-')
        return false;
    int high = g_ascii_xdigit_value(text[0]);
    int low = g_ascii_xdigit_value(text[1]);
    bool is_first = high == 0 && low == 0;
    return high >= 0 && low >= 0 && !(high == 15 && low == 15) &&
           (is_first ? len == PARENT_LEN
                     : len == PARENT_LEN || text[PARENT_LEN] == '-');
}

bool
kab_span_parse_parent(KabBytes text, KabSpanContext *ret_context)
{
    const char *chars = text.data;
    KabSpanContext context;
    if (!chars || !has_form(chars, text.len) ||
        !parse_hex(chars + 3, context.trace_id, KAB_TRACE_ID_BYTES) ||
        !parse_hex(chars + 36, context.span_id, KAB_SPAN_ID_BYTES))
        return false;
    *ret_context = context;
    return true;
}

/* --- Made -------------------------------------------------------------- */

static bool
find_parent(const KabTraceSetup *setup,
            void *message,
            KabSpanContext *ret_context)
{
    KabHeader headers[MOST_HEADERS];
    size_t n = setup->get_headers(message, headers, MOST_HEADERS);
    for (size_t i = MIN(n, MOST_HEADERS); i-- > 0;)
        if (g_ascii_strcasecmp(headers[i].name, "traceparent") == 0)
            return kab_span_parse_parent(headers[i].value, ret_context);
    return false;
}

static void
add_links(KabSpan *span, const KabTraceSetup *setup, const KabAttempt *attempt)
{
    span->links = g_new(KabSpanContext, MIN(attempt->n, KAB_SPAN_LINKS));
    for (size_t i = 0; i < attempt->n; i++) {
        KabSpanContext parent;
        if (!find_parent(setup, attempt->messages[i], &parent))
            continue;
        if (span->n_links < KAB_SPAN_LINKS)
            span->links[span->n_links++] = parent;
        else
            span->n_links_left_out++;
    }
}

static void
set_place(KabSpan *span, const KabAttempt *attempt)
{
    const KabRecord *first = &attempt->records[0];
    bool is_one_topic = true, is_one_partition = true;
    for (size_t i = 1; i < attempt->n; i++) {
        const KabRecord *record = &attempt->records[i];
        is_one_topic &= strcmp(record->topic, first->topic) == 0;
        is_one_partition &= record->partition == first->partition;
    }
    span->topic = is_one_topic ? g_strdup(first->topic) : NULL;
    span->partition = is_one_topic && is_one_partition ? first->partition : -1;
    span->is_tombstone = attempt->n == 1 && !first->value.data;
}

static const char *
name_failure(KabFailure failure)
{
    switch (failure) {
    case KAB_FAIL_TRANSIENT:
        return "transient";
    case KAB_FAIL_PERMANENT:
        return "permanent";
    case KAB_FAIL_OVERLOAD:
        return "overload";
    case KAB_FAIL_TOO_LARGE:
        return "too_large";
    case KAB_FAIL_CRASH:
        return "crash";
    case KAB_FAIL_FATAL:
        return "fatal";
    }
    return "_OTHER";
}

KabSpan *
kab_span_new(const KabTraceSetup *setup,
             const KabSpanContext *context,
             const KabAttempt *attempt,
             const KabAnswer *answer,
             int64_t took_us,
             int64_t real_us)
{
    KabSpan *span = g_new0(KabSpan, 1);
    span->context = *context;
    span->start_us = real_us - took_us;
    span->end_us = real_us;
    span->n_records = attempt->n;
    span->attempt = attempt->number;
    if (answer->failed) {
        span->error_type = name_failure(answer->failure);
        g_autofree char *valid =
            answer->reason ? g_utf8_make_valid(answer->reason, -1) : NULL;
        span->reason =
            valid ? g_utf8_substring(valid, 0,
                                     MIN(g_utf8_strlen(valid, -1), MOST_REASON))
                  : NULL;
    }
    set_place(span, attempt);
    add_links(span, setup, attempt);
    return span;
}

void
kab_span_free(KabSpan *span)
{
    if (!span)
        return;
    g_free(span->topic);
    g_free(span->reason);
    g_free(span->links);
    g_free(span);
}

/* --- Written ----------------------------------------------------------- */

static json_t *
hex_json(const uint8_t *bytes, size_t n)
{
    char text[2 * KAB_TRACE_ID_BYTES + 1];
    for (size_t i = 0; i < n; i++)
        g_snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return json_string(text);
}

static json_t *
time_json(int64_t real_us)
{
    g_autofree char *text = g_strdup_printf("%" PRIi64 "000", real_us);
    return json_string(text);
}

static void
add_text(json_t *attributes, const char *key, const char *text)
{
    if (text)
        json_array_append_new(attributes,
                              json_pack("{s:s, s:{s:s}}", "key", key, "value",
                                        "stringValue", text));
}

static void
add_number(json_t *attributes, const char *key, int64_t number)
{
    g_autofree char *text = g_strdup_printf("%" PRIi64, number);
    json_array_append_new(attributes, json_pack("{s:s, s:{s:s}}", "key", key,
                                                "value", "intValue", text));
}

static json_t *
attributes_json(const KabTraceSetup *setup, const KabSpan *span)
{
    json_t *attributes = json_array();
    add_text(attributes, "messaging.system", "kafka");
    add_text(attributes, "messaging.operation.name", "process");
    add_text(attributes, "messaging.operation.type", "process");
    add_text(attributes, "messaging.destination.name", span->topic);
    if (span->partition >= 0) {
        g_autofree char *partition = g_strdup_printf("%d", span->partition);
        add_text(attributes, "messaging.destination.partition.id", partition);
    }
    add_text(attributes, "messaging.consumer.group.name", setup->group);
    add_number(attributes, "messaging.batch.message_count",
               (int64_t)span->n_records);
    if (span->is_tombstone)
        json_array_append_new(attributes,
                              json_pack("{s:s, s:{s:b}}", "key",
                                        "messaging.kafka.message.tombstone",
                                        "value", "boolValue", 1));
    add_text(attributes, "error.type", span->error_type);
    add_text(attributes, "kabridge.binding", setup->binding);
    add_text(attributes, "kabridge.function", setup->function);
    add_number(attributes, "kabridge.attempt", span->attempt);
    return attributes;
}

static json_t *
links_json(const KabSpan *span)
{
    json_t *links = json_array();
    for (size_t i = 0; i < span->n_links; i++) {
        json_t *link = json_object();
        json_object_set_new(
            link, "traceId",
            hex_json(span->links[i].trace_id, KAB_TRACE_ID_BYTES));
        json_object_set_new(
            link, "spanId",
            hex_json(span->links[i].span_id, KAB_SPAN_ID_BYTES));
        json_array_append_new(links, link);
    }
    return links;
}

static json_t *
span_json(const KabTraceSetup *setup, const KabSpan *span)
{
    g_autofree char *name = g_strconcat(
        "process ", span->topic ? span->topic : setup->binding, NULL);
    json_t *object = json_object();
    json_object_set_new(object, "traceId",
                        hex_json(span->context.trace_id, KAB_TRACE_ID_BYTES));
    json_object_set_new(object, "spanId",
                        hex_json(span->context.span_id, KAB_SPAN_ID_BYTES));
    json_object_set_new(object, "name", json_string(name));
    json_object_set_new(object, "kind", json_integer(KIND_CONSUMER));
    json_object_set_new(object, "startTimeUnixNano", time_json(span->start_us));
    json_object_set_new(object, "endTimeUnixNano", time_json(span->end_us));
    json_object_set_new(object, "attributes", attributes_json(setup, span));
    json_object_set_new(object, "links", links_json(span));
    if (span->n_links_left_out)
        json_object_set_new(object, "droppedLinksCount",
                            json_integer((json_int_t)span->n_links_left_out));
    if (span->error_type)
        json_object_set_new(object, "status",
                            json_pack("{s:i, s:s}", "code", STATUS_ERROR,
                                      "message",
                                      span->reason ? span->reason : ""));
    return object;
}

char *
kab_spans_dup_json(const KabTraceSetup *setup,
                   KabSpan *const *spans,
                   size_t n_spans)
{
    json_t *resource = json_array(), *array = json_array();
    add_text(resource, "service.name", "kabridge");
    add_text(resource, "service.version", KAB_VERSION);
    add_text(resource, "service.instance.id", setup->instance);
    for (size_t i = 0; i < n_spans; i++)
        json_array_append_new(array, span_json(setup, spans[i]));
    json_t *root =
        json_pack("{s:[{s:{s:o}, s:[{s:{s:s, s:s}, s:o}]}]}", "resourceSpans",
                  "resource", "attributes", resource, "scopeSpans", "scope",
                  "name", "kabridge", "version", KAB_VERSION, "spans", array);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    char *copy = g_strdup(text);
    free(text);
    return copy;
}
