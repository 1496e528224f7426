/* SPDX-License-Identifier: Apache-2.0 */
/* The producer's life on the loop: opening, transactions, replacement,
 * closing.
 *
 * Each turn serves the client's queue until it is empty, or reports that it
 * moved: librdkafka signals the descriptor only when the queue was empty.
 */
#include "producer-internal.h"

enum { EVENTS_A_TURN = 64 };
/* Requests in flight may succeed for this long before they are purged. */
#define MERCY_US (2 * G_USEC_PER_SEC)
#define PURGE_AGAIN_US G_USEC_PER_SEC
/* MARGIN_US: what one client call may take beyond its own time-out. GRACE_US:
 * what the reports of a transaction may take beyond transaction.timeout.ms. */
#define MARGIN_US (10 * G_USEC_PER_SEC)
#define GRACE_US (5 * G_USEC_PER_SEC)
/* A message without a report this long after the purge never gets one
 * (KAB_QUIRK_LOST_REPORT); destroying the client frees it. */
#define SILENCE_US (2 * G_USEC_PER_SEC)
#define CLOSE_US (5 * G_USEC_PER_SEC)
/* A replaced client whose call has not returned by then never returns it. */
#define STUCK_US (60 * G_USEC_PER_SEC)

KabProducer *
kab_producer_new(const KabProducerSetup *setup, GError **error)
{
    KabProducer *producer = g_new0(KabProducer, 1);
    producer->setup = *setup;
    producer->retired = g_ptr_array_new();
    producer->suspects = g_hash_table_new(NULL, NULL);
    kab_producer_prepare_values(producer);
    if (!kab_producer_prepare(producer, error)) {
        kab_producer_free(producer);
        return NULL;
    }
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

bool
kab_producer_note_loss(KabProducer *producer,
                       KabClient *client,
                       KabLoss loss,
                       const char *reason)
{
    const KabEdge *edge = producer->setup.edge;
    if (client->is_lost)
        return false;
    client->is_lost = true;
    producer->state.losses[loss]++;
    g_autofree char *line =
        g_strconcat("the producer is replaced: ", reason, NULL);
    kab_edge_log_some(edge, &producer->loss_lines, KAB_LOG_WARNING, KAB_NOWHERE,
                      line, producer->now);
    return true;
}

void
kab_producer_lose(KabProducer *producer,
                  KabClient *client,
                  KabLoss loss,
                  const char *reason)
{
    if (client != producer->client ||
        !kab_producer_note_loss(producer, client, loss, reason))
        return;
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

/* Tells the engine that there is room again, after a report or a result. */
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

/* --- Turning ----------------------------------------------------------- */

static bool
serve_events(KabProducer *producer, KabClient *client)
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

/* When reports are overdue. Those of a transaction: by then the broker has
 * aborted it and every output has timed out. At least once an output never
 * times out, so that an outage is waited out; but a client that has none of
 * its outputs reported while the brokers answer is stuck
 * (KAB_QUIRK_STUCK_BROKER).
 *
 * librdkafka (2.0.2) loses a transaction's message when its topic is deleted.
 * The deleted partition has left its broker thread but stays in the
 * transaction; a message that a pending request then returns to it is never
 * sent, never times out, is not purged, and blocks every abort. */
static int64_t
reports_us(const KabProducer *producer, const KabClient *client)
{
    if (!client->n_unreported)
        return INT64_MAX;
    if (!client->plan.is_transactional)
        return client->quiet_us + producer->report_us;
    if (!producer->has_transaction)
        return INT64_MAX;
    return client->begun_us + producer->transaction_us + GRACE_US;
}

/* True: nothing is reported because the brokers are away, which is waited out;
 * the time counts anew. */
static bool
wait_outage_out(KabProducer *producer, KabClient *client)
{
    const KabProducerSetup *setup = &producer->setup;
    if (client->is_busy || client->plan.is_transactional ||
        !setup->brokers_answer || setup->brokers_answer(setup->group_user))
        return false;
    client->quiet_us = producer->now;
    return true;
}

/* When a client call or its reports count as overdue; INT64_MAX: never. */
static int64_t
watchdog_us(const KabProducer *producer, KabClient *client)
{
    if (client->is_lost)
        return INT64_MAX;
    if (!client->is_busy)
        return reports_us(producer, client);
    int64_t since = atomic_load(&client->call_us);
    return since ? since + producer->transaction_us + MARGIN_US : INT64_MAX;
}

static const char *
describe_overdue(const KabClient *client)
{
    if (client->is_busy)
        return "a call of the producer's client does not return";
    if (client->plan.is_transactional)
        return "outputs are neither acknowledged nor refused within "
               "transaction.timeout.ms; they are written again";
    return "the brokers answer, and outputs are neither acknowledged nor "
           "refused; they are written again";
}

static void replace_client(void *user, uint32_t epoch);

/* The engine ignores a lost sink while it waits for sink_ready, so the client
 * is replaced here. */
static bool
watch_client(KabProducer *producer)
{
    KabClient *client = producer->client;
    if (producer->now < watchdog_us(producer, client) ||
        wait_outage_out(producer, client))
        return false;
    kab_producer_lose(producer, client, KAB_LOSS_WATCHDOG,
                      describe_overdue(client));
    if (producer->is_owed_ready)
        replace_client(producer, producer->epoch);
    return true;
}

static void
purge_client(KabProducer *producer, KabClient *client)
{
    int flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING;
    bool has_mercy = !client->plan.is_transactional && !producer->is_closing &&
                     producer->now - client->retired_us < MERCY_US;
    if (!has_mercy)
        flags |= RD_KAFKA_PURGE_F_INFLIGHT;
    rd_kafka_purge(client->handle, flags);
    client->purge_us = producer->now + PURGE_AGAIN_US;
    if (!has_mercy && !client->heard_us)
        client->heard_us = producer->now;
}

/* May this client still deliver reports? */
static bool
may_report(const KabProducer *producer, const KabClient *client)
{
    return client->n_unreported &&
           (!client->heard_us || producer->now - client->heard_us < SILENCE_US);
}

/* Its outputs' memory is in use until the client is destroyed, so no other
 * client can write them: only a new process can. */
static void
check_stuck(KabProducer *producer, const KabClient *client)
{
    if (client->n_unreported && !producer->is_closing &&
        producer->now - client->retired_us >= STUCK_US)
        kab_producer_stop(
            producer,
            g_strdup("a call of the replaced producer's client does not return "
                     "and holds outputs that are not acknowledged: start "
                     "kabridge again"));
}

/* True: the client is closed. */
static bool
turn_retired(KabProducer *producer, KabClient *client, bool *ret_moved)
{
    bool has_heard = serve_events(producer, client);
    if (has_heard && client->heard_us)
        client->heard_us = producer->now;
    *ret_moved |= has_heard;
    *ret_moved |= kab_producer_take_done(producer, client);
    if (!client->is_closing && client->n_unreported &&
        producer->now >= client->purge_us)
        purge_client(producer, client);
    if (client->is_busy) {
        check_stuck(producer, client);
        return false;
    }
    if (client->is_closing)
        return true;
    if (may_report(producer, client))
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

/* A call that outlives its own time-out, or outputs while no broker answers. */
static void
revive_client(const KabProducer *producer, KabClient *client)
{
    int64_t since_us = 0;
    if (!client->health || !client->is_open)
        return;
    if (client->is_busy)
        since_us = atomic_load(&client->call_us);
    else if (client->n_unreported)
        since_us = MAX(kab_health_answered_us(client->health),
                       client->plan.is_transactional ? client->begun_us
                                                     : client->quiet_us);
    kab_health_revive(client->health, client->handle, since_us, producer->now);
}

static bool
turn_current(KabProducer *producer)
{
    KabClient *client = producer->client;
    if (!client)
        return false;
    bool moved = serve_events(producer, client);
    moved |= kab_producer_take_done(producer, client);
    if (producer->is_doubtful) {
        producer->is_doubtful = false;
        kab_producer_check_fatal(producer, client);
    }
    revive_client(producer, client);
    return moved | watch_client(producer);
}

/* Their threads do not return, so the clients keep what they use. */
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
    if (producer->stop || producer->is_doubtful)
        return 0;
    if (producer->client)
        deadline = watchdog_us(producer, producer->client);
    for (guint i = 0; i < producer->retired->len; i++) {
        const KabClient *client = producer->retired->pdata[i];
        int64_t due_us = client->is_closing ? client->retired_us + STUCK_US
                                            : client->purge_us;
        if (client->n_unreported && !producer->is_stopped)
            deadline = MIN(deadline, due_us);
    }
    if (producer->is_closing && producer->retired->len)
        deadline = MIN(deadline, producer->close_us + CLOSE_US);
    return deadline;
}

/* --- Effects ----------------------------------------------------------- */

static void
retire_client(KabProducer *producer)
{
    KabClient *client = g_steal_pointer(&producer->client);
    if (!client)
        return;
    producer->now = g_get_monotonic_time();
    kab_producer_drop_waiting(producer);
    kab_client_cancel(client);
    client->is_lost = true;
    client->retired_us = producer->now;
    if (client->n_unreported)
        purge_client(producer, client);
    g_ptr_array_add(producer->retired, client);
    kab_edge_wake(producer->setup.edge);
}

static void
start_client(KabProducer *producer)
{
    KabClientPlan plan;
    g_autoptr(GError) error = NULL;
    if (!kab_producer_make_plan(producer, &plan, &error)) {
        kab_producer_stop(producer, g_strdup(error->message));
        return;
    }
    producer->client = kab_client_new(producer->setup.edge, &plan);
}

static void
replace_client(void *user, uint32_t epoch)
{
    KabProducer *producer = user;
    if (producer->is_closing)
        return;
    retire_client(producer);
    producer->epoch = epoch;
    producer->is_owed_ready = true;
    start_client(producer);
}

const KabSinkPort kab_producer_port = {
    .measure = kab_producer_measure,
    .produce = kab_producer_produce,
    .explain = kab_producer_explain,
    .flush = kab_producer_flush,
    .replace = replace_client,
    .begin = kab_producer_begin,
    .end = kab_producer_end,
    .abort = kab_producer_abort,
};

/* --- The end ----------------------------------------------------------- */

void
kab_producer_close(KabProducer *producer)
{
    if (producer->is_closing)
        return;
    producer->is_closing = true;
    producer->is_owed_ready = false;
    retire_client(producer);
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
