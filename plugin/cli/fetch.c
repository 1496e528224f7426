/* SPDX-License-Identifier: Apache-2.0 */
/* GET by HTTP/1.0: the answer ends when the connection closes. */
#include "fetch.h"

#include <string.h>

#include <gio/gio.h>

enum { TIMEOUT_S = 10, DEFAULT_PORT = 9464 };
static const size_t max_bytes = 64 * 1024 * 1024;

static char *
read_all(GInputStream *in, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char piece[16384];
    gssize n;
    for (;;) {
        n = g_input_stream_read(in, piece, sizeof piece, NULL, error);
        if (n <= 0)
            break;
        g_string_append_len(text, piece, n);
        if (text->len > max_bytes) {
            g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                        "the answer is longer than %zu bytes", max_bytes);
            return NULL;
        }
    }
    return n < 0 ? NULL : g_strdup(text->str);
}

/* Splits a complete answer into its body and its status. */
static char *
dup_body(const char *answer, unsigned *ret_status, GError **error)
{
    const char *body = strstr(answer, "\r\n\r\n");
    bool is_http = g_str_has_prefix(answer, "HTTP/1.") && body;
    const char *status = is_http ? strchr(answer, ' ') : NULL;
    if (!status) {
        g_set_error_literal(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                            "found no HTTP server; wanted the admin server of "
                            "a bridge");
        return NULL;
    }
    *ret_status = (unsigned)g_ascii_strtoull(status + 1, NULL, 10);
    return g_strdup(body + strlen("\r\n\r\n"));
}

static char *
ask_server(const char *place,
           const char *path,
           unsigned *ret_status,
           GError **error)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, TIMEOUT_S);
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(
        client, place, DEFAULT_PORT, NULL, error);
    if (!connection)
        return NULL;
    g_autofree char *request =
        g_strdup_printf("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, place);
    GIOStream *stream = G_IO_STREAM(connection);
    if (!g_output_stream_write_all(g_io_stream_get_output_stream(stream),
                                   request, strlen(request), NULL, NULL, error))
        return NULL;
    g_autofree char *answer =
        read_all(g_io_stream_get_input_stream(stream), error);
    return answer ? dup_body(answer, ret_status, error) : NULL;
}

char *
kab_fetch_any(const char *url,
              const char *path,
              unsigned *ret_status,
              GError **error)
{
    static const char scheme[] = "http://";
    const char *start =
        g_str_has_prefix(url, scheme) ? url + strlen(scheme) : url;
    g_autofree char *place = g_strndup(start, strcspn(start, "/"));
    g_autoptr(GError) cause = NULL;
    char *body = ask_server(place, path, ret_status, &cause);
    if (!body)
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "no answer from http://%s%s: %s", place, path,
                    cause->message);
    return body;
}

char *
kab_fetch(const char *url, const char *path, GError **error)
{
    unsigned status;
    g_autofree char *body = kab_fetch_any(url, path, &status, error);
    if (body && status == 200)
        return g_steal_pointer(&body);
    if (body)
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "%s%s: found HTTP status %u; wanted 200 from the admin "
                    "server of a bridge",
                    url, path, status);
    return NULL;
}
