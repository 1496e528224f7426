/* SPDX-License-Identifier: Apache-2.0 */
/* Puts values into a document: finds each place first, then copies the document
 * around it once.
 */
#include "json-span.h"
#include "json-internal.h"

#include <stdlib.h>
#include <string.h>

/* Where a value goes: it replaces `removed` bytes at `at`. If members are
 * missing, it is preceded by a comma, the first name, and an object for each
 * further token of `missing`.
 */
typedef struct {
    size_t at, removed;
    bool has_comma;
    bool is_member;      /* the first missing token is a member's name */
    const char *missing; /* rest of the pointer; "": the place exists */
} Place;

/* The end of the last element or member; of the opening bracket if there is
 * none. */
static const char *
find_tail(KabSpan container)
{
    KabJsonIter iter = kab_json_iter(container);
    KabSpan name, value = {container.at, 1};
    if (kab_json_type(container) == KAB_JSON_OBJECT)
        while (kab_json_next_member(&iter, &name, &value))
            continue;
    else
        while (kab_json_next_element(&iter, &value))
            continue;
    return value.at + value.len;
}

static bool
can_append(KabSpan array, KabSpan token)
{
    return (token.len == 1 && *token.at == '-') ||
           kab_json_token_index(token) == kab_json_count(array);
}

/* Finds the place after the last member or element of the container that lacks
 * a token. */
static bool
place_behind(KabSpan document, KabSpan in, const char *pointer, Place *ret)
{
    const char *rest = pointer;
    KabSpan token;
    KabJsonType type = kab_json_type(in);
    kab_json_next_token(&rest, &token);
    if (type != KAB_JSON_OBJECT &&
        (type != KAB_JSON_ARRAY || !can_append(in, token)))
        return false;
    const char *tail = find_tail(in);
    *ret = (Place){.at = (size_t)(tail - document.at),
                   .has_comma = tail != in.at + 1,
                   .is_member = type == KAB_JSON_OBJECT,
                   .missing = pointer};
    return true;
}

static bool
find_place(KabSpan document, const char *pointer, Place *ret)
{
    KabSpan value = document, token;
    for (const char *from = pointer; kab_json_next_token(&pointer, &token);
         from = pointer) {
        KabSpan found = kab_json_step(value, token);
        if (!found.at)
            return place_behind(document, value, from, ret);
        value = found;
    }
    *ret = (Place){.at = (size_t)(value.at - document.at),
                   .removed = value.len,
                   .missing = ""};
    return true;
}

/* Appends to *to unless it is NULL; always counts. */
static void
append_bytes(char **to, size_t *len, const void *data, size_t n)
{
    if (*to) {
        memcpy(*to, data, n);
        *to += n;
    }
    *len += n;
}

/* Appends `"name":` for a token. */
static void
append_name(char **to, size_t *len, KabSpan token)
{
    char *name = malloc(token.len + 1);
    size_t n = 0;
    if (!name)
        abort();
    for (size_t i = 0; i < token.len; i++) {
        char c = token.at[i];
        if (c == '~')
            c = token.at[++i] == '1' ? '/' : '~';
        name[n++] = c;
    }
    size_t n_encoded = kab_json_encoded_len(name, n);
    if (*to)
        *to += kab_json_encode(name, n, *to);
    *len += n_encoded;
    append_bytes(to, len, ":", 1);
    free(name);
}

/* Writes the new text of the place to `to`; NULL: only measures. Returns its
 * length. */
static size_t
write_value(const Place *place, KabSpan value, char *to)
{
    size_t len = 0, n_tokens = 0;
    const char *pointer = place->missing;
    KabSpan token;
    if (place->has_comma)
        append_bytes(&to, &len, ",", 1);
    for (; kab_json_next_token(&pointer, &token); n_tokens++) {
        if (n_tokens > 0)
            append_bytes(&to, &len, "{", 1);
        if (n_tokens > 0 || place->is_member)
            append_name(&to, &len, token);
    }
    append_bytes(&to, &len, value.at, value.len);
    for (; n_tokens > 1; n_tokens--)
        append_bytes(&to, &len, "}", 1);
    return len;
}

/* NULL: there is no such place. */
static char *
put_one(KabSpan document,
        const KabJsonPut *put,
        KabJsonAlloc alloc,
        void *user,
        size_t *ret_len)
{
    Place place;
    if (!find_place(document, put->pointer, &place))
        return NULL;
    size_t len = write_value(&place, put->value, NULL);
    size_t behind = place.at + place.removed;
    *ret_len = document.len - place.removed + len;
    char *text = alloc(user, *ret_len);
    memcpy(text, document.at, place.at);
    write_value(&place, put->value, text + place.at);
    memcpy(text + place.at + len, document.at + behind, document.len - behind);
    return text;
}

static void *
alloc_scratch(void *user, size_t size)
{
    void *memory = malloc(size);
    if (!memory)
        abort();
    return memory;
}

KabSpan
kab_json_put(KabSpan document,
             const KabJsonPut *puts,
             size_t n_puts,
             KabJsonAlloc alloc,
             void *user,
             size_t *ret_failed)
{
    KabSpan result = document;
    char *scratch = NULL;
    for (size_t i = 0; i < n_puts; i++) {
        bool is_last = i + 1 == n_puts;
        size_t len;
        char *text = put_one(result, &puts[i], is_last ? alloc : alloc_scratch,
                             user, &len);
        free(scratch);
        if (!text) {
            *ret_failed = i;
            return KAB_SPAN_ABSENT;
        }
        scratch = is_last ? NULL : text;
        result = (KabSpan){text, len};
    }
    return result;
}
