/* SPDX-License-Identifier: Apache-2.0 */
#include "http-value.h"

#include <string.h>

void
kab_http_append_string(GString *out, const char *text, size_t len)
{
    gsize from = out->len;
    g_string_set_size(out, from + kab_json_encoded_len(text, len));
    kab_json_encode(text, len, out->str + from);
}

/* The record's value as a JSON document; absent: not JSON. */
static KabSpan
document_of(const KabRecord *record)
{
    KabSpan document;
    bool is_json = kab_json_check(record->value.data, record->value.len,
                                  KAB_JSON_STRICT, &document, NULL);
    return is_json ? document : KAB_SPAN_ABSENT;
}

static const char *
render_row(const KabHttpPlan *plan, KabSpan document, GString *out)
{
    guint n = plan->fields->len > 0 ? plan->fields->len : plan->columns->len;
    g_string_append_c(out, '[');
    for (guint i = 0; i < n; i++) {
        const char *pointer =
            plan->fields->len > 0
                ? plan->fields->pdata[i]
                : g_array_index(plan->columns, KabHttpPair, i).pointer;
        KabSpan found = kab_json_find(document, pointer);
        if (i > 0)
            g_string_append_c(out, ',');
        if (found.at)
            g_string_append_len(out, found.at, (gssize)found.len);
        else if (plan->missing == KAB_HTTP_MISSING_VALUE)
            g_string_append(out, plan->missing_value);
        else
            return "the value lacks a member of function.fields or "
                   "function.column";
    }
    g_string_append_c(out, ']');
    return NULL;
}

static void
append_text(GString *out, const void *data, size_t len)
{
    if (kab_utf8_is_valid(data, len)) {
        kab_http_append_string(out, data, len);
        return;
    }
    g_autofree char *text = g_base64_encode(data, len);
    kab_http_append_string(out, text, strlen(text));
}

static void
append_optional(GString *out, const KabBytes *bytes)
{
    if (bytes->data)
        append_text(out, bytes->data, bytes->len);
    else
        g_string_append(out, "null");
}

static void
append_headers(GString *out, const KabHttpSubject *subject)
{
    size_t n;
    const KabHeader *headers =
        kab_batch_headers(subject->batch, subject->record_index, &n);
    g_string_append_c(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_text(out, headers[i].name, strlen(headers[i].name));
        g_string_append_c(out, ':');
        append_optional(out, &headers[i].value);
    }
    g_string_append_c(out, '}');
}

static void
render_envelope(const KabHttpSubject *subject, KabSpan value, GString *out)
{
    const KabRecord *record = subject->record;
    g_string_append(out, "{\"topic\":");
    append_text(out, record->topic, strlen(record->topic));
    g_string_append_printf(out,
                           ",\"partition\":%d,\"offset\":%" G_GINT64_FORMAT
                           ",\"timestamp\":%" G_GINT64_FORMAT ",\"key\":",
                           record->partition, record->offset,
                           record->timestamp_ms);
    append_optional(out, &record->key);
    g_string_append(out, ",\"headers\":");
    append_headers(out, subject);
    g_string_append(out, ",\"value\":");
    g_string_append_len(out, value.at, (gssize)value.len);
    g_string_append_c(out, '}');
}

/* A selected text is a JSON string already: the item is its content. */
static void
open_string(const KabHttpPlan *plan,
            KabHttpSubject *subject,
            GString *value,
            bool is_bytes)
{
    const char *filter = kab_http_template_value_filter(plan->item);
    bool wants_json = !filter || strcmp(filter, "json") == 0;
    if (!plan->select || plan->has_envelope || (wants_json && !is_bytes) ||
        kab_json_type(subject->value) != KAB_JSON_STRING)
        return;
    g_string_set_size(value, kab_json_decode(subject->value, value->str));
    subject->value = (KabSpan){value->str, value->len};
}

const char *
kab_http_value_make(const KabHttpPlan *plan,
                    KabHttpSubject *subject,
                    bool is_bytes,
                    GString *value)
{
    const KabRecord *record = subject->record;
    bool has_row = plan->fields->len > 0 || plan->columns->len > 0;
    const char *problem = NULL;
    subject->value = (KabSpan){record->value.data, record->value.len};
    if (!plan->select && !has_row && !plan->has_envelope)
        return NULL;
    KabSpan document = document_of(record);
    if (!document.at)
        return kab_http_explain_not_json(subject->value);
    if (plan->select)
        document = kab_json_find(document, plan->select);
    if (!document.at)
        return "the value has nothing at function.select";
    g_string_set_size(value, 0);
    if (has_row)
        problem = render_row(plan, document, value);
    else if (plan->has_envelope)
        render_envelope(subject, document, value);
    else
        g_string_append_len(value, document.at, (gssize)document.len);
    subject->value = (KabSpan){value->str, value->len};
    open_string(plan, subject, value, is_bytes);
    return problem;
}
