/* SPDX-License-Identifier: Apache-2.0 */
/* The command and its surroundings: a log that nobody reads, whose reader
 * has ended or whose disk is full, closed descriptors, programs that a module
 * starts; and a reload that asks for more calls than the function was told.
 */
#include "kab-test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>

#include "child.h"
#include "mock-client.h"
#include "mock.h"

enum { WATCHDOG_S = 120 };

typedef struct {
    KabMock *mock;
    char *directory, *config;
    unsigned n_words; /* sent so far */
} Fixture;

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->mock = kab_mock_new(1, NULL);
    if (!kab_mock_create_topic(fixture->mock, "words", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "copies", 1, NULL))
        return -1;
    fixture->directory = g_dir_make_tmp("kabridge-test-XXXXXX", NULL);
    fixture->config = g_build_filename(fixture->directory, "copy.conf", NULL);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n[admin]\nlisten = 127.0.0.1:0\n"
        "[binding copy]\ninput.topics = words\noutput.topic = copies\n"
        "function = identity\nconsumer.session.timeout.ms = 6000\n",
        kab_mock_bootstrap(fixture->mock));
    g_assert(g_file_set_contents(fixture->config, text, -1, NULL));
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    g_unlink(fixture->config);
    g_rmdir(fixture->directory);
    kab_mock_free(fixture->mock);
    g_free(fixture->directory);
    g_free(fixture->config);
    g_free(fixture);
    return 0;
}

TEST(a_log_whose_reader_has_ended_does_not_end_the_bridge)
{
    Fixture *fixture = *state;
    g_auto(Child) run = COMMAND("run", fixture->config);
    g_autofree char *url = child_dup_after(&run, "status at ");
    child_await(url, "/status", "\"state\":\"running\"");
    g_clear_pointer(&run.errors, fclose);
    child_signal(&run, SIGUSR1);
    child_await(url, "/live", "\"live\":true");
    child_signal(&run, SIGTERM);
    child_assert_status(&run, EX_OK);
}

TEST(a_log_that_nobody_reads_does_not_hold_up_a_stop)
{
    Fixture *fixture = *state;
    g_auto(Child) run = COMMAND("run", fixture->config);
    g_autofree char *url = child_dup_after(&run, "status at ");
    child_await(url, "/status", "\"state\":\"running\"");
    fcntl(fileno(run.errors), F_SETPIPE_SZ, 4096);
    for (int i = 0; i < 200; i++) {
        child_signal(&run, SIGUSR1);
        child_await(url, "/live", "\"live\":true");
    }
    child_signal(&run, SIGTERM);
    child_assert_status(&run, EX_OK);
}

/* --- A full disk ------------------------------------------------------- */

enum { TIMEOUT_MS = 30000 };

/* Waits until as many are copied as were sent. */
static void
copy_a_word(Fixture *fixture)
{
    rd_kafka_t *producer = mock_client_new_producer(fixture->mock);
    mock_client_produce(producer, "words", "x");
    assert_int_equal(rd_kafka_flush(producer, TIMEOUT_MS), 0);
    rd_kafka_destroy(producer);
    rd_kafka_t *reader = mock_client_new_reader(fixture->mock, "copies");
    fixture->n_words++;
    for (unsigned i = 0; i < fixture->n_words; i++) {
        rd_kafka_message_t *copy = rd_kafka_consumer_poll(reader, TIMEOUT_MS);
        assert_non_null(copy);
        assert_int_equal(copy->err, 0);
        rd_kafka_message_destroy(copy);
    }
    rd_kafka_destroy(reader);
}

TEST(a_full_disk_of_the_log_holds_neither_records_nor_a_stop_up)
{
    Fixture *fixture = *state;
    g_autofree char *command =
        g_strdup_printf("exec %s/kabridge run %s 2>/dev/full",
                        g_getenv("top_builddir"), fixture->config);
    g_auto(Child) run =
        child_spawn((const char *const[]){"sh", "-c", command, NULL});
    copy_a_word(fixture);
    child_signal(&run, SIGUSR1);
    child_signal(&run, SIGTERM);
    child_assert_status(&run, EX_OK);
}

/* --- Descriptors ------------------------------------------------------- */

TEST(descriptors_that_were_closed_are_not_used_for_others)
{
    Fixture *fixture = *state;
    g_autofree char *command =
        g_strdup_printf("exec %s/kabridge run %s <&- >&- 2>&-",
                        g_getenv("top_builddir"), fixture->config);
    g_auto(Child) run =
        child_spawn((const char *const[]){"sh", "-c", command, NULL});
    copy_a_word(fixture);
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        g_autofree char *link =
            g_strdup_printf("/proc/%d/fd/%d", (int)run.pid, fd);
        g_autofree char *target = g_file_read_link(link, NULL);
        assert_string_equal(target, "/dev/null");
    }
    child_signal(&run, SIGTERM);
    child_assert_status(&run, EX_OK);
}

/* False for librdkafka's wake-up pipes, which it opens without
 * close-on-exec. */
static bool
is_ours(const char *target)
{
    return !g_str_has_prefix(target, "pipe:");
}

static bool
is_closed_on_exec(int pid, const char *fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fdinfo/%s", pid, fd);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return true; /* has been closed meanwhile */
    const char *flags = strstr(text, "flags:");
    return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_CLOEXEC);
}

TEST(no_descriptor_is_inherited_by_programs_that_a_module_starts)
{
    Fixture *fixture = *state;
    g_auto(Child) run = COMMAND("run", fixture->config);
    g_autofree char *url = child_dup_after(&run, "status at ");
    child_await(url, "/status", "\"state\":\"running\"");
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)run.pid);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    unsigned n_seen = 0;
    for (const char *fd; (fd = g_dir_read_name(directory));) {
        g_autofree char *link = g_build_filename(path, fd, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        if (!target || atoi(fd) <= STDERR_FILENO || !is_ours(target))
            continue;
        if (!is_closed_on_exec(run.pid, fd))
            fail_msg("descriptor %s (%s) is inherited", fd, target);
        n_seen++;
    }
    assert_true(n_seen > 4);
    child_signal(&run, SIGTERM);
    child_assert_exit(&run, EX_OK);
}

static void
reload_with(const Fixture *fixture, Child *run, const char *more)
{
    g_autofree char *text = g_strconcat(
        "[kafka]\nbootstrap.servers = localhost:1\n[admin]\nlisten = off\n"
        "[binding copy]\ninput.topics = words\noutput.topic = copies\n"
        "function = identity\n",
        more, NULL);
    g_assert(g_file_set_contents(fixture->config, text, -1, NULL));
    if (run)
        child_signal(run, SIGHUP);
}

TEST(a_reload_opens_anew_for_more_calls_than_open_was_told)
{
    Fixture *fixture = *state;
    reload_with(fixture, NULL, "");
    g_auto(Child) run = COMMAND("run", fixture->config);
    child_wait_for(&run, "brokers are down");
    reload_with(fixture, &run, "max.in.flight = 2\n");
    child_wait_for(&run, "changed in place");
    reload_with(fixture, &run, "max.in.flight = 9\n");
    child_wait_for(&run, "options changed: draining");
    child_wait_for(&run, "leaving -> stopped");
    child_signal(&run, SIGTERM);
    child_assert_exit(&run, EX_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_full_disk_of_the_log_holds_neither_records_nor_a_stop_up),
        cmocka_unit_test(a_log_whose_reader_has_ended_does_not_end_the_bridge),
        cmocka_unit_test(a_log_that_nobody_reads_does_not_hold_up_a_stop),
        cmocka_unit_test(descriptors_that_were_closed_are_not_used_for_others),
        cmocka_unit_test(
            no_descriptor_is_inherited_by_programs_that_a_module_starts),
        cmocka_unit_test(a_reload_opens_anew_for_more_calls_than_open_was_told),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
