/* SPDX-License-Identifier: Apache-2.0 */
/* What `check --connect` finds in a mock cluster.
 */
#include "kab-test.h"

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

/* Every finding, a line each, "ok " or "no " in front. */
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

TEST(it_finds_what_is_there)
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

TEST(it_names_a_missing_topic_and_the_command_that_creates_it)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs, .dead_letter_topic = "dead"};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "no dead-letter topic dead does not exist");
    assert_has(text, "--create --topic dead");
}

TEST(it_compares_partitions_that_must_be_the_same)
{
    const char *inputs[] = {"in", NULL};
    KabProbeSetup setup = {.input_topics = inputs,
                           .output_topic = "out",
                           .partition_is_same = true};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "no output.partition = same");
    assert_has(text, "--alter --topic out --partitions 4");
}

TEST(it_counts_what_a_pattern_matches)
{
    const char *inputs[] = {"^i.", NULL};
    KabProbeSetup setup = {.input_topics = inputs};
    g_autofree char *text = look(setup, kab_mock_bootstrap(*state));
    assert_has(text, "ok input pattern ^i.: 1 topics match now");
}

TEST(it_ends_when_no_broker_answers)
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
        cmocka_unit_test(it_finds_what_is_there),
        cmocka_unit_test(
            it_names_a_missing_topic_and_the_command_that_creates_it),
        cmocka_unit_test(it_compares_partitions_that_must_be_the_same),
        cmocka_unit_test(it_counts_what_a_pattern_matches),
        cmocka_unit_test(it_ends_when_no_broker_answers),
    };
    return cmocka_run_group_tests(tests, make_cluster, drop_cluster);
}
