/* SPDX-License-Identifier: Apache-2.0 */
#include "kab-test.h"

#include <string.h>

#include <microhttpd.h>

#include "collector.h"

static unsigned
take_body(Collector *collector, GString *body)
{
    pthread_mutex_lock(&collector->mutex);
    collector->n_requests++;
    unsigned status = MHD_HTTP_OK;
    if (collector->n_refusals) {
        collector->n_refusals--;
        status = collector->refusal;
    } else {
        g_ptr_array_add(collector->bodies, g_strdup(body->str));
    }
    pthread_cond_broadcast(&collector->changed);
    pthread_mutex_unlock(&collector->mutex);
    return status;
}

static enum MHD_Result
on_request(void *user,
           struct MHD_Connection *connection,
           const char *path,
           const char *method,
           const char *version,
           const char *data,
           size_t *size,
           void **request)
{
    GString *body = *request;
    if (!body) {
        *request = g_string_new(NULL);
        return MHD_YES;
    }
    if (*size) {
        g_string_append_len(body, data, (gssize)*size);
        *size = 0;
        return MHD_YES;
    }
    bool is_right = strcmp(path, "/v1/traces") == 0 &&
                    strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    unsigned status = is_right ? take_body(user, body) : MHD_HTTP_NOT_FOUND;
    g_string_free(body, TRUE);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        2, (char[]){"{}"}, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

void
collector_start(Collector *collector)
{
    pthread_mutex_init(&collector->mutex, NULL);
    pthread_cond_init(&collector->changed, NULL);
    collector->bodies = g_ptr_array_new_with_free_func(g_free);
    collector->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
                         on_request, collector, MHD_OPTION_END);
    g_assert(collector->daemon);
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(collector->daemon, MHD_DAEMON_INFO_BIND_PORT);
    collector->url = g_strdup_printf("http://127.0.0.1:%u", info->port);
}

void
collector_stop(Collector *collector)
{
    MHD_stop_daemon(collector->daemon);
    g_ptr_array_unref(collector->bodies);
    pthread_mutex_destroy(&collector->mutex);
    pthread_cond_destroy(&collector->changed);
    g_free(collector->url);
}

void
collector_wait_for_requests(Collector *collector, unsigned n)
{
    pthread_mutex_lock(&collector->mutex);
    while (collector->n_requests < n)
        pthread_cond_wait(&collector->changed, &collector->mutex);
    pthread_mutex_unlock(&collector->mutex);
}

json_t *
collector_dup_spans(Collector *collector)
{
    json_t *spans = json_array();
    pthread_mutex_lock(&collector->mutex);
    for (guint i = 0; i < collector->bodies->len; i++) {
        json_t *body = json_loads(collector->bodies->pdata[i], 0, NULL), *some;
        assert_int_equal(json_unpack(body, "{s:[{s:[{s:o}]}]}", "resourceSpans",
                                     "scopeSpans", "spans", &some),
                         0);
        json_array_extend(spans, some);
        json_decref(body);
    }
    pthread_mutex_unlock(&collector->mutex);
    return spans;
}
