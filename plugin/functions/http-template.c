/* SPDX-License-Identifier: Apache-2.0 */
#include "http-template.h"

#include <string.h>

#define NOT_JSON "the value is not JSON"
#define LOOKS_ENCODED                                                          \
    "the value is not JSON; it begins with 0x00 and looks like a "             \
    "schema-registry record"
#define HAS_MARK                                                               \
    "the value is not JSON; it begins with a UTF-8 byte order mark, which "    \
    "JSON does not have"

typedef enum {
    PART_TEXT,
    PART_VALUE,
    PART_KEY,
    PART_HEADER,
    PART_TOPIC,
    PART_PARTITION,
    PART_OFFSET,
    PART_TIMESTAMP,
    PART_INDEX,
    PART_N,
    PART_MODEL,
    PART_COLUMNS,
} PartType;

typedef enum {
    FILTER_JSON,
    FILTER_STRING,
    FILTER_BASE64,
    FILTER_RAW,
    FILTER_URL,
} Filter;

typedef struct {
    PartType type;
    Filter filter;
    char *text; /* literal text; pointer of {value}; name of {header} */
} Part;

struct KabHttpTemplate {
    GArray *parts; /* of Part */
};

static const char *const filter_names[] = {
    [FILTER_JSON] = "json",     [FILTER_STRING] = "string",
    [FILTER_BASE64] = "base64", [FILTER_RAW] = "raw",
    [FILTER_URL] = "url",
};

static const struct {
    const char *name;
    PartType type;
    Filter filter; /* used if the placeholder names none */
} placeholders[] = {
    {"value", PART_VALUE, FILTER_JSON},
    {"key", PART_KEY, FILTER_STRING},
    {"topic", PART_TOPIC, FILTER_STRING},
    {"partition", PART_PARTITION, FILTER_RAW},
    {"offset", PART_OFFSET, FILTER_RAW},
    {"timestamp", PART_TIMESTAMP, FILTER_RAW},
    {"index", PART_INDEX, FILTER_RAW},
    {"n", PART_N, FILTER_RAW},
    {"model", PART_MODEL, FILTER_STRING},
    {"columns", PART_COLUMNS, FILTER_RAW},
};

static void
clear_part(void *data)
{
    Part *part = data;
    g_free(part->text);
}

static bool
parse_filter(const char *name, Filter *ret_filter)
{
    for (size_t i = 0; i < G_N_ELEMENTS(filter_names); i++)
        if (strcmp(filter_names[i], name) == 0) {
            *ret_filter = (Filter)i;
            return true;
        }
    return false;
}

/* Does the text after a brace begin like a placeholder? */
static bool
parse_name(const char *inside, Part *part, const char **ret_rest)
{
    size_t len = strcspn(inside, ":");
    if (g_str_has_prefix(inside, "header.") && len > 7) {
        *part =
            (Part){PART_HEADER, FILTER_STRING, g_strndup(inside + 7, len - 7)};
        *ret_rest = inside + len;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(placeholders); i++)
        if (strlen(placeholders[i].name) == len &&
            strncmp(placeholders[i].name, inside, len) == 0) {
            *part = (Part){placeholders[i].type, placeholders[i].filter, NULL};
            *ret_rest = inside + len;
            return true;
        }
    return false;
}

/* Parses ":/pointer", ":filter" or both after the name. */
static bool
parse_rest(const char *rest, Part *part)
{
    if (*rest == '\0')
        return true;
    const char *last = strrchr(rest, ':') + 1;
    if (rest[1] != '/')
        return last == rest + 1 && parse_filter(last, &part->filter);
    if (part->type != PART_VALUE)
        return false;
    size_t len = strlen(rest + 1);
    if (last != rest + 1 && parse_filter(last, &part->filter))
        len = (size_t)(last - rest) - 2;
    part->text = g_strndup(rest + 1, len);
    return kab_json_pointer_is_valid(part->text);
}

static void
add_text(KabHttpTemplate *template, const char *from, size_t len)
{
    Part part = {PART_TEXT, FILTER_RAW, g_strndup(from, len)};
    if (len > 0)
        g_array_append_val(template->parts, part);
    else
        g_free(part.text);
}

/* Parses the placeholder at the brace `at`. Returns its length; 0: the brace is
 * literal; -1: the placeholder is invalid. */
static int
parse_placeholder(KabHttpTemplate *template, const char *at, char **ret_problem)
{
    const char *end = strchr(at, '}'), *rest;
    g_autofree char *inside =
        end ? g_strndup(at + 1, (size_t)(end - at) - 1) : NULL;
    Part part;
    if (!inside || !parse_name(inside, &part, &rest))
        return 0;
    bool is_right = parse_rest(rest, &part);
    if (is_right) {
        g_array_append_val(template->parts, part);
        return (int)(end - at) + 1;
    }
    g_free(part.text);
    *ret_problem = g_strdup_printf(
        "found {%s}; wanted a filter json, string, base64, raw or url, or a "
        "JSON Pointer behind {value:",
        inside);
    return -1;
}

KabHttpTemplate *
kab_http_template_new(const char *text, char **ret_problem)
{
    KabHttpTemplate *template = g_new0(KabHttpTemplate, 1);
    template->parts = g_array_new(FALSE, FALSE, sizeof(Part));
    g_array_set_clear_func(template->parts, clear_part);
    const char *from = text;
    for (const char *at = strchr(text, '{'); at; at = strchr(at, '{')) {
        guint n = template->parts->len;
        add_text(template, from, (size_t)(at - from));
        int len = parse_placeholder(template, at, ret_problem);
        if (len < 0) {
            kab_http_template_free(template);
            return NULL;
        }
        if (len == 0 && template->parts->len > n)
            g_array_set_size(template->parts, n);
        from = len > 0 ? at + len : from;
        at += len > 0 ? len : 1;
    }
    add_text(template, from, strlen(from));
    return template;
}

void
kab_http_template_free(KabHttpTemplate *template)
{
    if (!template)
        return;
    g_array_free(template->parts, TRUE);
    g_free(template);
}

bool
kab_http_template_needs_record(const KabHttpTemplate *template)
{
    for (guint i = 0; i < template->parts->len; i++) {
        PartType type = g_array_index(template->parts, Part, i).type;
        if (type != PART_TEXT && type != PART_N && type != PART_MODEL &&
            type != PART_COLUMNS)
            return true;
    }
    return false;
}

const char *
kab_http_template_value_filter(const KabHttpTemplate *template)
{
    for (guint i = 0; i < template->parts->len; i++) {
        const Part *part = &g_array_index(template->parts, Part, i);
        if (part->type == PART_VALUE)
            return filter_names[part->filter];
    }
    return NULL;
}

const char *
kab_http_explain_not_json(KabSpan value)
{
    if (value.len > 0 && value.at[0] == '\0')
        return LOOKS_ENCODED;
    if (value.len >= 3 && memcmp(value.at, "\xEF\xBB\xBF", 3) == 0)
        return HAS_MARK;
    return NOT_JSON;
}

static void
append_base64(GString *out, KabSpan span)
{
    g_autofree char *text = g_base64_encode((const guchar *)span.at, span.len);
    g_string_append(out, text);
}

static void
append_url(GString *out, KabSpan span)
{
    for (size_t i = 0; i < span.len; i++) {
        char c = span.at[i];
        if (g_ascii_isalnum(c) || strchr("-._~", c ? c : ' '))
            g_string_append_c(out, c);
        else
            g_string_append_printf(out, "%%%02X", (unsigned char)c);
    }
}

static const char *
append_string(GString *out, KabSpan span)
{
    if (!kab_utf8_is_valid(span.at, span.len))
        return "the value is not UTF-8";
    gsize from = out->len;
    g_string_set_size(out, from + kab_json_encoded_len(span.at, span.len));
    kab_json_encode(span.at, span.len, out->str + from);
    return NULL;
}

static const char *
append_bytes(GString *out, KabSpan span, Filter filter)
{
    KabSpan json;
    switch (filter) {
    case FILTER_JSON:
        if (!kab_json_check(span.at, span.len, KAB_JSON_STRICT, &json, NULL))
            return kab_http_explain_not_json(span);
        g_string_append_len(out, json.at, (gssize)json.len);
        return NULL;
    case FILTER_STRING:
        return append_string(out, span);
    case FILTER_BASE64:
        append_base64(out, span);
        return NULL;
    case FILTER_RAW:
        g_string_append_len(out, span.at, (gssize)span.len);
        return NULL;
    case FILTER_URL:
        append_url(out, span);
        return NULL;
    }
    return NULL;
}

/* Appends part of a value, which is JSON already. Filters other than json are
 * applied to the content of a string. */
static const char *
append_json(GString *out, KabSpan json, Filter filter)
{
    bool is_string = kab_json_type(json) == KAB_JSON_STRING;
    if (filter == FILTER_JSON || (filter == FILTER_STRING && is_string)) {
        g_string_append_len(out, json.at, (gssize)json.len);
        return NULL;
    }
    if (!is_string)
        return append_bytes(out, json, filter);
    g_autofree char *text = g_malloc(json.len);
    KabSpan said = {text, kab_json_decode(json, text)};
    return append_bytes(out, said, filter);
}

static const char *
append_value(const Part *part, const KabHttpSubject *subject, GString *out)
{
    KabSpan json;
    if (!part->text)
        return append_bytes(out, subject->value, part->filter);
    if (!kab_json_check(subject->value.at, subject->value.len, KAB_JSON_STRICT,
                        &json, NULL))
        return kab_http_explain_not_json(subject->value);
    KabSpan found = kab_json_find(json, part->text);
    if (!found.at)
        return "the value lacks a member that the request's item names";
    return append_json(out, found, part->filter);
}

/* An absent value is null, or empty for a filter that has no null. */
static const char *
append_optional(GString *out, const KabBytes *bytes, Filter filter)
{
    if (bytes->data)
        return append_bytes(out, (KabSpan){bytes->data, bytes->len}, filter);
    if (filter == FILTER_JSON || filter == FILTER_STRING)
        g_string_append(out, "null");
    return NULL;
}

static const char *
append_header(const Part *part, const KabHttpSubject *subject, GString *out)
{
    KabBytes value = {NULL, 0};
    kab_batch_header(subject->batch, subject->record_index, part->text, &value);
    return append_optional(out, &value, part->filter);
}

static const char *
append_part(const Part *part, const KabHttpSubject *subject, GString *out)
{
    const KabRecord *record = subject->record;
    switch (part->type) {
    case PART_TEXT:
        g_string_append(out, part->text);
        return NULL;
    case PART_VALUE:
        return append_value(part, subject, out);
    case PART_KEY:
        return append_optional(out, &record->key, part->filter);
    case PART_HEADER:
        return append_header(part, subject, out);
    case PART_TOPIC:
        return append_bytes(
            out, (KabSpan){record->topic, strlen(record->topic)}, part->filter);
    case PART_PARTITION:
        g_string_append_printf(out, "%d", record->partition);
        return NULL;
    case PART_OFFSET:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, record->offset);
        return NULL;
    case PART_TIMESTAMP:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, record->timestamp_ms);
        return NULL;
    case PART_INDEX:
        g_string_append_printf(out, "%zu", subject->index);
        return NULL;
    case PART_N:
        g_string_append_printf(out, "%zu", subject->n);
        return NULL;
    case PART_MODEL:
        return append_bytes(out,
                            (KabSpan){subject->model, strlen(subject->model)},
                            part->filter);
    case PART_COLUMNS:
        g_string_append(out, subject->columns);
        return NULL;
    }
    return NULL;
}

const char *
kab_http_template_render(const KabHttpTemplate *template,
                         const KabHttpSubject *subject,
                         GString *out)
{
    const char *problem = NULL;
    for (guint i = 0; i < template->parts->len && !problem; i++)
        problem =
            append_part(&g_array_index(template->parts, Part, i), subject, out);
    return problem;
}
