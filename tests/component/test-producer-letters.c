/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters through the producer, against a mock cluster: what they
 * contain, and what happens to one that the broker refuses.
 */
#include "kab-test.h"

#include "api-keys.h"
#include "producer-rig.h"

static void
reject(Rig *rig, const KabRecord *record, KabResult *result)
{
    result->outcome = KAB_OUTCOME_REJECT;
    result->reason = "no good";
}

static Rig *
open_rejecting(void **state, KabDelivery delivery)
{
    Rig *rig = rig_new(state);
    rig->answer = reject;
    rig->setup.delivery = delivery;
    rig->group =
        rd_kafka_consumer_group_metadata_new_with_genid("group", 1, "m", NULL);
    rig_open(rig);
    return rig;
}

static void
take_with_header(Rig *rig, const char *value)
{
    RigMessage *message = rig_message("k", value);
    message->headers[message->n_headers++] = (KabHeader){"a", {"1", 1}};
    rig_take(rig, message);
}

/* Asserts a dead letter's headers, with the headers before and after them. */
static void
assert_headers(const Rig *rig,
               const RigRecord *record,
               const char *before,
               const char *after)
{
    g_autofree char *headers =
        g_strdup_printf("%s__kabridge.errors.topic=%s;"
                        "__kabridge.errors.partition=0;"
                        "__kabridge.errors.offset=0;"
                        "__kabridge.errors.timestamp=1234567890123;"
                        "__kabridge.errors.group=%s;"
                        "__kabridge.errors.binding=scoring;"
                        "__kabridge.errors.stage=function;"
                        "__kabridge.errors.attempts=1;"
                        "__kabridge.errors.class=rejected;"
                        "__kabridge.errors.message=no good;%s",
                        before, rig->in, rig->group_name, after);
    assert_string_equal(record->headers, headers);
}

TEST(a_dead_letter_says_where_it_came_from_and_why)
{
    Rig *rig = rig_new(state);
    rig->answer = reject;
    rig_open(rig);
    RigMessage *message = rig_message("k", "v");
    message->headers[message->n_headers++] = (KabHeader){"a", {"1", 1}};
    message->headers[message->n_headers++] =
        (KabHeader){"__kabridge.errors.message", {"old", 3}};
    rig_take(rig, message);
    rig_finish(rig);
    RigRecord *record = rig_read_one(rig, rig->dead, 4);
    assert_string_equal(record->key, "k");
    assert_string_equal(record->value, "v");
    assert_int_equal(record->timestamp_ms, 1234567890123);
    assert_headers(rig, record, "a=1;", "");
    rig_record_free(record);
    rig_free(rig);
}

/* Refuses the next n requests, as the broker refuses a request of one
 * record. */
static void
refuse_next(Rig *rig, size_t n)
{
    const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    };
    g_assert(n <= G_N_ELEMENTS(errors));
    rd_kafka_mock_push_request_errors_array(rig->mock, KAB_API_PRODUCE, n,
                                            errors);
}

static void
assert_truncated_letter(Rig *rig)
{
    assert_int_equal(rig_counters(rig)->records_finished[KAB_END_REJECTED], 1);
    RigRecord *record = rig_read_one(rig, rig->dead, 4);
    assert_null(record->key);
    assert_null(record->value);
    int64_t age_ms = g_get_real_time() / 1000 - record->timestamp_ms;
    assert_in_range(age_ms, 0, 60000);
    assert_headers(rig, record, "", "__kabridge.errors.truncated=true;");
    rig_record_free(record);
    assert_int_equal(rig_count(rig, rig->dead, 4), 1);
}

static bool
has_committed(Rig *rig)
{
    return rig->committed == 1;
}

TEST(a_letter_the_broker_refuses_is_sent_again_without_its_record)
{
    Rig *rig = open_rejecting(state, KAB_DELIVERY_AT_LEAST_ONCE);
    refuse_next(rig, 1);
    take_with_header(rig, "v");
    rig_finish(rig);
    assert_truncated_letter(rig);
    rig_until(rig, has_committed);
    rig_free(rig);
}

TEST(a_refused_letter_in_a_transaction_is_sent_again_without_its_record)
{
    Rig *rig = open_rejecting(state, KAB_DELIVERY_EXACTLY_ONCE);
    refuse_next(rig, 1);
    take_with_header(rig, "v");
    rig_finish(rig);
    assert_truncated_letter(rig);
    rig_free(rig);
}

TEST(a_letter_larger_than_its_topic_takes_is_sent_without_its_record)
{
    Rig *rig = open_rejecting(state, KAB_DELIVERY_AT_LEAST_ONCE);
    g_autofree char *value = g_strnfill(2 << 20, 'v');
    take_with_header(rig, value);
    rig_finish(rig);
    assert_truncated_letter(rig);
    rig_free(rig);
}

static bool
is_drained(Rig *rig)
{
    return kab_engine_is_drained(rig->engine);
}

TEST(a_dead_letter_that_is_refused_twice_stops_the_binding)
{
    Rig *rig = open_rejecting(state, KAB_DELIVERY_AT_LEAST_ONCE);
    refuse_next(rig, 2);
    take_with_header(rig, "v");
    rig_finish(rig);
    assert_true(rig->is_stopped);
    assert_int_equal(rig->stop_reason, KAB_STOP_DEAD_LETTER);
    assert_non_null(strstr(rig->stop_message, "refused twice"));
    kab_engine_drain(rig->engine, g_get_monotonic_time());
    rig_until(rig, is_drained);
    assert_int_equal(rig->committed, 0);
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_letter_says_where_it_came_from_and_why),
        cmocka_unit_test(
            a_letter_the_broker_refuses_is_sent_again_without_its_record),
        cmocka_unit_test(
            a_refused_letter_in_a_transaction_is_sent_again_without_its_record),
        cmocka_unit_test(
            a_letter_larger_than_its_topic_takes_is_sent_without_its_record),
        cmocka_unit_test(a_dead_letter_that_is_refused_twice_stops_the_binding),
    };
    return cmocka_run_group_tests(tests, rig_setup_broker, rig_teardown_broker);
}
