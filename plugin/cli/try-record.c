/* SPDX-License-Identifier: Apache-2.0 */
#include "try-record.h"

#include <string.h>

static const char *const members[] = {
    "key",   "value",  "key_base64", "value_base64", "headers",
    "topic", "offset", "partition",  "timestamp",
};

/* --- Raw text ---------------------------------------------------------- */

/* From the opening quote to just after the closing one. */
static const char *
skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return MIN(at + 1, end);
}

/* From the first byte of a value to just after its last; the text is valid
 * JSON. */
static const char *
skip_value(const char *at, const char *end)
{
    int depth = 0;
    while (at < end) {
        if (depth == 0 && strchr(",} \t\r\n", *at))
            return at;
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        bool is_string = *at == '"';
        bool is_container_end = *at == '}' || *at == ']';
        at = is_string ? skip_string(at, end) : at + 1;
        if (depth == 0 && (is_string || is_container_end))
            return at;
    }
    return end;
}

static const char *
skip_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n,:", *at))
        at++;
    return at;
}

/* The raw text of a member's value in the line. */
static KabBytes
find_text(const char *text, size_t len, const char *name)
{
    const char *end = text + len;
    const char *at = skip_blanks(skip_blanks(text, end) + 1, end);
    KabBytes found = {NULL, 0};
    while (at < end && *at == '"') {
        const char *value = skip_value(at, end);
        bool is_it = (size_t)(value - at) == strlen(name) + 2 &&
                     strncmp(at + 1, name, strlen(name)) == 0;
        value = skip_blanks(value, end);
        at = skip_value(value, end);
        if (is_it)
            found = (KabBytes){value, (size_t)(at - value)};
        at = skip_blanks(at, end);
    }
    return found;
}

/* --- Read -------------------------------------------------------------- */

static KabBytes
read_bytes(KabTryRecord *record,
           const char *text,
           size_t len,
           const char *name,
           guchar **decoded)
{
    g_autofree char *base64 = g_strconcat(name, "_base64", NULL);
    const json_t *encoded = json_object_get(record->root, base64);
    const json_t *value = json_object_get(record->root, name);
    if (json_is_string(encoded)) {
        gsize size = 0;
        *decoded = g_base64_decode(json_string_value(encoded), &size);
        return (KabBytes){*decoded ? (void *)*decoded : "", size};
    }
    if (json_is_string(value))
        return (KabBytes){json_string_value(value), json_string_length(value)};
    if (!value || json_is_null(value))
        return (KabBytes){NULL, 0};
    return find_text(text, len, name);
}

static bool
add_header(KabTryRecord *record, const char *name, const json_t *value)
{
    KabHeader *header = &record->headers[record->n_headers];
    *header = (KabHeader){.name = name};
    if (json_is_string(value))
        header->value =
            (KabBytes){json_string_value(value), json_string_length(value)};
    record->n_headers += name && (json_is_string(value) || json_is_null(value));
    return name && (json_is_string(value) || json_is_null(value));
}

static bool
read_headers(KabTryRecord *record, json_t *headers)
{
    if (!headers || json_is_null(headers))
        return true;
    bool is_object = json_is_object(headers);
    if (!is_object && !json_is_array(headers))
        return false;
    size_t n = is_object ? json_object_size(headers) : json_array_size(headers);
    record->headers = g_new0(KabHeader, n + 1);
    const char *name;
    json_t *value;
    size_t i;
    json_object_foreach(
        headers, name,
        value) if (!add_header(record, name, value)) return false;
    json_array_foreach(
        headers, i,
        value) if (!add_header(record,
                               json_string_value(json_array_get(value, 0)),
                               json_array_get(value, 1))) return false;
    return true;
}

static bool
read_number(const json_t *root, const char *name, int64_t max, int64_t *ret)
{
    const json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return true;
    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= 0 && *ret <= max;
}

static const char *
find_unknown(json_t *root)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
            is_known |= g_str_equal(members[i], name);
        if (!is_known)
            return name;
    }
    return NULL;
}

static bool
refuse_line(char **ret_problem, const char *wanted, const char *found)
{
    *ret_problem = g_strconcat("found ", found, wanted, NULL);
    return false;
}

static bool
read_place(KabTryRecord *record, char **ret_problem)
{
    const json_t *topic = json_object_get(record->root, "topic");
    int64_t partition = 0;
    record->record.topic = json_string_value(topic);
    record->record.offset = -1;
    record->record.timestamp_ms = -1;
    if (topic && !json_is_null(topic) && !json_is_string(topic))
        return refuse_line(ret_problem, "; wanted a text", "another topic");
    if (!read_number(record->root, "partition", INT32_MAX, &partition) ||
        !read_number(record->root, "offset", INT64_MAX,
                     &record->record.offset) ||
        !read_number(record->root, "timestamp", INT64_MAX,
                     &record->record.timestamp_ms))
        return refuse_line(ret_problem, "; wanted whole numbers from 0",
                           "another partition, offset or timestamp");
    record->record.partition = (int32_t)partition;
    return true;
}

static const char *
name_document(const json_t *root,
              const char *text,
              size_t len,
              const json_error_t *error)
{
    if (root)
        return "JSON that is no object";
    return len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0
               ? "a UTF-8 byte order mark before the JSON"
               : error->text;
}

bool
kab_try_record_read(KabTryRecord *record,
                    const char *text,
                    size_t len,
                    char **ret_problem)
{
    json_error_t error;
    *record = (KabTryRecord){
        .root = json_loadb(text, len, JSON_ALLOW_NUL, &error),
    };
    if (!json_is_object(record->root))
        return refuse_line(ret_problem, "; wanted a record as a JSON object",
                           name_document(record->root, text, len, &error));
    const char *unknown = find_unknown(record->root);
    if (unknown)
        return refuse_line(
            ret_problem,
            "; wanted key, value, headers, topic, partition, offset, "
            "timestamp",
            unknown);
    if (!read_headers(record, json_object_get(record->root, "headers")))
        return refuse_line(ret_problem,
                           "; wanted an object, or an array of pairs, of texts",
                           "other headers");
    record->record.key =
        read_bytes(record, text, len, "key", &record->decoded[0]);
    record->record.value =
        read_bytes(record, text, len, "value", &record->decoded[1]);
    return read_place(record, ret_problem);
}

void
kab_try_record_clear(KabTryRecord *record)
{
    json_decref(record->root);
    g_free(record->headers);
    g_free(record->decoded[0]);
    g_free(record->decoded[1]);
    *record = (KabTryRecord){0};
}

/* --- Printed ----------------------------------------------------------- */

void
kab_try_print_string(FILE *out, const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);
    json_dumpf(string, out, JSON_ENCODE_ANY);
    json_decref(string);
}

/* Is it a JSON container on a single line? Then it can be printed as it is. */
static bool
is_container(KabBytes bytes)
{
    const char *text = bytes.data;
    if (!bytes.len || (*text != '{' && *text != '[') ||
        memchr(text, '\n', bytes.len) || memchr(text, '\r', bytes.len))
        return false;
    json_t *value = json_loadb(text, bytes.len, JSON_ALLOW_NUL, NULL);
    json_decref(value);
    return value != NULL;
}

void
kab_try_print_member(FILE *out, const char *name, KabBytes bytes)
{
    const char *text = bytes.data;
    if (!text) {
        fprintf(out, "\"%s\":null", name);
    } else if (is_container(bytes)) {
        fprintf(out, "\"%s\":", name);
        fwrite(text, 1, bytes.len, out);
    } else if (g_utf8_validate_len(text, bytes.len, NULL)) {
        fprintf(out, "\"%s\":", name);
        kab_try_print_string(out, text, bytes.len);
    } else {
        g_autofree char *encoded = g_base64_encode(bytes.data, bytes.len);
        fprintf(out, "\"%s_base64\":\"%s\"", name, encoded);
    }
}
