/* SPDX-License-Identifier: Apache-2.0 */
/* What `check --connect` finds in a mock cluster.
 */
#include "kab-test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "api-keys.h"
#include "mock.h"
#include "probe.h"

static int
make_cluster(void **state)
{
    g_autoptr(GError) error = NULL;
    KabMock *mock = kab_mock_new(1, &error);
    assert_non_null(mock);
    assert_true(kab_mock_create_topic(mock, "in", 4, &error));
    assert_true(kab_mock_create_topic(mock, "out", 2, &error));
    *state = mock;
    return 0;
}

static int
drop_cluster(void **state)
{
    kab_mock_free(*state);
    return 0;
}

/* Returns all findings, one per line, prefixed with "ok " or "no ". */
static char *
look(KabProbeSetup setup, const char *servers)
{
    const KabProperty properties[] = {{"bootstrap.servers", servers}};
    GString *text = g_string_new(NULL);
    setup.consumer = setup.producer = properties;
    setup.n_consumer = setup.n_producer = 1;
    setup.group = "g";
    setup.timeout_ms = 2000;
    GArray *findings = kab_probe(&setup);
    for (guint i = 0; i < findings->len; i++) {
        KabProbeFinding *found = &g_array_index(findings, KabProbeFinding, i);
        g_string_append_printf(text, "%s %s\n", found->is_ok ? "ok" : "no",
                               found->sentence);
    }
    g_array_unref(findings);
    return g_string_free(text, FALSE);
}

static void
assert_has(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
}

TEST(a_check_finds_brokers_topics_and_partitions)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs, .output_topic = "out"};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "ok brokers: 1 answer");
    assert_has(text, "ok input topic in: 4 partitions, and may be read");
    assert_has(text, "ok consumer group g: its coordinator answers");
    assert_has(text, "ok output topic out: 2 partitions");
    assert_null(strstr(text, "\nno "));
}

/* As a cluster answers that has never had a group. */
TEST(a_check_waits_for_a_coordinator_that_is_not_there_yet)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs};
    rd_kafka_resp_err_t errors[4];
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
        errors[i] = RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    rd_kafka_mock_push_request_errors_array(kab_mock_cluster(*state),
                                            KAB_API_OFFSET_FETCH,
                                            G_N_ELEMENTS(errors), errors);
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "ok consumer group g: its coordinator answers");
    rd_kafka_mock_clear_request_errors(kab_mock_cluster(*state),
                                       KAB_API_OFFSET_FETCH);
}

TEST(a_check_names_a_missing_topic_and_the_command_that_creates_it)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs, .dead_letter_topic = "dead"};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "no dead-letter topic dead does not exist");
    assert_has(text, "--create --topic dead");
}

TEST(a_check_compares_partition_counts_that_must_be_equal)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs,
                           .output_topic = "out",
                           .partition_is_same = true};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "no output.partition = same");
    assert_has(text, "--alter --topic out --partitions 4");
}

TEST(a_check_counts_the_topics_that_a_pattern_matches)
{
    const char *inputs[] = {"^i.", NULL};
    KabProbeSetup setup = {.input_topics = inputs};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "ok input pattern ^i.: 1 topics match now");
}

TEST(a_check_ends_when_no_broker_answers)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs};
    g_autofree char *text = look(setup, "127.0.0.1:1");
    assert_has(text, "no no broker of 127.0.0.1:1 answers");
    assert_null(strstr(text, "input topic"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_finds_brokers_topics_and_partitions),
        cmocka_unit_test(a_check_waits_for_a_coordinator_that_is_not_there_yet),
        cmocka_unit_test(
            a_check_names_a_missing_topic_and_the_command_that_creates_it),
        cmocka_unit_test(a_check_compares_partition_counts_that_must_be_equal),
        cmocka_unit_test(a_check_counts_the_topics_that_a_pattern_matches),
        cmocka_unit_test(a_check_ends_when_no_broker_answers),
    };
    return cmocka_run_group_tests(tests, make_cluster, drop_cluster);
}
