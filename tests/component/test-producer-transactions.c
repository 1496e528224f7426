/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions against a mock cluster: it answers every request, but stores no
 * transactional offsets. What a real broker decides is tested in tests/kafka.
 */
#include "kab-test.h"

#include "api-keys.h"
#include "producer-internal.h"
#include "producer-rig.h"

static uint64_t
count_transactions(Rig *rig, KabTxnResult result)
{
    return rig_counters(rig)->transactions[result];
}

static Rig *
open_lingering(void **state, const char *linger_ms)
{
    Rig *rig = rig_new(state);
    rig_set(rig, "linger.ms", linger_ms);
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rig->group =
        rd_kafka_consumer_group_metadata_new_with_genid("group", 1, "m", NULL);
    rig_open(rig);
    return rig;
}

static Rig *
open_exactly_once(void **state)
{
    return open_lingering(state, "5");
}

static bool
is_stopped(Rig *rig)
{
    return rig->is_stopped;
}

static bool
has_committed(Rig *rig)
{
    return count_transactions(rig, KAB_TXN_COMMITTED) > 0;
}

static bool
has_aborted(Rig *rig)
{
    return count_transactions(rig, KAB_TXN_ABORTED) > 0;
}

static bool
has_lost(Rig *rig)
{
    return rig_counters(rig)->sinks_lost > 0;
}

static void
give_nothing(Rig *rig, const KabRecord *record, KabResult *result)
{
    result->outcome = KAB_OUTCOME_DONE;
}

TEST(outputs_and_offsets_are_committed_together)
{
    Rig *rig = open_exactly_once(state);
    rig_take_range(rig, 0, 1000);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 1000);
    assert_true(has_committed(rig));
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    rig_free(rig);
}

TEST(what_lingers_is_sent_when_the_transaction_settles)
{
    Rig *rig = open_lingering(state, "8000");
    rig->patience_us = 7 * G_USEC_PER_SEC;
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_true(has_committed(rig));
    rig_free(rig);
}

TEST(offsets_alone_are_a_transaction_too)
{
    Rig *rig = open_exactly_once(state);
    rig->answer = give_nothing;
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DROPPED), 10);
    assert_true(has_committed(rig));
    rig_free(rig);
}

TEST(without_a_member_no_offsets_are_sent)
{
    Rig *rig = open_exactly_once(state);
    g_clear_pointer(&rig->group, rd_kafka_consumer_group_metadata_destroy);
    rig_take_range(rig, 0, 10);
    rig_until(rig, has_aborted);
    assert_false(has_committed(rig));
    rig->group =
        rd_kafka_consumer_group_metadata_new_with_genid("group", 1, "m", NULL);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_int_equal(rig->n_called, 10);
    rig_free(rig);
}

TEST(offsets_the_group_refuses_abort_the_transaction)
{
    Rig *rig = open_exactly_once(state);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(count_transactions(rig, KAB_TXN_ABORTED), 1);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    assert_int_equal(rig->n_called, 10);
    rig_free(rig);
}

TEST(a_refused_record_aborts_and_the_others_are_sent_again)
{
    Rig *rig = open_exactly_once(state);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_true(has_aborted(rig));
    assert_int_equal(rig->n_called, 10);
    rig_free(rig);
}

TEST(a_fenced_producer_is_replaced_once)
{
    Rig *rig = open_exactly_once(state);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    rig_take_range(rig, 0, 10);
    rig_until(rig, has_lost);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_FENCED], 1);
    assert_int_equal(count_transactions(rig, KAB_TXN_FENCED), 1);
    assert_false(rig->is_stopped);
    rig_free(rig);
}

TEST(a_coordinator_that_loads_is_asked_again)
{
    Rig *rig = open_exactly_once(state);
    rd_kafka_mock_push_request_errors(
        rig->mock, KAB_API_END_TXN, 3,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    rig_free(rig);
}

static bool
is_ending(Rig *rig)
{
    KabClient *client = rig->producer->client;
    return client && client->is_busy && client->duty == KAB_DUTY_END &&
           atomic_load(&client->call_us);
}

TEST(a_topic_that_may_not_be_written_stops_with_the_next_step)
{
    Rig *rig = rig_new(state);
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rig_set(rig, "transaction.timeout.ms", "1500");
    rig_open(rig);
    rd_kafka_mock_push_request_errors(
        rig->mock, KAB_API_ADD_PARTITIONS_TO_TXN, 1,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    rig_take_range(rig, 0, 10);
    rig_until(rig, is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_SINK);
    assert_non_null(strstr(rig->stop_message, "--operation Write --topic"));
    rig_free(rig);
}

TEST(a_group_that_may_not_be_read_stops_with_the_next_step)
{
    Rig *rig = open_exactly_once(state);
    rd_kafka_mock_push_request_errors(
        rig->mock, KAB_API_TXN_OFFSET_COMMIT, 1,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    rig_take_range(rig, 0, 10);
    rig_until(rig, is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_SINK);
    assert_non_null(strstr(rig->stop_message, "--group"));
    rig_free(rig);
}

/* The client's call is made to look as if it had begun long ago. */
TEST(a_call_that_does_not_return_costs_the_client_not_the_records)
{
    Rig *rig = open_exactly_once(state);
    rd_kafka_mock_broker_push_request_error_rtts(
        rig->mock, 1, KAB_API_END_TXN, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 2000);
    rig_take_range(rig, 0, 10);
    rig_until(rig, is_ending);
    atomic_store(&rig->producer->client->call_us, 1);
    rig_finish(rig);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_WATCHDOG], 1);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_int_equal(rig->n_called, 10);
    rig_free(rig);
}

static bool
has_unreported(Rig *rig)
{
    return rig->producer->client->n_unreported > 0;
}

/* Simulates a delivery report that librdkafka has lost. */
static void
lose_report(Rig *rig)
{
    rd_kafka_event_type_t type = RD_KAFKA_EVENT_NONE;
    rig_until(rig, has_unreported);
    while (type != RD_KAFKA_EVENT_DR) {
        rd_kafka_event_t *event =
            rd_kafka_queue_poll(rig->producer->client->queue, 10000);
        assert_non_null(event);
        type = rd_kafka_event_type(event);
        rd_kafka_event_destroy(event);
    }
}

/* The transaction is made to look as if it had begun long ago. */
TEST(outputs_that_are_never_reported_cost_the_client_not_the_records)
{
    Rig *rig = open_exactly_once(state);
    rig_take_range(rig, 0, 10);
    lose_report(rig);
    rig->producer->client->begun_us = 1;
    rig_finish(rig);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_WATCHDOG], 1);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_int_equal(rig->n_called, 10);
    rig_free(rig);
}

static bool
is_idle(Rig *rig)
{
    return !rig->producer->client->is_busy;
}

static bool
has_retired(Rig *rig)
{
    return rig->producer->retired->len > 0;
}

/* The client is made to look as if its call never returned, and as if it had
 * been replaced long ago. */
TEST(a_replaced_client_that_holds_outputs_for_good_stops_the_binding)
{
    Rig *rig = open_exactly_once(state);
    rig_take_range(rig, 0, 10);
    lose_report(rig);
    rig_until(rig, is_idle);
    KabClient *client = rig->producer->client;
    client->is_busy = true;
    atomic_store(&client->call_us, 1);
    rig_until(rig, has_retired);
    client->retired_us = 1;
    rig_until(rig, is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_SINK);
    assert_non_null(strstr(rig->stop_message, "start kabridge again"));
    client->is_busy = false;
    rig_free(rig);
}

TEST(outputs_that_are_never_reported_do_not_hold_the_end_back)
{
    Rig *rig = open_exactly_once(state);
    rig_take_range(rig, 0, 10);
    lose_report(rig);
    rig_free(rig);
}

/* librdkafka 2.0.2 never reports the second record, not even when it is
 * purged: see reports_us() in producer.c. */
TEST(a_topic_that_is_deleted_in_a_transaction_costs_no_record)
{
    Rig *rig = rig_new(state);
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rig->options.transaction_interval_us = 60 * G_USEC_PER_SEC;
    rig->group =
        rd_kafka_consumer_group_metadata_new_with_genid("group", 1, "m", NULL);
    rig_set(rig, "transaction.timeout.ms", "2000");
    rig_open(rig);
    rig_take_range(rig, 0, 1);
    rig_until(rig, rig_has_acknowledged);
    rig_delete_output(rig, 1);
    rig_until(rig, has_lost);
    rig_restore_output(rig);
    kab_engine_drain(rig->engine, g_get_monotonic_time());
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 2);
    assert_int_equal(rig->n_called, 2);
    rig_free(rig);
}

TEST(a_transactional_id_that_is_not_allowed_stops)
{
    Rig *rig = rig_new(state);
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rd_kafka_mock_push_request_errors(
        rig->mock, KAB_API_INIT_PRODUCER_ID, 1,
        RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    rig_start(rig);
    rig_until(rig, is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_SINK);
    assert_non_null(strstr(rig->stop_message, "transactional id"));
    rig_free(rig);
}

TEST(an_id_that_cannot_be_taken_is_told_and_tried_again)
{
    Rig *rig = rig_new(state);
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    rig_open(rig);
    pthread_mutex_lock(&rig->log_lock);
    const char *line = strstr(rig->log->str, "cannot be taken");
    pthread_mutex_unlock(&rig->log_lock);
    assert_non_null(line);
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_offsets_are_committed_together),
        cmocka_unit_test(what_lingers_is_sent_when_the_transaction_settles),
        cmocka_unit_test(offsets_alone_are_a_transaction_too),
        cmocka_unit_test(without_a_member_no_offsets_are_sent),
        cmocka_unit_test(offsets_the_group_refuses_abort_the_transaction),
        cmocka_unit_test(a_refused_record_aborts_and_the_others_are_sent_again),
        cmocka_unit_test(a_fenced_producer_is_replaced_once),
        cmocka_unit_test(a_coordinator_that_loads_is_asked_again),
        cmocka_unit_test(
            a_call_that_does_not_return_costs_the_client_not_the_records),
        cmocka_unit_test(
            outputs_that_are_never_reported_cost_the_client_not_the_records),
        cmocka_unit_test(
            a_replaced_client_that_holds_outputs_for_good_stops_the_binding),
        cmocka_unit_test(
            outputs_that_are_never_reported_do_not_hold_the_end_back),
        cmocka_unit_test(
            a_topic_that_is_deleted_in_a_transaction_costs_no_record),
        cmocka_unit_test(
            a_topic_that_may_not_be_written_stops_with_the_next_step),
        cmocka_unit_test(a_group_that_may_not_be_read_stops_with_the_next_step),
        cmocka_unit_test(a_transactional_id_that_is_not_allowed_stops),
        cmocka_unit_test(an_id_that_cannot_be_taken_is_told_and_tried_again),
    };
    cmocka_set_test_filter(g_getenv("KAB_TEST"));
    return cmocka_run_group_tests(tests, rig_setup_broker, rig_teardown_broker);
}
