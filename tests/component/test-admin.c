/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server over real sockets, with snapshots made by hand. */
#include "kab-test.h"

#include <gio/gio.h>
#include <jansson.h>

#include "admin.h"
#include "exposition.h"

/* What the server reads on its own thread: constant during a test, or set
 * before the request that reads it. */
typedef struct {
    KabAdminView view;
    KabAdmin *admin;
    char *reason; /* of the only binding; NULL: ready */
    bool is_live;
    GSocketClient *client;
} Fixture;

typedef struct {
    int status;
    char *head, *body;
} Reply;

static void
reply_clear(Reply *reply)
{
    g_free(reply->head);
    g_free(reply->body);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

static void
free_snapshot(void *data)
{
    KabBindingSnapshot *snapshot = data;
    g_free(snapshot->name);
    g_free(snapshot->reason);
    g_free(snapshot);
}

static GPtrArray *
make_snapshots(void *user)
{
    Fixture *fixture = user;
    KabBindingSnapshot *snapshot = g_new0(KabBindingSnapshot, 1);
    snapshot->name = g_strdup("scoring");
    snapshot->reason = g_strdup(fixture->reason);
    snapshot->state = KAB_STATE_RUNNING;
    snapshot->made_us = g_get_monotonic_time();
    GPtrArray *snapshots = g_ptr_array_new_with_free_func(free_snapshot);
    g_ptr_array_add(snapshots, snapshot);
    return snapshots;
}

static bool
find(void *user,
     const char *topic,
     int32_t number,
     int64_t offset,
     KabWhereabouts *ret_whereabouts)
{
    if (strcmp(topic, "in put") != 0 || number != 2 || offset != INT64_MAX)
        return false;
    *ret_whereabouts = (KabWhereabouts){.state = KAB_SLOT_CALLED,
                                        .waits_for = "the function",
                                        .since_us = g_get_monotonic_time()};
    return true;
}

static bool
is_live(void *user)
{
    return ((Fixture *)user)->is_live;
}

static KabReloads
dup_reloads(void *user)
{
    return (KabReloads){.n = 1, .refusal = g_strdup("a fault")};
}

static GPtrArray *
read_tap(void *user,
         const char *binding,
         uint64_t after,
         uint64_t *ret_next,
         uint64_t *ret_missed)
{
    if (strcmp(binding, "scoring") != 0)
        return NULL;
    *ret_next = after + 1;
    *ret_missed = 0;
    return g_ptr_array_new();
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->view = (KabAdminView){.snapshots = make_snapshots,
                                   .find = find,
                                   .is_live = is_live,
                                   .dup_reloads = dup_reloads,
                                   .read_tap = read_tap,
                                   .instance = "host-1",
                                   .user = fixture};
    fixture->is_live = true;
    fixture->client = g_socket_client_new();
    g_socket_client_set_timeout(fixture->client, 20);
    fixture->admin = kab_admin_new("127.0.0.1:0", &fixture->view, NULL);
    *state = fixture;
    return fixture->admin ? 0 : -1;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    kab_admin_free(fixture->admin);
    g_object_unref(fixture->client);
    g_free(fixture);
    return 0;
}

static GSocketConnection *
connect_to(Fixture *fixture)
{
    GSocketConnection *connection = g_socket_client_connect_to_uri(
        fixture->client, kab_admin_url(fixture->admin), 80, NULL, NULL);
    assert_non_null(connection);
    return connection;
}

static void
send_text(GSocketConnection *connection, const char *text)
{
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    assert_true(
        g_output_stream_write_all(out, text, strlen(text), NULL, NULL, NULL));
}

/* Reads everything until the server closes the connection. */
static char *
read_all(GSocketConnection *connection)
{
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    GString *text = g_string_new(NULL);
    char piece[4096];
    gssize n;
    while ((n = g_input_stream_read(in, piece, sizeof piece, NULL, NULL)) > 0)
        g_string_append_len(text, piece, n);
    return g_string_free(text, FALSE);
}

static Reply
ask(Fixture *fixture, const char *method, const char *path)
{
    g_autoptr(GSocketConnection) connection = connect_to(fixture);
    g_autofree char *request =
        g_strdup_printf("%s %s HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: close\r\n\r\n",
                        method, path);
    send_text(connection, request);
    g_autofree char *text = read_all(connection);
    Reply reply = {0};
    char *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    reply.head = g_strndup(text, (size_t)(end - text));
    reply.body = g_strdup(end + 4);
    assert_true(g_str_has_prefix(reply.head, "HTTP/1.1 "));
    reply.status = atoi(reply.head + strlen("HTTP/1.1 "));
    return reply;
}

static void
assert_is_json(const Reply *reply)
{
    assert_non_null(strstr(reply->head, "Content-Type: application/json"));
    json_t *value = json_loads(reply->body, 0, NULL);
    assert_non_null(value);
    json_decref(value);
}

TEST(live_is_503_when_a_loop_does_not_turn)
{
    Fixture *fixture = *state;
    g_auto(Reply) good = ask(fixture, "GET", "/live");
    assert_int_equal(good.status, 200);
    fixture->is_live = false;
    g_auto(Reply) bad = ask(fixture, "GET", "/live");
    assert_int_equal(bad.status, 503);
    assert_is_json(&bad);
}

TEST(ready_is_503_with_reasons)
{
    Fixture *fixture = *state;
    g_auto(Reply) good = ask(fixture, "GET", "/ready");
    assert_int_equal(good.status, 200);
    assert_string_equal(good.body, "{\"ready\":true,\"reasons\":[]}\n");
    fixture->reason = (char[]){"no broker answers"};
    g_auto(Reply) bad = ask(fixture, "GET", "/ready");
    assert_int_equal(bad.status, 503);
    assert_non_null(strstr(bad.body, "\"reason\":\"no broker answers\""));
    assert_is_json(&bad);
}

TEST(metrics_are_valid_prometheus_text)
{
    g_auto(Reply) reply = ask(*state, "GET", "/metrics");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(
        reply.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    g_autofree char *fault = exposition_dup_fault(reply.body);
    assert_null(fault);
}

TEST(status_names_every_binding)
{
    g_auto(Reply) reply = ask(*state, "GET", "/status");
    assert_int_equal(reply.status, 200);
    assert_is_json(&reply);
    assert_non_null(strstr(reply.body, "\"name\":\"scoring\""));
    assert_non_null(strstr(reply.body, "\"reload_refused\":\"a fault\""));
}

TEST(status_finds_a_record)
{
    g_auto(Reply) reply =
        ask(*state, "GET",
            "/status?topic=in%20put&partition=2&offset=9223372036854775807");
    assert_int_equal(reply.status, 200);
    assert_is_json(&reply);
    assert_non_null(strstr(reply.body, "\"waits_for\":\"the function\""));
}

TEST(an_unknown_record_is_404)
{
    g_auto(Reply) reply =
        ask(*state, "GET", "/status?topic=in%20put&partition=2&offset=5");
    assert_int_equal(reply.status, 404);
    assert_is_json(&reply);
}

TEST(a_query_that_names_no_complete_record_is_400)
{
    static const char *const queries[] = {
        "/status?topic",
        "/status?topic=a",
        "/status?topic=a&partition=1",
        "/status?topic=a&partition=1&offset=",
        "/status?topic=a&partition=1&offset=-1",
        "/status?topic=a&partition=1&offset=9223372036854775808",
        "/status?topic=a&partition=2147483648&offset=1",
        "/status?topic=a&partition=one&offset=1",
        "/status?offset=1",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(queries); i++) {
        g_auto(Reply) reply = ask(*state, "GET", queries[i]);
        assert_int_equal(reply.status, 400);
        assert_is_json(&reply);
    }
}

TEST(the_page_loads_nothing_from_elsewhere)
{
    g_auto(Reply) reply = ask(*state, "GET", "/");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "Content-Type: text/html"));
    assert_non_null(strstr(reply.head, "default-src 'none'"));
    assert_true(g_str_has_prefix(reply.body, "<!doctype html>\n"));
    assert_true(g_str_has_suffix(reply.body, "</html>\n"));
    assert_null(strstr(reply.body, "https://"));
}

TEST(a_tap_is_read_over_loopback_by_a_local_name)
{
    g_auto(Reply) reply = ask(*state, "GET", "/tap?binding=scoring&after=7");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body,
                        "{\"next\":8,\"missed\":0,\"records\":[]}\n");
    g_auto(Reply) unknown = ask(*state, "GET", "/tap?binding=other");
    assert_int_equal(unknown.status, 404);
    g_auto(Reply) unnamed = ask(*state, "GET", "/tap");
    assert_int_equal(unnamed.status, 400);
}

/* DNS rebinding: what a browser sends for a site whose name was made to
 * resolve to this host. */
TEST(a_tap_is_refused_by_the_name_of_a_site)
{
    Fixture *fixture = *state;
    g_autoptr(GSocketConnection) connection = connect_to(fixture);
    send_text(connection, "GET /tap?binding=scoring HTTP/1.1\r\nHost: "
                          "example.com\r\nConnection: close\r\n\r\n");
    char answer[4096];
    gsize n;
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    assert_true(
        g_input_stream_read_all(in, answer, sizeof answer - 1, &n, NULL, NULL));
    answer[n] = '\0';
    assert_true(g_str_has_prefix(answer, "HTTP/1.1 403"));
}

TEST(an_unknown_path_is_404)
{
    g_auto(Reply) reply = ask(*state, "GET", "/metrics/");
    assert_int_equal(reply.status, 404);
    assert_is_json(&reply);
}

TEST(another_method_is_405)
{
    g_auto(Reply) reply = ask(*state, "DELETE", "/status");
    assert_int_equal(reply.status, 405);
    assert_non_null(strstr(reply.head, "Allow: GET, HEAD"));
    assert_is_json(&reply);
}

TEST(head_has_the_length_and_no_body)
{
    g_auto(Reply) reply = ask(*state, "HEAD", "/ready");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "Content-Length: 28"));
    assert_string_equal(reply.body, "");
}

TEST(a_connection_takes_one_request_after_another)
{
    g_autoptr(GSocketConnection) connection = connect_to(*state);
    send_text(connection,
              "POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
              "12345"
              "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
              "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    g_autofree char *text = read_all(connection);
    assert_non_null(strstr(text, "HTTP/1.1 405 "));
    assert_non_null(strstr(text, "{\"live\":true}"));
    assert_non_null(strstr(text, "{\"ready\":true"));
}

TEST(a_head_without_end_is_refused_and_others_are_served)
{
    g_autoptr(GSocketConnection) connection = connect_to(*state);
    g_autofree char *long_name = g_strnfill(64 * 1024, 'a');
    g_autofree char *request = g_strdup_printf(
        "GET / HTTP/1.1\r\nHost: x\r\n%s: 1\r\n\r\n", long_name);
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_output_stream_write_all(out, request, strlen(request), NULL, NULL, NULL);
    g_autofree char *text = read_all(connection);
    assert_null(strstr(text, "HTTP/1.1 200"));
    g_auto(Reply) reply = ask(*state, "GET", "/live");
    assert_int_equal(reply.status, 200);
}

TEST(text_that_is_none_is_answered_with_json)
{
    static const char *const paths[] = {
        "/status?topic=%ff%fe&partition=0&offset=0",
        "/status?topic=\xff\xfe&partition=0&offset=0",
        "/status?topic=%0d%0aX:%20y&partition=0&offset=0",
        "/status?topic=a%00b&partition=0&offset=0",
        "/tap?binding=%ff",
        "/%ff",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_auto(Reply) reply = ask(*state, "GET", paths[i]);
        assert_int_equal(reply.status, 404);
        assert_is_json(&reply);
        assert_null(strstr(reply.head, "X: y"));
    }
}

/* What a scanner sends. Each is refused, and the server goes on. */
TEST(a_hostile_request_is_refused_and_others_are_served)
{
    static const char *const requests[] = {
        "GET http://elsewhere/metrics HTTP/1.1\r\nHost: x\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n",
        "CONNECT elsewhere:443 HTTP/1.1\r\nHost: x\r\n",
        "get /live HTTP/1.1\r\nHost: x\r\n",
        "PRI * HTTP/2.0\r\n",
        "POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n",
        "POST /live HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 99999999999999999999999\r\n",
        "POST /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        "Content-Length: 5\r\n",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autoptr(GSocketConnection) connection = connect_to(*state);
        g_autofree char *request =
            g_strconcat(requests[i], "Connection: close\r\n\r\nzz\r\n", NULL);
        send_text(connection, request);
        g_autofree char *text = read_all(connection);
        if (!g_str_has_prefix(text, "HTTP/1.1 4") &&
            !g_str_has_prefix(text, "HTTP/1.1 505"))
            fail_msg("%s was answered with %s", requests[i], text);
        g_auto(Reply) reply = ask(*state, "GET", "/live");
        assert_int_equal(reply.status, 200);
    }
}

/* How long /live takes while n idle connections are open. */
static int64_t
ask_beside_idle_ones_us(Fixture *fixture, size_t n)
{
    g_autoptr(GPtrArray) idle = g_ptr_array_new_with_free_func(g_object_unref);
    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(idle, connect_to(fixture));
    int64_t start_us = g_get_monotonic_time();
    g_auto(Reply) reply = ask(fixture, "GET", "/live");
    assert_int_equal(reply.status, 200);
    return g_get_monotonic_time() - start_us;
}

TEST(idle_connections_keep_nobody_waiting)
{
    assert_in_range(ask_beside_idle_ones_us(*state, 200), 0, G_USEC_PER_SEC);
}

TEST(connections_beyond_the_limit_make_room_soon)
{
    assert_in_range(ask_beside_idle_ones_us(*state, 400), 0,
                    8 * G_USEC_PER_SEC);
}

TEST(a_port_that_is_taken_is_unavailable)
{
    Fixture *fixture = *state;
    const char *listen = kab_admin_url(fixture->admin) + strlen("http://");
    g_autoptr(GError) error = NULL;
    assert_null(kab_admin_new(listen, &fixture->view, &error));
    assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE));
    assert_non_null(strstr(error->message, listen));
}

TEST(an_invalid_listen_address_is_unavailable)
{
    static const char *const addresses[] = {
        "127.0.0.1:99999", "127.0.0.1:http:1", "192.0.2.1:0", ""};
    Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(kab_admin_new(addresses[i], &fixture->view, &error));
        assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE));
    }
}

/* A machine without IPv6 refuses the address like any other that does not
 * exist. */
TEST(ipv6_is_served_or_refused_by_name)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(KabAdmin) admin =
        kab_admin_new("[::1]:0", &fixture->view, &error);
    if (admin)
        assert_true(g_str_has_prefix(kab_admin_url(admin), "http://[::1]:"));
    else
        assert_non_null(strstr(error->message, "[::1]:0"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(live_is_503_when_a_loop_does_not_turn),
        T(ready_is_503_with_reasons),
        T(metrics_are_valid_prometheus_text),
        T(status_names_every_binding),
        T(status_finds_a_record),
        T(an_unknown_record_is_404),
        T(a_query_that_names_no_complete_record_is_400),
        T(the_page_loads_nothing_from_elsewhere),
        T(a_tap_is_read_over_loopback_by_a_local_name),
        T(a_tap_is_refused_by_the_name_of_a_site),
        T(an_unknown_path_is_404),
        T(another_method_is_405),
        T(head_has_the_length_and_no_body),
        T(a_connection_takes_one_request_after_another),
        T(a_head_without_end_is_refused_and_others_are_served),
        T(text_that_is_none_is_answered_with_json),
        T(a_hostile_request_is_refused_and_others_are_served),
        T(idle_connections_keep_nobody_waiting),
        T(connections_beyond_the_limit_make_room_soon),
        T(a_port_that_is_taken_is_unavailable),
        T(an_invalid_listen_address_is_unavailable),
        T(ipv6_is_served_or_refused_by_name),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
