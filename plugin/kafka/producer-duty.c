/* SPDX-License-Identifier: Apache-2.0 */
/* Duties of a client's thread, and what the engine hears of their ends.
 *
 * A client has one at a time. The engine asks for one after the other, too;
 * only asking for partitions again may still be under way when a transaction
 * is to be ended: then that one waits.
 */
#include <string.h>

#include "committed.h"
#include "producer-internal.h"

/* --- Giving ------------------------------------------------------------ */

static void
opened(KabProducer *producer, KabClient *client)
{
    uint64_t one = 1;
    client->is_open = true;
    client->queue = rd_kafka_queue_get_main(client->handle);
    rd_kafka_queue_io_event_enable(client->queue, producer->setup.edge->wake_fd,
                                   &one, sizeof one);
}

static void
give(KabProducer *producer, KabDuty duty, const KabClientOffsets *offsets)
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
kab_producer_begin(KabProducer *producer, uint32_t epoch)
{
    if (!producer->client)
        return;
    producer->transaction = epoch;
    producer->has_transaction = true;
    give(producer, KAB_DUTY_BEGIN, NULL);
}

/* While another duty is under way: the engine asks again. */
void
kab_producer_flush(KabProducer *producer)
{
    KabClient *client = producer->client;
    if (client && client->is_open && !client->is_busy)
        kab_client_give(client, KAB_DUTY_FLUSH, NULL);
}

/* The thread's own: the source's is borrowed until its next turn only. */
static rd_kafka_consumer_group_metadata_t *
copy_group(const KabProducer *producer)
{
    void *buffer = NULL;
    size_t size = 0;
    rd_kafka_consumer_group_metadata_t *copy = NULL;
    rd_kafka_consumer_group_metadata_t *group =
        kab_source_get_group(producer->setup.source);
    if (!group)
        return NULL;
    rd_kafka_error_t *error =
        rd_kafka_consumer_group_metadata_write(group, &buffer, &size);
    if (!error)
        error = rd_kafka_consumer_group_metadata_read(&copy, buffer, size);
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_mem_free(NULL, buffer);
    return copy;
}

static rd_kafka_topic_partition_list_t *
make_offsets(const KabCommitItem *items, size_t n)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(
            list, items[i].topic, items[i].number);
        element->offset = items[i].offset;
        /* librdkafka frees it with free(), as g_malloc's memory may be. */
        element->metadata = kab_committed_encode(
            items[i].offset, items[i].intervals, items[i].n_intervals);
        if (element->metadata)
            element->metadata_size = strlen(element->metadata);
    }
    return list;
}

void
kab_producer_end(KabProducer *producer,
                 uint32_t epoch,
                 KabCommitItem *items,
                 size_t n)
{
    if (!producer->client)
        return;
    producer->transaction = epoch;
    producer->items = items;
    producer->n_items = n;
    KabClientOffsets offsets = {
        .offsets = make_offsets(items, n),
        .group = n ? copy_group(producer) : NULL,
    };
    give(producer, KAB_DUTY_END, &offsets);
}

void
kab_producer_abort(KabProducer *producer, uint32_t epoch)
{
    if (!producer->client)
        return;
    producer->transaction = epoch;
    give(producer, KAB_DUTY_ABORT, NULL);
}

/* --- Results ----------------------------------------------------------- */

static void
end_opening(KabProducer *producer, KabClient *client, KabDone done)
{
    if (done == KAB_DONE)
        opened(producer, client);
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

/* What the client's loss counts as; KAB_N_LOSSES: it is not lost. */
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
count_loss(KabProducer *producer, KabClient *client, KabDone done)
{
    int loss = loss_of(done);
    if (loss == KAB_N_LOSSES || client->is_lost)
        return;
    client->is_lost = true;
    producer->state.losses[loss]++;
    producer->setup.edge->log(producer->setup.edge->user, KAB_LOG_WARNING,
                              KAB_NOWHERE, client->message);
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

/* The broker's offset.metadata.max.bytes is less than was thought: the engine
 * says less the next time. */
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
    count_loss(producer, client, done);
    bool is_aborted = done == KAB_DONE_ABORTED || done == KAB_DONE_TOO_LARGE;
    if (is_aborted && client->message[0])
        producer->setup.edge->log(producer->setup.edge->user, KAB_LOG_INFO,
                                  KAB_NOWHERE, client->message);
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
