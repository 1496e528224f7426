/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in flight: how they are made and sent, and what arrives. */
#include "http-io.h"

#include <string.h>
#include <sys/stat.h>

#include "http-output.h"
#include "http-sign.h"

enum {
    /* Below the common idle time-out of servers, five seconds. */
    MAX_IDLE_S = 4,
    /* Limited, so that new replicas behind one address get traffic. */
    MAX_LIFE_S = 300,
    /* Limit for the body of an error answer. */
    MAX_ERROR_BYTES = 64 * 1024,
};

static size_t
on_body(char *bytes, size_t size, size_t n, void *user)
{
    KabHttpCall *call = user;
    size_t max = call->http->plan->max_response_bytes;
    size_t len = call->data ? call->data_len : call->received->len;
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300) {
        size_t room = MAX_ERROR_BYTES - MIN(len, (size_t)MAX_ERROR_BYTES);
        g_string_append_len(call->received, bytes, (gssize)MIN(n, room));
        return n;
    }
    call->is_too_large = n > max - len;
    if (call->is_too_large)
        return 0;
    if (!call->data && len == 0) {
        curl_off_t total = -1;
        curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                          &total);
        call->is_too_large = total > 0 && (size_t)total > max;
        if (call->is_too_large)
            return 0;
        if (total > 0) {
            call->data = kab_batch_alloc(call->batch, (size_t)total);
            call->data_size = (size_t)total;
        }
    }
    if (!call->data) {
        g_string_append_len(call->received, bytes, (gssize)n);
        return n;
    }
    if (n > call->data_size - call->data_len)
        return 0;
    memcpy(call->data + call->data_len, bytes, n);
    call->data_len += n;
    return n;
}

/* The value, if the line is the header `name`. */
static bool
read_header(const char *line, size_t len, const char *name, KabSpan *ret_value)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || g_ascii_strncasecmp(line, name, n) != 0)
        return false;
    const char *from = line + n + 1, *to = line + len;
    while (from < to && g_ascii_isspace(*from))
        from++;
    while (from < to && g_ascii_isspace(to[-1]))
        to--;
    *ret_value = (KabSpan){from, (size_t)(to - from)};
    return true;
}

static void
keep_value(GString *text, KabSpan value)
{
    g_string_truncate(text, 0);
    g_string_append_len(text, value.at, (gssize)value.len);
}

static size_t
on_header(char *line, size_t size, size_t len, void *user)
{
    KabHttpCall *call = user;
    KabSpan value;
    if (read_header(line, len, "content-type", &value))
        keep_value(call->content_type, value);
    else if (read_header(line, len, "retry-after", &value))
        keep_value(call->retry_after, value);
    else if (read_header(line, len, "retry-after-ms", &value))
        keep_value(call->retry_after_ms, value);
    else if (read_header(line, len, "inference-header-content-length", &value))
        call->head_len = (size_t)g_ascii_strtoull(value.at, NULL, 10);
    return len;
}

static void
set_tls(const KabHttpPlan *plan, CURL *easy)
{
    if (plan->tls_ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, plan->tls_ca);
    if (plan->tls_cert)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, plan->tls_cert);
    if (plan->tls_key)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, plan->tls_key);
    if (!plan->verifies_tls) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

void
kab_http_set_transport(const KabHttp *http, CURL *easy)
{
    const KabHttpPlan *plan = http->plan;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)plan->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)MAX_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)MAX_LIFE_S);
    if (plan->unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, plan->unix_socket);
    set_tls(plan, easy);
}

void
kab_http_read_token(KabHttp *http, bool is_forced)
{
    KabHttpPlan *plan = http->plan;
    struct stat status;
    if (!plan->token_file || stat(plan->token_file, &status) != 0)
        return;
    int64_t time_ns =
        (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    if (time_ns == http->token_time_ns && plan->file_token && !is_forced)
        return;
    /* A file that is empty may be in the middle of being written. */
    char *token = kab_http_token_read(plan->token_file);
    if (!token)
        return;
    g_free(plan->file_token);
    plan->file_token = token;
    http->token_time_ns = time_ns;
}

struct curl_slist *
kab_http_make_headers(KabHttp *http)
{
    const KabHttpPlan *plan = http->plan;
    kab_http_read_token(http, false);
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    const char *token = plan->file_token ? plan->file_token : plan->token;
    for (guint i = 0; i < plan->headers->len; i++)
        list = curl_slist_append(list, plan->headers->pdata[i]);
    if (token) {
        g_autofree char *line =
            g_strconcat("Authorization: Bearer ", token, NULL);
        list = curl_slist_append(list, line);
    }
    return list;
}

KabHttpCall *
kab_http_call_new(KabHttp *http)
{
    KabHttpCall *call = g_new0(KabHttpCall, 1);
    call->http = http;
    call->received = g_string_new("");
    call->content_type = g_string_new("");
    call->retry_after = g_string_new("");
    call->retry_after_ms = g_string_new("");
    call->url = g_string_new("");
    kab_http_request_init(&call->request);
    call->easy = curl_easy_init();
    g_assert(call->easy);
    kab_http_set_transport(http, call->easy);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, http->plan->method);
    return call;
}

void
kab_http_call_free(KabHttpCall *call)
{
    GString *texts[] = {call->received, call->content_type, call->retry_after,
                        call->retry_after_ms, call->url};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_string_free(texts[i], TRUE);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    kab_http_request_clear(&call->request);
    g_free(call->left);
    g_free(call->later);
    g_free(call->results);
    g_free(call);
}

static uint64_t
hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t
hash_set(const KabRecord *records, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        hash = hash_bytes(hash, records[i].topic, strlen(records[i].topic));
        hash = hash_bytes(hash, &records[i].partition, sizeof(int32_t));
        hash = hash_bytes(hash, &records[i].offset, sizeof(int64_t));
    }
    return hash;
}

void
kab_http_call_begin(KabHttpCall *call, KabBatch *batch)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    call->batch = batch;
    call->set = hash_set(records, n);
    call->is_singly = false;
    call->n_left = 0;
    if (call->capacity < n) {
        call->left = g_renew(size_t, call->left, n);
        call->later = g_renew(size_t, call->later, n);
        call->results = g_renew(KabHttpResult, call->results, n);
        call->capacity = n;
    }
    for (size_t i = 0; i < n; i++)
        if (records[i].value.data)
            call->left[call->n_left++] = i;
        else
            kab_http_output_null(batch, i, call->http->plan);
}

/* Makes an id for the records of the request; it is the same on every retry. */
static char *
make_request_id(const KabHttpCall *call)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const KabRecord *records = kab_batch_records(call->batch);
    for (size_t i = 0; i < call->request.n_sent; i++) {
        const KabRecord *record = &records[call->request.sent[i]];
        g_autofree char *line =
            g_strdup_printf("%s/%d/%" G_GINT64_FORMAT "\n", record->topic,
                            record->partition, record->offset);
        g_checksum_update(checksum, (const guchar *)line, -1);
    }
    return g_strdup_printf("Idempotency-Key: kabridge-%.32s",
                           g_checksum_get_string(checksum));
}

static const char *
get_url(const KabHttpCall *call)
{
    const KabHttpPlan *plan = call->http->plan;
    return plan->url_template ? call->url->str : plan->url;
}

static struct curl_slist *
add_signature(const KabHttpCall *call, struct curl_slist *list)
{
    const KabHttpPlan *plan = call->http->plan;
    KabHttpSigned request = {.region = plan->aws_region,
                             .service = plan->aws_service,
                             .method = plan->method,
                             .content_type = call->request.content_type->str,
                             .body = call->request.body->str,
                             .body_len = call->request.body->len};
    return kab_http_sign_headers(list, &request, get_url(call));
}

static void
set_headers(KabHttpCall *call)
{
    const KabHttpRequest *request = &call->request;
    struct curl_slist *list = kab_http_make_headers(call->http);
    g_autofree char *type =
        g_strconcat("Content-Type: ", request->content_type->str, NULL);
    list = curl_slist_append(list, type);
    if (request->head_len > 0) {
        g_autofree char *line = g_strdup_printf(
            "Inference-Header-Content-Length: %zu", request->head_len);
        list = curl_slist_append(list, line);
    }
    if (call->http->plan->has_request_id) {
        g_autofree char *line = make_request_id(call);
        list = curl_slist_append(list, line);
    }
    if (call->http->plan->aws_region)
        list = add_signature(call, list);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, list);
    curl_slist_free_all(call->headers);
    call->headers = list;
}

static void
forget_answer(KabHttpCall *call)
{
    call->data = NULL;
    call->data_len = call->data_size = 0;
    call->head_len = 0;
    call->is_too_large = false;
    call->error[0] = '\0';
    g_string_truncate(call->received, 0);
    g_string_truncate(call->content_type, 0);
    g_string_truncate(call->retry_after, 0);
    g_string_truncate(call->retry_after_ms, 0);
}

void
kab_http_call_resend(KabHttpCall *call, bool has_fresh_connection)
{
    forget_answer(call);
    set_headers(call);
    curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT,
                     has_fresh_connection ? 1L : 0L);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->request.body->str);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)call->request.body->len);
    curl_multi_add_handle(call->http->multi, call->easy);
}

/* Appends the URL for the request's one record to call->url. */
static const char *
render_url(KabHttpCall *call)
{
    const KabHttpPlan *plan = call->http->plan;
    size_t i = call->request.sent[0];
    const KabRecord *record = &kab_batch_records(call->batch)[i];
    const KabHttpSubject subject = {
        .batch = call->batch,
        .record = record,
        .record_index = i,
        .n = 1,
        .value = {record->value.data, record->value.len},
        .model = plan->model,
        .columns = plan->columns_text};
    return kab_http_template_render(plan->url_template, &subject, call->url);
}

static bool
is_url(const GString *text)
{
    return strlen(text->str) == text->len && kab_http_url_is_valid(text->str);
}

/* NULL, or why the record gives no valid URL. One that libcurl refuses would
 * look like a fault of function.url, and stop the binding. */
static const char *
set_url(KabHttpCall *call)
{
    const KabHttpPlan *plan = call->http->plan;
    const char *problem = NULL;
    g_string_truncate(call->url, 0);
    if (plan->url_template)
        problem = render_url(call);
    if (plan->url_template && !problem && !is_url(call->url))
        problem = "what the record puts into function.url makes it no URL";
    curl_easy_setopt(call->easy, CURLOPT_URL, get_url(call));
    return problem;
}

/* Renders the next unanswered records into the request. */
static void
render_next(KabHttpCall *call)
{
    size_t n = call->is_singly ? 1 : call->n_left, n_later;
    kab_http_request_render(&call->request, call->http->plan,
                            &call->http->model, call->batch, call->left, n,
                            call->later, &n_later);
    memmove(call->later + n_later, call->left + n,
            (call->n_left - n) * sizeof *call->left);
    call->n_left = n_later + call->n_left - n;
    size_t *taken = call->left;
    call->left = call->later;
    call->later = taken;
}

bool
kab_http_call_send(KabHttpCall *call)
{
    const char *obstacle =
        kab_http_request_obstacle(call->http->plan, &call->http->model);
    if (obstacle && call->n_left > 0) {
        kab_batch_fail(call->batch, KAB_FAIL_FATAL, -1, obstacle);
        return false;
    }
    while (call->n_left > 0) {
        render_next(call);
        if (call->request.n_sent == 0)
            continue;
        const char *problem = set_url(call);
        if (problem) {
            kab_batch_reject_input(call->batch, call->request.sent[0], problem);
            continue;
        }
        call->is_renewed = false;
        kab_http_call_resend(call, false);
        return true;
    }
    kab_batch_complete(call->batch);
    return false;
}
