/* SPDX-License-Identifier: Apache-2.0 */
#include "http-sign.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

enum { DIGEST_BYTES = 32, DAY_LEN = 8 };

static bool
is_given(const char *text)
{
    return text && *text;
}

/* --- The canonical request ---------------------------------------------- */

static void
add_header(GString *headers,
           GString *names,
           const char *name,
           const char *value)
{
    if (!is_given(value))
        return;
    g_string_append_printf(headers, "%s:%s\n", name, value);
    g_string_append_printf(names, "%s%s", names->len > 0 ? ";" : "", name);
}

static void
add_headers(const KabHttpSigned *request, GString *headers, GString *names)
{
    add_header(headers, names, "content-type", request->content_type);
    add_header(headers, names, "host", request->host);
    add_header(headers, names, "x-amz-date", request->date);
    add_header(headers, names, "x-amz-security-token", request->session);
}

/* The path encoded once more, a '%' of it too. */
static void
add_path(GString *text, const char *path)
{
    g_string_append_uri_escaped(text, is_given(path) ? path : "/", "/", FALSE);
}

static int
compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
add_query(GString *text, const char *query)
{
    if (!is_given(query))
        return;
    g_auto(GStrv) words = g_strsplit(query, "&", -1);
    qsort(words, g_strv_length(words), sizeof *words, compare_words);
    for (char **word = words; *word; word++)
        g_string_append_printf(text, "%s%s%s", word == words ? "" : "&", *word,
                               strchr(*word, '=') ? "" : "=");
}

static char *
hash_text(const char *text, size_t len)
{
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text,
                                       len);
}

static char *
hash_request(const KabHttpSigned *request,
             const GString *headers,
             const GString *names)
{
    g_autofree char *body = hash_text(request->body, request->body_len);
    GString *text = g_string_new(request->method);
    g_string_append_c(text, '\n');
    add_path(text, request->path);
    g_string_append_c(text, '\n');
    add_query(text, request->query);
    g_string_append_printf(text, "\n%s\n%s\n%s", headers->str, names->str,
                           body);
    char *hash = hash_text(text->str, text->len);
    g_string_free(text, TRUE);
    return hash;
}

/* --- The signature ------------------------------------------------------ */

static void
sign_text(guint8 *key, gsize *key_len, const char *text)
{
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, key, *key_len);
    g_hmac_update(hmac, (const guchar *)text, -1);
    *key_len = DIGEST_BYTES;
    g_hmac_get_digest(hmac, key, key_len);
    g_hmac_unref(hmac);
}

static char *
sign_scope(const KabHttpSigned *request, const char *day, const char *text)
{
    const char *words[] = {day, request->region, request->service,
                           "aws4_request"};
    g_autofree char *secret = g_strconcat("AWS4", request->secret, NULL);
    gsize len = strlen(secret);
    g_autofree guint8 *key = g_malloc(MAX(len, (gsize)DIGEST_BYTES));
    memcpy(key, secret, len);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        sign_text(key, &len, words[i]);
    return g_compute_hmac_for_string(G_CHECKSUM_SHA256, key, len, text, -1);
}

char *
kab_http_sign(const KabHttpSigned *request)
{
    g_autofree char *day = g_strndup(request->date, DAY_LEN);
    g_autofree char *scope = g_strdup_printf("%s/%s/%s/aws4_request", day,
                                             request->region, request->service);
    GString *headers = g_string_new(NULL), *names = g_string_new(NULL);
    add_headers(request, headers, names);
    g_autofree char *hash = hash_request(request, headers, names);
    g_autofree char *text = g_strdup_printf("AWS4-HMAC-SHA256\n%s\n%s\n%s",
                                            request->date, scope, hash);
    g_autofree char *signature = sign_scope(request, day, text);
    char *value = g_strdup_printf("AWS4-HMAC-SHA256 Credential=%s/%s, "
                                  "SignedHeaders=%s, Signature=%s",
                                  request->key, scope, names->str, signature);
    g_string_free(headers, TRUE);
    g_string_free(names, TRUE);
    return value;
}

/* --- The headers -------------------------------------------------------- */

static struct curl_slist *
append_line(struct curl_slist *list, const char *name, const char *value)
{
    if (!is_given(value))
        return list;
    g_autofree char *line = g_strconcat(name, ": ", value, NULL);
    return curl_slist_append(list, line);
}

static const char *
get_variable(const char *name)
{
    const char *value = g_getenv(name);
    return value ? value : "";
}

/* A part of the URL, to be freed by curl_free(); NULL: it has none. */
static char *
get_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/* As libcurl sends it: without the scheme's own port. */
static char *
dup_host(CURLU *url)
{
    char *host = get_part(url, CURLUPART_HOST);
    char *port = NULL;
    curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
    char *text = port ? g_strconcat(host, ":", port, NULL) : g_strdup(host);
    curl_free(host);
    curl_free(port);
    return text;
}

static char *
dup_date(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    return g_date_time_format(now, "%Y%m%dT%H%M%SZ");
}

struct curl_slist *
kab_http_sign_headers(struct curl_slist *list,
                      KabHttpSigned *request,
                      const char *url)
{
    CURLU *parsed = curl_url();
    curl_url_set(parsed, CURLUPART_URL, url, 0);
    g_autofree char *host = dup_host(parsed), *date = dup_date();
    char *path = get_part(parsed, CURLUPART_PATH);
    char *query = get_part(parsed, CURLUPART_QUERY);
    request->key = get_variable("AWS_ACCESS_KEY_ID");
    request->secret = get_variable("AWS_SECRET_ACCESS_KEY");
    request->session = get_variable("AWS_SESSION_TOKEN");
    request->host = host;
    request->path = path;
    request->query = query;
    request->date = date;
    g_autofree char *value = kab_http_sign(request);
    list = append_line(list, "X-Amz-Date", date);
    list = append_line(list, "X-Amz-Security-Token", request->session);
    list = append_line(list, "Authorization", value);
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(parsed);
    return list;
}
