/* SPDX-License-Identifier: Apache-2.0 */
/* The producer against a mock cluster, at least once: every output is reported
 * exactly once, whatever the broker answers.
 */
#include "kab-test.h"

#include "api-keys.h"
#include "producer-internal.h"
#include "producer-rig.h"

static char *
range(int from, int to)
{
    GString *line = g_string_new(NULL);
    for (int i = from; i < to; i++)
        g_string_append_printf(line, i == from ? "%d" : ",%d", i);
    return g_string_free(line, FALSE);
}

TEST(outputs_arrive_in_order_and_are_acknowledged)
{
    Rig *rig = rig_new(state);
    rig_open(rig);
    rig_take_range(rig, 0, 1000);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 1000);
    assert_int_equal(rig_counters(rig)->records_produced, 1000);
    g_autofree char *got = rig_read(rig, rig->out, 4, 1000);
    g_autofree char *wanted = range(0, 1000);
    assert_string_equal(got, wanted);
    rig_free(rig);
}

TEST(key_value_timestamp_and_headers_are_kept)
{
    Rig *rig = rig_new(state);
    rig_open(rig);
    RigMessage *message = rig_message("k", "v");
    message->headers[message->n_headers++] = (KabHeader){"a", {"1", 1}};
    message->headers[message->n_headers++] = (KabHeader){"b", {NULL, 0}};
    rig_take(rig, message);
    rig_finish(rig);
    RigRecord *record = rig_read_one(rig, rig->out, 4);
    assert_string_equal(record->key, "k");
    assert_string_equal(record->value, "v");
    assert_string_equal(record->headers, "a=1;b=;");
    assert_int_equal(record->timestamp_ms, 1234567890123);
    rig_record_free(record);
    rig_free(rig);
}

static void
name_partition_9(Rig *rig, const KabRecord *record, KabResult *result)
{
    rig_output(rig, record, result)->partition = 9;
}

TEST(an_output_to_a_missing_partition_fails_its_record)
{
    Rig *rig = rig_new(state);
    rig->answer = name_partition_9;
    rig_open(rig);
    RigMessage *message = rig_message("k", "v");
    message->headers[message->n_headers++] = (KabHeader){"a", {"1", 1}};
    rig_take(rig, message);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 1);
    RigRecord *record = rig_read_one(rig, rig->dead, 4);
    assert_non_null(strstr(record->headers, "names partition 9"));
    rig_record_free(record);
    rig_free(rig);
}

static void
make_large(Rig *rig, const KabRecord *record, KabResult *result)
{
    KabOutput *output = rig_output(rig, record, result);
    if (record->offset == 1) {
        output->value.len = 2 << 20;
        output->value.data = g_malloc0(output->value.len);
        g_ptr_array_add(rig->arenas, (void *)(uintptr_t)output->value.data);
    }
}

TEST(an_output_too_large_is_measured_before_it_is_sent)
{
    Rig *rig = rig_new(state);
    rig->answer = make_large;
    rig_open(rig);
    rig_take_range(rig, 0, 3);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 1);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 2);
    rig_free(rig);
}

static bool
is_stopped(Rig *rig)
{
    return rig->is_stopped;
}

TEST(a_missing_topic_stops_with_the_command_that_creates_it)
{
    Rig *rig = rig_new(state);
    rd_kafka_mock_topic_set_error(rig->mock, "nowhere",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rig->setup.output_topic = "nowhere";
    rig->setup.missing_topic_us = G_USEC_PER_SEC / 10;
    rig_start(rig);
    rig_until(rig, is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_SINK);
    assert_non_null(strstr(rig->stop_message, "--create --topic nowhere"));
    rig_free(rig);
}

static bool
is_all_out(Rig *rig)
{
    KabEngineState state;
    kab_engine_get_state(rig->engine, g_get_monotonic_time(), &state);
    return state.emitted == 100;
}

TEST(unacknowledged_outputs_are_reported_when_the_producer_closes)
{
    Rig *rig = rig_new(state);
    rig_open(rig);
    rd_kafka_mock_broker_set_rtt(rig->mock, 1, 3000);
    rig_take_range(rig, 0, 100);
    rig_until(rig, is_all_out);
    rd_kafka_mock_broker_set_rtt(rig->mock, 1, 0);
    rig_free(rig);
}

TEST(a_client_that_reports_nothing_while_brokers_answer_is_replaced)
{
    Rig *rig = rig_new(state);
    rig->setup.report_us = 200 * 1000;
    rig_open(rig);
    rd_kafka_mock_broker_push_request_error_rtts(
        rig->mock, 1, KAB_API_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 5000);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_WATCHDOG], 1);
    assert_int_equal(rig->n_called, 10);
    rig_free(rig);
}

static bool
no_broker_answers(void *rig)
{
    return false;
}

TEST(a_client_that_reports_nothing_during_an_outage_is_kept)
{
    Rig *rig = rig_new(state);
    rig->setup.report_us = 50 * 1000;
    rig->setup.brokers_answer = no_broker_answers;
    rig_open(rig);
    rd_kafka_mock_broker_push_request_error_rtts(
        rig->mock, 1, KAB_API_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 1000);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_WATCHDOG], 0);
    rig_free(rig);
}

TEST(contradicting_producer_properties_are_refused_at_start)
{
    Rig *rig = rig_new(state);
    g_autoptr(GError) error = NULL;
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rig_set(rig, "socket.timeout.ms", "60000");
    assert_null(kab_producer_new(&rig->setup, &error));
    assert_non_null(strstr(error->message, "socket.timeout.ms"));
    rig->setup.n_properties--;
    rig_open(rig);
    rig_free(rig);
}

TEST(a_fatal_producer_is_replaced)
{
    Rig *rig = rig_new(state);
    rig_open(rig);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    rd_kafka_test_fatal_error(rig->producer->client->handle,
                              RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                              "by the test");
    rig_take_range(rig, 10, 20);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 20);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_FATAL], 1);
    assert_int_equal(rig->n_called, 20);
    rig_free(rig);
}

TEST(a_full_queue_is_waited_for)
{
    Rig *rig = rig_new(state);
    rig_set(rig, "queue.buffering.max.messages", "10");
    rig_open(rig);
    rig_take_range(rig, 0, 500);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 500);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    rig_free(rig);
}

static void
spread(Rig *rig, const KabRecord *record, KabResult *result)
{
    rig_output(rig, record, result);
    KabOutput *second = rig_output(rig, record, result);
    second->topic = rig->setup.output_topics[0];
    second->key = (KabBytes){"", 0};
    second->value = (KabBytes){NULL, 0};
    second->partition = 3;
    second->timestamp_ms = 42;
}

TEST(outputs_go_to_the_topic_and_partition_they_name)
{
    Rig *rig = rig_new(state);
    g_autofree char *second = g_strconcat(rig->out, "-second", NULL);
    const char *more[] = {second, NULL};
    rig_create_topic(rig, second, 4, NULL, NULL);
    rig->setup.output_topics = more;
    rig->answer = spread;
    rig_open(rig);
    rig_take_range(rig, 0, 100);
    rig_finish(rig);
    assert_int_equal(rig_counters(rig)->records_produced, 200);
    RigRecord *record = rig_read_one(rig, second, 4);
    assert_string_equal(record->key, "");
    assert_null(record->value);
    assert_int_equal(record->partition, 3);
    assert_int_equal(record->timestamp_ms, 42);
    rig_record_free(record);
    rig_free(rig);
}

TEST(headers_are_dropped_and_the_time_is_now_if_wanted)
{
    Rig *rig = rig_new(state);
    rig->setup.passes_headers = false;
    rig->setup.timestamp_is_now = true;
    rig_open(rig);
    RigMessage *message = rig_message("k", "v");
    message->headers[message->n_headers++] = (KabHeader){"a", {"1", 1}};
    rig_take(rig, message);
    rig_finish(rig);
    RigRecord *record = rig_read_one(rig, rig->out, 4);
    assert_string_equal(record->headers, "");
    int64_t age_ms = g_get_real_time() / 1000 - record->timestamp_ms;
    assert_in_range(age_ms, 0, 60000);
    rig_record_free(record);
    rig_free(rig);
}

static bool
has_lost(Rig *rig)
{
    return rig_counters(rig)->sinks_lost > 0;
}

static bool
has_finished_ten(Rig *rig)
{
    return rig_count_ended(rig, KAB_END_DONE) == 10;
}

static bool
has_ten_out(Rig *rig)
{
    return rig->producer->client->n_unreported == 10;
}

/* Produces ten outputs that linger for longer than a test waits. */
static Rig *
open_with_ten_that_linger(void **state)
{
    Rig *rig = rig_new(state);
    rig_set(rig, "linger.ms", "20000");
    rig->patience_us = 7 * G_USEC_PER_SEC;
    rig_open(rig);
    rig_take_range(rig, 0, 10);
    rig_until(rig, has_ten_out);
    return rig;
}

TEST(what_lingers_is_sent_when_the_binding_drains)
{
    Rig *rig = open_with_ten_that_linger(state);
    kab_engine_drain(rig->engine, g_get_monotonic_time());
    rig_until(rig, has_finished_ten);
    rig_free(rig);
}

TEST(what_lingers_is_sent_when_its_partition_is_revoked)
{
    Rig *rig = open_with_ten_that_linger(state);
    kab_engine_revoking(rig->engine, rig->partition, g_get_monotonic_time());
    rig_until(rig, has_finished_ten);
    rig_free(rig);
}

/* Outside a transaction librdkafka reports the messages it drops. */
TEST(a_topic_that_is_deleted_costs_no_record)
{
    Rig *rig = rig_new(state);
    rig_open(rig);
    rig_take_range(rig, 0, 1);
    rig_until(rig, rig_has_acknowledged);
    rig_delete_output(rig, 1);
    rig_until(rig, has_lost);
    rig_restore_output(rig);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 2);
    assert_int_equal(rig->n_called, 2);
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_arrive_in_order_and_are_acknowledged),
        cmocka_unit_test(key_value_timestamp_and_headers_are_kept),
        cmocka_unit_test(an_output_to_a_missing_partition_fails_its_record),
        cmocka_unit_test(an_output_too_large_is_measured_before_it_is_sent),
        cmocka_unit_test(
            a_missing_topic_stops_with_the_command_that_creates_it),
        cmocka_unit_test(
            unacknowledged_outputs_are_reported_when_the_producer_closes),
        cmocka_unit_test(
            a_client_that_reports_nothing_while_brokers_answer_is_replaced),
        cmocka_unit_test(
            a_client_that_reports_nothing_during_an_outage_is_kept),
        cmocka_unit_test(
            contradicting_producer_properties_are_refused_at_start),
        cmocka_unit_test(a_fatal_producer_is_replaced),
        cmocka_unit_test(a_full_queue_is_waited_for),
        cmocka_unit_test(outputs_go_to_the_topic_and_partition_they_name),
        cmocka_unit_test(headers_are_dropped_and_the_time_is_now_if_wanted),
        cmocka_unit_test(what_lingers_is_sent_when_the_binding_drains),
        cmocka_unit_test(what_lingers_is_sent_when_its_partition_is_revoked),
        cmocka_unit_test(a_topic_that_is_deleted_costs_no_record),
    };
    cmocka_set_test_filter(g_getenv("KAB_TEST"));
    return cmocka_run_group_tests(tests, rig_setup_broker, rig_teardown_broker);
}
