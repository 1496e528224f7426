/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator is told when a binding cannot proceed: one log line within
 * ten seconds, and the same on /status.
 *
 * All bridges join at once, before the first test; each test waits for its own
 * line.
 */
#include "kab-test.h"

#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "child.h"
#include "mock-client.h"
#include "mock.h"

enum { WATCHDOG_S = 120, BROKER = 1 };
/* The limit that users are promised; a loaded machine gets more. */
#define TOLD_US (10 * G_USEC_PER_SEC)

typedef struct {
    KabMock *mock;
    char *directory;
    GPtrArray *paths;
    Child outage, hang, late, unknown;
    char *outage_url, *hang_url, *late_url, *unknown_url;
} Fixture;

static Child
run_binding(Fixture *fixture, const char *name, const char *more)
{
    g_autofree char *file = g_strconcat(name, ".conf", NULL);
    char *path = g_build_filename(fixture->directory, file, NULL);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n\n[admin]\nlisten = 127.0.0.1:0\n\n"
        "[binding %s]\n%s",
        kab_mock_bootstrap(fixture->mock), name, more);
    g_assert(g_file_set_contents(path, text, -1, NULL));
    g_ptr_array_add(fixture->paths, path);
    return COMMAND("run", path);
}

static void
produce(Fixture *fixture, const char *topic)
{
    rd_kafka_t *producer = mock_client_new_producer(fixture->mock);
    for (int i = 0; i < 10; i++)
        mock_client_produce(producer, topic, "x");
    g_assert(!rd_kafka_flush(producer, 20000));
    rd_kafka_destroy(producer);
}

static int
setup(void **state)
{
    static const char *const topics[] = {"in", "out", "stones"};
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    fixture->paths = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(topics); i++)
        if (!kab_mock_create_topic(fixture->mock, topics[i], 1, NULL))
            return -1;
    rd_kafka_mock_topic_set_error(kab_mock_cluster(fixture->mock), "nowhere",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    fixture->directory = g_dir_make_tmp("kabridge-test-XXXXXX", NULL);
    fixture->outage = run_binding(fixture, "outage",
                                  "input.topics = in\noutput.topic = out\n"
                                  "function = identity\n");
    fixture->hang = run_binding(fixture, "hang",
                                "input.topics = stones\noutput.topic = out\n"
                                "function = delay\nfunction.base = 1h\n"
                                "call.timeout = 0\nstall.timeout = 9s\n"
                                "shutdown.timeout = 0\n");
    fixture->late = run_binding(fixture, "late",
                                "input.topics = stones\noutput.topic = out\n"
                                "function = delay\nfunction.base = 1h\n"
                                "batch.count = 5\ncall.timeout = 1s\n"
                                "shutdown.timeout = 0\n");
    fixture->unknown =
        run_binding(fixture, "unknown",
                    "input.topics = nowhere\noutput.topic = out\n"
                    "function = identity\n");
    produce(fixture, "stones");
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    child_clear(&fixture->outage);
    child_clear(&fixture->hang);
    child_clear(&fixture->late);
    child_clear(&fixture->unknown);
    kab_mock_free(fixture->mock);
    for (guint i = 0; i < fixture->paths->len; i++)
        g_unlink(fixture->paths->pdata[i]);
    g_rmdir(fixture->directory);
    g_ptr_array_unref(fixture->paths);
    g_free(fixture->directory);
    g_free(fixture->outage_url);
    g_free(fixture->hang_url);
    g_free(fixture->late_url);
    g_free(fixture->unknown_url);
    g_free(fixture);
    return 0;
}

static unsigned
count_lines(const Child *child, const char *text)
{
    unsigned n = 0;
    for (const char *at = child->log->str; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* --- Tests ------------------------------------------------------------- */

TEST(an_unknown_topic_is_named)
{
    Fixture *fixture = *state;
    fixture->unknown_url =
        child_dup_after(&fixture->unknown, "metrics, health and status at ");
    child_wait_for(&fixture->unknown, "after its start: input topic nowhere "
                                      "does not exist");
    child_await(fixture->unknown_url, "/status", "\"obstacle\":\"topic\"");
}

TEST(a_function_that_does_not_answer_is_named)
{
    Fixture *fixture = *state;
    fixture->hang_url =
        child_dup_after(&fixture->hang, "metrics, health and status at ");
    child_wait_for(&fixture->hang, "ready: the start took");
    child_wait_for(&fixture->hang,
                   "the function has given no answer for 8 s (calls in "
                   "flight: 1)");
    child_await(fixture->hang_url, "/status",
                "\"waits_for\":\"the function's answer\"");
}

TEST(a_call_that_is_out_of_time_names_its_records)
{
    Fixture *fixture = *state;
    fixture->late_url =
        child_dup_after(&fixture->late, "metrics, health and status at ");
    child_wait_for(&fixture->late,
                   "a call with 5 records from stones [0] offset 0 gave no "
                   "answer within call.timeout (1.0 s)");
    child_wait_for(&fixture->late, "no call succeeds, and one at a time is "
                                   "tried: a call with 5 records from stones");
    child_await(fixture->late_url, "/status", "\"obstacle\":\"overload\"");
    assert_int_equal(count_lines(&fixture->late, "cancelled"), 0);
}

TEST(a_stall_names_its_record_and_its_cause)
{
    Fixture *fixture = *state;
    child_wait_for(&fixture->hang, "not ready: stones [0] has not moved for 9 "
                                   "s: offset 0 is called and waits for the "
                                   "function's answer (cause: call)");
    child_await(fixture->hang_url, "/status",
                "\"stall\":{\"topic\":\"stones\",\"partition\":0,\"offset\":0,"
                "\"cause\":\"call\",");
    child_await(fixture->hang_url, "/status", "\"obstacle\":\"stall\"");
}

TEST(an_outage_is_told_when_it_begins_and_when_it_ends)
{
    Fixture *fixture = *state;
    fixture->outage_url =
        child_dup_after(&fixture->outage, "metrics, health and status at ");
    child_wait_for(&fixture->outage, "ready: the start took");
    int64_t began_us = g_get_monotonic_time();
    rd_kafka_mock_broker_set_down(kab_mock_cluster(fixture->mock), BROKER);
    child_wait_for(&fixture->outage, "[outage] not ready");
    assert_true(g_get_monotonic_time() - began_us < TOLD_US);
    child_await(fixture->outage_url, "/status", "\"obstacle\":\"broker\"");
    rd_kafka_mock_broker_set_up(kab_mock_cluster(fixture->mock), BROKER);
    child_wait_for(&fixture->outage, "ready again: it was not ready for ");
    assert_int_equal(count_lines(&fixture->outage, "ready again"), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_topic_is_named),
        cmocka_unit_test(a_function_that_does_not_answer_is_named),
        cmocka_unit_test(a_call_that_is_out_of_time_names_its_records),
        cmocka_unit_test(a_stall_names_its_record_and_its_cause),
        cmocka_unit_test(an_outage_is_told_when_it_begins_and_when_it_ends),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
