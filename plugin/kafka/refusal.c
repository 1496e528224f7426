/* SPDX-License-Identifier: Apache-2.0 */
/* The table of produce errors. What is not in it is a lost sink: an error
 * that nobody has judged must not send records to the dead letters.
 *
 * An unknown topic is not in it on purpose: the next producer waits for the
 * topic as the first one did, and stops the binding when it does not come. Nor
 * is an unknown partition: one that was there when the record was produced is
 * gone with its topic.
 */
#include "refusal.h"

static const struct {
    rd_kafka_resp_err_t error;
    KabVerdict alone, of_several;
    const char *advice;
} rows[] = {
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KAB_VERDICT_RECORD,
     KAB_VERDICT_SHRINK, NULL},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, KAB_VERDICT_RECORD,
     KAB_VERDICT_SHRINK, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, KAB_VERDICT_RECORD,
     KAB_VERDICT_ISOLATE, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, KAB_VERDICT_RECORD, KAB_VERDICT_ISOLATE,
     NULL},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, KAB_VERDICT_RECORD,
     KAB_VERDICT_ISOLATE, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, KAB_VERDICT_FENCED,
     KAB_VERDICT_FENCED, NULL},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, KAB_VERDICT_FENCED, KAB_VERDICT_FENCED,
     NULL},
    {RD_KAFKA_RESP_ERR__FENCED, KAB_VERDICT_FENCED, KAB_VERDICT_FENCED, NULL},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "allow the principal to write and describe the topic (kafka-acls.sh --add "
     "--allow-principal User:NAME --producer --topic TOPIC)"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "allow the principal idempotent writes (kafka-acls.sh --add "
     "--allow-principal User:NAME --operation IdempotentWrite --cluster)"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "allow the principal the transactional id (kafka-acls.sh --add "
     "--allow-principal User:NAME --producer --transactional-id ID)"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "allow the principal to read the group (kafka-acls.sh --add "
     "--allow-principal User:NAME --consumer --group GROUP --topic TOPIC)"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, KAB_VERDICT_STOP, KAB_VERDICT_STOP,
     "check the credentials in [kafka]"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP, "check the credentials in [kafka]"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, KAB_VERDICT_STOP, KAB_VERDICT_STOP,
     "the broker does not take this name for a topic"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "producer.transaction.timeout.ms must not be above the broker's "
     "transaction.max.timeout.ms"},
};

KabVerdict
kab_refusal_verdict(rd_kafka_resp_err_t error, size_t n)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].error == error)
            return n > 1 ? rows[i].of_several : rows[i].alone;
    return KAB_VERDICT_SINK;
}

const char *
kab_refusal_advice(rd_kafka_resp_err_t error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].error == error)
            return rows[i].advice;
    return NULL;
}

KabRefusal
kab_refusal_of(KabVerdict verdict)
{
    switch (verdict) {
    case KAB_VERDICT_RECORD:
        return KAB_REFUSED_RECORD;
    case KAB_VERDICT_STOP:
        return KAB_REFUSED_FATAL;
    case KAB_VERDICT_SHRINK:
    case KAB_VERDICT_ISOLATE:
    case KAB_VERDICT_SINK:
    case KAB_VERDICT_FENCED:
        break;
    }
    return KAB_REFUSED_SINK;
}
