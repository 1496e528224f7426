/* SPDX-License-Identifier: Apache-2.0 */
/* A static member whose session ends in an outage while the client holds a
 * commit: a process on the embedded broker. The client's own words, which it
 * is asked for, are the test's clock.
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

enum { BROKER = 1, TIMEOUT_MS = 20000, N_ERRORS = 1000, WATCHDOG_S = 120 };

typedef struct {
    KabMock *mock;
    rd_kafka_t *producer;
    char *config;
} Fixture;

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    if (!kab_mock_create_topic(fixture->mock, "in", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "out", 1, NULL))
        return -1;
    fixture->producer = mock_client_new_producer(fixture->mock);
    int fd = g_file_open_tmp("kabridge-test-XXXXXX", &fixture->config, NULL);
    close(fd);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n[log]\nlevel = debug\n"
        "[admin]\nlisten = 127.0.0.1:0\n"
        "[binding b]\ninput.topics = in\noutput.topic = out\n"
        "function = identity\nconsumer.debug = cgrp\n"
        "consumer.group.instance.id = one\n"
        "consumer.session.timeout.ms = 5000\n"
        "consumer.heartbeat.interval.ms = 500\n",
        kab_mock_bootstrap(fixture->mock));
    return g_file_set_contents(fixture->config, text, -1, NULL) ? 0 : -1;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    rd_kafka_destroy(fixture->producer);
    kab_mock_free(fixture->mock);
    g_unlink(fixture->config);
    g_free(fixture->config);
    g_free(fixture);
    return 0;
}

static void
produce(const Fixture *fixture, const char *value)
{
    mock_client_produce(fixture->producer, "in", value);
    assert_int_equal(rd_kafka_flush(fixture->producer, TIMEOUT_MS), 0);
}

static void
refuse_requests(const Fixture *fixture, int16_t key, rd_kafka_resp_err_t error)
{
    rd_kafka_resp_err_t errors[N_ERRORS];
    for (size_t i = 0; i < N_ERRORS; i++)
        errors[i] = error;
    rd_kafka_mock_push_request_errors_array(kab_mock_cluster(fixture->mock),
                                            key, N_ERRORS, errors);
}

/* The session is counted from before the commit, so it ends before the client
 * gives up the commit, which it keeps as long as a session. */
static void
end_session(const Fixture *fixture, Child *child)
{
    rd_kafka_mock_cluster_t *cluster = kab_mock_cluster(fixture->mock);
    refuse_requests(fixture, KAB_API_HEARTBEAT,
                    RD_KAFKA_RESP_ERR_INVALID_REQUEST);
    child_wait_for(child, "heartbeat error response");
    refuse_requests(fixture, KAB_API_OFFSET_COMMIT,
                    RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    produce(fixture, "first");
    child_wait_for(child, "Not coordinator");
    rd_kafka_mock_broker_set_down(cluster, BROKER);
    child_wait_for(child, "lost: 1 partitions");
    rd_kafka_mock_clear_request_errors(cluster, KAB_API_HEARTBEAT);
    rd_kafka_mock_clear_request_errors(cluster, KAB_API_OFFSET_COMMIT);
}

/* Returns a new string. */
static char *
read_value(rd_kafka_t *reader)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, TIMEOUT_MS);
    assert_non_null(message);
    assert_int_equal(message->err, RD_KAFKA_RESP_ERR_NO_ERROR);
    char *value = g_strndup(message->payload, message->len);
    rd_kafka_message_destroy(message);
    return value;
}

/* The first was not committed: it may have been written before the outage,
 * too. */
static void
assert_both_arrive(const Fixture *fixture)
{
    rd_kafka_t *reader = mock_client_new_reader(fixture->mock, "out");
    g_autofree char *value = read_value(reader);
    assert_string_equal(value, "first");
    g_autofree char *next = read_value(reader);
    if (g_str_equal(next, "first")) {
        g_free(next);
        next = read_value(reader);
    }
    assert_string_equal(next, "second");
    rd_kafka_destroy(reader);
}

/* Until the member has been fenced by its own commit. */
static void
fence(const Fixture *fixture, Child *child)
{
    rd_kafka_mock_cluster_t *cluster = kab_mock_cluster(fixture->mock);
    child_wait_for(child, "starting -> running");
    end_session(fixture, child);
    rd_kafka_mock_push_request_errors(cluster, KAB_API_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    rd_kafka_mock_broker_set_up(cluster, BROKER);
    child_wait_for(child, "[b] begins again with new clients: its session had "
                          "ended");
}

TEST(a_member_that_is_fenced_by_its_own_commit_begins_again)
{
    Fixture *fixture = *state;
    g_auto(Child) child = COMMAND("run", fixture->config);
    fence(fixture, &child);
    child_wait_for(&child, "[b] leaving -> starting");
    child_wait_for(&child, "[b] starting -> running");
    produce(fixture, "second");
    assert_both_arrive(fixture);
    child_signal(&child, SIGTERM);
    child_assert_exit(&child, EX_OK);
}

TEST(a_stop_of_a_fenced_member_is_no_fault)
{
    Fixture *fixture = *state;
    g_auto(Child) child = COMMAND("run", fixture->config);
    fence(fixture, &child);
    child_signal(&child, SIGTERM);
    child_assert_exit(&child, EX_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_member_that_is_fenced_by_its_own_commit_begins_again, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_stop_of_a_fenced_member_is_no_fault,
                                        setup, teardown),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
