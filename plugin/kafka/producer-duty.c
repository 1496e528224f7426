/* SPDX-License-Identifier: Apache-2.0 */
/* Duties of a client's thread, and how the engine hears of their results.
 *
 * A client has one duty at a time. The engine, too, asks for one after the
 * other, except that a request for partitions and limits may still be under
 * way when it wants to end a transaction: the end then waits.
 */
#include "offsets.h"
#include "producer-internal.h"

/* --- Giving ------------------------------------------------------------ */

static void
note_opened(KabProducer *producer, KabClient *client)
{
    uint64_t one = 1;
    client->is_open = true;
    client->queue = rd_kafka_queue_get_main(client->handle);
    rd_kafka_queue_io_event_enable(client->queue, producer->setup.edge->wake_fd,
                                   &one, sizeof one);
}

static void
give_duty(KabProducer *producer, KabDuty duty, const KabClientOffsets *offsets)
{
    KabClient *client = producer->client;
    if (!client->is_busy) {
        kab_client_give(client, duty, offsets);
        return;
    }
    g_assert(!producer->has_waiting);
    producer->has_waiting = true;
    producer->waiting = duty;
    producer->waiting_offsets = offsets ? *offsets : (KabClientOffsets){0};
}

static void
give_waiting(KabProducer *producer, KabClient *client)
{
    if (!producer->has_waiting || client != producer->client)
        return;
    producer->has_waiting = false;
    kab_client_give(client, producer->waiting, &producer->waiting_offsets);
}

void
kab_producer_drop_waiting(KabProducer *producer)
{
    KabClientOffsets *offsets = &producer->waiting_offsets;
    if (producer->has_waiting && offsets->offsets)
        rd_kafka_topic_partition_list_destroy(offsets->offsets);
    if (producer->has_waiting && offsets->group)
        rd_kafka_consumer_group_metadata_destroy(offsets->group);
    producer->has_waiting = false;
}

void
kab_producer_begin(void *user, uint32_t epoch)
{
    KabProducer *producer = user;
    if (!producer->client)
        return;
    producer->transaction = epoch;
    producer->has_transaction = true;
    give_duty(producer, KAB_DUTY_BEGIN, NULL);
}

/* If another duty is under way, do nothing: the engine asks again. */
void
kab_producer_flush(void *user)
{
    KabProducer *producer = user;
    KabClient *client = producer->client;
    if (client && client->is_open && !client->is_busy)
        kab_client_give(client, KAB_DUTY_FLUSH, NULL);
}

void
kab_producer_end(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    KabProducer *producer = user;
    if (!producer->client)
        return;
    producer->transaction = epoch;
    producer->items = items;
    producer->n_items = n;
    KabClientOffsets offsets = {
        .offsets = kab_offsets_new_list(items, n),
        .group =
            n ? producer->setup.dup_group(producer->setup.group_user) : NULL,
    };
    give_duty(producer, KAB_DUTY_END, &offsets);
}

void
kab_producer_abort(void *user, uint32_t epoch)
{
    KabProducer *producer = user;
    if (!producer->client)
        return;
    producer->transaction = epoch;
    give_duty(producer, KAB_DUTY_ABORT, NULL);
}

/* --- Results ----------------------------------------------------------- */

static void
end_opening(KabProducer *producer, KabClient *client, KabDone done)
{
    if (done == KAB_DONE)
        note_opened(producer, client);
    else if (done == KAB_DONE_STOP && client == producer->client)
        kab_producer_stop(producer, g_strdup(client->message));
}

static KabTxnResult
txn_result(KabDone done)
{
    switch (done) {
    case KAB_DONE:
        return KAB_TXN_COMMITTED;
    case KAB_DONE_ABORTED:
    case KAB_DONE_TOO_LARGE:
    case KAB_DONE_STOP:
        return KAB_TXN_ABORTED;
    case KAB_DONE_FENCED:
        return KAB_TXN_FENCED;
    case KAB_DONE_CANCELLED:
    case KAB_DONE_TIMED_OUT:
    case KAB_DONE_UNKNOWN:
    case KAB_DONE_FATAL:
        break;
    }
    return KAB_TXN_UNKNOWN;
}

/* Returns the KabLoss that a result counts as; KAB_N_LOSSES: not a loss. */
static int
loss_of(KabDone done)
{
    switch (done) {
    case KAB_DONE:
    case KAB_DONE_ABORTED:
    case KAB_DONE_TOO_LARGE:
    case KAB_DONE_STOP:
    case KAB_DONE_CANCELLED:
        break;
    case KAB_DONE_TIMED_OUT:
        return KAB_LOSS_TIMEOUT;
    case KAB_DONE_FENCED:
        return KAB_LOSS_FENCED;
    case KAB_DONE_UNKNOWN:
        return KAB_LOSS_UNKNOWN;
    case KAB_DONE_FATAL:
        return KAB_LOSS_FATAL;
    }
    return KAB_N_LOSSES;
}

static void
end_begin(KabProducer *producer, KabClient *client, KabDone done)
{
    if (done != KAB_DONE) {
        int loss = loss_of(done);
        kab_producer_lose(producer, client,
                          loss == KAB_N_LOSSES ? KAB_LOSS_FATAL : (KabLoss)loss,
                          client->message);
    }
    kab_engine_transaction_begun(producer->setup.engine, producer->transaction,
                                 done == KAB_DONE, producer->now);
}

/* The broker's offset.metadata.max.bytes is below our cap: the engine writes
 * less metadata the next time. */
static void
refuse_metadata(KabProducer *producer)
{
    for (size_t i = 0; i < producer->n_items; i++)
        producer->items[i].result = KAB_COMMIT_TOO_LARGE;
    producer->n_items = 0;
}

static void
end_transaction(KabProducer *producer, KabClient *client, KabDone done)
{
    producer->has_transaction = false;
    int loss = loss_of(done);
    if (loss != KAB_N_LOSSES)
        kab_producer_note_loss(producer, client, (KabLoss)loss,
                               client->message);
    bool is_aborted = done == KAB_DONE_ABORTED || done == KAB_DONE_TOO_LARGE;
    if (is_aborted && client->message[0])
        kab_edge_log_some(producer->setup.edge, &producer->loss_lines,
                          KAB_LOG_INFO, KAB_NOWHERE, client->message,
                          producer->now);
    if (done == KAB_DONE_STOP)
        kab_producer_stop(producer, g_strdup(client->message));
    if (done == KAB_DONE_TOO_LARGE)
        refuse_metadata(producer);
    kab_engine_transaction_ended(producer->setup.engine, producer->transaction,
                                 txn_result(done), client->message,
                                 producer->now);
}

static void
end_duty(KabProducer *producer, KabClient *client, KabDuty duty, KabDone done)
{
    bool is_current = client == producer->client;
    switch (duty) {
    case KAB_DUTY_OPEN:
        end_opening(producer, client, done);
        break;
    case KAB_DUTY_BEGIN:
        if (is_current)
            end_begin(producer, client, done);
        break;
    case KAB_DUTY_END:
    case KAB_DUTY_ABORT:
        if (is_current)
            end_transaction(producer, client, done);
        break;
    case KAB_DUTY_REFRESH:
    case KAB_DUTY_FLUSH:
        break;
    case KAB_DUTY_CLOSE:
        client->is_open = false;
        break;
    }
    give_waiting(producer, client);
}

bool
kab_producer_take_done(KabProducer *producer, KabClient *client)
{
    KabDuty duty;
    KabDone done;
    if (!kab_client_take_done(client, &duty, &done))
        return false;
    end_duty(producer, client, duty, done);
    return true;
}
