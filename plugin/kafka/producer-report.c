/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery reports, exactly one for each output, and errors of the client.
 *
 * A delivery-report event covers one request, or everything that was purged at
 * once: the broker's error for a request of several records is not held
 * against any one of them. Reports of a retired client are served like the
 * others; its errors only release the outputs.
 */
#include "producer-internal.h"
#include "refusal.h"

static void
shrink_batches(KabProducer *producer, KabClient *client)
{
    producer->batch_bytes = MAX(client->batch_bytes / 2, 1);
    kab_producer_lose(producer, client, KAB_LOSS_TOO_LARGE,
                      "a request of several outputs was too large: the next "
                      "producer has half the batch.size");
}

static void
describe_refusal(const KabClient *client,
                 char *ret,
                 size_t size,
                 const rd_kafka_message_t *report)
{
    const char *topic = report->rkt ? rd_kafka_topic_name(report->rkt) : "?";
    g_autofree char *advice = kab_client_dup_advice(client, report->err, topic);
    g_snprintf(ret, size, "the output to %s [%d] was refused: %s (%s)%s", topic,
               (int)report->partition, rd_kafka_err2str(report->err),
               rd_kafka_err2name(report->err), advice);
}

static void
refuse(KabProducer *producer,
       KabClient *client,
       const rd_kafka_message_t *report,
       KabVerdict verdict,
       const char *text)
{
    KabRefusal refusal = kab_refusal_of(verdict);
    if (verdict == KAB_VERDICT_ISOLATE)
        g_hash_table_add(producer->suspects, report->_private);
    kab_engine_refused(producer->setup.engine, report->_private, refusal, text,
                       producer->now);
    switch (verdict) {
    case KAB_VERDICT_SHRINK:
        shrink_batches(producer, client);
        break;
    case KAB_VERDICT_ISOLATE:
    case KAB_VERDICT_SINK:
    case KAB_VERDICT_FENCED:
        if (!client->plan.is_transactional)
            kab_producer_lose(producer, client, KAB_LOSS_REFUSED, text);
        break;
    case KAB_VERDICT_RECORD:
    case KAB_VERDICT_STOP:
        break;
    }
}

static void
note_refused(KabProducer *producer,
             KabClient *client,
             const rd_kafka_message_t *report,
             size_t n)
{
    char text[1024];
    describe_refusal(client, text, sizeof text, report);
    refuse(producer, client, report, kab_refusal_verdict(report->err, n), text);
}

static void
note_doubtful(KabProducer *producer,
              KabClient *client,
              const rd_kafka_message_t *report)
{
    char text[512];
    const char *topic = report->rkt ? rd_kafka_topic_name(report->rkt) : "?";
    g_snprintf(text, sizeof text,
               "outputs to %s [%d] were reported as written, but not where; "
               "they are written again",
               topic, (int)report->partition);
    refuse(producer, client, report, KAB_VERDICT_SINK, text);
}

/* A batch that is written has an offset. One without was refused, and one that
 * was sent behind it was taken (KAB_QUIRK_FIRST_BATCH), or it was written long
 * ago and sent again; which, nobody can tell. The offset of the batch's first
 * record says it for all. */
static void
serve_reports(KabProducer *producer, KabClient *client, rd_kafka_event_t *event)
{
    size_t n = rd_kafka_event_message_count(event);
    const rd_kafka_message_t *report = rd_kafka_event_message_next(event);
    bool has_offset = report && report->offset >= 0;
    client->quiet_us = producer->now;
    for (; report; report = rd_kafka_event_message_next(event)) {
        client->n_unreported--;
        if (report->err)
            note_refused(producer, client, report, n);
        else if (has_offset)
            kab_engine_acknowledged(producer->setup.engine, report->_private,
                                    producer->now);
        else
            note_doubtful(producer, client, report);
    }
}

/* A fatal error raised while a transaction call is under way is left to that
 * call: its result says more. */
static KabLoss
judge_fatal(KabProducer *producer, KabClient *client, rd_kafka_resp_err_t error)
{
    if (kab_refusal_verdict(error, 1) != KAB_VERDICT_FENCED)
        return KAB_LOSS_FATAL;
    int64_t age_us = producer->now - client->begun_us;
    bool has_outlived =
        producer->has_transaction && age_us >= client->plan.transaction_us;
    return has_outlived ? KAB_LOSS_TIMEOUT : KAB_LOSS_FENCED;
}

void
kab_producer_check_fatal(KabProducer *producer, KabClient *client)
{
    char text[512];
    rd_kafka_resp_err_t error =
        rd_kafka_fatal_error(client->handle, text, sizeof text);
    if (!error || client->is_busy || client != producer->client)
        return;
    KabLoss loss = judge_fatal(producer, client, error);
    if (loss == KAB_LOSS_FENCED)
        kab_client_describe_fencing(client, rd_kafka_err2name(error), text,
                                    sizeof text);
    kab_producer_lose(producer, client, loss, text);
}

static void
serve_error(KabProducer *producer, KabClient *client, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const char *reason = rd_kafka_event_error_string(event);
    g_autofree char *advice = kab_client_dup_advice(client, error, NULL);
    kab_producer_check_fatal(producer, client);
    if (kab_refusal_verdict(error, 1) == KAB_VERDICT_STOP &&
        !kab_refusal_is_outage(error, reason) && client == producer->client)
        kab_producer_stop(producer, g_strconcat(reason, advice, NULL));
}

void
kab_producer_report(KabProducer *producer,
                    KabClient *client,
                    rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        serve_reports(producer, client, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        serve_error(producer, client, event);
        break;
    default:
        break;
    }
}
