/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line of JSON:
 *
 *   {"key":"a","value":{"n":1},"headers":{"h":"x"},"topic":"in",
 *    "partition":0,"offset":7,"timestamp":1700000000000}
 *
 * All members are optional. A JSON string stands for its bytes, null for an
 * absent key or a tombstone, any other JSON for its own text. "key_base64" and
 * "value_base64" hold bytes that are not UTF-8. Headers are an object, or an
 * array of pairs.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <jansson.h>

#include <kabridge/function.h>

/* Embedded in its line, whose text it borrows; all zero is an empty record. */
typedef struct {
    KabRecord record; /* topic NULL, offset and timestamp -1: not given */
    KabHeader *headers;
    size_t n_headers;
    json_t *root;       /* owner of the borrowed strings */
    guchar *decoded[2]; /* decoded base64 of key and value */
} KabTryRecord;

/* False: ret_problem tells what was found and what was wanted. */
bool kab_try_record_read(KabTryRecord *record,
                         const char *text,
                         size_t len,
                         char **ret_problem);
void kab_try_record_clear(KabTryRecord *record);

/* Prints bytes as a member: a JSON object or array on one line as it is, other
 * text as a string, NULL as null. Bytes that are not text get "_base64"
 * appended to the name. */
void kab_try_print_member(FILE *out, const char *name, KabBytes bytes);
/* Prints a text as a JSON string. */
void kab_try_print_string(FILE *out, const char *text, size_t len);
