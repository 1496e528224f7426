/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: a text with placeholders for data of a record.
 *
 *     {value}            the value as JSON, the same as {value:json}
 *     {value:/title}     a part of it by JSON Pointer
 *     {value:/title:string}
 *     {key:string}  {header.NAME:string}  {topic:string}
 *     {partition}  {offset}  {timestamp}  {index}  {n}
 *     {model:string}  {columns}
 *
 * Filters: json (must be JSON, kept as it is), string (a JSON string), base64,
 * raw, url (percent-encoded). A brace that begins no placeholder is literal.
 */
#pragma once

#include <glib.h>
#include <kabridge/function.h>

#include "json-span.h"

typedef struct KabHttpTemplate KabHttpTemplate;

/* The data for the placeholders; borrowed. */
typedef struct {
    const KabBatch *batch;
    const KabRecord *record; /* NULL: outside of an item */
    size_t record_index;     /* index in the batch */
    size_t index, n;         /* index in the request, and its number of
                              * records */
    /* {value}: the record's value, or what `select` or `fields` made of it. */
    KabSpan value;
    const char *model, *columns;
} KabHttpSubject;

/* NULL: the template is invalid, and *ret_problem, to be freed, says why. */
KabHttpTemplate *kab_http_template_new(const char *text, char **ret_problem);
void kab_http_template_free(KabHttpTemplate *template);

/* Does it have placeholders that need a record? */
bool kab_http_template_needs_record(const KabHttpTemplate *template);
/* The filter of the first {value}: "string", ...; NULL: there is none. */
const char *kab_http_template_value_filter(const KabHttpTemplate *template);

/* Why such a value, which is not JSON, is not: constant. */
const char *kab_http_explain_not_json(KabSpan value);

/* Appends to `out`. Returns NULL, or why this record does not fit (constant, or
 * valid until the next call); `out` may then hold a partial text. */
const char *kab_http_template_render(const KabHttpTemplate *template,
                                     const KabHttpSubject *subject,
                                     GString *out);
