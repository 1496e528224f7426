/* SPDX-License-Identifier: Apache-2.0 */
/* Reloads of a running command: what they start, restart and stop, while a
 * function's open() or close() takes long or hangs. The files that function
 * gate waits for are the test's clock.
 */
#include "kab-test.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>

#include "child.h"
#include "fetch.h"
#include "manager.h"
#include "mock-client.h"
#include "mock.h"

enum { N_RECORDS = 300, TIMEOUT_MS = 20000, WATCHDOG_S = 120 };
/* A stop lasts shutdown.timeout (one second here) and one second; a build with
 * a sanitizer on a busy machine gets more. */
#define STOP_US (5 * G_USEC_PER_SEC)

typedef struct {
    KabMock *mock;
    rd_kafka_t *producer;
    char *directory, *config, *hung_config, *url;
    Manager manager;
    unsigned n_words, n_loads; /* records produced */
    Child run, hung;
} Fixture;

/* --- Broker ------------------------------------------------------------ */

/* The values are the records' numbers. */
static void
produce(const Fixture *fixture, const char *topic, unsigned *number)
{
    for (unsigned i = 0; i < N_RECORDS; i++) {
        g_autofree char *value = g_strdup_printf("%u", (*number)++);
        mock_client_produce(fixture->producer, topic, value);
    }
    assert_int_equal(rd_kafka_flush(fixture->producer, TIMEOUT_MS), 0);
}

/* Returns the next value, a new string; NULL: nothing came in time. */
static char *
read_value(rd_kafka_t *reader)
{
    for (;;) {
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(reader, TIMEOUT_MS);
        if (!message)
            return NULL;
        char *value =
            message->err ? NULL : g_strndup(message->payload, message->len);
        rd_kafka_message_destroy(message);
        if (value)
            return value;
    }
}

/* Asserts that the topic holds the numbers from 0 to n - 1, each once and in
 * order, and that the marks in front of them never go back. */
static void
assert_each_once(const Fixture *fixture, const char *topic, unsigned n)
{
    rd_kafka_t *reader = mock_client_new_reader(fixture->mock, topic);
    char last_mark = 'A';
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *value = read_value(reader);
        if (!value)
            fail_msg("%s: %u records of %u", topic, i, n);
        bool has_mark = g_ascii_isalpha(*value);
        assert_int_equal(g_ascii_strtoull(value + has_mark, NULL, 10), i);
        if (!has_mark)
            continue;
        assert_true(*value >= last_mark);
        last_mark = *value;
    }
    rd_kafka_destroy(reader);
}

/* --- Fixture ----------------------------------------------------------- */

static void
write_config(const Fixture *fixture, const char *path, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n[admin]\nlisten = 127.0.0.1:0\n%s",
        kab_mock_bootstrap(fixture->mock), more);
    g_assert(g_file_set_contents(path, text, -1, NULL));
}

/* A binding that waits for the test; more: of its lines. The mock broker makes
 * who joins a group anew wait for the session of who has left it. */
static char *
dup_slow(const Fixture *fixture, const char *more)
{
    return g_strdup_printf(
        "[binding slow]\ninput.topics = loads\n"
        "output.topic = marks\nfunction = gate\n"
        "function.open = %s/open\n"
        "function.close = %s/close\nconsumer.session.timeout.ms = 5000\n%s",
        fixture->directory, fixture->directory, more);
}

/* The file of the running command: binding other and these sections. */
static void
write_sections(const Fixture *fixture, const char *more)
{
    g_autofree char *text =
        g_strconcat("[binding other]\ninput.topics = words\n"
                    "output.topic = copies\nfunction = identity\n",
                    more, NULL);
    write_config(fixture, fixture->config, text);
}

static void
reload_with(Fixture *fixture, const char *more)
{
    write_sections(fixture, more);
    child_signal(&fixture->run, SIGHUP);
}

static void
reload_slow(Fixture *fixture, const char *more)
{
    g_autofree char *slow = dup_slow(fixture, more);
    reload_with(fixture, slow);
}

static void
open_gate(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->directory, name, NULL);
    g_assert(g_file_set_contents(path, "", 0, NULL));
}

static int
setup(void **state)
{
    static const char *const topics[] = {"words", "copies", "loads", "marks",
                                         "stones"};
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(topics); i++)
        if (!kab_mock_create_topic(fixture->mock, topics[i], 1, NULL))
            return -1;
    fixture->directory = g_dir_make_tmp("kabridge-test-XXXXXX", NULL);
    fixture->config = g_build_filename(fixture->directory, "run.conf", NULL);
    fixture->hung_config =
        g_build_filename(fixture->directory, "hung.conf", NULL);
    if (!manager_listen(&fixture->manager, fixture->directory, "1000000"))
        return -1;
    write_sections(fixture, "");
    fixture->run = COMMAND("run", fixture->config);
    manager_hide();
    g_autofree char *hung =
        g_strdup_printf("[binding hung]\ninput.topics = stones\n"
                        "function = gate\nfunction.close = %s/never\n"
                        "output.topic = marks\nshutdown.timeout = 1s\n",
                        fixture->directory);
    write_config(fixture, fixture->hung_config, hung);
    fixture->hung = COMMAND("run", fixture->hung_config);
    fixture->producer = mock_client_new_producer(fixture->mock);
    fixture->url =
        child_dup_after(&fixture->run, "metrics, health and status at ");
    child_wait_for(&fixture->run, "starting -> running");
    return 0;
}

static void
remove_directory(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    for (const char *name; (name = g_dir_read_name(directory));) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    child_clear(&fixture->run);
    child_clear(&fixture->hung);
    rd_kafka_destroy(fixture->producer);
    kab_mock_free(fixture->mock);
    manager_clear(&fixture->manager);
    remove_directory(fixture->directory);
    g_free(fixture->directory);
    g_free(fixture->config);
    g_free(fixture->hung_config);
    g_free(fixture->url);
    g_free(fixture);
    return 0;
}

/* --- Tests ------------------------------------------------------------- */

/* The bridge's thread feeds the watchdog, the admin server answers, and the
 * other binding's records flow. */
static void
assert_goes_on(Fixture *fixture)
{
    if (manager_is_known) {
        manager_forget(&fixture->manager);
        assert_true(manager_is_told(&fixture->manager, "WATCHDOG=1"));
        assert_true(manager_is_told(&fixture->manager, "WATCHDOG=1"));
    }
    g_autofree char *live = kab_fetch(fixture->url, "/live", NULL);
    assert_string_equal(live, "{\"live\":true}\n");
    produce(fixture, "words", &fixture->n_words);
    g_autofree char *finished =
        g_strdup_printf("\nkabridge_records_finished_total{binding=\"other\","
                        "outcome=\"done\"} %u\n",
                        fixture->n_words);
    child_await(fixture->url, "/metrics", finished);
}

TEST(an_open_that_takes_long_holds_up_nobody)
{
    Fixture *fixture = *state;
    reload_slow(fixture, "function.mark = a\n");
    child_wait_for(&fixture->run, "[slow] open() begins");
    assert_goes_on(fixture);
    child_await(fixture->url, "/status", "function gate is being opened");
    open_gate(fixture, "open");
    child_wait_for(&fixture->run, "[slow] open() ends");
}

TEST(a_reload_reaches_a_binding_that_is_starting)
{
    Fixture *fixture = *state;
    reload_slow(fixture, "function.mark = a\nbatch.count = 7\n");
    child_wait_for(&fixture->run, "[slow] options changed in place");
    child_wait_for(&fixture->run, "[slow] starting -> running");
    child_await(fixture->url, "/status", "\"batch_limit\":7,");
}

TEST(a_close_that_takes_long_holds_up_nobody)
{
    Fixture *fixture = *state;
    reload_with(fixture, "");
    child_wait_for(&fixture->run, "[slow] close() begins");
    assert_goes_on(fixture);
}

static unsigned
count_in(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        n++;
    return n;
}

TEST(a_section_that_comes_back_waits_until_its_function_is_closed)
{
    Fixture *fixture = *state;
    reload_slow(fixture, "function.mark = a\n");
    child_wait_for(&fixture->run, "[slow] back in the configuration");
    g_autofree char *metrics = kab_fetch(fixture->url, "/metrics", NULL);
    assert_int_equal(count_in(metrics, "kabridge_ready{binding=\"slow\"}"), 1);
    assert_int_equal(count_in(fixture->run.log->str, "[slow] open() begins"),
                     1);
    open_gate(fixture, "close");
    child_wait_for(&fixture->run, "[slow] close() ends");
    child_wait_for(&fixture->run, "[slow] starting -> running");
}

TEST(a_binding_that_is_started_anew_loses_and_repeats_nothing)
{
    Fixture *fixture = *state;
    produce(fixture, "loads", &fixture->n_loads);
    reload_slow(fixture, "function.mark = b\n");
    produce(fixture, "loads", &fixture->n_loads);
    child_wait_for(&fixture->run, "[slow] options changed: draining");
    child_wait_for(&fixture->run, "[slow] close() ends");
    child_wait_for(&fixture->run, "[slow] starting -> running");
    assert_each_once(fixture, "marks", fixture->n_loads);
}

TEST(a_refused_reload_shows_until_one_is_done)
{
    Fixture *fixture = *state;
    reload_with(fixture, "[binding wrong]\nbatch.cuont = 5\n");
    child_await(fixture->url, "/metrics", "\nkabridge_reload_refused 1\n");
    child_await(fixture->url, "/status", "perhaps batch.count");
    reload_slow(fixture, "function.mark = b\n");
    child_await(fixture->url, "/metrics", "\nkabridge_reload_refused 0\n");
    g_autofree char *status = kab_fetch(fixture->url, "/status", NULL);
    assert_null(strstr(status, "reload_refused"));
}

TEST(an_open_that_hangs_does_not_hold_up_the_next_reload)
{
    Fixture *fixture = *state;
    g_autofree char *hung = g_strdup_printf(
        "[binding stuck]\ninput.topics = stones\noutput.topic = copies\n"
        "function = gate\nshutdown.timeout = 500ms\nfunction.open = %s/never\n",
        fixture->directory);
    reload_with(fixture, hung);
    child_wait_for(&fixture->run, "[stuck] open() begins");
    reload_with(fixture, "[binding stuck]\ninput.topics = stones\n"
                         "output.topic = copies\nfunction = gate\n"
                         "function.fail = on purpose\n");
    child_wait_for(&fixture->run, "did not return from open() within");
    child_wait_for(&fixture->run, "[stuck] not started: ");
    reload_with(fixture, "");
    child_wait_for(&fixture->run, "reloaded");
    g_autofree char *ready = kab_fetch(fixture->url, "/ready", NULL);
    assert_non_null(ready);
}

TEST(a_binding_that_no_reload_names_is_never_touched)
{
    Fixture *fixture = *state;
    child_assert_said(&fixture->run, "[other] starting -> running");
    assert_null(strstr(fixture->run.log->str, "[other] running -> "));
    assert_each_once(fixture, "copies", fixture->n_words);
    child_signal(&fixture->run, SIGTERM);
    child_assert_exit(&fixture->run, EX_OK);
}

/* One binding needs 47 descriptors, three need 77. */
TEST(a_reload_with_more_bindings_than_descriptors_changes_nothing)
{
    Fixture *fixture = *state;
    g_autofree char *path =
        g_build_filename(fixture->directory, "many.conf", NULL);
    g_autofree char *command =
        g_strdup_printf("ulimit -n 70 && exec %s/kabridge run %s",
                        g_getenv("top_builddir"), path);
    write_config(fixture, path,
                 "[binding one]\ninput.topics = stones\nfunction = gate\n");
    g_auto(Child) child =
        child_spawn((const char *const[]){"sh", "-c", command, NULL});
    child_wait_for(&child, "[one] open() ends");
    write_config(fixture, path,
                 "[binding one]\ninput.topics = stones\nfunction = gate\n"
                 "[binding two]\ninput.topics = stones\nfunction = gate\n"
                 "[binding three]\ninput.topics = stones\nfunction = gate\n");
    child_signal(&child, SIGHUP);
    child_wait_for(&child, "found a limit of 70 file descriptors");
    child_wait_for(&child, "reload refused: nothing was changed");
    child_signal(&child, SIGTERM);
    child_assert_exit(&child, EX_OK);
    assert_null(strstr(child.log->str, "[two]"));
}

static void
assert_stop_is_unfinished(Child *child, const char *wanted)
{
    int64_t start_us = g_get_monotonic_time();
    child_signal(child, SIGTERM);
    child_assert_exit(child, EX_TEMPFAIL);
    assert_in_range(g_get_monotonic_time() - start_us, 0, STOP_US);
    child_assert_said(child, wanted);
}

TEST(a_close_that_hangs_does_not_hold_up_a_stop)
{
    Fixture *fixture = *state;
    child_wait_for(&fixture->hung, "starting -> running");
    assert_stop_is_unfinished(
        &fixture->hung, "kabridge: binding hung: function gate did not return "
                        "from close() within shutdown.timeout");
}

TEST(an_open_that_hangs_does_not_hold_up_a_stop)
{
    Fixture *fixture = *state;
    g_autofree char *set = g_strdup_printf(
        "--set=binding hung/function.open=%s/never", fixture->directory);
    g_auto(Child) child = COMMAND("run", fixture->hung_config, set);
    child_wait_for(&child, "open() begins");
    assert_stop_is_unfinished(&child, "did not return from open() within "
                                      "shutdown.timeout: left without it; no "
                                      "record was taken");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_that_takes_long_holds_up_nobody),
        cmocka_unit_test(a_reload_reaches_a_binding_that_is_starting),
        cmocka_unit_test(a_close_that_takes_long_holds_up_nobody),
        cmocka_unit_test(
            a_section_that_comes_back_waits_until_its_function_is_closed),
        cmocka_unit_test(
            a_binding_that_is_started_anew_loses_and_repeats_nothing),
        cmocka_unit_test(a_refused_reload_shows_until_one_is_done),
        cmocka_unit_test(an_open_that_hangs_does_not_hold_up_the_next_reload),
        cmocka_unit_test(a_binding_that_no_reload_names_is_never_touched),
        cmocka_unit_test(
            a_reload_with_more_bindings_than_descriptors_changes_nothing),
        cmocka_unit_test(a_close_that_hangs_does_not_hold_up_a_stop),
        cmocka_unit_test(an_open_that_hangs_does_not_hold_up_a_stop),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
