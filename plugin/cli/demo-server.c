/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's model server: POST /mood takes a JSON array of texts and answers
 * with an array of moods.
 *
 * A thread per connection, because a call sleeps for the time that a model
 * would need.
 */
#include "demo.h"

#include <inttypes.h>
#include <string.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <microhttpd.h>

enum { MAX_BODY_BYTES = 4 * 1024 * 1024 };

struct KabDemoServer {
    struct MHD_Daemon *daemon;
    char *url;
    atomic_uint n_requests;
};

/* The moods of a JSON array of texts, as JSON; NULL: it is none. */
static char *
dup_moods(const GString *body)
{
    json_t *texts = json_loadb(body->str, body->len, 0, NULL);
    json_t *moods = json_array();
    bool is_valid = json_is_array(texts);
    size_t i;
    json_t *text;
    json_array_foreach(texts, i, text)
    {
        is_valid &= json_is_string(text);
        json_array_append_new(moods,
                              json_string(kab_demo_mood_name(
                                  kab_demo_mood_of(json_string_value(text)))));
    }
    char *answer = is_valid ? json_dumps(moods, JSON_COMPACT) : NULL;
    if (is_valid)
        g_usleep(KAB_DEMO_CALL_US +
                 json_array_size(texts) * KAB_DEMO_RECORD_US);
    json_decref(texts);
    json_decref(moods);
    return answer;
}

static enum MHD_Result
send_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
send_moods(KabDemoServer *server,
           struct MHD_Connection *connection,
           const GString *body)
{
    char *moods = dup_moods(body);
    enum MHD_Result result =
        moods ? send_text(connection, MHD_HTTP_OK, moods)
              : send_text(connection, MHD_HTTP_BAD_REQUEST,
                          "{\"error\":\"wanted an array of texts\"}");
    free(moods);
    atomic_fetch_add(&server->n_requests, 1);
    return result;
}

/* Called first with the headers, then with each part of the body, then with
 * none: state is the body so far. */
static enum MHD_Result
on_request(void *user,
           struct MHD_Connection *connection,
           const char *path,
           const char *method,
           const char *version,
           const char *data,
           size_t *n_bytes,
           void **state)
{
    GString *body = *state;
    if (!body) {
        *state = g_string_new(NULL);
        return MHD_YES;
    }
    if (*n_bytes) {
        if (body->len + *n_bytes > MAX_BODY_BYTES)
            return MHD_NO;
        g_string_append_len(body, data, (gssize)*n_bytes);
        *n_bytes = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0 || strcmp(path, "/mood") != 0)
        return send_text(connection, MHD_HTTP_NOT_FOUND,
                         "{\"error\":\"wanted POST /mood\"}");
    return send_moods(user, connection, body);
}

static void
on_completed(void *user,
             struct MHD_Connection *connection,
             void **state,
             enum MHD_RequestTerminationCode code)
{
    if (*state)
        g_string_free(*state, TRUE);
    *state = NULL;
}

KabDemoServer *
kab_demo_server_new(GError **error)
{
    KabDemoServer *server = g_new0(KabDemoServer, 1);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0,
        NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon
            ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)
            : NULL;
    if (!info) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL,
                    "cannot start the demo's model server");
        g_clear_pointer(&server, kab_demo_server_free);
        return NULL;
    }
    server->url = g_strdup_printf("http://127.0.0.1:%" PRIu16 "/mood",
                                  (uint16_t)info->port);
    return server;
}

const char *
kab_demo_server_url(const KabDemoServer *server)
{
    return server->url;
}

unsigned
kab_demo_server_n_requests(const KabDemoServer *server)
{
    return atomic_load(&server->n_requests);
}

void
kab_demo_server_free(KabDemoServer *server)
{
    if (!server)
        return;
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    g_free(server->url);
    g_free(server);
}
