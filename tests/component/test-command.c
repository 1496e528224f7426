/* SPDX-License-Identifier: Apache-2.0 */
/* The command and the embedding example as processes, on the embedded broker:
 * `run` with its signals, its admin server and its exit statuses.
 *
 * All of them join their groups at once, before the first test: a join takes
 * the broker three seconds.
 */
#include "kab-test.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "api-keys.h"
#include "child.h"
#include "exposition.h"
#include "fetch.h"
#include "manager.h"
#include "mock-client.h"
#include "mock.h"

enum { N_RECORDS = 300, TIMEOUT_MS = 20000, WATCHDOG_S = 120 };

typedef struct {
    KabMock *mock;
    char *directory, *config, *stuck_config, *url, *stuck_url;
    rd_kafka_t *producer;
    Manager manager; /* of `run` */
    Child run, stuck, embed;
} Fixture;

/* --- Broker ------------------------------------------------------------ */

static void
produce(Fixture *fixture, const char *topic)
{
    for (int i = 0; i < N_RECORDS; i++) {
        g_autofree char *value = g_strdup_printf("word-%d", i);
        mock_client_produce(fixture->producer, topic, value);
    }
}

/* What was read from a topic until each of the records had arrived. */
typedef struct {
    unsigned n_different, n_repeated;
} Seen;

static Seen
read_copies(Fixture *fixture, const char *topic, bool is_reversed)
{
    rd_kafka_t *consumer = mock_client_new_reader(fixture->mock, topic);
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Seen result = {0};
    while (g_hash_table_size(seen) < N_RECORDS) {
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(consumer, TIMEOUT_MS);
        if (!message)
            break;
        if (!message->err) {
            char *value = g_strndup(message->payload, message->len);
            if (is_reversed)
                g_strreverse(value);
            if (g_str_has_prefix(value, "word-"))
                result.n_repeated += !g_hash_table_add(seen, value);
            else
                g_free(value);
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
    result.n_different = g_hash_table_size(seen);
    return result;
}

/* On a failure, the child first logs the state of its records. */
static void
assert_each_once(Fixture *fixture,
                 Child *child,
                 const char *topic,
                 bool is_reversed)
{
    Seen seen = read_copies(fixture, topic, is_reversed);
    if (seen.n_different == N_RECORDS && !seen.n_repeated)
        return;
    child_signal(child, SIGUSR1);
    child_signal(child, SIGTERM);
    char *line;
    while (child_read_line(child, &line))
        g_free(line);
    fail_msg("%u different, %u repeated, after:\n%s", seen.n_different,
             seen.n_repeated, child->log->str);
}

/* --- Fixture ----------------------------------------------------------- */

static void
write_config(const Fixture *fixture, const char *path, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n\n[admin]\nlisten = 127.0.0.1:0\n\n"
        "%s",
        kab_mock_bootstrap(fixture->mock), more);
    g_assert(g_file_set_contents(path, text, -1, NULL));
}

static const char copy_text[] = "[binding copy]\n"
                                "input.topics = words\n"
                                "output.topic = copies\n"
                                "function = identity\n";

static const char stuck_text[] = "[binding stone]\n"
                                 "input.topics = stones\n"
                                 "output.topic = sand\n"
                                 "function = delay\n"
                                 "function.base = 1h\n"
                                 "call.timeout = 0\n"
                                 "batch.count = 100\n"
                                 "max.in.flight = 1\n";

static int
setup(void **state)
{
    static const char *const topics[] = {"words", "copies", "stones", "sand",
                                         "drow"};
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(topics); i++)
        if (!kab_mock_create_topic(fixture->mock, topics[i], 1, NULL))
            return -1;
    fixture->directory = g_dir_make_tmp("kabridge-test-XXXXXX", NULL);
    fixture->config = g_build_filename(fixture->directory, "copy.conf", NULL);
    fixture->stuck_config =
        g_build_filename(fixture->directory, "stuck.conf", NULL);
    write_config(fixture, fixture->config, copy_text);
    g_autofree char *stuck =
        g_strconcat(stuck_text, "shutdown.timeout = 10m\n", NULL);
    write_config(fixture, fixture->stuck_config, stuck);
    g_autofree char *modules = g_build_filename(
        g_getenv("top_builddir"), "tests", "support", "modules", ".libs", NULL);
    g_setenv("KABRIDGE_MODULE_PATH", modules, TRUE);
    g_setenv("KAFKA_BOOTSTRAP_SERVERS", kab_mock_bootstrap(fixture->mock), TRUE);
    if (!manager_listen(&fixture->manager, fixture->directory, "4000000"))
        return -1;
    fixture->run = COMMAND("run", fixture->config);
    manager_hide();
    fixture->stuck = COMMAND("run", fixture->stuck_config);
    g_autofree char *embed =
        g_build_filename(g_getenv("top_builddir"), "embed", NULL);
    g_autofree char *embed_config = g_build_filename(
        g_getenv("top_srcdir"), "examples", "embed.conf", NULL);
    fixture->embed =
        child_spawn((const char *const[]){embed, embed_config, NULL});
    fixture->producer = mock_client_new_producer(fixture->mock);
    produce(fixture, "words");
    produce(fixture, "stones");
    return rd_kafka_flush(fixture->producer, TIMEOUT_MS) ? -1 : 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    child_clear(&fixture->run);
    child_clear(&fixture->stuck);
    child_clear(&fixture->embed);
    rd_kafka_destroy(fixture->producer);
    kab_mock_free(fixture->mock);
    manager_clear(&fixture->manager);
    g_unlink(fixture->config);
    g_unlink(fixture->stuck_config);
    g_rmdir(fixture->directory);
    g_free(fixture->config);
    g_free(fixture->stuck_config);
    g_free(fixture->directory);
    g_free(fixture->url);
    g_free(fixture->stuck_url);
    g_free(fixture);
    return 0;
}

/* --- Tests ------------------------------------------------------------- */

TEST(an_embedding_program_bridges_two_topics)
{
    Fixture *fixture = *state;
    assert_each_once(fixture, &fixture->embed, "drow", true);
    child_signal(&fixture->embed, SIGTERM);
    child_assert_exit(&fixture->embed, EX_OK);
}

TEST(every_record_is_copied_and_the_admin_server_tells)
{
    Fixture *fixture = *state;
    const char *url = fixture->url =
        child_dup_after(&fixture->run, "metrics, health and status at ");
    assert_each_once(fixture, &fixture->run, "copies", false);
    g_autofree char *ready = kab_fetch(url, "/ready", NULL);
    assert_string_equal(ready, "{\"ready\":true,\"reasons\":[]}\n");
    g_autofree char *metrics = kab_fetch(url, "/metrics", NULL);
    assert_non_null(metrics);
    assert_null(exposition_dup_fault(metrics));
    g_autofree char *consumed = exposition_dup_value(
        metrics, "kabridge_records_consumed_total{binding=\"copy\"}");
    assert_string_equal(consumed, "300");
    g_auto(Child) top = COMMAND("top", "--once", url);
    child_assert_exit(&top, EX_OK);
    g_auto(Child) check = COMMAND("ready", url);
    child_assert_exit(&check, EX_OK);
    assert_string_equal(check.output, "ready\n");
}

TEST(systemd_is_told_of_ready_watchdog_and_status)
{
    Fixture *fixture = *state;
    if (!manager_is_known)
        return;
    Manager *manager = &fixture->manager;
    assert_true(manager_is_told(manager, "READY=1"));
    assert_true(manager_is_told(manager, "WATCHDOG=1"));
    assert_true(manager_is_told(manager, "STATUS=1 bindings are ready"));
}

TEST(a_signal_logs_the_state)
{
    Fixture *fixture = *state;
    child_signal(&fixture->run, SIGUSR1);
    child_wait_for(&fixture->run, "running, ready; lag 0");
    child_wait_for(&fixture->run, "0 finished beyond, oldest unfinished none");
}

TEST(a_reload_with_a_fault_changes_nothing)
{
    Fixture *fixture = *state;
    write_config(fixture, fixture->config, "[binding copy]\nbatch.cuont = 5\n");
    child_signal(&fixture->run, SIGHUP);
    child_wait_for(&fixture->run, "batch.cuont");
    child_wait_for(&fixture->run, "nothing was changed");
}

TEST(a_reload_of_a_file_that_is_gone_changes_nothing)
{
    Fixture *fixture = *state;
    g_unlink(fixture->config);
    child_signal(&fixture->run, SIGHUP);
    child_wait_for(&fixture->run, "found no file that can be read");
    child_wait_for(&fixture->run, "nothing was changed");
    g_autofree char *ready = kab_fetch(fixture->url, "/ready", NULL);
    assert_string_equal(ready, "{\"ready\":true,\"reasons\":[]}\n");
}

TEST(a_reload_changes_in_place_what_it_can)
{
    Fixture *fixture = *state;
    g_autofree char *text = g_strconcat(copy_text, "batch.count = 5\n", NULL);
    write_config(fixture, fixture->config, text);
    child_signal(&fixture->run, SIGHUP);
    child_wait_for(&fixture->run, "changed in place");
    child_wait_for(&fixture->run, "reloaded");
}

static void
reload_with(Fixture *fixture, const char *more)
{
    g_autofree char *text =
        g_strconcat(copy_text, "batch.count = 5\n", more, NULL);
    write_config(fixture, fixture->config, text);
    child_signal(&fixture->run, SIGHUP);
    child_wait_for(&fixture->run, "reloaded");
}

TEST(a_function_that_a_reload_cannot_open_is_not_ready)
{
    Fixture *fixture = *state;
    reload_with(fixture, "[binding second]\ninput.topics = stones\n"
                         "function = fitting\nfunction.url = x\n"
                         "function.fail = asked\n");
    child_wait_for(&fixture->run, "not started: ");
    g_autoptr(GError) error = NULL;
    assert_null(kab_fetch(fixture->url, "/ready", &error));
    g_autofree char *status = kab_fetch(fixture->url, "/status", NULL);
    assert_non_null(status);
    assert_non_null(strstr(status, "\"second\""));
    assert_non_null(strstr(status, "told to fail: asked"));
}

TEST(a_bridge_stays_ready_when_a_reload_removes_a_binding)
{
    Fixture *fixture = *state;
    reload_with(fixture, "");
    child_assert_said(&fixture->run, "removed from the configuration");
    g_autofree char *ready = kab_fetch(fixture->url, "/ready", NULL);
    assert_non_null(ready);
    assert_string_equal(ready, "{\"ready\":true,\"reasons\":[]}\n");
}

TEST(a_stop_drains_and_ends_with_0)
{
    Fixture *fixture = *state;
    child_signal(&fixture->run, SIGTERM);
    child_assert_exit(&fixture->run, EX_OK);
    child_assert_said(&fixture->run, "stopping");
    assert_true(!manager_is_known ||
                manager_is_told(&fixture->manager, "STOPPING=1"));
    assert_null(strstr(fixture->run.log->str, "delivered again"));
}

static void
await_call(const char *url)
{
    child_await(url, "/status", "\"calls_in_flight\":1,");
}

static void
reload_stuck(Fixture *fixture, const char *more, const char *wanted)
{
    g_autofree char *text = g_strconcat(stuck_text, more, NULL);
    write_config(fixture, fixture->stuck_config, text);
    child_signal(&fixture->stuck, SIGHUP);
    child_wait_for(&fixture->stuck, wanted);
}

TEST(a_reload_that_cannot_drain_a_binding_keeps_it_running)
{
    Fixture *fixture = *state;
    Child *stuck = &fixture->stuck;
    fixture->stuck_url =
        child_dup_after(stuck, "metrics, health and status at ");
    await_call(fixture->stuck_url);
    reload_stuck(fixture, "shutdown.timeout = 0\n", "changed in place");
    reload_stuck(fixture, "shutdown.timeout = 10m\nbisect = false\n",
                 "not finished within shutdown.timeout");
    child_wait_for(stuck, "starting -> running");
}

TEST(a_second_stop_leaves_at_once_and_says_how_many_are_left)
{
    Fixture *fixture = *state;
    Child *stuck = &fixture->stuck;
    await_call(fixture->stuck_url);
    child_signal(stuck, SIGINT);
    child_wait_for(stuck, "-> draining");
    child_signal(stuck, SIGINT);
    child_assert_exit(stuck, EX_TEMPFAIL);
    child_assert_said(stuck,
                      " records were taken and not finished: they will be "
                      "delivered again");
}

TEST(a_port_that_is_taken_ends_with_69)
{
    Fixture *fixture = *state;
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    uint16_t port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
    g_autofree char *set =
        g_strdup_printf("--set=admin/listen=127.0.0.1:%u", (unsigned)port);
    g_auto(Child) child = COMMAND("run", fixture->stuck_config, set);
    child_assert_exit(&child, EX_UNAVAILABLE);
    child_assert_said(&child, "cannot listen on 127.0.0.1:");
}

/* The last child to join: the broker refuses its JoinGroup as long as the test
 * lasts. */
TEST(a_join_that_is_refused_is_told_with_the_reason)
{
    Fixture *fixture = *state;
    rd_kafka_resp_err_t errors[100];
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
        errors[i] = RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT;
    rd_kafka_mock_push_request_errors_array(kab_mock_cluster(fixture->mock),
                                            KAB_API_JOIN_GROUP,
                                            G_N_ELEMENTS(errors), errors);
    write_config(fixture, fixture->config, copy_text);
    g_auto(Child) child = COMMAND("run", fixture->config);
    g_autofree char *url =
        child_dup_after(&child, "metrics, health and status at ");
    child_await(url, "/status",
                "\"reason\":\"waits for its place in group "
                "kabridge-copy; consumer: JoinGroup failed: Broker: "
                "Invalid session timeout\"");
    child_await(url, "/status",
                "\"last_error\":\"consumer: JoinGroup failed: Broker: "
                "Invalid session timeout\"");
}

TEST(every_fault_line_at_the_end_begins_with_kabridge)
{
    Fixture *fixture = *state;
    write_config(fixture, fixture->config,
                 "[binding one]\ninput.topics = stones\nfunction = fitting\n"
                 "function.url = x\nfunction.fail = first\n"
                 "[binding two]\ninput.topics = stones\nfunction = fitting\n"
                 "function.url = x\nfunction.fail = second\n");
    g_auto(Child) child = COMMAND("run", fixture->config);
    child_assert_exit(&child, EX_CONFIG);
    g_autofree char *faults =
        g_strdup_printf("\nkabridge: %s:9: [binding one] function: found "
                        "fitting, which does not open: told to fail: first\n"
                        "kabridge: %s:14: [binding two] function: found "
                        "fitting, which does not open: told to fail: second\n",
                        fixture->config, fixture->config);
    child_assert_said(&child, faults);
}

TEST(a_wrong_configuration_ends_with_78_and_every_fault)
{
    Fixture *fixture = *state;
    write_config(fixture, fixture->config,
                 "[binding copy]\nbatch.cuont = 5\nthreads = no\n");
    g_auto(Child) child = COMMAND("run", fixture->config);
    child_assert_exit(&child, EX_CONFIG);
    child_assert_said(&child, "batch.cuont");
    child_assert_said(&child, "threads");
}

TEST(wrong_usage_ends_with_64)
{
    g_auto(Child) none = COMMAND("run");
    child_assert_exit(&none, EX_USAGE);
    Fixture *fixture = *state;
    g_auto(Child) malformed =
        COMMAND("run", fixture->stuck_config, "--set=nonsense");
    child_assert_exit(&malformed, EX_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_ends_with_64),
        cmocka_unit_test(a_port_that_is_taken_ends_with_69),
        cmocka_unit_test(every_record_is_copied_and_the_admin_server_tells),
        cmocka_unit_test(systemd_is_told_of_ready_watchdog_and_status),
        cmocka_unit_test(a_signal_logs_the_state),
        cmocka_unit_test(a_reload_with_a_fault_changes_nothing),
        cmocka_unit_test(a_reload_of_a_file_that_is_gone_changes_nothing),
        cmocka_unit_test(a_reload_changes_in_place_what_it_can),
        cmocka_unit_test(a_function_that_a_reload_cannot_open_is_not_ready),
        cmocka_unit_test(a_bridge_stays_ready_when_a_reload_removes_a_binding),
        cmocka_unit_test(a_stop_drains_and_ends_with_0),
        cmocka_unit_test(an_embedding_program_bridges_two_topics),
        cmocka_unit_test(a_reload_that_cannot_drain_a_binding_keeps_it_running),
        cmocka_unit_test(
            a_second_stop_leaves_at_once_and_says_how_many_are_left),
        cmocka_unit_test(a_join_that_is_refused_is_told_with_the_reason),
        cmocka_unit_test(every_fault_line_at_the_end_begins_with_kabridge),
        cmocka_unit_test(a_wrong_configuration_ends_with_78_and_every_fault),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
