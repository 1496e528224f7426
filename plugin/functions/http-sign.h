/* SPDX-License-Identifier: Apache-2.0 */
/* Signature Version 4 of AWS, for one request.
 *
 * Not libcurl's: older versions sign a path as it is, where names of Bedrock's
 * models have a colon, a query that is not sorted, and headers that are not
 * sent.
 */
#pragma once

#include <stddef.h>

#include <curl/curl.h>

/* What is signed. All is borrowed; texts that are NULL or empty are absent. */
typedef struct {
    const char *key, *secret, *session;
    const char *region, *service;
    const char *method, *host, *path, *query; /* as they are sent */
    const char *content_type;
    const char *date; /* 20150830T123600Z, as sent in X-Amz-Date */
    const char *body;
    size_t body_len;
} KabHttpSigned;

/* The value of the header Authorization. The request must have the headers
 * Host, X-Amz-Date, and Content-Type and X-Amz-Security-Token if they are
 * given. Returns a new string. Thread: any. */
char *kab_http_sign(const KabHttpSigned *request);

/* Appends X-Amz-Date, X-Amz-Security-Token and Authorization for a request to
 * the URL, made now with the key of the environment. Fills in what is not
 * given of the request but its region, service, method, type and body. */
struct curl_slist *kab_http_sign_headers(struct curl_slist *list,
                                         KabHttpSigned *request,
                                         const char *url);
