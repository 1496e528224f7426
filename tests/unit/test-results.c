/* SPDX-License-Identifier: Apache-2.0 */
/* How a function's results for its records reach the engine. */
#include "kab-test.h"

#include "executor-rig.h"

static void
answer_each_way(KabBatch *batch)
{
    kab_batch_emit_value(batch, 0, "new", 3);
    kab_batch_drop(batch, 1);
    kab_batch_retry_after(batch, 2, 50, "later");
    kab_batch_reject_input(batch, 3, "unreadable");
    kab_batch_complete(batch);
}

TEST(each_record_gets_its_own_outcome)
{
    Fixture *fixture = *state;
    run(fixture, answer_each_way);
    const KabResult *results = fixture->results;
    assert_int_equal(results[0].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(results[0].n_products, 1);
    assert_int_equal(results[0].bytes, 6);
    const KabOutput *output = &results[0].first->output;
    assert_memory_equal(output->value.data, "new", 3);
    assert_ptr_equal(output->key.data, fixture->records[0].key.data);
    assert_int_equal(results[1].outcome, KAB_OUTCOME_DONE);
    assert_null(results[1].first);
    assert_int_equal(results[2].outcome, KAB_OUTCOME_RETRY);
    assert_int_equal(results[2].delay_ms, 50);
    assert_string_equal(results[2].reason, "later");
    assert_int_equal(results[3].outcome, KAB_OUTCOME_REJECT_INPUT);
    assert_false(fixture->answer.failed);
    assert_int_equal(fixture->n_entered, 1);
}

static void
emit_borrowed(KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    KabOutput output = KAB_OUTPUT_INIT;
    output.value = records[0].value;
    kab_batch_emit(batch, 0, &output);
    char *own = kab_batch_alloc(batch, 100);
    memset(own, 'x', 100);
    output.value = (KabBytes){own, 100};
    kab_batch_emit(batch, 0, &output);
    char stack[] = "stack";
    output.value = (KabBytes){stack, 5};
    kab_batch_emit(batch, 0, &output);
    memset(stack, 0, sizeof stack);
    kab_batch_complete(batch);
}

TEST(a_value_that_is_its_records_own_is_not_charged_again)
{
    Fixture *fixture = *state;
    run(fixture, emit_borrowed);
    assert_int_equal(fixture->results[0].bytes, 100 + 5);
}

TEST(only_bytes_that_live_long_enough_are_borrowed)
{
    Fixture *fixture = *state;
    run(fixture, emit_borrowed);
    const KabProduct *product = fixture->results[0].first;
    assert_int_equal(fixture->results[0].n_products, 3);
    assert_ptr_equal(product->output.value.data,
                     fixture->records[0].value.data);
    assert_null(product->output.key.data);
    product = product->next;
    assert_int_equal(product->output.value.len, 100);
    product = product->next;
    assert_memory_equal(product->output.value.data, "stack", 5);
    assert_null(product->next);
}

static char neighbour[] = "neighbour";

static void
emit_a_neighbours_value(KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    KabOutput output = KAB_OUTPUT_INIT;
    output.value = records[1].value;
    kab_batch_emit(batch, 0, &output);
    kab_batch_complete(batch);
}

TEST(a_neighbours_bytes_are_copied)
{
    Fixture *fixture = *state;
    fixture->records[1].value = (KabBytes){neighbour, sizeof neighbour};
    run(fixture, emit_a_neighbours_value);
    const KabProduct *product = fixture->results[0].first;
    assert_ptr_not_equal(product->output.value.data, neighbour);
    assert_string_equal(product->output.value.data, neighbour);
}

static void
emit_topics(KabBatch *batch)
{
    char more[] = "more";
    KabOutput output = KAB_OUTPUT_INIT;
    output.topic = more;
    kab_batch_emit_copy(batch, 0, &output);
    output.topic = "elsewhere";
    kab_batch_emit_copy(batch, 1, &output);
    kab_batch_emit_copy(batch, 1, &output);
    kab_batch_complete(batch);
}

TEST(a_topic_that_is_not_listed_fails_the_record)
{
    Fixture *fixture = *state;
    run(fixture, emit_topics);
    assert_ptr_equal(fixture->results[0].first->output.topic, topics[1]);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_INVALID);
    assert_non_null(strstr(fixture->results[1].reason, "elsewhere"));
    assert_null(fixture->results[1].first);
}

static void
emit_partitions(KabBatch *batch)
{
    KabOutput output = KAB_OUTPUT_INIT;
    output.partition = 0;
    kab_batch_emit_copy(batch, 0, &output);
    output.partition = -2;
    kab_batch_emit_copy(batch, 1, &output);
    kab_batch_complete(batch);
}

TEST(a_partition_below_minus_1_fails_the_record)
{
    Fixture *fixture = *state;
    run(fixture, emit_partitions);
    assert_int_equal(fixture->results[0].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_INVALID);
    assert_non_null(strstr(fixture->results[1].reason, "-2"));
    assert_null(fixture->results[1].first);
}

static void
emit_timestamps(KabBatch *batch)
{
    KabOutput output = KAB_OUTPUT_INIT;
    output.timestamp_ms = 0;
    kab_batch_emit(batch, 0, &output);
    output.timestamp_ms = -2;
    kab_batch_emit(batch, 1, &output);
    output.timestamp_ms = INT64_MIN;
    kab_batch_emit_copy(batch, 2, &output);
    output.timestamp_ms = -1;
    kab_batch_emit_copy(batch, 2, &output);
    kab_batch_emit(batch, 3, &output);
    kab_batch_complete(batch);
}

TEST(a_timestamp_below_minus_1_fails_the_record)
{
    Fixture *fixture = *state;
    run(fixture, emit_timestamps);
    assert_int_equal(fixture->results[0].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(fixture->results[0].first->output.timestamp_ms, 0);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_INVALID);
    assert_non_null(strstr(fixture->results[1].reason, "timestamp -2"));
    assert_null(fixture->results[1].first);
    assert_int_equal(fixture->results[2].outcome, KAB_OUTCOME_INVALID);
    assert_null(fixture->results[2].first);
    assert_int_equal(fixture->results[3].first->output.timestamp_ms, -1);
}

static void
emit_headers(KabBatch *batch)
{
    KabHeader headers[] = {{"h", {"v", 1}}, {"h", {NULL, 0}}};
    KabOutput output = KAB_OUTPUT_INIT;
    output.headers = headers;
    output.n_headers = 2;
    kab_batch_emit(batch, 0, &output);
    memset(headers, 0, sizeof headers);
    kab_batch_complete(batch);
}

TEST(headers_are_copied)
{
    Fixture *fixture = *state;
    run(fixture, emit_headers);
    const KabOutput *output = &fixture->results[0].first->output;
    assert_int_equal(output->n_headers, 2);
    assert_string_equal(output->headers[0].name, "h");
    assert_memory_equal(output->headers[0].value.data, "v", 1);
    assert_null(output->headers[1].value.data);
}

static atomic_int n_wrong;

static void
expect(bool is_right)
{
    if (!is_right)
        atomic_fetch_add(&n_wrong, 1);
}

static void
read_headers(KabBatch *batch)
{
    size_t n;
    KabBytes value = {"untouched", 9};
    expect(!kab_batch_headers(batch, 0, &n) && n == 0);
    expect(!kab_batch_header(batch, 0, "a", &value) && value.len == 9);
    const KabHeader *headers = kab_batch_headers(batch, 1, &n);
    expect(n == 3 && strcmp(headers[1].name, "b") == 0);
    expect(kab_batch_header(batch, 1, "a", &value) &&
           memcmp(value.data, "3", 1) == 0);
    expect(!kab_batch_header(batch, 1, "c", &value));
    expect(kab_batch_headers(batch, 1, &n) == headers);
    kab_batch_complete(batch);
}

TEST(the_last_header_of_a_name_is_found)
{
    atomic_store(&n_wrong, 0);
    run(*state, read_headers);
    assert_int_equal(atomic_load(&n_wrong), 0);
}

static void
answer_wrongly(KabBatch *batch)
{
    kab_batch_drop(batch, 99);
    kab_batch_reject(batch, 0, "first");
    kab_batch_emit_value(batch, 0, "second", 6);
    kab_batch_drop(batch, 1);
    kab_batch_emit_value(batch, 1, "second", 6);
    kab_batch_complete(batch);
}

TEST(the_first_outcome_of_a_record_stands)
{
    Fixture *fixture = *state;
    run(fixture, answer_wrongly);
    assert_int_equal(fixture->results[0].outcome, KAB_OUTCOME_REJECT);
    assert_null(fixture->results[0].first);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_DONE);
    assert_null(fixture->results[1].first);
}

static void
take_a_megabyte_in_parts(KabBatch *batch)
{
    for (int i = 0; i < 64; i++)
        kab_batch_alloc(batch, 16 * 1024);
    kab_batch_complete(batch);
}

TEST(memory_that_an_open_call_takes_is_told)
{
    Fixture *fixture = *state;
    run(fixture, take_a_megabyte_in_parts);
    assert_true(fixture->n_grown > 900 * 1024);
    assert_true(fixture->n_grown < 2 * 1024 * 1024);
}

static void
take_little(KabBatch *batch)
{
    kab_batch_alloc(batch, 1000);
    kab_batch_complete(batch);
}

TEST(a_little_memory_is_not_told)
{
    Fixture *fixture = *state;
    run(fixture, take_little);
    assert_int_equal(fixture->n_grown, 0);
}

static void
pass_the_first(KabBatch *batch)
{
    kab_batch_pass(batch, 0, "the model is down");
    kab_batch_complete(batch);
}

TEST(a_passed_record_keeps_its_reason)
{
    Fixture *fixture = *state;
    run(fixture, pass_the_first);
    assert_int_equal(fixture->results[0].outcome, KAB_OUTCOME_PASS);
    assert_string_equal(fixture->results[0].reason, "the model is down");
}

static void
fail_at_length(KabBatch *batch)
{
    g_autofree char *reason = g_strnfill(1023, 'x');
    g_autofree char *text = g_strconcat(reason, "\xC3\xA4", NULL);
    kab_batch_fail(batch, KAB_FAIL_OVERLOAD, 1500, text);
}

TEST(a_failure_carries_its_class_and_a_bounded_reason)
{
    Fixture *fixture = *state;
    run(fixture, fail_at_length);
    assert_true(fixture->answer.failed);
    assert_int_equal(fixture->answer.failure, KAB_FAIL_OVERLOAD);
    assert_int_equal(fixture->answer.retry_after_ms, 1500);
    assert_int_equal(strlen(fixture->reason), 1023);
}

static void
fail_with_controls(KabBatch *batch)
{
    kab_batch_reject(batch, 0, "two\nlines");
    kab_batch_fail(batch, KAB_FAIL_FATAL, -1, "\033[31mred\x7f");
}

/* Reasons reach terminals and logs. */
TEST(control_characters_of_a_reason_are_escaped)
{
    Fixture *fixture = *state;
    run(fixture, fail_with_controls);
    assert_string_equal(fixture->results[0].reason, "two\\x0alines");
    assert_string_equal(fixture->reason, "\\x1b[31mred\\x7f");
}

static void
fail_with_nonsense(KabBatch *batch)
{
    kab_batch_fail(batch, (KabFailure)42, -7, NULL);
}

TEST(a_class_that_does_not_exist_is_transient)
{
    Fixture *fixture = *state;
    run(fixture, fail_with_nonsense);
    assert_int_equal(fixture->answer.failure, KAB_FAIL_TRANSIENT);
    assert_int_equal(fixture->answer.retry_after_ms, -1);
    assert_null(fixture->answer.reason);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CALLS(each_record_gets_its_own_outcome),
        WITH_CALLS(a_value_that_is_its_records_own_is_not_charged_again),
        WITH_CALLS(only_bytes_that_live_long_enough_are_borrowed),
        WITH_CALLS(a_neighbours_bytes_are_copied),
        WITH_CALLS(a_topic_that_is_not_listed_fails_the_record),
        WITH_CALLS(a_partition_below_minus_1_fails_the_record),
        WITH_CALLS(a_timestamp_below_minus_1_fails_the_record),
        WITH_CALLS(headers_are_copied),
        WITH_CALLS(the_last_header_of_a_name_is_found),
        WITH_CALLS(memory_that_an_open_call_takes_is_told),
        WITH_CALLS(a_little_memory_is_not_told),
        WITH_CALLS(a_passed_record_keeps_its_reason),
        WITH_CALLS(the_first_outcome_of_a_record_stands),
        WITH_CALLS(a_failure_carries_its_class_and_a_bounded_reason),
        WITH_CALLS(control_characters_of_a_reason_are_escaped),
        WITH_CALLS(a_class_that_does_not_exist_is_transient),
    };
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
