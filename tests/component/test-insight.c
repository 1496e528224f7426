/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may look into, from the record to the reader: spans in a
 * collector, and records in `kabridge tap`; both are off by default.
 *
 * Both bridges join their groups at once, before the first test: one that
 * shows everything, and one that shows nothing and whose collector is dead.
 */
#include "kab-test.h"

#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>

#include "child.h"
#include "collector.h"
#include "fetch.h"
#include "mock-client.h"
#include "mock.h"

enum { N_RECORDS = 300, N_SHOWN = 5, TIMEOUT_MS = 20000, WATCHDOG_S = 120 };
#define PARENT "00-0af7651916cd43dd8448eb211c80319c-%016x-01"

typedef struct {
    KabMock *mock;
    rd_kafka_t *producer;
    Collector collector;
    char *directory, *open_config, *closed_config;
    char *open_url, *closed_url;
    Child open, closed;
} Fixture;

/* --- Fixture ----------------------------------------------------------- */

static char *
write_config(const Fixture *fixture,
             const char *name,
             const char *admin,
             const char *endpoint)
{
    char *path = g_build_filename(fixture->directory, name, NULL);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n\n"
        "[admin]\nlisten = 127.0.0.1:0\n%s\n"
        "[binding b]\ninput.topics = in-%s\noutput.topic = out-%s\n"
        "group = %s\nfunction = identity\n"
        "batch.count = 100\ntrace.endpoint = %s\n",
        kab_mock_bootstrap(fixture->mock), admin, name, name, name, endpoint);
    g_assert(g_file_set_contents(path, text, -1, NULL));
    return path;
}

/* Record i has the value "value-i" and a span of that number, from 1. */
static void
produce(const Fixture *fixture, const char *topic, int i)
{
    char key[] = "k";
    g_autofree char *value = g_strdup_printf("value-%d", i);
    g_autofree char *parent = g_strdup_printf(PARENT, (unsigned)i);
    rd_kafka_producev(fixture->producer, RD_KAFKA_V_TOPIC(topic),
                      RD_KAFKA_V_KEY(key, 1),
                      RD_KAFKA_V_VALUE(value, strlen(value)),
                      RD_KAFKA_V_HEADER("traceparent", parent, -1),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static void
produce_all(const Fixture *fixture, const char *topic)
{
    for (int i = 1; i <= N_RECORDS; i++)
        produce(fixture, topic, i);
    assert_int_equal(rd_kafka_flush(fixture->producer, TIMEOUT_MS), 0);
}

static int
setup(void **state)
{
    static const char *const topics[] = {"in-open", "out-open", "in-closed",
                                         "out-closed"};
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(topics); i++)
        if (!kab_mock_create_topic(fixture->mock, topics[i], 1, NULL))
            return -1;
    fixture->producer = mock_client_new_producer(fixture->mock);
    collector_start(&fixture->collector);
    fixture->directory = g_dir_make_tmp("kabridge-test-XXXXXX", NULL);
    fixture->open_config =
        write_config(fixture, "open", "tap = on\n", fixture->collector.url);
    fixture->closed_config =
        write_config(fixture, "closed", "", "http://127.0.0.1:9");
    fixture->open = COMMAND("run", fixture->open_config);
    fixture->closed = COMMAND("run", fixture->closed_config);
    fixture->open_url =
        child_dup_after(&fixture->open, "metrics, health and status at ");
    fixture->closed_url =
        child_dup_after(&fixture->closed, "metrics, health and status at ");
    produce_all(fixture, "in-open");
    produce_all(fixture, "in-closed");
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    child_clear(&fixture->open);
    child_clear(&fixture->closed);
    collector_stop(&fixture->collector);
    rd_kafka_destroy(fixture->producer);
    kab_mock_free(fixture->mock);
    g_unlink(fixture->open_config);
    g_unlink(fixture->closed_config);
    g_rmdir(fixture->directory);
    g_free(fixture->directory);
    g_free(fixture->open_config);
    g_free(fixture->closed_config);
    g_free(fixture->open_url);
    g_free(fixture->closed_url);
    g_free(fixture);
    return 0;
}

/* --- Spans ------------------------------------------------------------- */

/* Counts in n_links how often each record's span is linked; returns the sum of
 * the spans' records. */
static unsigned
count_links(Collector *collector, unsigned n_links[N_RECORDS + 1])
{
    json_t *spans = collector_dup_spans(collector), *span, *link, *attribute;
    size_t i, j;
    unsigned n_records = 0;
    json_array_foreach(spans, i, span)
    {
        json_array_foreach(json_object_get(span, "links"), j, link)
        {
            const char *id = json_string_value(json_object_get(link, "spanId"));
            guint64 number = g_ascii_strtoull(id, NULL, 16);
            assert_in_range(number, 1, N_RECORDS);
            n_links[number]++;
        }
        json_array_foreach(json_object_get(span, "attributes"), j, attribute)
        {
            const char *key, *value;
            if (!json_unpack(attribute, "{s:s, s:{s:s}}", "key", &key, "value",
                             "intValue", &value) &&
                strcmp(key, "messaging.batch.message_count") == 0)
                n_records += (unsigned)g_ascii_strtoull(value, NULL, 10);
        }
    }
    json_decref(spans);
    return n_records;
}

TEST(a_span_links_the_trace_of_each_record_once)
{
    Fixture *fixture = *state;
    unsigned n_links[N_RECORDS + 1], n_records = 0;
    for (unsigned n = 1; n_records < N_RECORDS; n++) {
        collector_wait_for_requests(&fixture->collector, n);
        memset(n_links, 0, sizeof n_links);
        n_records = count_links(&fixture->collector, n_links);
    }
    assert_int_equal(n_records, N_RECORDS);
    for (int i = 1; i <= N_RECORDS; i++)
        assert_int_equal(n_links[i], 1);
    child_await(fixture->open_url, "/metrics",
                "kabridge_trace_spans_lost_total{binding=\"b\"} 0");
}

TEST(a_dead_trace_collector_costs_no_record)
{
    Fixture *fixture = *state;
    child_await(fixture->closed_url, "/metrics",
                "kabridge_records_finished_total{binding=\"b\","
                "outcome=\"done\"} 300");
    child_wait_for(&fixture->closed, "trace.endpoint did not take ");
    g_autofree char *metrics = kab_fetch(fixture->closed_url, "/metrics", NULL);
    assert_null(
        strstr(metrics, "kabridge_trace_spans_lost_total{binding=\"b\"} 0"));
    assert_non_null(
        strstr(metrics, "kabridge_trace_spans_sent_total{binding=\"b\"} 0"));
}

/* --- Tap --------------------------------------------------------------- */

TEST(a_tap_shows_input_outcome_outputs_and_time)
{
    Fixture *fixture = *state;
    /* Records are kept from the first look on. */
    child_await(fixture->open_url, "/tap?binding=b", "\"records\":[]");
    produce_all(fixture, "in-open");
    g_auto(Child) child = COMMAND("tap", fixture->open_url, "--binding=b",
                                  "--format=json", "--limit=5");
    child_assert_exit(&child, EX_OK);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(child.output), "\n", -1);
    assert_int_equal(g_strv_length(lines), N_SHOWN);
    for (size_t i = 0; i < N_SHOWN; i++) {
        json_t *record = json_loads(lines[i], 0, NULL);
        const char *topic, *key, *value, *outcome, *output, *time;
        double call_ms;
        assert_int_equal(
            json_unpack(record, "{s:s, s:s, s:s, s:s, s:s, s:F, s:[{s:s}]}",
                        "topic", &topic, "key", &key, "value", &value,
                        "outcome", &outcome, "time", &time, "call_ms", &call_ms,
                        "outputs", "value", &output),
            0);
        assert_string_equal(topic, "in-open");
        assert_string_equal(key, "k");
        assert_string_equal(outcome, "done");
        assert_string_equal(output, value);
        assert_true(g_str_has_prefix(value, "value-"));
        assert_true(call_ms >= 0);
        json_decref(record);
    }
}

TEST(a_tap_is_off_by_default)
{
    Fixture *fixture = *state;
    g_auto(Child) child =
        COMMAND("tap", fixture->closed_url, "--binding=b", "--limit=1");
    child_assert_exit(&child, EX_UNAVAILABLE);
    child_assert_said(&child, "records are not shown: set [admin] tap = on");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_links_the_trace_of_each_record_once),
        cmocka_unit_test(a_tap_shows_input_outcome_outputs_and_time),
        cmocka_unit_test(a_tap_is_off_by_default),
        cmocka_unit_test(a_dead_trace_collector_costs_no_record),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
