/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of records that fail: attempts, back-off, overload, time-outs.
 */
#include "kab-test.h"

#include "engine-test.h"

TEST(overload_never_counts)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 100; i++) {
        fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_OVERLOAD, -1);
        fake_edge_advance(edge, edge->options.retry_backoff_max_us);
    }
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_produced(edge, "0");
    assert_false(edge->is_stopped);
}

TEST(a_time_out_calls_again_and_ignores_the_late_answer)
{
    FakeEdge *edge = *state;
    edge->options.call_timeout_us = 5000;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    KabAttempt *late = fake_edge_call(edge, 0);
    kab_engine_entered(edge->engine, late, late->serial, edge->now);
    fake_edge_advance(edge, 5000);
    assert_int_equal(edge->n_cancelled, 1);
    fake_edge_advance(edge, 1000);
    assert_int_equal(edge->calls->len, 2);
    fake_edge_answer(edge, late);
    assert_produced(edge, "");
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_produced(edge, "0");
    assert_int_equal(
        kab_engine_counters(edge->engine)->call_faults[KAB_FAULT_LATE], 1);
}

/* The sink moves headers out of a message that nobody reads any more. */
TEST(an_output_is_unread_once_no_call_has_its_input)
{
    FakeEdge *edge = *state;
    edge->options.call_timeout_us = 5000;
    fake_edge_start(edge);
    fake_edge_take(edge, 0, NULL);
    fake_edge_advance(edge, 0);
    KabAttempt *late = fake_edge_call(edge, 0);
    kab_engine_entered(edge->engine, late, late->serial, edge->now);
    fake_edge_advance(edge, 5000);
    fake_edge_advance(edge, 1000);
    fake_edge_answer(edge, fake_edge_call(edge, 1));
    assert_produced(edge, "0");
    assert_false(((KabProduct *)edge->produced->pdata[0])->is_unread);

    fake_edge_answer(edge, late);
    fake_edge_take(edge, 1, NULL);
    fake_edge_advance(edge, 0);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    assert_produced(edge, "0,1");
    assert_true(((KabProduct *)edge->produced->pdata[1])->is_unread);
}

TEST(a_fatal_answer_counts_although_every_record_has_an_outcome)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    fake_edge_output(edge, fake_edge_call(edge, 0), 0);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_FATAL, -1);
    assert_int_equal(edge->stop_reason, KAB_STOP_FUNCTION);
    assert_commit(edge, 1);
    assert_true(kab_engine_is_drained(edge->engine));
}

TEST(a_function_may_ask_for_any_delay)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    attempt->results[0] =
        (KabResult){.outcome = KAB_OUTCOME_RETRY, .delay_ms = INT64_MAX};
    fake_edge_complete(edge, attempt);
    assert_true(kab_engine_next_deadline(edge->engine) > edge->now);
    fake_edge_advance(edge, INT64_C(366) * 24 * 3600 * 1000000);
    assert_int_equal(edge->calls->len, 1);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_OVERLOAD, INT64_MAX);
    fake_edge_advance(edge, INT64_C(366) * 24 * 3600 * 1000000);
    assert_int_equal(edge->calls->len, 1);
}

/* Fails the open call, and returns how long the next one waits. */
static int64_t
fail_and_wait(FakeEdge *edge)
{
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT, -1);
    int64_t failed_us = edge->now;
    await_call(edge);
    return edge->now - failed_us;
}

TEST(the_back_off_doubles_to_its_maximum)
{
    static const int64_t expected_us[] = {1000, 2000, 4000, 8000, 8000};
    FakeEdge *edge = *state;
    edge->options.retry_backoff_us = 1000;
    edge->options.retry_backoff_max_us = 8000;
    edge->options.retry_jitter = 0;
    edge->options.retry_max_attempts = 0;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(expected_us); i++)
        assert_int_equal(fail_and_wait(edge), expected_us[i]);
    assert_int_equal(kab_engine_counters(edge->engine)->records_retried, 5);
}

TEST(jitter_spreads_the_back_off)
{
    FakeEdge *edge = *state;
    edge->options.retry_backoff_us = edge->options.retry_backoff_max_us = 10000;
    edge->options.retry_jitter = 0.2;
    edge->options.retry_max_attempts = 0;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    int64_t least_us = INT64_MAX, most_us = 0;
    for (int i = 0; i < 100; i++) {
        int64_t wait_us = fail_and_wait(edge);
        least_us = MIN(least_us, wait_us);
        most_us = MAX(most_us, wait_us);
    }
    assert_in_range(least_us, 8000, 9000);
    assert_in_range(most_us, 11000, 12000);
}

/* Of several delays in one call, the longest counts. */
TEST(the_delay_that_a_function_asks_for_is_kept)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 2;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    attempt->results[0] =
        (KabResult){.outcome = KAB_OUTCOME_RETRY, .delay_ms = 50};
    attempt->results[1] =
        (KabResult){.outcome = KAB_OUTCOME_RETRY, .delay_ms = 300};
    fake_edge_complete(edge, attempt);
    fake_edge_advance(edge, 299999);
    assert_int_equal(edge->calls->len, 0);
    fake_edge_advance(edge, 1);
    assert_int_equal(edge->calls->len, 1);
}

TEST(retried_records_are_counted_whatever_their_failure)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    const KabCounters *counters = kab_engine_counters(edge->engine);
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_PERMANENT, -1);
    assert_int_equal(counters->records_retried, 4);
    fake_edge_answer(edge, fake_edge_call(edge, 0));
    fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT, -1);
    assert_int_equal(counters->records_retried, 4);
    await_call(edge);
    assert_true(counters->records_retried > 4);
}

TEST(a_dead_letter_that_is_refused_twice_stops_the_binding)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 1);
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    attempt->results[0] = (KabResult){.outcome = KAB_OUTCOME_REJECT};
    fake_edge_complete(edge, attempt);
    for (int i = 0; i < 2; i++) {
        assert_false(edge->is_stopped);
        assert_int_equal(edge->produced->len, 1);
        KabProduct *letter = g_ptr_array_steal_index(edge->produced, 0);
        assert_int_equal(letter->kind == KAB_PRODUCT_TRUNCATED, i == 1);
        kab_engine_refused(edge->engine, letter, KAB_REFUSED_RECORD,
                           "too large", edge->now);
        fake_edge_advance(edge, 0);
    }
    assert_int_equal(edge->stop_reason, KAB_STOP_DEAD_LETTER);
    assert_non_null(strstr(edge->stop_message, "refused twice"));
    assert_int_equal(edge->committed, 0);
}

/* Answers record 0 with the outcome until it is not called any more, other
 * records with done. Returns how many calls record 0 had. */
static int
call_until_given_up(FakeEdge *edge, KabOutcome outcome)
{
    int n = 0;
    for (; edge->calls->len; n++) {
        KabAttempt *attempt = fake_edge_call(edge, 0);
        for (size_t i = 0; i < attempt->n; i++) {
            if (attempt->records[i].offset != 0)
                fake_edge_output(edge, attempt, i);
            else
                attempt->results[i] =
                    (KabResult){.outcome = outcome, .delay_ms = -1};
        }
        fake_edge_complete(edge, attempt);
        fake_edge_advance(edge, 2 * edge->options.retry_backoff_max_us);
    }
    return n;
}

static void
start_with_five_attempts(FakeEdge *edge)
{
    edge->options.batch_count = 10;
    edge->options.retry_max_attempts = 5;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 10);
    fake_edge_advance(edge, 0);
}

TEST(a_record_that_always_answers_retry_is_called_five_times_in_all)
{
    FakeEdge *edge = *state;
    start_with_five_attempts(edge);
    assert_int_equal(call_until_given_up(edge, KAB_OUTCOME_RETRY), 5);
}

TEST(a_record_that_never_gets_an_outcome_is_called_five_times_in_all)
{
    FakeEdge *edge = *state;
    start_with_five_attempts(edge);
    assert_int_equal(call_until_given_up(edge, KAB_OUTCOME_NONE), 5);
}

/* Two sets fail in turn, and none succeeds: it is an outage. */
TEST(no_failure_counts_while_the_function_is_ill)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 50; i++) {
        while (edge->calls->len)
            fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT,
                           -1);
        fake_edge_advance(edge, 2 * edge->options.retry_backoff_max_us);
        assert_in_range(edge->calls->len, 0, i ? 1 : 2);
    }
    assert_produced(edge, "");
    while (edge->calls->len) {
        answer_first(edge);
        fake_edge_advance(edge, 2 * edge->options.retry_backoff_max_us);
    }
    assert_int_equal(edge->lines->len, 8);
    assert_int_equal(edge->failures->len, 0);
}

/* The batches of records 0 to 3 and 4 to 7 hold one each. */
static bool
holds_poison(const KabAttempt *attempt)
{
    for (size_t i = 0; i < attempt->n; i++)
        if (attempt->records[i].offset % 4 == 1)
            return true;
    return false;
}

static void
answer_all_but_poison(FakeEdge *edge)
{
    while (edge->calls->len) {
        KabAttempt *attempt = fake_edge_call(edge, 0);
        if (holds_poison(attempt))
            fake_edge_fail(edge, attempt, KAB_FAIL_TRANSIENT, -1);
        else
            fake_edge_answer(edge, attempt);
    }
    fake_edge_advance(edge, 2 * edge->options.retry_backoff_max_us);
}

/* No batch succeeds, so it looks like an outage until they are halved. The two
 * records alone look like one again until another record comes. */
TEST(what_fails_in_every_batch_does_not_hold_up_its_neighbours)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 100 && edge->lines->len < 6; i++)
        answer_all_but_poison(edge);
    assert_int_equal(edge->lines->len, 6);
    assert_int_equal(edge->failures->len, 0);
    for (int i = 0; i < 20 && edge->failures->len < 2; i++) {
        fake_edge_take(edge, 10 + 4 * i, NULL);
        answer_all_but_poison(edge);
    }
    assert_int_equal(edge->failures->len, 2);
}

TEST(a_single_failing_set_does_not_make_the_function_ill)
{
    FakeEdge *edge = *state;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    for (int i = 0; i < 20 && edge->lines->len < 2; i++) {
        while (edge->calls->len)
            fake_edge_fail(edge, fake_edge_call(edge, 0), KAB_FAIL_TRANSIENT,
                           -1);
        fake_edge_advance(edge, 2 * edge->options.retry_backoff_max_us);
    }
    assert_produced(edge, "!0,!1");
}

/* Record 0 overloads the service each time; others succeed in between. */
TEST(a_record_alone_that_is_overloaded_while_others_succeed_is_given_up)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    edge->options.max_in_flight = 1;
    edge->options.on_failure = KAB_ON_FAILURE_DLQ;
    fake_edge_start(edge);
    for (int64_t i = 0; i < 40 && !edge->letter_message; i++) {
        fake_edge_take(edge, i, NULL);
        fake_edge_advance(edge, 2 * edge->options.retry_backoff_max_us);
        KabAttempt *attempt = fake_edge_call(edge, 0);
        if (attempt->records[0].offset == 0)
            fake_edge_fail(edge, attempt, KAB_FAIL_OVERLOAD, -1);
        else
            fake_edge_answer(edge, attempt);
    }
    assert_non_null(edge->letter_message);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(overload_never_counts),
        T(a_time_out_calls_again_and_ignores_the_late_answer),
        T(an_output_is_unread_once_no_call_has_its_input),
        T(a_fatal_answer_counts_although_every_record_has_an_outcome),
        T(a_function_may_ask_for_any_delay),
        T(the_back_off_doubles_to_its_maximum),
        T(jitter_spreads_the_back_off),
        T(the_delay_that_a_function_asks_for_is_kept),
        T(retried_records_are_counted_whatever_their_failure),
        T(a_dead_letter_that_is_refused_twice_stops_the_binding),
        T(a_record_that_always_answers_retry_is_called_five_times_in_all),
        T(a_record_that_never_gets_an_outcome_is_called_five_times_in_all),
        T(no_failure_counts_while_the_function_is_ill),
        T(what_fails_in_every_batch_does_not_hold_up_its_neighbours),
        T(a_single_failing_set_does_not_make_the_function_ill),
        T(a_record_alone_that_is_overloaded_while_others_succeed_is_given_up),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
