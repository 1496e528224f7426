/* SPDX-License-Identifier: Apache-2.0 */
/* The producer against a real broker: what a mock cluster cannot decide.
 *
 * tests/kafka/producer.py starts the broker and sets KAB_BOOTSTRAP and
 * KAB_BROKER_PID (for SIGSTOP and SIGCONT).
 */
#include <signal.h>
#include <stdlib.h>

#include "kab-test.h"

#include "producer-internal.h"
#include "producer-rig.h"

static uint64_t
count_transactions(Rig *rig, KabTxnResult result)
{
    return rig_counters(rig)->transactions[result];
}

/* Without a group member: the broker accepts an empty member id with
 * generation -1. */
static Rig *
new_exactly_once(void **state)
{
    Rig *rig = rig_new(state);
    rig->setup.delivery = KAB_DELIVERY_EXACTLY_ONCE;
    rig->group = rd_kafka_consumer_group_metadata_new(rig->group_name);
    return rig;
}

static Rig *
open_exactly_once(void **state)
{
    Rig *rig = new_exactly_once(state);
    rig_open(rig);
    return rig;
}

static int
compare_numbers(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Asserts that the numbers 0 to n - 1 are in the output, each once. */
static void
assert_each_once(Rig *rig, int n)
{
    g_autofree char *line = rig_read(rig, rig->out, 4, n);
    g_auto(GStrv) words = g_strsplit(line, ",", -1);
    g_autofree int *numbers = g_new(int, n);
    for (int i = 0; i < n; i++)
        numbers[i] = atoi(words[i]);
    qsort(numbers, (size_t)n, sizeof *numbers, compare_numbers);
    for (int i = 0; i < n; i++)
        assert_int_equal(numbers[i], i);
    assert_int_equal(rig_count(rig, rig->out, 4), n);
}

static void
broker_signal(int number)
{
    const char *pid = g_getenv("KAB_BROKER_PID");
    assert_non_null(pid);
    assert_int_equal(kill(atoi(pid), number), 0);
}

static gpointer
continue_later(gpointer data)
{
    g_usleep((gulong)(uintptr_t)data);
    broker_signal(SIGCONT);
    return NULL;
}

static GThread *
stop_broker_for(int64_t us)
{
    broker_signal(SIGSTOP);
    return g_thread_new("continue", continue_later, (void *)(uintptr_t)us);
}

TEST(outputs_and_offsets_are_committed_together)
{
    Rig *rig = open_exactly_once(state);
    rig_take_range(rig, 0, 10000);
    rig_finish(rig);
    assert_int_equal(rig_read_committed(rig), 10000);
    assert_each_once(rig, 10000);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    rig_free(rig);
}

static bool
has_aborted(Rig *rig)
{
    return count_transactions(rig, KAB_TXN_ABORTED) > 0;
}

TEST(a_refused_generation_aborts_and_is_sent_again)
{
    Rig *rig = new_exactly_once(state);
    rd_kafka_consumer_group_metadata_destroy(rig->group);
    rig->group = rd_kafka_consumer_group_metadata_new_with_genid(
        rig->group_name, 7, "nobody", NULL);
    rig_open(rig);
    rig_take_range(rig, 0, 100);
    rig_until(rig, has_aborted);
    rd_kafka_consumer_group_metadata_destroy(rig->group);
    rig->group = rd_kafka_consumer_group_metadata_new(rig->group_name);
    rig_finish(rig);
    assert_int_equal(rig_read_committed(rig), 100);
    assert_each_once(rig, 100);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    assert_int_equal(rig->n_called, 100);
    rig_free(rig);
}

static bool
is_in_transaction(Rig *rig)
{
    KabEngineState state;
    kab_engine_get_state(rig->engine, g_get_monotonic_time(), &state);
    return state.emitted == 100;
}

static void
fence(Rig *rig)
{
    char text[256];
    g_autofree char *id = g_strconcat(rig->group_name, "-0", NULL);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rig->bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "transactional.id", id, NULL, 0);
    rd_kafka_t *other =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(other);
    assert_null(rd_kafka_init_transactions(other, 20000));
    rd_kafka_destroy(other);
}

TEST(a_fenced_producer_is_replaced_and_the_second_time_stops)
{
    Rig *rig = open_exactly_once(state);
    rig_take_range(rig, 0, 100);
    rig_until(rig, is_in_transaction);
    fence(rig);
    rig_finish(rig);
    assert_int_equal(rig_state(rig).losses[KAB_LOSS_FENCED], 1);
    assert_int_equal(rig_read_committed(rig), 100);
    assert_each_once(rig, 100);
    fence(rig);
    rig_take_range(rig, 100, 200);
    rig_finish(rig);
    assert_true(rig->is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_FENCED);
    assert_non_null(strstr(rig->stop_message, rig->group_name));
    assert_int_equal(rig_read_committed(rig), 100);
    rig_free(rig);
}

static void
outlive(void **state, bool waits_for_reports)
{
    Rig *rig = new_exactly_once(state);
    rig->patience_us = 60 * G_USEC_PER_SEC;
    rig_set(rig, "transaction.timeout.ms", "6000");
    rig_open(rig);
    rig_take_range(rig, 0, 100);
    if (waits_for_reports)
        rig_until(rig, is_in_transaction);
    GThread *thread = stop_broker_for(20 * G_USEC_PER_SEC);
    rig_finish(rig);
    g_thread_join(thread);
    assert_false(rig->is_stopped);
    KabProducerState now = rig_state(rig);
    assert_int_equal(now.losses[KAB_LOSS_FENCED], 0);
    assert_int_equal(now.losses[KAB_LOSS_WATCHDOG], 0);
    assert_int_equal(rig_read_committed(rig), 100);
    assert_each_once(rig, 100);
    assert_int_equal(rig->n_called, 100);
    rig_free(rig);
}

TEST(a_transaction_that_outlives_its_time_is_not_taken_for_fencing)
{
    outlive(state, true);
}

TEST(a_broker_stopped_before_the_first_report_is_waited_for)
{
    outlive(state, false);
}

static void
say_losses(Rig *rig)
{
    print_message("# lost sinks %d, of them by time-out %d, unknown %d, fenced "
                  "%d; transactions committed %d, aborted %d, unknown %d\n",
                  (int)rig_counters(rig)->sinks_lost,
                  (int)rig_state(rig).losses[KAB_LOSS_TIMEOUT],
                  (int)rig_state(rig).losses[KAB_LOSS_UNKNOWN],
                  (int)rig_state(rig).losses[KAB_LOSS_FENCED],
                  (int)count_transactions(rig, KAB_TXN_COMMITTED),
                  (int)count_transactions(rig, KAB_TXN_ABORTED),
                  (int)count_transactions(rig, KAB_TXN_UNKNOWN));
}

/* The broker is stopped repeatedly, at any point of the transactions. */
TEST(a_broker_that_stalls_at_random_loses_and_doubles_nothing)
{
    enum { N = 20000, STEP = 200 };
    Rig *rig = new_exactly_once(state);
    rig->patience_us = 120 * G_USEC_PER_SEC;
    rig->options.transaction_interval_us = 5000;
    rig_set(rig, "transaction.timeout.ms", "3000");
    rig_open(rig);
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    GThread *thread = NULL;
    for (int i = 0; i < N; i += STEP) {
        rig_take_range(rig, i, i + STEP);
        if (i % (N / 12) < STEP) {
            if (thread)
                g_thread_join(thread);
            thread = stop_broker_for(
                g_rand_int_range(rand, 100000, 100000 + 6000000));
        }
        int64_t until =
            g_get_monotonic_time() + g_rand_int_range(rand, 0, 20000);
        while (g_get_monotonic_time() < until)
            rig_turn(rig);
    }
    rig_finish(rig);
    g_thread_join(thread);
    assert_false(rig->is_stopped);
    assert_int_equal(rig_read_committed(rig), N);
    assert_each_once(rig, N);
    assert_int_equal(rig->n_called, N);
    say_losses(rig);
    rig_free(rig);
}

static bool
is_ending(Rig *rig)
{
    KabClient *client = rig->producer->client;
    return client && client->is_busy && client->duty == KAB_DUTY_END;
}

/* The broker is stopped during TxnOffsetCommit or EndTxn: whether or not the
 * commit went through, the outputs are there once. */
TEST(a_commit_that_is_not_answered_is_looked_up)
{
    enum { ROUNDS = 10, STEP = 100 };
    Rig *rig = new_exactly_once(state);
    rig->patience_us = 60 * G_USEC_PER_SEC;
    rig_set(rig, "transaction.timeout.ms", "2000");
    rig_open(rig);
    for (int i = 0; i < ROUNDS; i++) {
        rig_take_range(rig, i * STEP, (i + 1) * STEP);
        rig_until(rig, is_ending);
        g_usleep((gulong)(i * 400));
        GThread *thread = stop_broker_for(9 * G_USEC_PER_SEC);
        rig_finish(rig);
        g_thread_join(thread);
        assert_false(rig->is_stopped);
    }
    assert_int_equal(rig_read_committed(rig), ROUNDS * STEP);
    assert_each_once(rig, ROUNDS * STEP);
    assert_int_equal(rig->n_called, ROUNDS * STEP);
    say_losses(rig);
    rig_free(rig);
}

TEST(at_least_once_waits_for_a_stopped_broker)
{
    Rig *rig = rig_new(state);
    rig->patience_us = 60 * G_USEC_PER_SEC;
    rig_open(rig);
    GThread *thread = stop_broker_for(8 * G_USEC_PER_SEC);
    rig_take_range(rig, 0, 1000);
    rig_finish(rig);
    g_thread_join(thread);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    assert_each_once(rig, 1000);
    rig_free(rig);
}

/* Not before the first output is acknowledged: librdkafka 2.0.2 may abort when
 * it is destroyed in the millisecond in which it adds partitions to its
 * transaction (txn_req_cnt > 0). */
TEST(it_closes_in_time_while_the_broker_is_stopped)
{
    Rig *rig = new_exactly_once(state);
    rig->options.transaction_interval_us = 60 * G_USEC_PER_SEC;
    rig_open(rig);
    rig_take_range(rig, 0, 100);
    rig_until(rig, rig_has_acknowledged);
    GThread *thread = stop_broker_for(12 * G_USEC_PER_SEC);
    int64_t begin = g_get_monotonic_time();
    rig_free(rig);
    assert_true(g_get_monotonic_time() - begin < 6 * (int64_t)G_USEC_PER_SEC);
    g_thread_join(thread);
}

static void
give_2_kb(Rig *rig, const KabRecord *record, KabResult *result)
{
    KabOutput *output = rig_output(rig, record, result);
    output->value.len = record->offset == 7 ? 20000 : 2000;
    output->value.data = g_malloc0(output->value.len);
    g_ptr_array_add(rig->arenas, (void *)(uintptr_t)output->value.data);
}

TEST(requests_are_as_large_as_the_topic_takes)
{
    Rig *rig = rig_new(state);
    rig->answer = give_2_kb;
    g_free(rig->out);
    rig->out = g_strdup_printf("small-%d", (int)getpid());
    rig->setup.output_topic = rig->out;
    rig_create_topic(rig, rig->out, 1, "max.message.bytes", "10000");
    rig_open(rig);
    rig_take_range(rig, 0, 1000);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 999);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 1);
    assert_int_equal(rig_counters(rig)->sinks_lost, 0);
    rig_free(rig);
}

TEST(a_limit_lowered_meanwhile_makes_smaller_requests)
{
    Rig *rig = rig_new(state);
    rig->answer = give_2_kb;
    rig_open(rig);
    rig_set_topic_config(rig, rig->out, "max.message.bytes", "10000");
    rig_take_range(rig, 0, 1000);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 999);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 1);
    assert_true(rig_state(rig).losses[KAB_LOSS_TOO_LARGE] >= 1);
    rig_free(rig);
}

static void
drop_some_keys(Rig *rig, const KabRecord *record, KabResult *result)
{
    if (record->offset % 100 == 50)
        rig_output(rig, record, result)->key = (KabBytes){NULL, 0};
    else
        rig_output(rig, record, result);
}

/* A compacted topic refuses records without a key. */
static void
meet_invalid_records(void **state, KabDelivery delivery)
{
    Rig *rig = new_exactly_once(state);
    rig->setup.delivery = delivery;
    rig->answer = drop_some_keys;
    g_free(rig->out);
    rig->out = g_strdup_printf("compact-%d-%d", (int)getpid(), (int)delivery);
    rig->setup.output_topic = rig->out;
    rig_create_topic(rig, rig->out, 1, "cleanup.policy", "compact");
    rig_open(rig);
    rig_take_range(rig, 0, 500);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_REJECTED), 5);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 495);
    assert_int_equal(rig->n_called, 500);
    rig_free(rig);
}

TEST(invalid_records_are_found_and_their_neighbours_are_written)
{
    meet_invalid_records(state, KAB_DELIVERY_AT_LEAST_ONCE);
}

TEST(invalid_records_are_found_in_transactions)
{
    meet_invalid_records(state, KAB_DELIVERY_EXACTLY_ONCE);
}

static bool
is_stopped(Rig *rig)
{
    return rig->is_stopped;
}

TEST(same_stops_when_an_output_has_too_few_partitions)
{
    Rig *rig = rig_new(state);
    const char *inputs[] = {rig->out, NULL}; /* 4 partitions */
    rig->setup.input_topics = inputs;
    rig->setup.output_topic = rig->dead; /* 1 */
    rig->setup.dead_letter_topic = NULL;
    rig->setup.partition_is_same = true;
    rig_start(rig);
    rig_until(rig, is_stopped);
    assert_non_null(strstr(rig->stop_message, "has 1 partitions"));
    assert_non_null(strstr(rig->stop_message, "has 4"));
    rig_free(rig);
}

static void
name_partition_5(Rig *rig, const KabRecord *record, KabResult *result)
{
    rig_output(rig, record, result)->partition = 5;
}

TEST(a_partition_added_meanwhile_is_found)
{
    Rig *rig = rig_new(state);
    rig->answer = name_partition_5;
    rig_open(rig);
    rig_add_partitions(rig, rig->out, 6);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    rig_free(rig);
}

TEST(a_topic_that_comes_late_is_waited_for)
{
    Rig *rig = rig_new(state);
    g_autofree char *late = g_strdup_printf("late-%d", (int)getpid());
    rig->setup.output_topic = late;
    rig_start(rig);
    for (int i = 0; i < 3; i++)
        rig_turn(rig);
    assert_false(rig_state(rig).is_ready);
    rig_create_topic(rig, late, 1, NULL, NULL);
    rig_take_range(rig, 0, 10);
    rig_finish(rig);
    assert_int_equal(rig_count_ended(rig, KAB_END_DONE), 10);
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_offsets_are_committed_together),
        cmocka_unit_test(a_refused_generation_aborts_and_is_sent_again),
        cmocka_unit_test(
            a_fenced_producer_is_replaced_and_the_second_time_stops),
        cmocka_unit_test(
            a_transaction_that_outlives_its_time_is_not_taken_for_fencing),
        cmocka_unit_test(
            a_broker_stopped_before_the_first_report_is_waited_for),
        cmocka_unit_test(
            a_broker_that_stalls_at_random_loses_and_doubles_nothing),
        cmocka_unit_test(a_commit_that_is_not_answered_is_looked_up),
        cmocka_unit_test(at_least_once_waits_for_a_stopped_broker),
        cmocka_unit_test(it_closes_in_time_while_the_broker_is_stopped),
        cmocka_unit_test(requests_are_as_large_as_the_topic_takes),
        cmocka_unit_test(a_limit_lowered_meanwhile_makes_smaller_requests),
        cmocka_unit_test(
            invalid_records_are_found_and_their_neighbours_are_written),
        cmocka_unit_test(invalid_records_are_found_in_transactions),
        cmocka_unit_test(same_stops_when_an_output_has_too_few_partitions),
        cmocka_unit_test(a_partition_added_meanwhile_is_found),
        cmocka_unit_test(a_topic_that_comes_late_is_waited_for),
    };
    cmocka_set_test_filter(g_getenv("KAB_TEST"));
    return cmocka_run_group_tests(tests, rig_setup_broker, rig_teardown_broker);
}
