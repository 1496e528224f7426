/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter: a bounded queue of spans and a thread that posts them.
 *
 * It posts once a second, or sooner if many spans are waiting. After a
 * retryable status (429, 502, 503, 504), or if the collector cannot be reached,
 * it retries a few times; then the spans are lost. The lock is held only to
 * move pointers.
 */
#include "trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <curl/curl.h>
#include <glib.h>

#include "log.h"
#include "trace-span.h"

enum {
    MOST_QUEUED = 2048,
    MOST_POSTED = 512, /* spans in one request */
    TRIES = 4,
    TIMEOUT_MS = 10000,
    LAST_TIMEOUT_MS = 2000, /* time-out of the final request */
    GATHER_MS = 1000,
    BACKOFF_MS = 500 /* doubled after each attempt */
};

struct KabTrace {
    KabTraceSetup setup;
    char *url;
    GThread *thread;
    KabLogLimit limit;
    uint64_t random[2]; /* used by the loop: state of the id generator */
    atomic_ullong n_sent, n_lost;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    GQueue spans; /* guarded by the mutex, with the fields below: */
    bool is_ending;
    int64_t end_us; /* when the final request is given up */
};

/* --- On the loop ------------------------------------------------------- */

/* xorshift128+: ids need only be distinct. */
static uint64_t
draw_random(KabTrace *trace)
{
    uint64_t x = trace->random[0], y = trace->random[1];
    trace->random[0] = y;
    x ^= x << 23;
    trace->random[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
    return (trace->random[1] + y) | 1;
}

static KabSpanContext
make_context(KabTrace *trace)
{
    KabSpanContext context;
    uint64_t words[3] = {draw_random(trace), draw_random(trace),
                         draw_random(trace)};
    memcpy(context.trace_id, words, KAB_TRACE_ID_BYTES);
    memcpy(context.span_id, &words[2], KAB_SPAN_ID_BYTES);
    return context;
}

void
kab_trace_note(KabTrace *trace,
               const KabAttempt *attempt,
               const KabAnswer *answer,
               int64_t entered_us,
               int64_t now)
{
    KabSpanContext context = make_context(trace);
    KabSpan *span =
        kab_span_new(&trace->setup, &context, attempt, answer,
                     entered_us ? now - entered_us : 0, g_get_real_time());
    pthread_mutex_lock(&trace->mutex);
    bool has_room = trace->spans.length < MOST_QUEUED;
    if (has_room)
        g_queue_push_tail(&trace->spans, g_steal_pointer(&span));
    if (trace->spans.length == 1 || trace->spans.length == MOST_POSTED)
        pthread_cond_signal(&trace->changed);
    pthread_mutex_unlock(&trace->mutex);
    if (!has_room)
        atomic_fetch_add(&trace->n_lost, 1);
    kab_span_free(span);
}

uint64_t
kab_trace_n_sent(const KabTrace *trace)
{
    return atomic_load(&trace->n_sent);
}

uint64_t
kab_trace_n_lost(const KabTrace *trace)
{
    return atomic_load(&trace->n_lost);
}

/* --- On the exporter's thread ------------------------------------------ */

static struct timespec
after_ms(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_nsec -= 1000000000;
        time.tv_sec++;
    }
    return time;
}

/* The mutex is held. Waits for the end, for `ms`, or for `enough` spans. */
static void
wait_for_spans(KabTrace *trace, long ms, unsigned enough)
{
    struct timespec until = after_ms(ms);
    int status = 0;
    while (!trace->is_ending && trace->spans.length < enough && !status)
        status = pthread_cond_timedwait(&trace->changed, &trace->mutex, &until);
}

/* Returns the spans of one request; NULL at the end. */
static GPtrArray *
take_spans(KabTrace *trace)
{
    pthread_mutex_lock(&trace->mutex);
    while (!trace->is_ending && !trace->spans.length)
        pthread_cond_wait(&trace->changed, &trace->mutex);
    wait_for_spans(trace, GATHER_MS, MOST_POSTED);
    GPtrArray *spans =
        trace->spans.length
            ? g_ptr_array_new_with_free_func((GDestroyNotify)kab_span_free)
            : NULL;
    while (trace->spans.length && spans->len < MOST_POSTED)
        g_ptr_array_add(spans, g_queue_pop_head(&trace->spans));
    pthread_mutex_unlock(&trace->mutex);
    return spans;
}

/* Has the end of the binding waited long enough? */
static bool
is_over(KabTrace *trace)
{
    pthread_mutex_lock(&trace->mutex);
    bool is_late = trace->is_ending && g_get_monotonic_time() > trace->end_us;
    pthread_mutex_unlock(&trace->mutex);
    return is_late;
}

static bool
is_ending(KabTrace *trace)
{
    pthread_mutex_lock(&trace->mutex);
    bool ends = trace->is_ending;
    pthread_mutex_unlock(&trace->mutex);
    return ends;
}

/* The body of the answer is not needed. */
static size_t
ignore_body(char *data, size_t size, size_t n, void *user)
{
    return size * n;
}

/* Aborts a request that the end of the binding need not wait for. */
static int
on_progress(void *user,
            curl_off_t down_total,
            curl_off_t down,
            curl_off_t up_total,
            curl_off_t up)
{
    return is_over(user);
}

static CURL *
make_request(KabTrace *trace, const struct curl_slist *headers)
{
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, trace->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, trace);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    return curl;
}

/* NULL: accepted; otherwise the reason, static or in `reason`. */
static const char *
post_spans(CURL *curl,
           const char *body,
           long timeout_ms,
           char reason[CURL_ERROR_SIZE],
           bool *ret_may_retry)
{
    long status = 0;
    reason[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)strlen(body));
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_may_retry =
        code != CURLE_OK || status == 429 || (status >= 502 && status <= 504);
    if (code != CURLE_OK)
        return *reason ? reason : curl_easy_strerror(code);
    if (status >= 200 && status < 300)
        return NULL;
    g_snprintf(reason, CURL_ERROR_SIZE, "HTTP status %ld", status);
    return reason;
}

static void
count_lost(KabTrace *trace, unsigned n, const char *why)
{
    if (!n)
        return;
    uint64_t n_lost = atomic_fetch_add(&trace->n_lost, n) + n;
    kab_log_limited(&trace->limit, KAB_LOG_WARNING, trace->setup.binding,
                    "trace.endpoint did not take %u spans: %s; lost so far: "
                    "%" G_GUINT64_FORMAT,
                    n, why, n_lost);
}

/* Sends the spans, or loses them after some attempts. False: lost. */
static bool
send_spans(KabTrace *trace, CURL *curl, const GPtrArray *spans)
{
    g_autofree char *body =
        kab_spans_dup_json(&trace->setup, (void *)spans->pdata, spans->len);
    char reason[CURL_ERROR_SIZE];
    for (unsigned i = 0;; i++) {
        bool ends = is_ending(trace), may_retry;
        const char *why =
            post_spans(curl, body, ends ? LAST_TIMEOUT_MS : TIMEOUT_MS, reason,
                       &may_retry);
        if (!why) {
            atomic_fetch_add(&trace->n_sent, spans->len);
            return true;
        }
        if (ends || !may_retry || i + 1 == TRIES) {
            count_lost(trace, spans->len, why);
            return false;
        }
        pthread_mutex_lock(&trace->mutex);
        wait_for_spans(trace, BACKOFF_MS << i, MOST_QUEUED + 1);
        pthread_mutex_unlock(&trace->mutex);
    }
}

static gpointer
export_spans(gpointer data)
{
    KabTrace *trace = data;
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json");
    CURL *curl = make_request(trace, headers);
    GPtrArray *spans;
    while ((spans = take_spans(trace))) {
        bool is_sent = send_spans(trace, curl, spans);
        g_ptr_array_unref(spans);
        /* At the end the collector that fails once is not asked again. */
        if (is_ending(trace) && (!is_sent || is_over(trace)))
            break;
    }
    count_lost(trace, trace->spans.length, "the binding ends");
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return NULL;
}

/* --- Life -------------------------------------------------------------- */

static char *
dup_url(const char *endpoint)
{
    const char *host = strstr(endpoint, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    if (path && path[1])
        return g_strdup(endpoint);
    return g_strconcat(endpoint, path ? "" : "/", "v1/traces", NULL);
}

KabTrace *
kab_trace_new(const KabTraceSetup *setup)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    KabTrace *trace = g_new0(KabTrace, 1);
    trace->setup = *setup;
    trace->url = dup_url(setup->endpoint);
    if (getrandom(trace->random, sizeof trace->random, 0) < 0)
        trace->random[0] = (uint64_t)g_get_real_time();
    trace->random[1] |= 1;
    g_queue_init(&trace->spans);
    pthread_mutex_init(&trace->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&trace->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    trace->thread = g_thread_new("kab:trace", export_spans, trace);
    return trace;
}

void
kab_trace_free(KabTrace *trace)
{
    if (!trace)
        return;
    pthread_mutex_lock(&trace->mutex);
    trace->is_ending = true;
    trace->end_us = g_get_monotonic_time() + LAST_TIMEOUT_MS * INT64_C(1000);
    pthread_cond_signal(&trace->changed);
    pthread_mutex_unlock(&trace->mutex);
    g_thread_join(trace->thread);
    g_queue_clear_full(&trace->spans, (GDestroyNotify)kab_span_free);
    pthread_mutex_destroy(&trace->mutex);
    pthread_cond_destroy(&trace->changed);
    g_free(trace->url);
    g_free(trace);
}
