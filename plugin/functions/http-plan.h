/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: the function's options, checked, with the preset's defaults.
 *
 * Made by open(), then read by the I/O thread only. Secrets (header values,
 * tokens) are kept here and nowhere else; they never reach a log or an error
 * text (kab_http_plan_censor()).
 */
#pragma once

#include <glib.h>
#include <kabridge/function.h>

#include "http-preset.h"
#include "http-template.h"

typedef enum {
    KAB_HTTP_OUTPUT_REPLACE, /* the result becomes the output's value */
    KAB_HTTP_OUTPUT_BOTH,    /* {"input":...,"output":...} */
    KAB_HTTP_OUTPUT_PUT,     /* parts of the result are put into the input */
} KabHttpOutputMode;

typedef enum {
    KAB_HTTP_NULL_DROP,
    KAB_HTTP_NULL_PASS,
    KAB_HTTP_NULL_REJECT,
} KabHttpNull;

typedef enum {
    KAB_HTTP_MISSING_REJECT,
    KAB_HTTP_MISSING_VALUE, /* `missing_value` is used instead */
} KabHttpMissing;

/* A name and a pointer: column.NAME, output.POINTER. */
typedef struct {
    char *name, *pointer;
} KabHttpPair;

typedef struct {
    const KabHttpPreset *preset;
    bool is_each, has_envelope, is_base64, has_request_id, verifies_tls;

    char *url;                     /* the option's; messages show `place` */
    KabHttpTemplate *url_template; /* NULL: the URL has no placeholder */
    char *place;                   /* the URL without user, query, fragment */
    char *root;                    /* scheme and host */
    char *unix_socket, *method, *content_type, *ready_url;
    char *token, *token_file;
    char *aws_region, *aws_service; /* NULL: nothing is signed */
    char *file_token; /* last content of token_file; I/O thread only */
    char *tls_ca, *tls_cert, *tls_key;
    GPtrArray *headers; /* of strings "NAME: VALUE" */
    int64_t connect_timeout_ms;
    size_t max_response_bytes;

    char *model, *extra; /* extra: body members, ",..." or "" */
    char *columns_text;  /* the column names as a JSON array, for {columns} */
    KabHttpTemplate *prefix, *item, *separator, *suffix;
    bool has_item; /* the item is the user's, not the preset's */
    char *select;
    GPtrArray *fields; /* of JSON Pointers */
    KabHttpMissing missing;
    char *missing_value;
    GArray *columns; /* of KabHttpPair */

    KabHttpSplit split;
    char *items, *index, *value, *error; /* NULL: none */

    KabHttpOutputMode output;
    GArray *puts; /* of KabHttpPair: name is the target, pointer the source */
    KabHttpNull null;

    char *input_name, *output_name, *datatype; /* NULL: taken from the server */
    size_t dimensions;                         /* 0: not set */

    char *url_password, *url_credentials; /* never shown; NULL: none */
} KabHttpPlan;

/* NULL after kab_context_fail(). */
KabHttpPlan *kab_http_plan_new(KabContext *context);
void kab_http_plan_free(KabHttpPlan *plan);

/* A server's text made safe to show: one line, valid UTF-8, not too long, each
 * secret replaced by asterisks. Returns a new string. */
char *
kab_http_plan_censor(const KabHttpPlan *plan, const char *text, size_t len);

/* Thread: any. */
bool kab_http_url_is_valid(const char *url);

/* The token of a file, without blanks around it; NULL: there is none that a
 * header can carry. */
char *kab_http_token_read(const char *path);

/* The options of the function, for http.c and the documentation's check. */
enum { KAB_HTTP_N_OPTIONS = 42 };
extern const KabOption kab_http_options[];