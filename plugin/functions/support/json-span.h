/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by byte span: values are found, cut out and put in without being
 * parsed, so numbers keep their digits and a response of many rows costs one
 * walk over its bytes.
 *
 *     KabSpan document;
 *     if (!kab_json_check(data, len, KAB_JSON_STRICT, &document, &fault))
 *         ... fault.offset, fault.wanted
 *     KabSpan rows = kab_json_find(document, "/data");
 *     KabJsonIter iter = kab_json_iter(rows);
 *     KabSpan row;
 *     while (kab_json_next_element(&iter, &row))
 *         ...
 *
 * kab_json_check() judges the whole text by RFC 8259 (UTF-8 included). All
 * other functions take only spans of values that it accepted: they trust the
 * grammar, and never read outside the span they were given.
 *
 * Nothing here allocates unless it says so, and nothing keeps state.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Borrowed bytes of a text, not NUL-terminated. at NULL: absent. */
typedef struct {
    const char *at;
    size_t len;
} KabSpan;

#define KAB_SPAN_ABSENT ((KabSpan){NULL, 0})
/* The span of a string constant, without its NUL. */
#define KAB_SPAN(text) ((KabSpan){text, sizeof(text) - 1})

/* Maximum nesting of containers; deeper is a fault. A pointer must not lead as
 * deep, or what is put there could not be read again. */
enum { KAB_JSON_MAX_DEPTH = 512, KAB_JSON_POINTER_MAX_LEVELS = 64 };

enum {
    KAB_JSON_STRICT = 0,
    /* Accept NaN, Infinity and -Infinity as numbers, as TensorFlow and Python
     * write them. */
    KAB_JSON_NONFINITE = 1u << 0,
};

typedef enum {
    KAB_JSON_ABSENT,
    KAB_JSON_OBJECT,
    KAB_JSON_ARRAY,
    KAB_JSON_STRING,
    KAB_JSON_NUMBER,
    KAB_JSON_TRUE,
    KAB_JSON_FALSE,
    KAB_JSON_NULL,
} KabJsonType;

/* Where and why a text is not JSON, for a sentence: "found byte 0x%02x at
 * offset %zu; wanted %s". */
typedef struct {
    size_t offset;      /* of the first invalid byte */
    const char *wanted; /* constant string: "a value", "',' or ']'", ... */
} KabJsonFault;

/* Is the text exactly one JSON value, with optional blanks around it?
 * *ret_value is the value without the blanks. *ret_fault, which may be NULL, is
 * set only on failure. */
bool kab_json_check(const char *data,
                    size_t len,
                    unsigned flags,
                    KabSpan *ret_value,
                    KabJsonFault *ret_fault);

/* One member of an object. */
typedef struct {
    KabSpan name; /* the JSON string, quotes included */
    KabSpan value;
} KabJsonMember;

/* Where kab_json_check_object() puts the members of the outermost object. */
typedef struct {
    KabJsonMember *at;
    size_t capacity;
    size_t n;        /* of all members; those beyond the capacity are not put */
    bool has_escape; /* a string of the text, at any depth, has one */
} KabJsonMembers;

/* The same, and lists the members of the outermost object, so that they need
 * not be walked to again. None for any other value. */
bool kab_json_check_object(const char *data,
                           size_t len,
                           unsigned flags,
                           KabSpan *ret_value,
                           KabJsonFault *ret_fault,
                           KabJsonMembers *members);

/* The same for a text that may continue after its first value: *ret_value ends
 * where that value does. */
bool kab_json_check_prefix(const char *data,
                           size_t len,
                           unsigned flags,
                           KabSpan *ret_value,
                           KabJsonFault *ret_fault);

/* The type by the first byte; ABSENT for an absent or empty span. */
KabJsonType kab_json_type(KabSpan value);

/* Walks a container. */
typedef struct {
    const char *at, *end;
} KabJsonIter;

/* Walks an array or an object; anything else has no elements. */
KabJsonIter kab_json_iter(KabSpan container);
bool kab_json_next_element(KabJsonIter *iter, KabSpan *ret_value);
/* *ret_name is the name's JSON string, quotes included. */
bool
kab_json_next_member(KabJsonIter *iter, KabSpan *ret_name, KabSpan *ret_value);
/* Number of elements of an array or members of an object; 0 for anything
 * else. */
size_t kab_json_count(KabSpan container);

/* JSON Pointer, RFC 6901: "" is the whole value, "/a/0/b~1c" a member or an
 * element. At most KAB_JSON_POINTER_MAX_LEVELS names. */
bool kab_json_pointer_is_valid(const char *pointer);
/* Absent if there is no such value. Among members with the same name the last
 * one counts, as in most parsers. */
KabSpan kab_json_find(KabSpan value, const char *pointer);
/* A single step: a member by its plain name. */
KabSpan kab_json_member(KabSpan object, const char *name);

/* Is it an array of finite numbers and nothing else? *ret_n, their count, is
 * set whenever the value is a flat array. */
bool kab_json_is_vector(KabSpan value, size_t *ret_n);
/* An integer that fits, without fraction or exponent. */
bool kab_json_to_integer(KabSpan value, long long *ret_number);

/* Text and strings. */

bool kab_utf8_is_valid(const void *data, size_t len);
/* Is the content of the string exactly this text? */
bool kab_json_string_is(KabSpan string, const char *text, size_t len);
/* Decodes a string into `out`, which has room for string.len bytes, and returns
 * its length. A lone surrogate becomes U+FFFD.
 */
size_t kab_json_decode(KabSpan string, char *out);
/* The length of a text as a JSON string, quotes included. */
size_t kab_json_encoded_len(const void *text, size_t len);
/* Writes a text as a JSON string and returns that length. The text must be
 * valid UTF-8. */
size_t kab_json_encode(const void *text, size_t len, char *out);

/* One value to put into a document. */

typedef struct {
    const char *pointer; /* valid */
    KabSpan value;       /* a checked value */
} KabJsonPut;

/* Allocates memory for a result; never NULL. */
typedef void *(*KabJsonAlloc)(void *user, size_t size);

/* Puts each value at its pointer, in this order; everything else stays byte for
 * byte the same. An existing value is replaced. A missing member is added at
 * the end of its object, along with the objects that lead to it. "-" or an
 * index equal to the length appends to an array.
 *
 * The result is in memory from alloc (one call). Absent: there is no such
 * place, because a pointer leads through a value that is no container or past
 * an array's end; *ret_failed is then the index of that put.
 */
KabSpan kab_json_put(KabSpan document,
                     const KabJsonPut *puts,
                     size_t n_puts,
                     KabJsonAlloc alloc,
                     void *user,
                     size_t *ret_failed);
