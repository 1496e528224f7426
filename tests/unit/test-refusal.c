/* SPDX-License-Identifier: Apache-2.0 */
/* The table of produce errors.
 */
#include "kab-test.h"

#include "refusal.h"

TEST(a_record_alone_is_judged)
{
    const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
        assert_int_equal(kab_refusal_verdict(errors[i], 1), KAB_VERDICT_RECORD);
}

TEST(a_request_of_several_is_not_held_against_its_records)
{
    assert_int_equal(
        kab_refusal_verdict(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2),
        KAB_VERDICT_SHRINK);
    assert_int_equal(kab_refusal_verdict(RD_KAFKA_RESP_ERR_INVALID_RECORD, 2),
                     KAB_VERDICT_ISOLATE);
}

TEST(what_is_not_listed_is_a_lost_sink)
{
    assert_int_equal(kab_refusal_verdict(RD_KAFKA_RESP_ERR_UNKNOWN, 1),
                     KAB_VERDICT_SINK);
    assert_int_equal(kab_refusal_verdict(RD_KAFKA_RESP_ERR__PURGE_QUEUE, 9),
                     KAB_VERDICT_SINK);
    assert_int_equal(kab_refusal_of(KAB_VERDICT_SINK), KAB_REFUSED_SINK);
}

/* The next producer waits for the topic, and stops the binding if it does not
 * appear. */
TEST(an_unknown_topic_is_a_lost_sink)
{
    const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
        assert_int_equal(kab_refusal_verdict(errors[i], 1), KAB_VERDICT_SINK);
}

TEST(what_stops_says_what_to_do)
{
    const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR__AUTHENTICATION,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        KabVerdict verdict = kab_refusal_verdict(errors[i], 3);
        assert_int_equal(verdict, KAB_VERDICT_STOP);
        assert_int_equal(kab_refusal_of(verdict), KAB_REFUSED_FATAL);
        g_autofree char *advice =
            kab_refusal_dup_advice(errors[i], &(KabRefusalNames){0});
        assert_non_null(advice);
    }
}

TEST(advice_names_what_is_to_be_allowed)
{
    const KabRefusalNames names = {.grant = "grant", .group = "g"};
    g_autofree char *group = kab_refusal_dup_advice(
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, &names);
    assert_string_equal(group,
                        "allow the group: grant --operation Read --group g");
    g_autofree char *topic = kab_refusal_dup_advice(
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, &names);
    assert_non_null(strstr(topic, "--topic TOPIC"));
}

TEST(a_connection_that_breaks_at_the_log_in_is_no_refusal)
{
    const char *broken = "SASL authentication error: SaslAuthenticateRequest "
                         "failed: Local: Broker transport failure";
    assert_true(
        kab_refusal_is_outage(RD_KAFKA_RESP_ERR__AUTHENTICATION, broken));
    assert_false(kab_refusal_is_outage(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                                       "Invalid username or password"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_alone_is_judged),
        cmocka_unit_test(a_request_of_several_is_not_held_against_its_records),
        cmocka_unit_test(what_is_not_listed_is_a_lost_sink),
        cmocka_unit_test(an_unknown_topic_is_a_lost_sink),
        cmocka_unit_test(what_stops_says_what_to_do),
        cmocka_unit_test(advice_names_what_is_to_be_allowed),
        cmocka_unit_test(a_connection_that_breaks_at_the_log_in_is_no_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
