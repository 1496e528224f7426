/* SPDX-License-Identifier: Apache-2.0 */
/* Sets that are cut in two: to find the record that makes them fail, because
 * they are overloaded, or because they are too large.
 */
#include "kab-test.h"

#include "engine-test.h"

/* Returns the number of calls it took, and when the last one was answered. */
static size_t
bisect(FakeEdge *edge, int64_t poison, KabFailure failure, int64_t *ret_us)
{
    size_t calls = 0;
    for (; calls < 1000; calls++) {
        await_call(edge);
        if (!edge->calls->len)
            break;
        KabAttempt *attempt = fake_edge_call(edge, 0);
        bool has_poison = false;
        for (size_t i = 0; i < attempt->n; i++)
            has_poison |= attempt->records[i].offset == poison;
        if (has_poison)
            fake_edge_fail(edge, attempt, failure, -1);
        else
            fake_edge_answer(edge, attempt);
        *ret_us = edge->now;
    }
    return calls;
}

static void
begin_with_letters(FakeEdge *edge, size_t batch_count, int64_t n_records)
{
    edge->options.batch_count = batch_count;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, n_records);
    fake_edge_advance(edge, 0);
}

TEST(a_poison_record_is_found_by_halving)
{
    FakeEdge *edge = *state;
    edge->options.retry_max_attempts = 5;
    begin_with_letters(edge, 256, 256);
    int64_t end_us = 0;
    size_t calls = bisect(edge, 100, KAB_FAIL_TRANSIENT, &end_us);
    assert_true(calls <= 5 + 16 + 5);
    fake_edge_acknowledge(edge);
    const KabCounters *counters = kab_engine_counters(edge->engine);
    assert_int_equal(counters->records_finished[KAB_END_DONE], 255);
    assert_int_equal(counters->dead_letters[KAB_CLASS_TRANSIENT], 1);
    assert_commit(edge, 256);
}

/* Two crashes of the whole set, one of each half, two of the record alone. */
TEST(a_record_that_crashes_is_alone_after_few_crashes)
{
    FakeEdge *edge = *state;
    begin_with_letters(edge, 64, 64);
    bisect(edge, 50, KAB_FAIL_CRASH, &(int64_t){0});
    fake_edge_acknowledge(edge);
    const KabCounters *counters = kab_engine_counters(edge->engine);
    assert_in_range(counters->calls[KAB_CALL_CRASH], 7, 2 + 5 + 2);
    assert_int_equal(counters->dead_letters[KAB_CLASS_CRASH], 1);
    assert_commit(edge, 64);
}

/* Whoever dies takes all its calls with it: 0 kills it, 1 was only called
 * beside it. */
TEST(the_last_call_of_a_record_that_crashed_is_made_alone)
{
    FakeEdge *edge = *state;
    edge->options.max_in_flight = 3;
    begin_with_letters(edge, 1, 3);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_CRASH, -1);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_CRASH, -1);

    fake_edge_take_range(edge, 3, 5);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_advance(edge, edge->options.retry_backoff_max_us * 2);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    fake_edge_take(edge, 5, NULL);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->calls->len, 1);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(edge->calls->len, 1);
        if (fake_edge_call(edge, 0)->records[0].offset == 0)
            fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_CRASH, -1);
        else
            answer_first(edge);
    }
    assert_offsets(fake_edge_call(edge, 0), "5");
    fake_edge_acknowledge(edge);
    assert_int_equal(
        kab_engine_counters(edge->engine)->dead_letters[KAB_CLASS_CRASH], 1);
}

/* While other sets succeed, the halves do not wait as in an outage. */
TEST(a_poison_record_delays_its_neighbours_for_seconds_only)
{
    FakeEdge *edge = *state;
    edge->options.retry_max_attempts = 5;
    edge->options.retry_backoff_us = 100000;
    edge->options.retry_backoff_max_us = 10000000;
    begin_with_letters(edge, 256, 256);
    int64_t begin_us = edge->now, end_us = 0;
    bisect(edge, 100, KAB_FAIL_TRANSIENT, &end_us);
    fake_edge_acknowledge(edge);
    const KabCounters *counters = kab_engine_counters(edge->engine);
    assert_int_equal(counters->dead_letters[KAB_CLASS_TRANSIENT], 1);
    assert_in_range(end_us - begin_us, 1000000, 15000000);
}

TEST(an_overloaded_set_is_cut_even_where_nothing_else_is_called)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 20; i++) {
        KabAttempt *attempt = fake_edge_call(edge, 0);
        if (attempt->records[0].offset == 0)
            fake_edge_fail(edge, attempt, KAB_FAIL_OVERLOAD, -1);
        else
            fake_edge_answer(edge, attempt);
        fake_edge_advance(edge, edge->options.retry_backoff_max_us);
    }
    assert_produced(edge, "1");
}

TEST(a_record_cut_off_by_overload_has_its_own_attempts)
{
    FakeEdge *edge = *state;
    edge->options.retry_max_attempts = 2;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    edge->options.max_in_flight = 1;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT, -1);
    for (int i = 0; i < 8; i++) {
        fake_edge_advance(edge, edge->options.retry_backoff_max_us);
        fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_OVERLOAD, -1);
    }
    fake_edge_advance(edge, edge->options.retry_backoff_max_us);
    assert_offsets(fake_edge_call(edge, 0), "0");
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT, -1);
    assert_produced(edge, "");
}

TEST(a_too_large_batch_is_halved_and_the_ceiling_learned)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TOO_LARGE, -1);
    assert_offsets(fake_edge_call(edge, 0), "0,1");
    assert_offsets(fake_edge_call(edge, 1), "2,3");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    fake_edge_take_range(edge, 4, 8);
    fake_edge_advance(edge, 0);
    assert_offsets(fake_edge_call(edge, 0), "4,5");
}

TEST(a_learned_ceiling_is_probed_upward_again)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TOO_LARGE, -1);
    int64_t next = 4;
    size_t largest = 0;
    for (int i = 0; i < 100; i++) {
        while (edge->calls->len) {
            if (i > 2)
                largest = MAX(largest, fake_edge_call(edge, 0)->n);
            answer_first(edge);
        }
        fake_edge_acknowledge(edge);
        fake_edge_take_range(edge, next, next + 4);
        next += 4;
        fake_edge_advance(edge, 20000);
    }
    assert_int_equal(largest, 4);
}

/* Counts the transient failures until a half of a too-large set is given up. */
TEST(without_bisect_halves_have_all_their_attempts)
{
    FakeEdge *edge = *state;
    edge->options.bisect = false;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TOO_LARGE, -1);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    for (unsigned i = 0; i < edge->options.retry_max_attempts; i++) {
        assert_produced(edge, "2,3");
        fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT, -1);
        fake_edge_advance(edge, edge->options.retry_backoff_max_us);
    }
    assert_produced(edge, "2,3,!0,!1");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_poison_record_is_found_by_halving),
        T(a_record_that_crashes_is_alone_after_few_crashes),
        T(the_last_call_of_a_record_that_crashed_is_made_alone),
        T(a_poison_record_delays_its_neighbours_for_seconds_only),
        T(an_overloaded_set_is_cut_even_where_nothing_else_is_called),
        T(a_record_cut_off_by_overload_has_its_own_attempts),
        T(a_too_large_batch_is_halved_and_the_ceiling_learned),
        T(a_learned_ceiling_is_probed_upward_again),
        T(without_bisect_halves_have_all_their_attempts),
    };
    return cmocka_run_group_tests_name("halving", tests, NULL, NULL);
}
