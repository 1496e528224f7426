/* SPDX-License-Identifier: Apache-2.0 */
/* The table of produce errors. An error not in it means a lost sink: one that
 * nobody has judged must not send records to the dead letters.
 *
 * An unknown topic is left out on purpose: the next producer waits for the
 * topic as the first one did, and stops the binding if it does not appear. So
 * is an unknown partition: if it existed when the record was produced, it went
 * away with its topic.
 */
#include "refusal.h"

#include <string.h>

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
     KAB_VERDICT_STOP, "allow writing to the topic"},
    /* An idempotent producer sends InitProducerId; a right to write to any
     * topic is enough. */
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "allow writing to the topic (before Kafka 2.8 also --operation "
     "IdempotentWrite --cluster)"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP, "allow the transactional id"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP, "allow the group"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, KAB_VERDICT_STOP, KAB_VERDICT_STOP,
     "see security.protocol and sasl.* in [kafka]"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP, "see security.protocol and sasl.* in [kafka]"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, KAB_VERDICT_STOP, KAB_VERDICT_STOP,
     "the broker does not take this name for a topic"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, KAB_VERDICT_STOP,
     KAB_VERDICT_STOP,
     "producer.transaction.timeout.ms must not be above the broker's "
     "transaction.max.timeout.ms"},
};

/* For each error, what the kafka-acls.sh command is to grant. */
static const struct {
    rd_kafka_resp_err_t error;
    const char *words;
    size_t name; /* offset in KabRefusalNames */
    const char *unknown;
} rights[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "--operation Write --topic",
     offsetof(KabRefusalNames, topic), "TOPIC"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
     "--operation Write --topic", offsetof(KabRefusalNames, topic), "TOPIC"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
     "--operation Write --transactional-id",
     offsetof(KabRefusalNames, transactional_id), "ID"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "--operation Read --group",
     offsetof(KabRefusalNames, group), "GROUP"},
};

KabVerdict
kab_refusal_verdict(rd_kafka_resp_err_t error, size_t n)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].error == error)
            return n > 1 ? rows[i].of_several : rows[i].alone;
    return KAB_VERDICT_SINK;
}

static const char *
find_advice(rd_kafka_resp_err_t error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].error == error)
            return rows[i].advice;
    return NULL;
}

static bool
is_log_in(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

char *
kab_refusal_dup_advice(rd_kafka_resp_err_t error, const KabRefusalNames *names)
{
    const char *advice = find_advice(error);
    const char *grant = names->grant ? names->grant : "kafka-acls.sh --add";
    for (size_t i = 0; i < G_N_ELEMENTS(rights); i++) {
        if (rights[i].error != error)
            continue;
        const char *const *field =
            (const void *)((const char *)names + rights[i].name);
        return g_strdup_printf("%s: %s %s %s", advice, grant, rights[i].words,
                               *field ? *field : rights[i].unknown);
    }
    if (advice && names->log_in && is_log_in(error))
        return g_strconcat(advice, "; ", names->log_in, NULL);
    return g_strdup(advice);
}

bool
kab_refusal_is_authorisation(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

bool
kab_refusal_is_outage(rd_kafka_resp_err_t error, const char *reason)
{
    const rd_kafka_resp_err_t outages[] = {RD_KAFKA_RESP_ERR__TRANSPORT,
                                           RD_KAFKA_RESP_ERR__TIMED_OUT,
                                           RD_KAFKA_RESP_ERR__DESTROY};
    if (error != RD_KAFKA_RESP_ERR__AUTHENTICATION || !reason)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(outages); i++)
        if (strstr(reason, rd_kafka_err2str(outages[i])))
            return true;
    return false;
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
