/* SPDX-License-Identifier: Apache-2.0 */
#include "http-io.h"

enum { POLL_MS = 1000, SLACK_MS = 500, ASK_AGAIN_US = 1000000 };

/* Begins the call for a batch from the inbox; it waits if the server must be
 * queried first. */
static void
begin_call(KabHttp *http, KabBatch *batch)
{
    KabHttpCall *call =
        http->pool->len > 0
            ? g_ptr_array_steal_index_fast(http->pool, http->pool->len - 1)
            : kab_http_call_new(http);
    kab_http_call_begin(call, batch);
    if (http->must_ask && !http->is_asking)
        kab_http_ask(http);
    if (http->is_asking)
        g_ptr_array_add(http->waiting, call);
    else if (kab_http_call_send(call))
        g_ptr_array_add(http->calls, call);
    else
        g_ptr_array_add(http->pool, call);
}

static void
end_call(KabHttp *http, KabHttpCall *call)
{
    g_ptr_array_remove_fast(http->calls, call);
    call->batch = NULL;
    g_ptr_array_add(http->pool, call);
}

/* The queries to the server are done. problem NULL: the server is ready. */
static void
end_questions(KabHttp *http, const char *problem)
{
    g_autoptr(GPtrArray) waiting = g_steal_pointer(&http->waiting);
    http->waiting = g_ptr_array_new();
    kab_context_set_waiting(http->context, problem);
    http->ask_again_us = problem ? g_get_monotonic_time() + ASK_AGAIN_US : 0;
    for (guint i = 0; i < waiting->len; i++) {
        KabHttpCall *call = waiting->pdata[i];
        if (problem)
            kab_batch_fail(call->batch, KAB_FAIL_OVERLOAD, -1, problem);
        else if (kab_http_call_send(call)) {
            g_ptr_array_add(http->calls, call);
            continue;
        }
        g_ptr_array_add(http->pool, call);
    }
    pthread_mutex_lock(&http->mutex);
    http->is_asked = true;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->mutex);
}

static void
on_done(KabHttp *http, CURL *easy, CURLcode code)
{
    g_autofree char *problem = NULL;
    KabHttpCall *call;
    curl_multi_remove_handle(http->multi, easy);
    if (easy == http->asker) {
        if (kab_http_learn(http, code, &problem))
            end_questions(http, problem);
        return;
    }
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    if (!kab_http_judge(call, code))
        end_call(http, call);
}

static KabHttpCall *
take_call(GPtrArray *calls, const KabBatch *batch)
{
    for (guint i = 0; i < calls->len; i++) {
        KabHttpCall *call = calls->pdata[i];
        if (call->batch == batch)
            return g_ptr_array_steal_index_fast(calls, i);
    }
    return NULL;
}

static void
cancel_call(KabHttp *http, const KabBatch *batch)
{
    KabHttpCall *call = take_call(http->calls, batch);
    if (call)
        curl_multi_remove_handle(http->multi, call->easy);
    else
        call = take_call(http->waiting, batch);
    if (!call)
        return;
    kab_batch_fail(call->batch, KAB_FAIL_TRANSIENT, -1, "cancelled");
    call->batch = NULL;
    g_ptr_array_add(http->pool, call);
}

/* Serves the inbox; false: the instance closes. Each request leaves before the
 * next one is rendered. */
static bool
serve_inbox(KabHttp *http)
{
    for (;;) {
        pthread_mutex_lock(&http->mutex);
        KabBatch *arrived = g_queue_pop_head(&http->arrived);
        KabBatch *cancelled =
            arrived ? NULL : g_queue_pop_head(&http->cancelled);
        bool is_closing = http->is_closing;
        if (!arrived && !cancelled)
            http->is_woken = false;
        pthread_mutex_unlock(&http->mutex);
        if (arrived)
            begin_call(http, arrived);
        else if (cancelled)
            cancel_call(http, cancelled);
        else
            return !is_closing;
        kab_http_poll_catch_up(&http->poll);
    }
}

/* Uses the answers that are complete, then takes what the inbox has. */
static bool
serve_all(void *user)
{
    KabHttp *http = user;
    CURLMsg *message;
    int n_messages;
    while ((message = curl_multi_info_read(http->multi, &n_messages)))
        if (message->msg == CURLMSG_DONE)
            on_done(http, message->easy_handle, message->data.result);
    return serve_inbox(http);
}

/* Whether the server has come is seen without a call, too. */
static void
ask_again(KabHttp *http)
{
    if (http->ask_again_us && !http->is_asking &&
        g_get_monotonic_time() >= http->ask_again_us)
        kab_http_ask(http);
}

static void *
run_io(void *user)
{
    KabHttp *http = user;
    if (http->must_ask)
        kab_http_ask(http);
    bool is_open = serve_all(http);
    while (is_open) {
        ask_again(http);
        is_open = kab_http_poll_turn(&http->poll, POLL_MS, serve_all, http);
    }
    return NULL;
}

static void
init_sync(KabHttp *http)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&http->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&http->mutex, NULL);
}

/* Waits until the first queries are answered, or would be by a server that is
 * up, so that ceilings are known before the first batch is formed. */
static void
wait_for_questions(KabHttp *http)
{
    int64_t until_us = g_get_monotonic_time() +
                       (http->plan->connect_timeout_ms + SLACK_MS) * 1000;
    struct timespec until = {.tv_sec = until_us / 1000000,
                             .tv_nsec = until_us % 1000000 * 1000};
    pthread_mutex_lock(&http->mutex);
    while (!http->is_asked &&
           pthread_cond_timedwait(&http->changed, &http->mutex, &until) == 0)
        continue;
    pthread_mutex_unlock(&http->mutex);
}

static void
clear_all(KabHttp *http)
{
    for (guint i = 0; i < http->pool->len; i++)
        kab_http_call_free(http->pool->pdata[i]);
    g_ptr_array_free(http->pool, TRUE);
    g_ptr_array_free(http->calls, TRUE);
    g_ptr_array_free(http->waiting, TRUE);
    if (http->is_asking)
        curl_multi_remove_handle(http->multi, http->asker);
    curl_easy_cleanup(http->asker);
    curl_slist_free_all(http->asker_headers);
    curl_multi_cleanup(http->multi);
    kab_http_poll_clear(&http->poll);
    g_string_free(http->told, TRUE);
    g_hash_table_unref(http->health.failures);
    kab_http_model_clear(&http->model);
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->mutex);
    g_queue_clear(&http->arrived);
    g_queue_clear(&http->cancelled);
}

bool
kab_http_start(KabHttp *http)
{
    init_sync(http);
    http->calls = g_ptr_array_new();
    http->pool = g_ptr_array_new();
    http->waiting = g_ptr_array_new();
    http->told = g_string_new("");
    http->health.failures =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    kab_http_model_init(&http->model);
    http->multi = curl_multi_init();
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->max_calls);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      (long)http->max_calls + 1);
    http->must_ask = true;
    if (!kab_http_poll_init(&http->poll, http->multi) ||
        pthread_create(&http->thread, NULL, run_io, http) != 0) {
        clear_all(http);
        return kab_context_fail(http->context,
                                "cannot make a thread and its descriptors");
    }
    wait_for_questions(http);
    return true;
}

void
kab_http_stop(KabHttp *http)
{
    pthread_mutex_lock(&http->mutex);
    http->is_closing = true;
    pthread_mutex_unlock(&http->mutex);
    kab_http_poll_wake(&http->poll);
    pthread_join(http->thread, NULL);
    clear_all(http);
}

static void
post_batch(KabHttp *http, GQueue *queue, KabBatch *batch)
{
    pthread_mutex_lock(&http->mutex);
    g_queue_push_tail(queue, batch);
    bool must_wake = !http->is_woken;
    http->is_woken = true;
    pthread_mutex_unlock(&http->mutex);
    if (must_wake)
        kab_http_poll_wake(&http->poll);
}

void
kab_http_take(KabHttp *http, KabBatch *batch)
{
    post_batch(http, &http->arrived, batch);
}

void
kab_http_cancel(KabHttp *http, KabBatch *batch)
{
    post_batch(http, &http->cancelled, batch);
}
