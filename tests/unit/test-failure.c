/* SPDX-License-Identifier: Apache-2.0 */
/* Records that failed for good: what leaves for them, and who is told. */
#include "kab-test.h"

#include <string.h>

#include "engine-test.h"

static void
start_with(FakeEdge *edge, KabOnFailure on_failure)
{
    edge->options.on_failure = on_failure;
    edge->options.batch_count = 4;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
}

/* The other records of the call are done. */
static void
answer_record_1(FakeEdge *edge, KabOutcome outcome)
{
    KabAttempt *attempt = fake_edge_call(edge, 0);
    for (size_t i = 0; i < attempt->n; i++)
        if (i != 1)
            fake_edge_output(edge, attempt, i);
    attempt->results[1] = (KabResult){.outcome = outcome, .reason = "as it is"};
    fake_edge_complete(edge, attempt);
}

static void
refuse(FakeEdge *edge, guint i, const char *message)
{
    KabProduct *product = g_ptr_array_steal_index(edge->produced, i);
    kab_engine_refused(edge->engine, product, KAB_REFUSED_RECORD, message,
                       edge->now);
    fake_edge_advance(edge, 0);
}

static void
assert_told(const FakeEdge *edge, guint i, const char *reason, KabFate fate)
{
    g_autofree char *expected = g_strdup_printf("1: %s: %d", reason, fate);
    assert_int_equal(edge->failures->len, i + 1);
    assert_string_equal(edge->failures->pdata[i], expected);
}

static uint64_t
count_ends(const FakeEdge *edge, KabEnd end)
{
    return kab_engine_counters(edge->engine)->records_finished[end];
}

TEST(a_dropped_record_is_reported_to_the_owner)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_DROP);
    answer_record_1(edge, KAB_OUTCOME_REJECT);
    assert_told(edge, 0, "as it is", KAB_FATE_DISCARDED);
}

TEST(a_rejected_record_is_reported_to_the_owner)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_DLQ);
    answer_record_1(edge, KAB_OUTCOME_REJECT);
    assert_told(edge, 0, "as it is", KAB_FATE_LETTER);
}

TEST(a_refused_dead_letter_is_reported_with_the_reason_of_the_broker)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_DLQ);
    answer_record_1(edge, KAB_OUTCOME_REJECT);
    refuse(edge, 1, "topic dead takes 1000 bytes");
    assert_told(edge, 1, "topic dead takes 1000 bytes", KAB_FATE_LETTER);
    assert_string_equal(edge->letter_message, "as it is");
}

TEST(a_dead_letter_that_is_refused_twice_stops_with_the_reason_of_the_broker)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_DLQ);
    answer_record_1(edge, KAB_OUTCOME_REJECT);
    refuse(edge, 1, "topic dead takes 1000 bytes");
    refuse(edge, 3, "topic dead takes 10 bytes");
    assert_int_equal(edge->stop_reason, KAB_STOP_DEAD_LETTER);
    assert_non_null(strstr(edge->stop_message, "topic dead takes 10 bytes"));
    assert_told(edge, 2, "topic dead takes 10 bytes", KAB_FATE_HELD);
}

TEST(a_record_that_the_function_passes_is_produced_unchanged)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_STOP);
    answer_record_1(edge, KAB_OUTCOME_PASS);
    assert_produced(edge, "0,!1,2,3");
    const KabProduct *product = edge->produced->pdata[1];
    assert_int_equal(product->kind, KAB_PRODUCT_PASSED);
    assert_string_equal(edge->letter_message, "as it is");
    assert_told(edge, 0, "as it is", KAB_FATE_PASSED);
    assert_commit(edge, 4);
    assert_int_equal(count_ends(edge, KAB_END_PASSED), 1);
}

TEST(with_on_failure_pass_a_record_with_a_refused_output_is_produced_unchanged)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_PASS);
    answer_first(edge);
    refuse(edge, 1, "too large");
    assert_produced(edge, "0,1,2,3,!1");
    assert_told(edge, 0, "too large", KAB_FATE_PASSED);
}

TEST(a_record_that_cannot_be_passed_stops_the_binding)
{
    FakeEdge *edge = *state;
    start_with(edge, KAB_ON_FAILURE_PASS);
    answer_first(edge);
    refuse(edge, 1, "too large");
    refuse(edge, 3, "still too large");
    assert_int_equal(edge->stop_reason, KAB_STOP_FAILURE);
    assert_non_null(strstr(edge->stop_message, "still too large"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_dropped_record_is_reported_to_the_owner),
        T(a_rejected_record_is_reported_to_the_owner),
        T(a_refused_dead_letter_is_reported_with_the_reason_of_the_broker),
        T(a_dead_letter_that_is_refused_twice_stops_with_the_reason_of_the_broker),
        T(a_record_that_the_function_passes_is_produced_unchanged),
        T(with_on_failure_pass_a_record_with_a_refused_output_is_produced_unchanged),
        T(a_record_that_cannot_be_passed_stops_the_binding),
    };
    return cmocka_run_group_tests_name("failure", tests, NULL, NULL);
}
