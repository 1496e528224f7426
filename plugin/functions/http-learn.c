/* SPDX-License-Identifier: Apache-2.0 */
/* Queries about the server itself: whether it is ready, how many records a
 * request may hold, names and types of its tensors. Sent at the start, and
 * after trouble, because a different server may then answer.
 */
#include "http-io.h"

#include <string.h>

/* A server that takes longer than this counts as not ready. */
enum { QUESTION_MS = 5000, MAX_TOLD_BYTES = 1 << 20 };

static char *
dup_ready_url(const KabHttp *http)
{
    const KabHttpPlan *plan = http->plan;
    if (plan->ready_url)
        return g_strdup(plan->ready_url);
    switch (plan->preset->tells) {
    case KAB_HTTP_TELLS_TEI:
        return g_strconcat(plan->root, "/health", NULL);
    case KAB_HTTP_TELLS_V2:
        return g_strconcat(plan->root, "/v2/health/ready", NULL);
    case KAB_HTTP_TELLS_NOTHING:
        return g_strdup(plan->root);
    }
    return NULL;
}

/* The model's own URL: the part before /infer. */
static char *
dup_model_url(const KabHttp *http, const char *tail)
{
    const char *place = http->plan->place;
    if (!g_str_has_suffix(place, "/infer"))
        return NULL;
    return g_strdup_printf("%.*s%s", (int)(strlen(place) - strlen("/infer")),
                           place, tail);
}

/* NULL: this query is not sent. */
static char *
dup_question_url(const KabHttp *http, KabHttpQuestion question)
{
    KabHttpTells tells = http->plan->preset->tells;
    switch (question) {
    case KAB_HTTP_ASK_READY:
        return dup_ready_url(http);
    case KAB_HTTP_ASK_ABOUT:
        if (tells == KAB_HTTP_TELLS_TEI)
            return g_strconcat(http->plan->root, "/info", NULL);
        return tells == KAB_HTTP_TELLS_V2 ? dup_model_url(http, "") : NULL;
    case KAB_HTTP_ASK_CONFIG:
        return tells == KAB_HTTP_TELLS_V2 ? dup_model_url(http, "/config")
                                          : NULL;
    case KAB_HTTP_ASK_END:
        break;
    }
    return NULL;
}

bool
kab_http_has_questions(const KabHttp *http)
{
    return http->plan->ready_url ||
           http->plan->preset->tells != KAB_HTTP_TELLS_NOTHING;
}

/* Of a server that tells nothing, it is only seen whether it is there: the
 * connection is closed again, and no request is sent. */
static bool
only_connects(const KabHttp *http)
{
    return !kab_http_has_questions(http);
}

static size_t
on_told(char *bytes, size_t size, size_t n, void *user)
{
    KabHttp *http = user;
    if (http->told->len + n > MAX_TOLD_BYTES)
        return 0;
    g_string_append_len(http->told, bytes, (gssize)n);
    return n;
}

static void
prepare_asker(KabHttp *http)
{
    if (http->asker)
        return;
    http->asker = curl_easy_init();
    g_assert(http->asker);
    kab_http_set_transport(http, http->asker);
    curl_easy_setopt(http->asker, CURLOPT_WRITEFUNCTION, on_told);
    curl_easy_setopt(http->asker, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(http->asker, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(http->asker, CURLOPT_TIMEOUT_MS, (long)QUESTION_MS);
}

/* Sends this query or the next applicable one; false: there is none. */
static bool
ask_from(KabHttp *http, KabHttpQuestion question)
{
    g_autofree char *url = NULL;
    for (; question < KAB_HTTP_ASK_END && !url; question++)
        url = dup_question_url(http, question);
    if (!url)
        return false;
    prepare_asker(http);
    http->question = question - 1;
    http->is_asking = true;
    g_string_truncate(http->told, 0);
    curl_easy_setopt(http->asker, CURLOPT_URL, url);
    curl_easy_setopt(http->asker, CURLOPT_CONNECT_ONLY,
                     only_connects(http) ? 1L : 0L);
    curl_slist_free_all(http->asker_headers);
    http->asker_headers = kab_http_make_headers(http);
    curl_easy_setopt(http->asker, CURLOPT_HTTPHEADER, http->asker_headers);
    curl_multi_add_handle(http->multi, http->asker);
    return true;
}

void
kab_http_ask(KabHttp *http)
{
    http->must_ask = false;
    ask_from(http, KAB_HTTP_ASK_READY);
}

static void
learn_ceiling(KabHttp *http, KabSpan document, const char *name)
{
    long long max;
    if (kab_json_to_integer(kab_json_member(document, name), &max) && max > 0 &&
        !http->plan->is_each && http->health.n_misaligned < 3)
        kab_context_set_max_batch(http->context, (size_t)max);
}

static void
learn_from(KabHttp *http)
{
    KabSpan document;
    if (!kab_json_check(http->told->str, http->told->len, KAB_JSON_STRICT,
                        &document, NULL))
        return;
    if (http->plan->preset->tells == KAB_HTTP_TELLS_TEI)
        learn_ceiling(http, document, "max_client_batch_size");
    else if (http->question == KAB_HTTP_ASK_CONFIG)
        learn_ceiling(http, document, "max_batch_size");
    else
        kab_http_model_learn(&http->model, document);
}

/* Nobody is there. What else a connection meets, a certificate that does not
 * fit, is told by the first call. */
static bool
is_away(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
           code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY;
}

/* Why the server is not ready; NULL: it is ready. A server that does not know
 * the query counts as ready. */
static char *
judge_ready(const KabHttp *http, CURLcode code, long status)
{
    bool is_own = http->plan->ready_url != NULL;
    if (only_connects(http) && !is_away(code))
        return NULL;
    if (code != CURLE_OK)
        return g_strdup_printf("%s: %s", http->plan->root,
                               curl_easy_strerror(code));
    if ((status >= 200 && status < 300) ||
        (!is_own && status >= 400 && status < 500 && status != 429))
        return NULL;
    return g_strdup_printf("%s: not ready: status %ld", http->plan->root,
                           status);
}

bool
kab_http_learn(KabHttp *http, CURLcode code, char **ret_problem)
{
    long status = 0;
    curl_easy_getinfo(http->asker, CURLINFO_RESPONSE_CODE, &status);
    http->is_asking = false;
    *ret_problem = NULL;
    if (http->question == KAB_HTTP_ASK_READY || code != CURLE_OK) {
        *ret_problem = judge_ready(http, code, status);
        http->must_ask = *ret_problem != NULL;
        if (*ret_problem)
            return true;
    } else if (status == 200) {
        learn_from(http);
    }
    return !ask_from(http, http->question + 1);
}
