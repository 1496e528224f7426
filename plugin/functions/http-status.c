/* SPDX-License-Identifier: Apache-2.0 */
#include "http-status.h"

#include <math.h>
#include <string.h>

#include <curl/curl.h>
#include <glib.h>

enum { MAX_PAUSE_MS = 5 * 60 * 1000 };

/* The first row that contains the status applies. */
static const struct {
    long from, to;
    KabHttpMeaning meaning;
} meanings[] = {
    {200, 299, KAB_HTTP_SUCCESS},     {300, 399, KAB_HTTP_REDIRECTED},
    {401, 401, KAB_HTTP_CREDENTIALS}, {402, 402, KAB_HTTP_UNPAID},
    {403, 405, KAB_HTTP_CREDENTIALS}, {408, 408, KAB_HTTP_TRANSIENT},
    {413, 413, KAB_HTTP_TOO_LARGE},   {425, 425, KAB_HTTP_TRANSIENT},
    {429, 429, KAB_HTTP_OVERLOADED},  {400, 499, KAB_HTTP_PERMANENT},
    {501, 501, KAB_HTTP_PERMANENT},   {502, 504, KAB_HTTP_OVERLOADED},
    {529, 529, KAB_HTTP_OVERLOADED},  {500, 599, KAB_HTTP_TRANSIENT},
};

KabHttpMeaning
kab_http_status_meaning(long status)
{
    for (size_t i = 0; i < G_N_ELEMENTS(meanings); i++)
        if (status >= meanings[i].from && status <= meanings[i].to)
            return meanings[i].meaning;
    return KAB_HTTP_TRANSIENT;
}

bool
kab_http_is_quota_code(const char *code, size_t len)
{
    static const char *const beginnings[] = {
        "insufficient_quota", "billing", "quota_exceeded", "insufficient_funds",
        "insufficient_balance"};
    for (size_t i = 0; i < G_N_ELEMENTS(beginnings); i++) {
        size_t n = strlen(beginnings[i]);
        if (len >= n && g_ascii_strncasecmp(code, beginnings[i], n) == 0)
            return true;
    }
    return false;
}

static int64_t
limit_pause(double ms)
{
    return isfinite(ms) && ms >= 0 ? (int64_t)MIN(ms, (double)MAX_PAUSE_MS)
                                   : -1;
}

/* Parses a number that is the whole text. */
static bool
read_number(const char *text, double *ret_number)
{
    char *end;
    if (!text || !g_ascii_isdigit(*text))
        return false;
    *ret_number = g_ascii_strtod(text, &end);
    while (g_ascii_isspace(*end))
        end++;
    return *end == '\0';
}

int64_t
kab_http_retry_after_ms(const char *retry_after,
                        const char *retry_after_ms,
                        int64_t now_s)
{
    double number;
    if (read_number(retry_after_ms, &number))
        return limit_pause(number);
    if (read_number(retry_after, &number))
        return limit_pause(number * 1000);
    time_t date = retry_after ? curl_getdate(retry_after, NULL) : -1;
    if (date == -1)
        return -1;
    return limit_pause(MAX(0, (double)(date - now_s)) * 1000);
}
