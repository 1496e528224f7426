/* SPDX-License-Identifier: Apache-2.0 */
/* A producer's thread, and how the loop gives it duties and takes results.
 */
#include <string.h>

#include "producer-client.h"
#include "quirks.h"
#include "refusal.h"
#include "transaction.h"

enum { FLUSH_MS = 50 };

/* --- The thread -------------------------------------------------------- */

void
kab_client_enter(KabClient *client)
{
    atomic_store(&client->call_us, g_get_monotonic_time());
}

void
kab_client_leave(KabClient *client)
{
    atomic_store(&client->call_us, 0);
}

void
kab_client_pause(KabClient *client, int64_t us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + us * 1000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&client->lock);
    while (!atomic_load(&client->is_cancelled) &&
           pthread_cond_timedwait(&client->changed, &client->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&client->lock);
}

KabDone
kab_client_say(KabClient *client, KabDone done, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_vsnprintf(client->message, sizeof client->message, format, args);
    va_end(args);
    return done;
}

/* Returns when every delivery report is in, or after FLUSH_MS: by then what
 * lingered is being sent, and the loop, not this thread, waits for the
 * reports. */
static KabDone
flush_handle(KabClient *client)
{
    kab_client_enter(client);
    rd_kafka_flush(client->handle, FLUSH_MS);
    kab_client_leave(client);
    return KAB_DONE;
}

static KabDone
perform_duty(KabClient *client, KabDuty duty)
{
    switch (duty) {
    case KAB_DUTY_OPEN:
        return kab_client_open(client);
    case KAB_DUTY_REFRESH:
        return kab_client_refresh(client);
    case KAB_DUTY_BEGIN:
        return kab_transaction_begin(client);
    case KAB_DUTY_FLUSH:
        return flush_handle(client);
    case KAB_DUTY_END:
        return kab_transaction_end(client, &client->offsets);
    case KAB_DUTY_ABORT:
        return kab_transaction_abort(client);
    case KAB_DUTY_CLOSE:
        break;
    }
    kab_client_close(client);
    return KAB_DONE;
}

static void
clear_offsets(KabClientOffsets *offsets)
{
    if (offsets->offsets)
        rd_kafka_topic_partition_list_destroy(offsets->offsets);
    if (offsets->group)
        rd_kafka_consumer_group_metadata_destroy(offsets->group);
    *offsets = (KabClientOffsets){0};
}

static KabDuty
await_duty(KabClient *client)
{
    pthread_mutex_lock(&client->lock);
    while (!client->has_duty)
        pthread_cond_wait(&client->changed, &client->lock);
    client->has_duty = false;
    KabDuty duty = client->duty;
    pthread_mutex_unlock(&client->lock);
    return duty;
}

/* False: the client was abandoned. */
static bool
publish_result(KabClient *client, KabDone done)
{
    pthread_mutex_lock(&client->lock);
    bool is_wanted = !client->is_abandoned;
    client->done = done;
    client->has_done = true;
    if (is_wanted)
        kab_edge_wake(client->edge);
    pthread_mutex_unlock(&client->lock);
    return is_wanted;
}

static void *
run_duties(void *data)
{
    KabClient *client = data;
    KabDuty duty;
    bool is_wanted;
    do {
        duty = await_duty(client);
        KabDone done = perform_duty(client, duty);
        kab_client_leave(client);
        clear_offsets(&client->offsets);
        is_wanted = publish_result(client, done);
    } while (is_wanted && duty != KAB_DUTY_CLOSE);
    return NULL;
}

/* --- The loop ---------------------------------------------------------- */

KabClient *
kab_client_new(const KabEdge *edge, KabClientPlan *plan)
{
    KabClient *client = g_new0(KabClient, 1);
    client->edge = edge;
    client->plan = *plan;
    *plan = (KabClientPlan){0};
    client->topics = g_new0(rd_kafka_topic_t *, client->plan.n_topics + 1);
    client->limits = g_new0(KabTopicLimits, client->plan.n_topics + 1);
    if (kab_quirk_applies(KAB_QUIRK_STUCK_BROKER) &&
        !kab_quirk_applies(KAB_QUIRK_INTERCEPTORS_FREED_TWICE))
        client->health = kab_health_new(NULL, client->plan.bootstrap);
    pthread_mutex_init(&client->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&client->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int failed = pthread_create(&client->thread, NULL, run_duties, client);
    if (failed)
        g_error("a producer's thread cannot be made: %s", g_strerror(failed));
    kab_client_give(client, KAB_DUTY_OPEN, NULL);
    return client;
}

void
kab_client_give(KabClient *client,
                KabDuty duty,
                const KabClientOffsets *offsets)
{
    g_assert(!client->is_busy);
    client->is_busy = true;
    pthread_mutex_lock(&client->lock);
    client->duty = duty;
    client->offsets = offsets ? *offsets : (KabClientOffsets){0};
    client->has_duty = true;
    client->message[0] = '\0';
    client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
    kab_client_enter(client);
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

bool
kab_client_take_done(KabClient *client, KabDuty *ret_duty, KabDone *ret)
{
    if (!client->is_busy)
        return false;
    pthread_mutex_lock(&client->lock);
    bool has_done = client->has_done;
    client->has_done = false;
    if (has_done) {
        *ret_duty = client->duty;
        *ret = client->done;
    }
    pthread_mutex_unlock(&client->lock);
    client->is_busy = !has_done;
    return has_done;
}

void
kab_client_cancel(KabClient *client)
{
    pthread_mutex_lock(&client->lock);
    atomic_store(&client->is_cancelled, true);
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

void
kab_client_describe_fencing(const KabClient *client,
                            const char *error,
                            char *ret,
                            size_t size)
{
    g_snprintf(ret, size, "another producer uses the transactional id %s (%s)",
               client->plan.transactional_id, error);
}

char *
kab_client_dup_advice(const KabClient *client,
                      rd_kafka_resp_err_t error,
                      const char *topic)
{
    const KabClientPlan *plan = &client->plan;
    g_autofree char *all = g_strjoinv(" --topic ", plan->topics);
    const KabRefusalNames names = {
        .grant = plan->grant,
        .topic = topic  ? topic
                 : *all ? all
                        : NULL,
        .group = plan->group,
        .transactional_id = plan->transactional_id,
        .log_in = plan->warning,
    };
    g_autofree char *advice = kab_refusal_dup_advice(error, &names);
    return advice ? g_strconcat("; ", advice, NULL) : g_strdup("");
}

void
kab_client_free(KabClient *client)
{
    pthread_join(client->thread, NULL);
    kab_health_free(client->health);
    pthread_mutex_destroy(&client->lock);
    pthread_cond_destroy(&client->changed);
    g_strfreev(client->plan.topics);
    g_strfreev(client->plan.awaited);
    g_strfreev(client->plan.inputs);
    g_free(client->plan.bootstrap);
    g_free(client->plan.grant);
    g_free(client->plan.group);
    g_free(client->plan.transactional_id);
    g_free(client->plan.warning);
    rd_kafka_conf_destroy(client->plan.conf);
    g_free(client->topics);
    g_free(client->limits);
    g_free(client);
}

void
kab_client_abandon(KabClient *client)
{
    if (client->queue)
        rd_kafka_queue_io_event_enable(client->queue, -1, NULL, 0);
    kab_client_cancel(client);
    pthread_mutex_lock(&client->lock);
    client->is_abandoned = true;
    pthread_mutex_unlock(&client->lock);
    pthread_detach(client->thread);
}
