/* SPDX-License-Identifier: Apache-2.0 */
/* The producer and requests that a mock cluster refuses: which record pays for
 * it, if any, and that nothing is lost.
 */
#include "kab-test.h"

#include "api-keys.h"
#include "producer-internal.h"
#include "producer-rig.h"

static uint64_t
count_refused(Rig *rig, KabRefusal refusal)
{
    return rig_counters(rig)->produce_errors[refusal];
}

/* One request in flight: several would each fail in their own way. */
static Rig *
open_one_at_a_time(void **state)
{
    Rig *rig = rig_new(state);
    rig_set(rig, "max.in.flight.requests.per.connection", "1");
    rig_open(rig);
    return rig;
}

/* Whatever the broker refuses meanwhile. */
static void
assert_ten_are_written(Rig *rig)
{
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    assert_int_equal(rig->n_called, 10);
}

TEST(a_record_the_broker_finds_invalid_goes_to_the_dead_letters)
{
    Rig *rig = open_one_at_a_time(state);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD);
    rig_take_range(rig, 0, 1);
    rig_finish(rig);
    assert_int_equal(count_refused(rig, KAB_REFUSED_RECORD), 1);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 1);
    RigRecord *record = rig_read_one(rig, rig->dead, 4);
    assert_non_null(strstr(record->headers, "errors.stage=produce;"));
    assert_non_null(strstr(record->headers, "errors.class=permanent;"));
    assert_non_null(strstr(record->headers, "INVALID_RECORD"));
    rig_record_free(record);
    rig_free(rig);
}

TEST(neighbours_of_an_invalid_record_are_sent_again_alone)
{
    Rig *rig = open_one_at_a_time(state);
    /* First the request with several records, then one of the records alone. */
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_PRODUCE, 2,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 1);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 9);
    assert_int_equal(rig->n_called, 10);
    g_autofree char *got = rig_read(rig, rig->out, 4, 9);
    assert_string_equal(got, "1,2,3,4,5,6,7,8,9");
    rig_free(rig);
}

TEST(a_request_too_large_is_sent_again_in_smaller_ones)
{
    Rig *rig = open_one_at_a_time(state);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_ten_are_written(rig);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_TOO_LARGE], 1);
    rig_free(rig);
}

TEST(a_moved_leader_is_found_without_losing_the_sink)
{
    Rig *rig = open_one_at_a_time(state);
    rd_kafka_mock_push_request_errors(
        rig->mock, KAB_API_PRODUCE, 3,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    assert_ten_are_written(rig);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    rig_free(rig);
}

TEST(an_unlisted_produce_error_replaces_the_producer)
{
    Rig *rig = open_one_at_a_time(state);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
    assert_ten_are_written(rig);
    assert_int_equal(rig_counters(rig)->sinks_lost, 1);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_REFUSED], 1);
    rig_free(rig);
}

TEST(not_authorised_stops_with_the_next_step)
{
    Rig *rig = open_one_at_a_time(state);
    /* More than one: the client that the last test lost may still send. */
    rd_kafka_mock_push_request_errors(
        rig->mock, KAB_API_PRODUCE, 3,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    rd_kafka_mock_clear_request_errors(rig->mock, KAB_API_PRODUCE);
    assert_true(rig->is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_SINK);
    assert_non_null(strstr(rig->stop_message, "kafka-acls.sh"));
    rig_free(rig);
}

/* --- Several requests in flight ---------------------------------------- */

enum { N_TAKEN = 20, RTT_MS = 2000 };

static Rig *
open_two_at_a_time(void **state)
{
    Rig *rig = rig_new(state);
    rig_set(rig, "max.in.flight.requests.per.connection", "2");
    rig_set(rig, "linger.ms", "0");
    rig_set(rig, "debug", "protocol");
    rig_open(rig);
    return rig;
}

static int
count_sent(Rig *rig)
{
    int n = 0;
    pthread_mutex_lock(&rig->log_lock);
    for (const char *at = rig->log->str; (at = strstr(at, "Sent Produce"));
         at++)
        n++;
    pthread_mutex_unlock(&rig->log_lock);
    return n;
}

static bool
has_sent_one(Rig *rig)
{
    return count_sent(rig) >= 1;
}

static bool
has_sent_two(Rig *rig)
{
    return count_sent(rig) >= 2;
}

/* How many of the values 0.. are in the output topic. */
static int
count_arrived(Rig *rig)
{
    int n = rig_count(rig, rig->out, 4);
    g_autofree char *text = rig_read(rig, rig->out, 4, n);
    g_auto(GStrv) values = g_strsplit(text, ",", -1);
    bool has_arrived[N_TAKEN] = {false};
    int n_arrived = 0;
    for (char **value = values; *value; value++) {
        bool *is_there = &has_arrived[atoi(*value)];
        n_arrived += !*is_there;
        *is_there = true;
    }
    return n_arrived;
}

/* KAB_QUIRK_FIRST_BATCH: the broker becomes the leader between two requests
 * that are both on their way. */
TEST(a_batch_refused_before_one_that_is_taken_is_written_again)
{
    Rig *rig = open_two_at_a_time(state);
    rd_kafka_mock_broker_set_rtt(rig->mock, 1, RTT_MS);
    rd_kafka_mock_push_request_errors(rig->mock, KAB_API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rig_take_range(rig, 0, 1);
    rig_until(rig, has_sent_one);
    rig_take_range(rig, 1, N_TAKEN);
    rig_until(rig, has_sent_two);
    rd_kafka_mock_broker_set_rtt(rig->mock, 1, 0);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), N_TAKEN);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_REFUSED], 1);
    assert_int_equal(rig->n_called, N_TAKEN);
    assert_int_equal(count_arrived(rig), N_TAKEN);
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_record_the_broker_finds_invalid_goes_to_the_dead_letters),
        cmocka_unit_test(neighbours_of_an_invalid_record_are_sent_again_alone),
        cmocka_unit_test(a_request_too_large_is_sent_again_in_smaller_ones),
        cmocka_unit_test(a_moved_leader_is_found_without_losing_the_sink),
        cmocka_unit_test(an_unlisted_produce_error_replaces_the_producer),
        cmocka_unit_test(not_authorised_stops_with_the_next_step),
        cmocka_unit_test(
            a_batch_refused_before_one_that_is_taken_is_written_again),
    };
    cmocka_set_test_filter(g_getenv("KAB_TEST"));
    return cmocka_run_group_tests(tests, rig_setup_broker, rig_teardown_broker);
}
