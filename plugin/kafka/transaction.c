/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: which call may follow which answer.
 *
 *   send_offsets -> commit -> committed
 *        |            |
 *        +-> abort <--+-> unknown
 *
 * The error decides what follows: a fatal one ends the client; an abortable
 * one leads to an abort; after a retriable one the call is repeated, unless a
 * fatal error was raised meanwhile (the client would answer for ever that the
 * call is under way). If the offsets could not be sent in time, no commit
 * follows: librdkafka would commit without them. A commit that timed out can
 * only be resumed.
 *
 * The broker aborts a transaction that exceeds transaction.timeout.ms, which
 * looks as if another producer had fenced this one; our own clock, started
 * before the broker's, tells the two apart.
 */
#include "refusal.h"
#include "transaction.h"

/* A commit or abort call may block this long before it is resumed. */
enum { CALL_MS = 3000 };
#define AGAIN_US 20000
#define GRACE_US (5 * G_USEC_PER_SEC)

typedef enum {
    VERDICT_OK,
    VERDICT_AGAIN,
    VERDICT_ABORT,
    VERDICT_FATAL,
} Verdict;

static bool
has_outlived(const KabClient *client)
{
    return g_get_monotonic_time() - client->begun_us >=
           client->plan.transaction_us;
}

/* The client is unusable: records why. */
static KabDone
explain_loss(KabClient *client, KabDone otherwise)
{
    char text[256] = "";
    rd_kafka_resp_err_t error =
        rd_kafka_fatal_error(client->handle, text, sizeof text);
    bool is_fenced = error == RD_KAFKA_RESP_ERR__FENCED ||
                     error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
                     error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    if (is_fenced && has_outlived(client))
        return kab_client_say(
            client, KAB_DONE_TIMED_OUT,
            "the transaction outlived transaction.timeout.ms (%d ms): the "
            "broker has aborted it",
            (int)(client->plan.transaction_us / 1000));
    if (is_fenced) {
        kab_client_describe_fencing(client, rd_kafka_err2name(error),
                                    client->message, sizeof client->message);
        return KAB_DONE_FENCED;
    }
    if (error)
        return kab_client_say(client, otherwise, "%s", text);
    return otherwise;
}

/* Takes the error; its text becomes the duty's message. */
static Verdict
judge_error(KabClient *client, rd_kafka_error_t *error)
{
    Verdict verdict = VERDICT_FATAL;
    kab_client_leave(client);
    if (!error)
        return VERDICT_OK;
    if (rd_kafka_error_is_fatal(error))
        verdict = VERDICT_FATAL;
    else if (rd_kafka_error_txn_requires_abort(error))
        verdict = VERDICT_ABORT;
    else if (rd_kafka_error_is_retriable(error))
        verdict = VERDICT_AGAIN;
    client->error = rd_kafka_error_code(error);
    kab_client_say(client, KAB_DONE, "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    if (rd_kafka_fatal_error(client->handle, NULL, 0))
        verdict = VERDICT_FATAL;
    return verdict;
}

/* May the same call be repeated? If so, waits a little first. */
static bool
may_repeat(KabClient *client, int64_t until_us)
{
    if (g_get_monotonic_time() >= until_us ||
        atomic_load(&client->is_cancelled))
        return false;
    kab_client_pause(client, AGAIN_US);
    return true;
}

KabDone
kab_transaction_begin(KabClient *client)
{
    client->begun_us = g_get_monotonic_time();
    if (rd_kafka_fatal_error(client->handle, NULL, 0))
        return explain_loss(client, KAB_DONE_FATAL);
    int64_t until_us = client->begun_us + GRACE_US;
    for (;;) {
        kab_client_enter(client);
        switch (
            judge_error(client, rd_kafka_begin_transaction(client->handle))) {
        case VERDICT_OK:
            return KAB_DONE;
        case VERDICT_AGAIN:
            if (may_repeat(client, until_us))
                continue;
            return explain_loss(client, KAB_DONE_FATAL);
        case VERDICT_ABORT:
        case VERDICT_FATAL:
            return explain_loss(client, KAB_DONE_FATAL);
        }
    }
}

/* Find out why the transaction cannot be committed. librdkafka reports a
 * background failure only from the next call; begin_transaction() is not
 * allowed here and so has no other effect. */
static void
ask_for_reason(KabClient *client)
{
    if (client->message[0])
        return;
    judge_error(client, rd_kafka_begin_transaction(client->handle));
    if (client->error == RD_KAFKA_RESP_ERR__STATE)
        client->message[0] = '\0';
}

/* The transaction is aborted; for some errors another try is useless. */
static KabDone
end_aborted(KabClient *client, rd_kafka_resp_err_t error, const char *reason)
{
    g_autofree char *advice = kab_client_dup_advice(client, error, NULL);
    if (error == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
        return kab_client_say(client, KAB_DONE_TOO_LARGE, "%s", reason);
    if (kab_refusal_verdict(error, 1) != KAB_VERDICT_STOP)
        return kab_client_say(client, KAB_DONE_ABORTED, "%s", reason);
    return kab_client_say(client, KAB_DONE_STOP, "%s%s", reason, advice);
}

/* The abort failed, so the client is unusable. A coordinator that refused a
 * transaction's first request does not know the transaction, and calls its
 * abort invalid: nothing of it can be committed, and a new client would fare
 * no better. */
static KabDone
failed_to_abort(KabClient *client,
                rd_kafka_resp_err_t error,
                const char *reason)
{
    if (kab_refusal_verdict(error, 1) == KAB_VERDICT_STOP)
        return end_aborted(client, error, reason);
    return explain_loss(client, KAB_DONE_FATAL);
}

/* After transaction.timeout.ms the broker aborts the transaction itself; an
 * abort call unanswered by then is not repeated: a new client is faster. */
KabDone
kab_transaction_abort(KabClient *client)
{
    int64_t until_us = client->begun_us + client->plan.transaction_us;
    ask_for_reason(client);
    rd_kafka_resp_err_t error = client->error;
    g_autofree char *reason = g_strdup(client->message);
    for (;;) {
        kab_client_enter(client);
        switch (judge_error(
            client, rd_kafka_abort_transaction(client->handle, CALL_MS))) {
        case VERDICT_OK:
            return end_aborted(client, error, reason);
        case VERDICT_AGAIN:
            if (may_repeat(client, until_us))
                continue;
            return KAB_DONE_TIMED_OUT;
        case VERDICT_ABORT:
        case VERDICT_FATAL:
            return failed_to_abort(client, error, reason);
        }
    }
}

static Verdict
send_offsets(KabClient *client, const KabClientOffsets *offsets)
{
    int64_t until_us = client->begun_us + client->plan.transaction_us;
    for (;;) {
        kab_client_enter(client);
        Verdict verdict =
            judge_error(client, rd_kafka_send_offsets_to_transaction(
                                    client->handle, offsets->offsets,
                                    offsets->group, CALL_MS));
        if (verdict != VERDICT_AGAIN)
            return verdict;
        if (!may_repeat(client, until_us))
            return VERDICT_ABORT;
    }
}

static KabDone
commit_transaction(KabClient *client)
{
    int64_t until_us = MAX(client->begun_us + client->plan.transaction_us,
                           g_get_monotonic_time()) +
                       GRACE_US;
    for (;;) {
        kab_client_enter(client);
        switch (judge_error(
            client, rd_kafka_commit_transaction(client->handle, CALL_MS))) {
        case VERDICT_OK:
            return KAB_DONE;
        case VERDICT_AGAIN:
            if (may_repeat(client, until_us))
                continue;
            return KAB_DONE_UNKNOWN;
        case VERDICT_ABORT:
            return kab_transaction_abort(client);
        case VERDICT_FATAL:
            return explain_loss(client, KAB_DONE_UNKNOWN);
        }
    }
}

/* Returns a new string: " --topic NAME" for each run of a topic in the list. */
static char *
dup_topic_words(const rd_kafka_topic_partition_list_t *list)
{
    GString *words = g_string_new(NULL);
    const char *last = "";
    for (int i = 0; i < list->cnt; i++) {
        const char *topic = list->elems[i].topic;
        if (!g_str_equal(topic, last))
            g_string_append_printf(words, " --topic %s", topic);
        last = topic;
    }
    return g_string_free(words, FALSE);
}

/* A topic refused here is an input; the reason names it. */
static KabDone
abort_for_offsets(KabClient *client, const KabClientOffsets *offsets)
{
    bool is_input =
        client->error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    g_autofree char *reason = g_strdup(client->message);
    g_autofree char *topics = dup_topic_words(offsets->offsets);
    KabDone done = kab_transaction_abort(client);
    if (done != KAB_DONE_STOP || !is_input)
        return done;
    return kab_client_say(client, KAB_DONE_STOP,
                          "%s; allow reading the topic: %s --operation Read%s",
                          reason, client->plan.grant, topics);
}

KabDone
kab_transaction_end(KabClient *client, const KabClientOffsets *offsets)
{
    if (!offsets->offsets->cnt)
        return commit_transaction(client);
    if (!offsets->group) {
        kab_client_say(client, KAB_DONE, "the member is not in its group");
        return kab_transaction_abort(client);
    }
    switch (send_offsets(client, offsets)) {
    case VERDICT_OK:
        return commit_transaction(client);
    case VERDICT_AGAIN:
    case VERDICT_ABORT:
        return abort_for_offsets(client, offsets);
    case VERDICT_FATAL:
        break;
    }
    return explain_loss(client, KAB_DONE_FATAL);
}
