/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the producer on the loop: opening, transactions, replacement,
 * closing.
 *
 * The queue of a client is served to its end in every turn, or the turn says
 * that it moved: librdkafka writes the descriptor only when the queue was
 * empty.
 */
#include <string.h>

#include "committed.h"
#include "producer-internal.h"

enum { EVENTS_A_TURN = 64 };
/* In flight are given this long to succeed before they are purged. */
#define MERCY_US (2 * G_USEC_PER_SEC)
#define PURGE_AGAIN_US G_USEC_PER_SEC
/* What one client call may take beyond its own time-out. */
#define MARGIN_US (10 * G_USEC_PER_SEC)
#define CLOSE_US (5 * G_USEC_PER_SEC)

/* --- Setup ------------------------------------------------------------- */

static const char *
lookup(const KabProducer *producer, const char *name)
{
    return kab_properties_lookup(KAB_CLIENT_PRODUCER,
                                 producer->setup.properties,
                                 producer->setup.n_properties, name);
}

static size_t
lookup_number(const KabProducer *producer, const char *name, size_t otherwise)
{
    const char *value = lookup(producer, name);
    return value ? strtoul(value, NULL, 10) : otherwise;
}

static size_t
add_destination(KabProducer *producer, const char *name)
{
    for (size_t i = 0; i < producer->n_destinations; i++)
        if (strcmp(producer->destinations[i].name, name) == 0)
            return i;
    producer->destinations[producer->n_destinations] =
        (KabDestination){.name = name, .alias = name};
    return producer->n_destinations++;
}

static void
list_destinations(KabProducer *producer)
{
    const KabProducerSetup *setup = &producer->setup;
    const char *const *more = setup->output_topics;
    size_t n = 2;
    for (const char *const *topic = more; topic && *topic; topic++)
        n++;
    producer->destinations = g_new0(KabDestination, n);
    producer->output = producer->dead_letter = SIZE_MAX;
    if (setup->output_topic)
        producer->output = add_destination(producer, setup->output_topic);
    for (const char *const *topic = more; topic && *topic; topic++)
        add_destination(producer, *topic);
    producer->n_outputs = producer->n_destinations;
    if (setup->dead_letter_topic)
        producer->dead_letter =
            add_destination(producer, setup->dead_letter_topic);
}

static bool
is_exactly_once(const KabProducer *producer)
{
    return producer->setup.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

static bool
is_compressing(const KabProducer *producer)
{
    const char *codec = lookup(producer, "compression.codec");
    if (!codec)
        codec = lookup(producer, "compression.type");
    return codec && strcmp(codec, "none") != 0;
}

/* The transactional id's slot, and time-outs that belong together. */
static void
set_transactional(const KabProducer *producer, rd_kafka_conf_t *conf)
{
    char timeout[24];
    g_autofree char *id =
        g_strdup_printf("%s-0", producer->setup.transactional_id);
    g_snprintf(timeout, sizeof timeout, "%d",
               (int)(producer->transaction_us / 1000));
    rd_kafka_conf_set(conf, "transactional.id", id, NULL, 0);
    rd_kafka_conf_set(conf, "transaction.timeout.ms", timeout, NULL, 0);
    rd_kafka_conf_set(conf, "message.timeout.ms", timeout, NULL, 0);
    if (!lookup(producer, "retry.backoff.ms"))
        rd_kafka_conf_set(conf, "retry.backoff.ms", "20", NULL, 0);
}

static rd_kafka_conf_t *
make_conf(const KabProducer *producer, GError **error)
{
    rd_kafka_conf_t *conf =
        kab_properties_new_conf(KAB_CLIENT_PRODUCER, producer->setup.properties,
                                producer->setup.n_properties, error);
    if (conf && is_exactly_once(producer))
        set_transactional(producer, conf);
    return conf;
}

KabProducer *
kab_producer_new(const KabProducerSetup *setup, GError **error)
{
    KabProducer *producer = g_new0(KabProducer, 1);
    producer->setup = *setup;
    producer->retired = g_ptr_array_new();
    producer->suspects = g_hash_table_new(NULL, NULL);
    producer->transaction_us =
        1000 *
        (int64_t)lookup_number(producer, "transaction.timeout.ms", 10000);
    producer->batch_bytes = lookup_number(producer, "batch.size", 1000000);
    producer->is_compressed = is_compressing(producer);
    list_destinations(producer);
    rd_kafka_conf_t *conf = make_conf(producer, error);
    if (!conf) {
        kab_producer_free(producer);
        return NULL;
    }
    rd_kafka_conf_destroy(conf);
    return producer;
}

/* --- Telling the engine ------------------------------------------------ */

void
kab_producer_stop(KabProducer *producer, char *message)
{
    if (producer->stop || producer->is_stopped)
        g_free(message);
    else
        producer->stop = message;
}

void
kab_producer_lose(KabProducer *producer,
                  KabClient *client,
                  KabLoss loss,
                  const char *reason)
{
    if (client->is_lost || client != producer->client)
        return;
    client->is_lost = true;
    producer->state.losses[loss]++;
    producer->setup.edge->log(producer->setup.edge->user, KAB_LOG_WARNING,
                              KAB_NOWHERE, reason);
    kab_engine_sink_lost(producer->setup.engine, producer->epoch,
                         loss == KAB_LOSS_FENCED, reason, producer->now);
}

static bool
tell_stop(KabProducer *producer)
{
    if (!producer->stop)
        return false;
    producer->is_stopped = true;
    kab_engine_fail(producer->setup.engine, KAB_STOP_SINK, producer->stop,
                    producer->now);
    g_clear_pointer(&producer->stop, g_free);
    return true;
}

static bool
has_unreported(const KabProducer *producer)
{
    for (guint i = 0; i < producer->retired->len; i++)
        if (((KabClient *)producer->retired->pdata[i])->n_unreported)
            return true;
    return false;
}

static bool
tell_ready(KabProducer *producer)
{
    if (!producer->is_owed_ready || !producer->client ||
        !producer->client->is_open || has_unreported(producer))
        return false;
    producer->is_owed_ready = false;
    producer->is_full = false;
    producer->has_transaction = false;
    kab_engine_sink_ready(producer->setup.engine, producer->epoch,
                          producer->now);
    return true;
}

/* After something was reported or done. */
static void
tell_room(KabProducer *producer)
{
    KabClient *client = producer->client;
    if (!producer->is_full || producer->is_stopped || !client ||
        client->is_busy || (producer->is_alone && client->n_unreported))
        return;
    producer->is_full = false;
    kab_engine_sink_has_room(producer->setup.engine);
}

/* --- Duties ------------------------------------------------------------ */

static KabClientPlan
make_plan(KabProducer *producer, rd_kafka_conf_t *conf)
{
    const KabProducerSetup *setup = &producer->setup;
    const char *bootstrap = lookup(producer, "bootstrap.servers");
    KabClientPlan plan = {
        .conf = conf,
        .topics = g_new0(char *, producer->n_destinations + 1),
        .n_topics = producer->n_destinations,
        .n_outputs = producer->n_outputs,
        .inputs = setup->partition_is_same
                      ? g_strdupv((char **)(uintptr_t)setup->input_topics)
                      : NULL,
        .bootstrap = g_strdup(bootstrap ? bootstrap : "BROKER:9092"),
        .is_transactional = is_exactly_once(producer),
        .is_size_given = lookup(producer, "message.max.bytes") != NULL,
        .batch_bytes = producer->batch_bytes,
        .missing_topic_us = setup->missing_topic_us,
        .transaction_us = producer->transaction_us,
    };
    for (size_t i = 0; i < plan.n_topics; i++)
        plan.topics[i] = g_strdup(producer->destinations[i].name);
    return plan;
}

static void
start(KabProducer *producer)
{
    g_autoptr(GError) error = NULL;
    rd_kafka_conf_t *conf = make_conf(producer, &error);
    if (!conf) {
        kab_producer_stop(producer, g_strdup(error->message));
        return;
    }
    KabClientPlan plan = make_plan(producer, conf);
    producer->client = kab_client_new(producer->setup.edge, &plan);
    producer->client->epoch = producer->epoch;
}

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

static void
drop_waiting(KabProducer *producer)
{
    KabClientOffsets *offsets = &producer->waiting_offsets;
    if (producer->has_waiting && offsets->offsets)
        rd_kafka_topic_partition_list_destroy(offsets->offsets);
    if (producer->has_waiting && offsets->group)
        rd_kafka_consumer_group_metadata_destroy(offsets->group);
    producer->has_waiting = false;
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

static void
end_transaction(KabProducer *producer, KabClient *client, KabDone done)
{
    producer->has_transaction = false;
    count_loss(producer, client, done);
    if (done == KAB_DONE_ABORTED && client->message[0])
        producer->setup.edge->log(producer->setup.edge->user, KAB_LOG_INFO,
                                  KAB_NOWHERE, client->message);
    if (done == KAB_DONE_STOP)
        kab_producer_stop(producer, g_strdup(client->message));
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
        break;
    case KAB_DUTY_CLOSE:
        client->is_open = false;
        break;
    }
    give_waiting(producer, client);
}

static bool
take_done(KabProducer *producer, KabClient *client)
{
    KabDuty duty;
    KabDone done;
    if (!kab_client_take_done(client, &duty, &done))
        return false;
    end_duty(producer, client, duty, done);
    return true;
}

/* --- Turning ----------------------------------------------------------- */

static bool
serve(KabProducer *producer, KabClient *client)
{
    for (unsigned i = 0; client->queue && i < EVENTS_A_TURN; i++) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(client->queue, 0);
        if (!event)
            return i > 0;
        kab_producer_report(producer, client, event);
        rd_kafka_event_destroy(event);
    }
    return client->queue != NULL;
}

static int64_t
call_limit_us(const KabProducer *producer)
{
    return producer->transaction_us + MARGIN_US;
}

/* When the call that it is in has taken too long; INT64_MAX. */
static int64_t
watchdog_us(const KabProducer *producer, KabClient *client)
{
    int64_t since = atomic_load(&client->call_us);
    if (!client->is_busy || !since || client->is_lost)
        return INT64_MAX;
    return since + call_limit_us(producer);
}

/* The engine ignores a loss while the sink is opening: then a new client
 * takes over here. */
static bool
watch(KabProducer *producer)
{
    KabClient *client = producer->client;
    if (producer->now < watchdog_us(producer, client))
        return false;
    kab_producer_lose(producer, client, KAB_LOSS_WATCHDOG,
                      "a call of the producer's client does not return");
    if (producer->is_owed_ready)
        kab_producer_replace(producer, producer->epoch);
    return true;
}

static void
purge(KabProducer *producer, KabClient *client)
{
    int flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING;
    bool has_mercy = !client->plan.is_transactional && !producer->is_closing &&
                     producer->now - client->retired_us < MERCY_US;
    if (!has_mercy)
        flags |= RD_KAFKA_PURGE_F_INFLIGHT;
    rd_kafka_purge(client->handle, flags);
    client->purge_us = producer->now + PURGE_AGAIN_US;
}

/* True: it is closed. */
static bool
turn_retired(KabProducer *producer, KabClient *client, bool *ret_moved)
{
    *ret_moved |= serve(producer, client);
    *ret_moved |= take_done(producer, client);
    if (client->is_busy)
        return false;
    if (client->is_closing)
        return true;
    if (client->n_unreported && producer->now >= client->purge_us)
        purge(producer, client);
    if (client->n_unreported)
        return false;
    g_clear_pointer(&client->queue, rd_kafka_queue_destroy);
    client->is_closing = true;
    kab_client_give(client, KAB_DUTY_CLOSE, NULL);
    *ret_moved = true;
    return false;
}

static bool
turn_all_retired(KabProducer *producer)
{
    bool moved = false;
    for (guint i = 0; i < producer->retired->len;) {
        KabClient *client = producer->retired->pdata[i];
        if (!turn_retired(producer, client, &moved)) {
            i++;
            continue;
        }
        g_ptr_array_remove_index(producer->retired, i);
        kab_client_free(client);
        moved = true;
    }
    return moved;
}

static bool
turn_current(KabProducer *producer)
{
    KabClient *client = producer->client;
    if (!client)
        return false;
    bool moved = serve(producer, client);
    moved |= take_done(producer, client);
    if (producer->is_doubtful) {
        producer->is_doubtful = false;
        kab_producer_check_fatal(producer, client);
    }
    return moved | watch(producer);
}

/* Their threads do not come back: they keep what they have. */
static void
give_up(KabProducer *producer)
{
    producer->has_leaked |= producer->retired->len > 0;
    for (guint i = 0; i < producer->retired->len; i++)
        kab_client_abandon(producer->retired->pdata[i]);
    g_ptr_array_set_size(producer->retired, 0);
}

bool
kab_producer_turn(KabProducer *producer, int64_t now)
{
    producer->now = now;
    bool moved = turn_all_retired(producer);
    moved |= turn_current(producer);
    moved |= tell_stop(producer);
    moved |= tell_ready(producer);
    if (moved)
        tell_room(producer);
    if (producer->is_closing && now - producer->close_us >= CLOSE_US)
        give_up(producer);
    return moved;
}

int64_t
kab_producer_deadline(const KabProducer *producer)
{
    int64_t deadline = INT64_MAX;
    if (producer->client)
        deadline = watchdog_us(producer, producer->client);
    for (guint i = 0; i < producer->retired->len; i++) {
        const KabClient *client = producer->retired->pdata[i];
        if (client->n_unreported)
            deadline = MIN(deadline, client->purge_us);
    }
    if (producer->is_closing && producer->retired->len)
        deadline = MIN(deadline, producer->close_us + CLOSE_US);
    return deadline;
}

/* --- Effects ----------------------------------------------------------- */

static void
retire(KabProducer *producer)
{
    KabClient *client = g_steal_pointer(&producer->client);
    if (!client)
        return;
    producer->now = g_get_monotonic_time();
    drop_waiting(producer);
    kab_client_cancel(client);
    client->is_lost = true;
    client->retired_us = producer->now;
    if (client->n_unreported)
        purge(producer, client);
    g_ptr_array_add(producer->retired, client);
    kab_edge_wake(producer->setup.edge);
}

void
kab_producer_replace(KabProducer *producer, uint32_t epoch)
{
    if (producer->is_closing)
        return;
    retire(producer);
    producer->epoch = epoch;
    producer->is_owed_ready = true;
    start(producer);
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

/* The thread's own: the source's is borrowed until its next turn only. */
static rd_kafka_consumer_group_metadata_t *
copy_group(const KabProducer *producer)
{
    void *buffer = NULL;
    size_t size = 0;
    rd_kafka_consumer_group_metadata_t *copy = NULL;
    rd_kafka_consumer_group_metadata_t *group =
        kab_source_peek_group(producer->setup.source);
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

/* --- The end ----------------------------------------------------------- */

void
kab_producer_close(KabProducer *producer)
{
    if (producer->is_closing)
        return;
    producer->is_closing = true;
    producer->is_owed_ready = false;
    retire(producer);
    producer->close_us = g_get_monotonic_time();
}

bool
kab_producer_is_closed(const KabProducer *producer)
{
    return producer->is_closing && !producer->retired->len;
}

bool
kab_producer_has_leaked(const KabProducer *producer)
{
    return producer->has_leaked;
}

void
kab_producer_free(KabProducer *producer)
{
    if (!producer)
        return;
    g_assert(!producer->client && !producer->retired->len);
    g_ptr_array_unref(producer->retired);
    g_hash_table_unref(producer->suspects);
    g_free(producer->destinations);
    g_free(producer->stop);
    g_free(producer);
}

void
kab_producer_get_state(const KabProducer *producer, KabProducerState *ret_state)
{
    KabClient *client = producer->client;
    *ret_state = producer->state;
    ret_state->is_ready = client && client->is_open && !client->is_lost &&
                          !producer->is_owed_ready;
    if (client && !ret_state->is_ready)
        ret_state->waits_for = atomic_load(&client->waits_for);
    if (!ret_state->is_ready && !ret_state->waits_for)
        ret_state->waits_for = "its producer is being replaced";
}
