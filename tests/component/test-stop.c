/* SPDX-License-Identifier: Apache-2.0 */
/* How long a stop takes and what it logs when the function never returns from
 * a call that timed out, or when nothing was called yet: processes on the
 * embedded broker.
 */
#include "kab-test.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "api-keys.h"
#include "child.h"
#include "mock-client.h"
#include "mock.h"

enum { N_RECORDS = 40, TIMEOUT_MS = 20000, WATCHDOG_S = 240 };

typedef struct {
    KabMock *mock;
    char *brief_config, *long_config, *eager_config;
    Child brief, long_, eager;
} Fixture;

static char *
write_config_of(KabMock *mock, const char *topic, const char *more)
{
    char *path = NULL;
    int fd = g_file_open_tmp("kabridge-test-XXXXXX", &path, NULL);
    close(fd);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n[admin]\nlisten = 127.0.0.1:0\n"
        "[binding stone]\ninput.topics = %s\noutput.topic = out\n"
        "function = chaos\nfunction.hold.time = 1h\ncall.timeout = 100ms\n"
        "batch.count = 40\nbatch.period = never\nmax.in.flight = 1\n%s",
        kab_mock_bootstrap(mock), topic, more);
    g_assert(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static char *
write_config(const Fixture *fixture, const char *topic, const char *more)
{
    return write_config_of(fixture->mock, topic, more);
}

/* Produces records that the function holds for ever. */
static void
produce(rd_kafka_t *producer, const char *topic)
{
    for (int i = 0; i < N_RECORDS; i++) {
        g_autofree char *value =
            g_strdup_printf("%012d:%06d:%010d:H:", i, i, 0);
        mock_client_produce(producer, topic, value);
    }
}

static int
setup(void **state)
{
    static const char *const topics[] = {"brief", "long", "out"};
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(topics); i++)
        if (!kab_mock_create_topic(fixture->mock, topics[i], 1, NULL))
            return -1;
    if (!kab_mock_create_topic(fixture->mock, "wide", 2, NULL))
        return -1;
    rd_kafka_t *producer = mock_client_new_producer(fixture->mock);
    produce(producer, "brief");
    produce(producer, "long");
    bool is_produced = !rd_kafka_flush(producer, TIMEOUT_MS);
    rd_kafka_destroy(producer);
    fixture->brief_config =
        write_config(fixture, "brief", "shutdown.timeout = 2s\n");
    fixture->long_config =
        write_config(fixture, "long", "shutdown.timeout = 10m\n");
    fixture->eager_config =
        write_config(fixture, "brief",
                     "group = eager\n"
                     "consumer.partition.assignment.strategy = range\n");
    fixture->brief = COMMAND("run", fixture->brief_config);
    fixture->long_ = COMMAND("run", fixture->long_config);
    return is_produced ? 0 : -1;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    child_clear(&fixture->brief);
    child_clear(&fixture->long_);
    child_clear(&fixture->eager);
    kab_mock_free(fixture->mock);
    g_unlink(fixture->brief_config);
    g_unlink(fixture->long_config);
    g_unlink(fixture->eager_config);
    g_free(fixture->brief_config);
    g_free(fixture->long_config);
    g_free(fixture->eager_config);
    g_free(fixture);
    return 0;
}

/* Waits until its only call has timed out while the function is still
 * inside. */
static void
await_abandoned(Child *child)
{
    g_autofree char *url =
        child_dup_after(child, "metrics, health and status at ");
    child_await(url, "/metrics",
                "\nkabridge_calls_abandoned{binding=\"stone\"} 1\n");
}

/* With nothing left to drain, the function has the rest of shutdown.timeout to
 * return, without the time for leaving on top. */
TEST(a_stop_uses_shutdown_timeout_only_once)
{
    Fixture *fixture = *state;
    Child *child = &fixture->brief;
    await_abandoned(child);
    int64_t start_us = g_get_monotonic_time();
    child_signal(child, SIGTERM);
    child_assert_exit(child, EX_OK);
    int64_t took_us = g_get_monotonic_time() - start_us;
    child_assert_said(child, "has not returned from calls that timed out");
    child_assert_said(child, "kabridge: 40 records that were taken but waiting "
                             "will be delivered again");
    assert_in_range(took_us, 0, 5 * G_USEC_PER_SEC);
}

TEST(a_second_stop_also_counts_records_the_drain_gave_up)
{
    Fixture *fixture = *state;
    Child *child = &fixture->long_;
    await_abandoned(child);
    child_signal(child, SIGTERM);
    child_wait_for(child, "draining -> leaving");
    child_wait_for(child, "revoked: 1 partitions");
    child_signal(child, SIGTERM);
    child_assert_exit(child, EX_TEMPFAIL);
    child_assert_said(child, "kabridge: 40 records were taken and not "
                             "finished: they will be delivered again");
}

/* The order of exit statuses holds for a second stop, too. */
TEST(a_second_stop_still_tells_of_a_binding_that_stopped_by_itself)
{
    Fixture *fixture = *state;
    g_autofree char *config =
        write_config(fixture, "long",
                     "group = ill\nshutdown.timeout = 10m\n"
                     "[bridge]\non.stop = continue\n"
                     "[binding ill]\ninput.topics = wide\n"
                     "output.topic = out\noutput.partition = same\n"
                     "function = identity\n");
    g_auto(Child) child = COMMAND("run", config);
    await_abandoned(&child);
    child_wait_for(&child, "[ill] leaving -> stopped");
    child_signal(&child, SIGTERM);
    child_wait_for(&child, "[stone] draining -> leaving");
    child_signal(&child, SIGTERM);
    child_assert_exit(&child, EX_UNAVAILABLE);
    child_assert_said(&child, "kabridge: 40 records were taken and not "
                              "finished: they will be delivered again");
    g_unlink(config);
}

/* The broker answers as it does while a previous owner's transaction is open:
 * the source asks again each time. */
static void
withhold_offsets(Fixture *fixture)
{
    static rd_kafka_resp_err_t errors[1000];
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
        errors[i] = RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
    rd_kafka_mock_push_request_errors_array(kab_mock_cluster(fixture->mock),
                                            KAB_API_OFFSET_FETCH,
                                            G_N_ELEMENTS(errors), errors);
}

/* With an eager assignor the client waits for the answer to the assignment,
 * which waits for the committed offsets. */
TEST(a_stop_does_not_wait_for_committed_offsets)
{
    Fixture *fixture = *state;
    Child *child = &fixture->eager;
    withhold_offsets(fixture);
    *child = COMMAND("run", fixture->eager_config);
    child_wait_for(child, "assigned: 1 partitions");
    int64_t start_us = g_get_monotonic_time();
    child_signal(child, SIGTERM);
    child_assert_exit(child, EX_OK);
    assert_in_range(g_get_monotonic_time() - start_us, 0, 5 * G_USEC_PER_SEC);
    child_assert_said(child, "leaving -> stopped");
}

/* Of the lines that are left, those with this text. */
static unsigned
count_to_the_end(Child *child, const char *text)
{
    unsigned n = 0;
    char *line = NULL;
    while (child_read_line(child, &line)) {
        n += strstr(line, text) != NULL;
        g_clear_pointer(&line, g_free);
    }
    return n;
}

/* LeaveGroup has its own limit of 5 s, which would follow the time-out of 3 s.
 * The rest is for a build with a sanitizer on a busy machine. The function,
 * which is not asked to close, is not blamed.
 */
TEST(a_silent_broker_does_not_make_a_stop_exceed_its_time_out)
{
    KabMock *silent = kab_mock_new(1, NULL);
    kab_mock_create_topic(silent, "in", 1, NULL);
    kab_mock_create_topic(silent, "out", 1, NULL);
    g_autofree char *config =
        write_config_of(silent, "in", "shutdown.timeout = 3s\n");
    g_auto(Child) child = COMMAND("run", config);
    child_wait_for(&child, "starting -> running");
    rd_kafka_mock_broker_set_rtt(kab_mock_cluster(silent), 1, 60000);
    int64_t start_us = g_get_monotonic_time();
    child_signal(&child, SIGTERM);
    child_wait_for(&child, "LeaveGroup was not answered");
    assert_int_equal(count_to_the_end(&child, "did not return from close()"),
                     0);
    assert_in_range(g_get_monotonic_time() - start_us, 0, 7 * G_USEC_PER_SEC);
    g_unlink(config);
    kab_mock_free(silent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_uses_shutdown_timeout_only_once),
        cmocka_unit_test(a_second_stop_also_counts_records_the_drain_gave_up),
        cmocka_unit_test(
            a_second_stop_still_tells_of_a_binding_that_stopped_by_itself),
        cmocka_unit_test(a_stop_does_not_wait_for_committed_offsets),
        cmocka_unit_test(
            a_silent_broker_does_not_make_a_stop_exceed_its_time_out),
    };
    alarm(WATCHDOG_S);
    /* The children leak a thread on purpose: the function never returns. */
    const char *options = g_getenv("TSAN_OPTIONS");
    g_autofree char *more =
        g_strconcat(options ? options : "", " report_thread_leaks=0", NULL);
    g_setenv("TSAN_OPTIONS", more, TRUE);
    return cmocka_run_group_tests(tests, setup, teardown);
}
