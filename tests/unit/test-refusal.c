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

/* The next producer waits for it, and stops when it does not come. */
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
        assert_non_null(kab_refusal_advice(errors[i]));
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
