/* SPDX-License-Identifier: Apache-2.0 */
#include "tap-json.h"

#include <stdlib.h>

#include <glib.h>
#include <jansson.h>

/* Truncated text may end within a character. */
static size_t
count_text(const KabTapBytes *bytes)
{
    const char *end;
    if (g_utf8_validate_len(bytes->data, bytes->n, &end))
        return bytes->n;
    size_t n = (size_t)(end - (const char *)bytes->data);
    bool is_cut_there = bytes->n < bytes->len && bytes->n - n < 4;
    return is_cut_there ? n : SIZE_MAX;
}

static void
set_bytes(json_t *object, const char *name, const KabTapBytes *bytes)
{
    if (!bytes->data) {
        json_object_set_new(object, name, json_null());
        return;
    }
    size_t n = count_text(bytes);
    if (n != SIZE_MAX) {
        json_object_set_new(object, name, json_stringn(bytes->data, n));
    } else {
        g_autofree char *key = g_strconcat(name, "_base64", NULL);
        g_autofree char *text = g_base64_encode(bytes->data, bytes->n);
        json_object_set_new(object, key, json_string(text));
    }
    if (bytes->n == bytes->len)
        return;
    g_autofree char *key = g_strconcat(name, "_bytes", NULL);
    json_object_set_new(object, key, json_integer((json_int_t)bytes->len));
}

static json_t *
output_json(const KabTapOutput *output)
{
    json_t *object = json_object();
    if (output->topic)
        json_object_set_new(object, "topic", json_string(output->topic));
    if (output->partition >= 0)
        json_object_set_new(object, "partition",
                            json_integer(output->partition));
    set_bytes(object, "key", &output->key);
    set_bytes(object, "value", &output->value);
    return object;
}

static json_t *
outputs_json(const KabTapRecord *record)
{
    json_t *outputs = json_array();
    for (size_t i = 0; i < MIN(record->n_outputs, KAB_TAP_OUTPUTS); i++)
        json_array_append_new(outputs, output_json(&record->outputs[i]));
    return outputs;
}

static char *
dup_time(int64_t real_us)
{
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_utc(real_us / G_USEC_PER_SEC);
    g_autofree char *text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%03dZ", text,
                           (int)(real_us % G_USEC_PER_SEC / 1000));
}

static json_t *
record_json(const KabTapRecord *record)
{
    g_autofree char *time = dup_time(record->real_us);
    json_t *object = json_object();
    json_object_set_new(object, "time", json_string(time));
    json_object_set_new(object, "topic", json_string(record->topic));
    json_object_set_new(object, "partition", json_integer(record->partition));
    json_object_set_new(object, "offset", json_integer(record->offset));
    json_object_set_new(object, "timestamp",
                        json_integer(record->timestamp_ms));
    set_bytes(object, "key", &record->key);
    set_bytes(object, "value", &record->value);
    json_object_set_new(object, "outcome", json_string(record->outcome));
    if (record->reason) {
        g_autofree char *reason = g_utf8_make_valid(record->reason, -1);
        json_object_set_new(object, "reason", json_string(reason));
    }
    json_object_set_new(object, "attempt", json_integer(record->attempt));
    json_object_set_new(object, "batch_records",
                        json_integer((json_int_t)record->batch_records));
    json_object_set_new(object, "call_ms",
                        json_real((double)record->call_us / 1000));
    json_object_set_new(object, "n_outputs",
                        json_integer((json_int_t)record->n_outputs));
    json_object_set_new(object, "outputs", outputs_json(record));
    return object;
}

char *
kab_tap_dup_json(const GPtrArray *records, uint64_t next, uint64_t missed)
{
    json_t *array = json_array();
    for (guint i = 0; i < records->len; i++)
        json_array_append_new(array, record_json(records->pdata[i]));
    json_t *object = json_object();
    json_object_set_new(object, "next", json_integer((json_int_t)next));
    json_object_set_new(object, "missed", json_integer((json_int_t)missed));
    json_object_set_new(object, "records", array);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    char *copy = g_strconcat(text, "\n", NULL);
    free(text);
    return copy;
}
