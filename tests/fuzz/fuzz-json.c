/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by span under any bytes: "POINTER\nTEXT". What jansson takes is taken;
 * of a text that is taken, every value is a value, and what is put into it is
 * found there again.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <jansson.h>

#include "json-span.h"

static bool
is_json(KabSpan span)
{
    KabSpan value;
    return kab_json_check(span.at, span.len, KAB_JSON_NONFINITE, &value,
                          NULL) &&
           value.at == span.at && value.len == span.len;
}

static void
check_string(KabSpan string)
{
    g_autofree char *text = g_malloc(string.len);
    size_t len = kab_json_decode(string, text);
    g_assert(len < string.len && kab_utf8_is_valid(text, len));
    g_assert(kab_json_string_is(string, text, len));
    g_autofree char *again = g_malloc(kab_json_encoded_len(text, len));
    KabSpan encoded = {again, kab_json_encode(text, len, again)};
    g_assert(encoded.len == kab_json_encoded_len(text, len));
    g_assert(is_json(encoded) && kab_json_string_is(encoded, text, len));
}

static void
walk_value(KabSpan value)
{
    KabJsonIter iter = kab_json_iter(value);
    KabSpan name, inner;
    size_t n;
    long long number;
    g_assert(is_json(value));
    kab_json_is_vector(value, &n);
    kab_json_to_integer(value, &number);
    if (kab_json_type(value) == KAB_JSON_STRING)
        check_string(value);
    if (kab_json_type(value) == KAB_JSON_OBJECT) {
        while (kab_json_next_member(&iter, &name, &inner)) {
            check_string(name);
            walk_value(inner);
        }
    } else {
        while (kab_json_next_element(&iter, &inner))
            walk_value(inner);
    }
}

static void *
alloc(void *user, size_t size)
{
    return g_malloc(size);
}

static void
check_put(KabSpan document, const char *pointer)
{
    const KabJsonPut puts[] = {{pointer, KAB_SPAN("{\"a\":[]}")},
                               {pointer, KAB_SPAN("[1]")}};
    size_t failed;
    KabSpan result = kab_json_put(document, puts, 2, alloc, NULL, &failed);
    if (!result.at)
        return;
    g_assert(is_json(result));
    if (!strstr(pointer, "/-")) {
        KabSpan found = kab_json_find(result, pointer);
        g_assert(found.len == 3 && memcmp(found.at, "[1]", 3) == 0);
    }
    g_free((char *)(uintptr_t)result.at);
}

/* jansson takes a NUL byte for the end. */
static bool
is_json_to_others(const char *text, size_t len)
{
    json_error_t error;
    if (memchr(text, '\0', len))
        return false;
    json_t *json =
        json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    json_decref(json);
    return json != NULL;
}

/* The check lists the same members as the walk, and judges alike. */
static void
check_members(const char *text, size_t len)
{
    KabJsonMember room[8];
    KabJsonMembers members = {.at = room, .capacity = G_N_ELEMENTS(room)};
    KabSpan listed, document, name, value;
    bool is_json =
        kab_json_check(text, len, KAB_JSON_NONFINITE, &document, NULL);
    g_assert(is_json == kab_json_check_object(text, len, KAB_JSON_NONFINITE,
                                              &listed, NULL, &members));
    if (!is_json || kab_json_type(document) != KAB_JSON_OBJECT)
        return;
    KabJsonIter iter = kab_json_iter(document);
    size_t n = 0;
    for (; kab_json_next_member(&iter, &name, &value); n++)
        g_assert(n >= members.capacity ||
                 (room[n].name.at == name.at && room[n].name.len == name.len &&
                  room[n].value.at == value.at &&
                  room[n].value.len == value.len));
    g_assert(n == members.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? memchr(data, '\n', size) : NULL;
    if (!text)
        return 0;
    text++;
    g_autofree char *pointer =
        g_strndup((const char *)data, (size_t)(text - 1 - (const char *)data));
    size_t len = size - (size_t)(text - (const char *)data);
    KabSpan value;
    KabJsonFault fault = {0};
    check_members(text, len);
    if (!kab_json_check(text, len, KAB_JSON_STRICT, &value, &fault)) {
        g_assert(fault.offset <= len && fault.wanted);
        g_assert(strstr(fault.wanted, "nested") ||
                 !is_json_to_others(text, len));
        if (!kab_json_check(text, len, KAB_JSON_NONFINITE, &value, NULL))
            return 0;
    }
    walk_value(value);
    if (kab_json_pointer_is_valid(pointer))
        check_put(value, pointer);
    return 0;
}
