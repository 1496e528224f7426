/* SPDX-License-Identifier: Apache-2.0 */
/* Spans posted to a small collector that answers as the test tells it. */
#include "kab-test.h"

#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <jansson.h>
#include <microhttpd.h>

#include "collector.h"
#include "trace-span.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
enum { N = 3, WATCHDOG_S = 60, TOO_MANY = 3000, QUEUED = 600 };

typedef struct {
    Collector collector;
    KabTraceSetup setup;
    KabRecord records[N];
    KabResult results[N];
    void *messages[N];
    KabAttempt attempt;
    KabAnswer answer;
} Fixture;

/* --- Fixture ----------------------------------------------------------- */

/* In these tests a message is just its traceparent. */
static size_t
get_headers(void *message, KabHeader *ret, size_t capacity)
{
    if (!message)
        return 0;
    ret[0] = (KabHeader){"other", {"x", 1}};
    ret[1] = (KabHeader){"traceparent", {message, strlen(message)}};
    return 2;
}

static int
set_up(void **state)
{
    static char parent[] = PARENT;
    Fixture *fixture = g_new0(Fixture, 1);
    collector_start(&fixture->collector);
    fixture->setup = (KabTraceSetup){.endpoint = fixture->collector.url,
                                     .binding = "scoring",
                                     .group = "kabridge-scoring",
                                     .function = "http",
                                     .instance = "host-1",
                                     .get_headers = get_headers};
    for (size_t i = 0; i < N; i++)
        fixture->records[i] =
            (KabRecord){.topic = "payments", .partition = 3, .value = {"x", 1}};
    fixture->messages[0] = fixture->messages[2] = parent;
    fixture->attempt = (KabAttempt){.n = N,
                                    .records = fixture->records,
                                    .results = fixture->results,
                                    .messages = fixture->messages,
                                    .number = 1};
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    collector_stop(&fixture->collector);
    g_free(fixture);
    return 0;
}

static void
note(KabTrace *trace, const Fixture *fixture)
{
    kab_trace_note(trace, &fixture->attempt, &fixture->answer, 1000, 3500);
}

static const char *
attribute(const json_t *span, const char *key, const char *type)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(span, "attributes"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "key")), key) == 0)
            return json_string_value(
                json_object_get(json_object_get(one, "value"), type));
    }
    return NULL;
}

/* --- Tests ------------------------------------------------------------- */

TEST(a_batch_is_one_span_with_a_link_to_each_of_its_records_traces)
{
    Fixture *fixture = *state;
    KabTrace *trace = kab_trace_new(&fixture->setup);
    note(trace, fixture);
    kab_trace_free(trace);
    json_t *spans = collector_dup_spans(&fixture->collector);
    assert_int_equal(json_array_size(spans), 1);
    const json_t *span = json_array_get(spans, 0);
    const json_t *links = json_object_get(span, "links");
    assert_int_equal(json_array_size(links), 2);
    const json_t *link = json_array_get(links, 1);
    assert_string_equal(json_string_value(json_object_get(link, "traceId")),
                        "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(json_string_value(json_object_get(link, "spanId")),
                        "b7ad6b7169203331");
    assert_int_equal(
        strlen(json_string_value(json_object_get(span, "traceId"))), 32);
    json_decref(spans);
}

TEST(a_span_has_the_attributes_of_messaging)
{
    Fixture *fixture = *state;
    KabTrace *trace = kab_trace_new(&fixture->setup);
    note(trace, fixture);
    kab_trace_free(trace);
    json_t *spans = collector_dup_spans(&fixture->collector);
    const json_t *span = json_array_get(spans, 0);
    assert_string_equal(json_string_value(json_object_get(span, "name")),
                        "process payments");
    assert_string_equal(attribute(span, "messaging.system", "stringValue"),
                        "kafka");
    assert_string_equal(
        attribute(span, "messaging.operation.type", "stringValue"), "process");
    assert_string_equal(
        attribute(span, "messaging.destination.name", "stringValue"),
        "payments");
    assert_string_equal(
        attribute(span, "messaging.batch.message_count", "intValue"), "3");
    assert_null(attribute(span, "error.type", "stringValue"));
    json_decref(spans);
}

TEST(a_failed_call_is_an_error_with_its_class)
{
    Fixture *fixture = *state;
    fixture->answer = (KabAnswer){
        .failed = true, .failure = KAB_FAIL_OVERLOAD, .reason = "busy"};
    KabTrace *trace = kab_trace_new(&fixture->setup);
    note(trace, fixture);
    kab_trace_free(trace);
    json_t *spans = collector_dup_spans(&fixture->collector);
    const json_t *span = json_array_get(spans, 0);
    assert_string_equal(attribute(span, "error.type", "stringValue"),
                        "overload");
    int code;
    const char *message;
    assert_int_equal(json_unpack(json_array_get(spans, 0), "{s:{s:i, s:s}}",
                                 "status", "code", &code, "message", &message),
                     0);
    assert_int_equal(code, 2);
    assert_string_equal(message, "busy");
    json_decref(spans);
}

TEST(a_collector_that_asks_for_patience_gets_the_spans_later)
{
    Fixture *fixture = *state;
    fixture->collector.n_refusals = 1;
    fixture->collector.refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
    KabTrace *trace = kab_trace_new(&fixture->setup);
    note(trace, fixture);
    collector_wait_for_requests(&fixture->collector, 2);
    kab_trace_free(trace);
    assert_int_equal(fixture->collector.bodies->len, 1);
}

TEST(what_the_collector_refuses_is_lost_and_counted)
{
    Fixture *fixture = *state;
    fixture->collector.n_refusals = 1;
    fixture->collector.refusal = MHD_HTTP_BAD_REQUEST;
    KabTrace *trace = kab_trace_new(&fixture->setup);
    note(trace, fixture);
    collector_wait_for_requests(&fixture->collector, 1);
    /* One thread posts: what came of the first request is counted before the
     * second is sent. */
    note(trace, fixture);
    collector_wait_for_requests(&fixture->collector, 2);
    assert_int_equal(kab_trace_n_lost(trace), 1);
    kab_trace_free(trace);
    json_t *spans = collector_dup_spans(&fixture->collector);
    assert_int_equal(json_array_size(spans), 1);
    json_decref(spans);
}

TEST(a_dead_collector_costs_spans_and_holds_nobody_up)
{
    Fixture *fixture = *state;
    fixture->setup.endpoint = "http://127.0.0.1:9/v1/traces";
    KabTrace *trace = kab_trace_new(&fixture->setup);
    for (int i = 0; i < TOO_MANY; i++)
        note(trace, fixture);
    /* What is queued or being posted is not lost yet. */
    assert_true(kab_trace_n_lost(trace) >= TOO_MANY - 2048 - 512);
    int64_t began_us = g_get_monotonic_time();
    kab_trace_free(trace);
    assert_true(g_get_monotonic_time() - began_us < 5 * G_USEC_PER_SEC);
}

TEST(many_spans_are_sent_in_few_requests)
{
    Fixture *fixture = *state;
    KabTrace *trace = kab_trace_new(&fixture->setup);
    for (int i = 0; i < 300; i++)
        note(trace, fixture);
    kab_trace_free(trace); /* sends what is queued */
    json_t *spans = collector_dup_spans(&fixture->collector);
    assert_int_equal(json_array_size(spans), 300);
    assert_true(fixture->collector.n_requests <= 2);
    json_decref(spans);
}

TEST(every_queued_span_is_sent_at_the_end)
{
    Fixture *fixture = *state;
    KabTrace *trace = kab_trace_new(&fixture->setup);
    for (int i = 0; i < QUEUED; i++)
        note(trace, fixture);
    kab_trace_free(trace);
    json_t *spans = collector_dup_spans(&fixture->collector);
    assert_int_equal(json_array_size(spans), QUEUED);
    json_decref(spans);
}

TEST(only_a_valid_traceparent_is_accepted)
{
    static const char *const wrong[] = {
        "",
        "00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
    };
    KabSpanContext context;
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        assert_false(kab_span_parse_parent(
            (KabBytes){wrong[i], strlen(wrong[i])}, &context));
    assert_true(
        kab_span_parse_parent((KabBytes){PARENT, strlen(PARENT)}, &context));
    static const char later[] =
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
    assert_true(
        kab_span_parse_parent((KabBytes){later, strlen(later)}, &context));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_batch_is_one_span_with_a_link_to_each_of_its_records_traces),
        T(a_span_has_the_attributes_of_messaging),
        T(a_failed_call_is_an_error_with_its_class),
        T(a_collector_that_asks_for_patience_gets_the_spans_later),
        T(what_the_collector_refuses_is_lost_and_counted),
        T(a_dead_collector_costs_spans_and_holds_nobody_up),
        T(many_spans_are_sent_in_few_requests),
        T(every_queued_span_is_sent_at_the_end),
        T(only_a_valid_traceparent_is_accepted),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
