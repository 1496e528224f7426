/* SPDX-License-Identifier: Apache-2.0 */
/* Interprets an HTTP status for the records that were sent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    KAB_HTTP_SUCCESS,
    KAB_HTTP_OVERLOADED,  /* pause, then resend the same set; not counted */
    KAB_HTTP_TRANSIENT,   /* back off; counted */
    KAB_HTTP_TOO_LARGE,   /* split in half, remember the size */
    KAB_HTTP_PERMANENT,   /* split in half, down to the refused record */
    KAB_HTTP_CREDENTIALS, /* set-up: stops at the start, or if it lasts */
    KAB_HTTP_REDIRECTED,  /* set-up: the URL is wrong */
    KAB_HTTP_UNPAID,      /* stops with the server's message */
} KabHttpMeaning;

KabHttpMeaning kab_http_status_meaning(long status);

/* Does an error code or type mean that a quota is used up, so that waiting does
 * not help? */
bool kab_http_is_quota_code(const char *code, size_t len);

/* How long the service asks to be left alone, in milliseconds, at most five
 * minutes; -1: unspecified. Either header may be NULL. Retry-After is seconds
 * or a date; now_s: seconds since the epoch. */
int64_t kab_http_retry_after_ms(const char *retry_after,
                                const char *retry_after_ms,
                                int64_t now_s);
