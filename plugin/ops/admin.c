/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server: a table of pages over libmicrohttpd.
 *
 * One thread with epoll serves a bounded number of connections with bounded
 * memory each. Every page is rendered completely, then sent; HEAD gets the same
 * answer without its body.
 */
#include "admin.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <microhttpd.h>

#include "metrics.h"
#include "status.h"
#include "tap-json.h"

enum {
    MAX_CONNECTIONS = 256,
    CONNECTION_BYTES = 16 * 1024,
    /* Scrapers keep idle connections about this long. Connections beyond CROWD
     * get a shorter time-out, to make room soon. */
    IDLE_TIMEOUT_S = 15,
    CROWD = MAX_CONNECTIONS / 2,
    CROWDED_IDLE_TIMEOUT_S = 1,
    BACKLOG = 256,
    DEFAULT_PORT = 9464,
};

static const char json_type[] = "application/json";
static const char html_type[] = "text/html; charset=utf-8";

struct KabAdmin {
    KabAdminView view;
    char *instance;
    struct MHD_Daemon *daemon;
    char *url;
    unsigned n_connections; /* used by the server's thread */
};

/* An answer being prepared. */
typedef struct {
    unsigned status;
    const char *content_type;
    char *body; /* owned; handed to libmicrohttpd at the end */
    const char *allow;
} Answer;

static const char page_html[] =
#include "plugin/ops/page.inc"
    ;

/* --- Pages ------------------------------------------------------------- */

static Answer
error_answer(unsigned status, const char *message)
{
    return (Answer){.status = status,
                    .content_type = json_type,
                    .body = kab_status_dup_error_json(message)};
}

static Answer
get_live(const KabAdminView *view, struct MHD_Connection *connection)
{
    bool is_live = view->is_live(view->user);
    return (Answer){.status =
                        is_live ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                    .content_type = json_type,
                    .body = kab_status_dup_live_json(is_live)};
}

static Answer
get_ready(const KabAdminView *view, struct MHD_Connection *connection)
{
    g_autoptr(GPtrArray) snapshots = view->snapshots(view->user);
    bool is_ready;
    char *body =
        kab_status_dup_ready_json(snapshots, g_get_monotonic_time(), &is_ready);
    return (Answer){.status =
                        is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                    .content_type = json_type,
                    .body = body};
}

static Answer
get_metrics(const KabAdminView *view, struct MHD_Connection *connection)
{
    g_autoptr(GPtrArray) snapshots = view->snapshots(view->user);
    KabReloads reloads = view->dup_reloads(view->user);
    Answer answer = {.status = MHD_HTTP_OK,
                     .content_type = KAB_METRICS_CONTENT_TYPE,
                     .body = kab_metrics_dup_text(snapshots, &reloads)};
    g_free(reloads.refusal);
    return answer;
}

static bool
parse_number(const char *text, uint64_t max, int64_t *ret_number)
{
    uint64_t number;
    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, max, &number, NULL))
        return false;
    *ret_number = (int64_t)number;
    return true;
}

static Answer
find_record(const KabAdminView *view,
            const char *topic,
            const char *partition_text,
            const char *offset_text)
{
    int64_t partition, offset;
    if (!topic || !parse_number(partition_text, INT32_MAX, &partition) ||
        !parse_number(offset_text, INT64_MAX, &offset))
        return error_answer(MHD_HTTP_BAD_REQUEST,
                            "a record is named by topic=T&partition=P&"
                            "offset=O, P and O numbers from 0");
    KabWhereabouts whereabouts;
    if (!view->find(view->user, topic, (int32_t)partition, offset,
                    &whereabouts)) {
        g_autofree char *message = g_strdup_printf(
            "no binding has a record %s [%d] %" G_GINT64_FORMAT
            ": not taken yet, finished and passed, or not assigned here",
            topic, (int)partition, offset);
        return error_answer(MHD_HTTP_NOT_FOUND, message);
    }
    return (Answer){.status = MHD_HTTP_OK,
                    .content_type = json_type,
                    .body = kab_status_dup_record_json(&whereabouts,
                                                       g_get_monotonic_time(),
                                                       g_get_real_time())};
}

static Answer
get_status(const KabAdminView *view, struct MHD_Connection *connection)
{
    static const char *const names[] = {"topic", "partition", "offset"};
    const char *values[G_N_ELEMENTS(names)];
    bool is_for_record = false;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        values[i] = NULL; /* stays so for a name without a value */
        is_for_record |= MHD_lookup_connection_value_n(
                             connection, MHD_GET_ARGUMENT_KIND, names[i],
                             strlen(names[i]), &values[i], NULL) == MHD_YES;
    }
    if (is_for_record)
        return find_record(view, values[0], values[1], values[2]);
    g_autoptr(GPtrArray) snapshots = view->snapshots(view->user);
    KabReloads reloads = view->dup_reloads(view->user);
    Answer answer = {.status = MHD_HTTP_OK,
                     .content_type = json_type,
                     .body =
                         kab_status_dup_json(snapshots, view->instance,
                                             &reloads, g_get_monotonic_time())};
    g_free(reloads.refusal);
    return answer;
}

/* The server may listen on other addresses, but shows records only to clients
 * on this machine. */
static bool
is_from_here(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    g_autoptr(GSocketAddress) address =
        info ? g_socket_address_new_from_native(
                   info->client_addr, info->client_addr->sa_family == AF_INET6
                                          ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in))
             : NULL;
    return address &&
           g_inet_address_get_is_loopback(g_inet_socket_address_get_address(
               G_INET_SOCKET_ADDRESS(address)));
}

/* Rejects DNS rebinding: a web site open in a browser on this machine may have
 * its name resolve to loopback. Its requests then come from this machine, but
 * their Host header names the site. */
static bool
is_to_here(struct MHD_Connection *connection)
{
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_HOST);
    g_autoptr(GSocketConnectable) place =
        host ? g_network_address_parse(host, DEFAULT_PORT, NULL) : NULL;
    const char *name =
        place ? g_network_address_get_hostname(G_NETWORK_ADDRESS(place)) : "";
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(name);
    return address ? g_inet_address_get_is_loopback(address)
                   : g_ascii_strcasecmp(name, "localhost") == 0;
}

static Answer
read_tap(const KabAdminView *view, const char *binding, uint64_t after)
{
    uint64_t next = 0, missed = 0;
    g_autoptr(GPtrArray) records =
        view->read_tap(view->user, binding, after, &next, &missed);
    if (records)
        return (Answer){.status = MHD_HTTP_OK,
                        .content_type = json_type,
                        .body = kab_tap_dup_json(records, next, missed)};
    g_autofree char *message = g_strdup_printf("no binding %s runs", binding);
    return error_answer(MHD_HTTP_NOT_FOUND, message);
}

static Answer
get_tap(const KabAdminView *view, struct MHD_Connection *connection)
{
    const char *binding = MHD_lookup_connection_value(
        connection, MHD_GET_ARGUMENT_KIND, "binding");
    const char *text =
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "after");
    int64_t after = 0;
    if (!view->read_tap)
        return error_answer(MHD_HTTP_FORBIDDEN,
                            "records are not shown: set [admin] tap = on");
    if (!is_from_here(connection) || !is_to_here(connection))
        return error_answer(MHD_HTTP_FORBIDDEN,
                            "records are shown over loopback only");
    if (!binding || (text && !parse_number(text, INT64_MAX, &after)))
        return error_answer(MHD_HTTP_BAD_REQUEST,
                            "wanted binding=NAME and, to go on, after=NUMBER");
    return read_tap(view, binding, (uint64_t)after);
}

static Answer
get_page(const KabAdminView *view, struct MHD_Connection *connection)
{
    return (Answer){.status = MHD_HTTP_OK,
                    .content_type = html_type,
                    .body = g_strdup(page_html)};
}

static const struct {
    const char *path;
    Answer (*get)(const KabAdminView *view, struct MHD_Connection *connection);
} pages[] = {
    {"/", get_page},       {"/live", get_live},     {"/metrics", get_metrics},
    {"/ready", get_ready}, {"/status", get_status}, {"/tap", get_tap},
};

static Answer
answer_to(const KabAdminView *view,
          struct MHD_Connection *connection,
          const char *method,
          const char *path)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        if (strcmp(path, pages[i].path) != 0)
            continue;
        if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
            strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
            return pages[i].get(view, connection);
        Answer answer = error_answer(MHD_HTTP_METHOD_NOT_ALLOWED,
                                     "only GET and HEAD are answered");
        answer.allow = "GET, HEAD";
        return answer;
    }
    return error_answer(
        MHD_HTTP_NOT_FOUND,
        "there are /, /live, /ready, /metrics, /status and /tap");
}

/* --- Server ------------------------------------------------------------ */

static void
add_headers(struct MHD_Response *response, const Answer *answer)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            answer->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                            "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->content_type == html_type)
        MHD_add_response_header(response, "Content-Security-Policy",
                                "default-src 'none'; connect-src 'self'; "
                                "img-src data:; base-uri 'none'; "
                                "form-action 'none'; frame-ancestors 'none'; "
                                "script-src 'unsafe-inline'; "
                                "style-src 'unsafe-inline'");
    if (answer->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
}

/* Takes the answer. */
static enum MHD_Result
send_answer(struct MHD_Connection *connection, Answer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(
            strlen(answer->body), answer->body, g_free);
    if (!response) {
        g_free(answer->body);
        return MHD_NO;
    }
    add_headers(response, answer);
    enum MHD_Result result =
        MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* libmicrohttpd calls this with the head of a request, then with its body, then
 * with neither. Only the last call may answer, or the connection cannot be
 * reused. */
static enum MHD_Result
on_request(void *user,
           struct MHD_Connection *connection,
           const char *path,
           const char *method,
           const char *version,
           const char *upload_data,
           size_t *upload_data_size,
           void **request)
{
    KabAdmin *admin = user;
    if (!*request) {
        *request = admin;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        *upload_data_size = 0;
        return MHD_YES;
    }
    Answer answer = answer_to(&admin->view, connection, method, path);
    return send_answer(connection, &answer);
}

static void
on_connection(void *user,
              struct MHD_Connection *connection,
              void **context,
              enum MHD_ConnectionNotificationCode code)
{
    KabAdmin *admin = user;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED)
        admin->n_connections--;
    else if (++admin->n_connections > CROWD)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)CROWDED_IDLE_TIMEOUT_S);
}

static GSocket *
open_socket(GSocketAddress *address, GError **error)
{
    g_autoptr(GSocket) socket =
        g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM,
                     G_SOCKET_PROTOCOL_TCP, error);
    if (!socket)
        return NULL;
    g_socket_set_blocking(socket, FALSE);
    g_socket_set_listen_backlog(socket, BACKLOG);
    if (!g_socket_bind(socket, address, TRUE, error) ||
        !g_socket_listen(socket, error))
        return NULL;
    return g_steal_pointer(&socket);
}

/* Binds the first of the host's addresses that can be bound. */
static GSocket *
listen_on(const char *listen, GError **error)
{
    g_autoptr(GSocketConnectable) place =
        g_network_address_parse(listen, DEFAULT_PORT, error);
    if (!place)
        return NULL;
    g_autoptr(GSocketAddressEnumerator) addresses =
        g_socket_connectable_enumerate(place);
    g_autoptr(GError) first_error = NULL;
    for (;;) {
        g_autoptr(GSocketAddress) address = g_socket_address_enumerator_next(
            addresses, NULL, first_error ? NULL : &first_error);
        if (!address)
            break;
        GSocket *socket =
            open_socket(address, first_error ? NULL : &first_error);
        if (socket)
            return socket;
    }
    g_propagate_error(error, g_steal_pointer(&first_error));
    return NULL;
}

static char *
dup_url(GSocket *socket)
{
    g_autoptr(GSocketAddress) address =
        g_socket_get_local_address(socket, NULL);
    g_autofree char *text =
        address ? g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address))
                : g_strdup("?");
    return g_strconcat("http://", text, NULL);
}

/* The daemon closes the descriptor it is given, so it gets a duplicate; the
 * original belongs to the socket. */
static struct MHD_Daemon *
start_daemon(GSocket *socket, KabAdmin *admin)
{
    int fd = fcntl(g_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, admin,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        admin, MHD_OPTION_END);
    if (!daemon)
        close(fd);
    return daemon;
}

KabAdmin *
kab_admin_new(const char *listen, const KabAdminView *view, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GSocket) socket = listen_on(listen, &cause);
    if (!socket) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "[admin] listen: cannot listen on %s: %s", listen,
                    cause->message);
        return NULL;
    }
    g_autoptr(KabAdmin) admin = g_new0(KabAdmin, 1);
    admin->view = *view;
    admin->view.instance = admin->instance = g_strdup(view->instance);
    admin->url = dup_url(socket);
    admin->daemon = start_daemon(socket, admin);
    if (!admin->daemon) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "[admin] listen: cannot serve on %s", listen);
        return NULL;
    }
    return g_steal_pointer(&admin);
}

const char *
kab_admin_url(const KabAdmin *admin)
{
    return admin->url;
}

void
kab_admin_free(KabAdmin *admin)
{
    if (!admin)
        return;
    if (admin->daemon)
        MHD_stop_daemon(admin->daemon);
    g_free(admin->instance);
    g_free(admin->url);
    g_free(admin);
}
