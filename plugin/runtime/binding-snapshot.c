/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of a binding, and why it is not ready.
 *
 * Another thread asks by a request in the mailbox and waits a second at
 * most. A request that is not waited for any more is freed by the loop; one
 * that comes when the loop has ended gets the last snapshot.
 */
#include "binding-internal.h"

#include <inttypes.h>
#include <time.h>

#define SECOND G_USEC_PER_SEC
/* A dead broker must show within 15 s. */
#define SILENCE_US (12 * SECOND)

/* --- Made on the loop -------------------------------------------------- */

static char *
dup_engine_reason(const KabBinding *binding,
                  const KabEngineState *engine,
                  int64_t now)
{
    const KabEngineOptions *options = kab_engine_get_options(binding->engine);
    if (engine->calls_abandoned >=
        MIN(options->threads, options->max_in_flight))
        return g_strdup_printf("the function does not return: %u calls that "
                               "timed out are still inside it",
                               engine->calls_abandoned);
    if (engine->is_paused)
        return g_strdup_printf("paused by overload: %s",
                               binding->last_error ? binding->last_error
                                                   : "no reason");
    return kab_engine_dup_stall(binding->engine, now);
}

/* A join is answered when every member has come, and nothing else may be
 * asked meanwhile. */
static char *
dup_silence(const KabBinding *binding,
            const KabSourceState *source,
            int64_t silence_us)
{
    if (source->is_joining)
        return g_strdup_printf(
            "joins group %s: for %" PRIi64 " s its coordinator waits for the "
            "other members, each until its session.timeout.ms is over",
            binding->settings->group, silence_us / SECOND);
    return g_strdup_printf("no broker has answered for %" PRIi64 " s",
                           silence_us / SECOND);
}

static char *
dup_broker_reason(const KabBinding *binding,
                  const KabSourceState *source,
                  int64_t now)
{
    if (source->has_silent_broker)
        return g_strdup_printf("broker %s does not answer",
                               source->silent_broker);
    if (!source->answered_us)
        return g_strdup("no broker has answered yet");
    if (now - source->answered_us > SILENCE_US)
        return dup_silence(binding, source, now - source->answered_us);
    return NULL;
}

/* A refused join is tried again every second or two. */
static char *
dup_wait_for_place(const KabBinding *binding, int64_t now)
{
    bool is_recent =
        binding->source_error && now - binding->source_error_us < SILENCE_US;
    return g_strdup_printf("waits for its place in group %s%s%s",
                           binding->settings->group, is_recent ? "; " : "",
                           is_recent ? binding->source_error : "");
}

static const char *
newest_error(const KabBinding *binding)
{
    return binding->source_error_us > binding->last_error_us
               ? binding->source_error
               : binding->last_error;
}

static char *
dup_reason(const KabBinding *binding,
           const KabBindingSnapshot *snapshot,
           int64_t now)
{
    switch (snapshot->state) {
    case KAB_STATE_STARTING:
    case KAB_STATE_RUNNING:
        break;
    case KAB_STATE_DRAINING:
    case KAB_STATE_LEAVING:
        return g_strdup(binding->error ? binding->error->message : "it stops");
    case KAB_STATE_STOPPED:
        return g_strdup(binding->error ? binding->error->message
                                       : "it has stopped");
    }
    char *reason = dup_broker_reason(binding, &snapshot->source, now);
    if (!reason && snapshot->producer.waits_for && !snapshot->producer.is_ready)
        reason = g_strdup(snapshot->producer.waits_for);
    if (!reason && snapshot->source.waits_for)
        reason = g_strdup(snapshot->source.waits_for);
    if (!reason && !snapshot->source.is_member)
        reason = dup_wait_for_place(binding, now);
    if (!reason && snapshot->source.n_waiting_for_transaction)
        reason = g_strdup_printf(
            "%zu partitions wait for an open transaction of a previous owner",
            snapshot->source.n_waiting_for_transaction);
    return reason ? reason : dup_engine_reason(binding, &snapshot->engine, now);
}

typedef struct {
    const KabBinding *binding;
    GArray *partitions;
} Visit;

static void
visit_partition(void *data, const KabPartitionInfo *info)
{
    Visit *visit = data;
    int64_t end =
        kab_source_get_end(visit->binding->source, info->topic, info->number);
    int64_t behind = info->committed >= 0 ? info->committed : info->frontier;
    KabPartitionSnapshot partition = {
        .topic = g_strdup(info->topic),
        .number = info->number,
        .state = info->state,
        .position = info->position,
        .committed = info->committed,
        .end = MAX(end, info->position),
        .lag = -1,
        .finished_beyond = info->finished_beyond,
        .oldest_unfinished = info->oldest_unfinished,
        .oldest_us = info->oldest_us,
    };
    if (partition.end >= 0 && behind >= 0)
        partition.lag = MAX(partition.end - behind, 0);
    g_array_append_val(visit->partitions, partition);
}

KabBindingSnapshot *
kab_binding_make_snapshot(KabBinding *binding, int64_t now)
{
    KabBindingSnapshot *snapshot = g_new0(KabBindingSnapshot, 1);
    snapshot->name = g_strdup(binding->settings->name);
    snapshot->state = binding->state;
    snapshot->made_us = now;
    snapshot->last_error = g_strdup(newest_error(binding));
    snapshot->max_in_flight = binding->options.max_in_flight;
    snapshot->counters = *kab_engine_counters(binding->engine);
    kab_engine_get_state(binding->engine, now, &snapshot->engine);
    snapshot->n_unfinished = binding->state < KAB_STATE_LEAVING
                                 ? snapshot->engine.records
                                 : binding->n_left;
    if (binding->producer)
        kab_producer_get_state(binding->producer, &snapshot->producer);
    Visit visit = {binding,
                   g_array_new(FALSE, FALSE, sizeof(KabPartitionSnapshot))};
    if (binding->source) {
        kab_source_get_state(binding->source, now, &snapshot->source);
        kab_engine_foreach_partition(binding->engine, now, visit_partition,
                                     &visit);
    }
    snapshot->n_partitions = visit.partitions->len;
    snapshot->partitions = (void *)g_array_free(visit.partitions, FALSE);
    snapshot->reason = dup_reason(binding, snapshot, now);
    return snapshot;
}

void
kab_binding_snapshot_free(KabBindingSnapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->n_partitions; i++)
        g_free(snapshot->partitions[i].topic);
    g_free(snapshot->partitions);
    g_free(snapshot->name);
    g_free(snapshot->reason);
    g_free(snapshot->last_error);
    g_free(snapshot);
}

static KabBindingSnapshot *
copy(const KabBindingSnapshot *snapshot)
{
    KabBindingSnapshot *twin = g_memdup2(snapshot, sizeof *snapshot);
    twin->name = g_strdup(snapshot->name);
    twin->reason = g_strdup(snapshot->reason);
    twin->last_error = g_strdup(snapshot->last_error);
    twin->partitions =
        g_memdup2(snapshot->partitions,
                  snapshot->n_partitions * sizeof *snapshot->partitions);
    for (size_t i = 0; i < snapshot->n_partitions; i++)
        twin->partitions[i].topic = g_strdup(snapshot->partitions[i].topic);
    return twin;
}

/* --- Requests ---------------------------------------------------------- */

/* What another thread wants to know. Made by it; freed by whichever of the
 * two is the last to be done with it, under the binding's mutex. */
typedef struct {
    KabMail mail;
    KabBinding *binding;
    bool is_done, is_left;
    char *topic; /* find; NULL: a snapshot */
    int32_t number;
    int64_t offset;
    bool is_found;
    KabWhereabouts whereabouts;
} Request;

static void
free_request(Request *request)
{
    g_free(request->topic);
    g_free(request);
}

static void
keep(KabBinding *binding, KabBindingSnapshot *snapshot)
{
    kab_binding_snapshot_free(binding->snapshot);
    binding->snapshot = snapshot;
}

static void
deliver_request(KabMail *mail, void *user)
{
    KabBinding *binding = user;
    Request *request = (Request *)mail;
    KabBindingSnapshot *snapshot = NULL;
    KabWhereabouts *found = &request->whereabouts;
    if (request->topic)
        request->is_found = kab_engine_find(
            binding->engine, request->topic, request->number, request->offset,
            &found->state, &found->waits_for, &found->since_us);
    else
        snapshot = kab_binding_make_snapshot(binding, g_get_monotonic_time());
    pthread_mutex_lock(&binding->mutex);
    if (snapshot)
        keep(binding, snapshot);
    request->is_done = true;
    if (request->is_left)
        free_request(request);
    else
        pthread_cond_broadcast(&binding->answered);
    pthread_mutex_unlock(&binding->mutex);
}

void
kab_binding_end_requests(KabBinding *binding, KabBindingSnapshot *last)
{
    pthread_mutex_lock(&binding->mutex);
    binding->takes_requests = false;
    keep(binding, last);
    pthread_mutex_unlock(&binding->mutex);
    kab_mailbox_deliver(kab_loop_mailbox(binding->loop), binding);
}

/* With the mutex held. True: the loop has answered. */
static bool
ask(KabBinding *binding, Request *request)
{
    request->mail.deliver = deliver_request;
    if (!binding->takes_requests)
        return false;
    kab_mailbox_post(kab_loop_mailbox(binding->loop), &request->mail);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    int status = 0;
    while (!request->is_done && !status)
        status =
            pthread_cond_timedwait(&binding->answered, &binding->mutex, &until);
    return request->is_done;
}

/* With the mutex held. */
static void
leave(KabBinding *binding, Request *request)
{
    if (request->is_done || !binding->takes_requests)
        free_request(request);
    else
        request->is_left = true;
}

KabBindingSnapshot *
kab_binding_snapshot(KabBinding *binding)
{
    Request *request = g_new0(Request, 1);
    pthread_mutex_lock(&binding->mutex);
    ask(binding, request);
    KabBindingSnapshot *snapshot;
    if (binding->snapshot) {
        snapshot = copy(binding->snapshot);
    } else {
        snapshot = g_new0(KabBindingSnapshot, 1);
        snapshot->name = g_strdup(binding->settings->name);
        snapshot->reason = g_strdup("it is starting");
    }
    leave(binding, request);
    pthread_mutex_unlock(&binding->mutex);
    return snapshot;
}

bool
kab_binding_find(KabBinding *binding,
                 const char *topic,
                 int32_t number,
                 int64_t offset,
                 KabWhereabouts *ret_whereabouts)
{
    Request *request = g_new0(Request, 1);
    request->topic = g_strdup(topic);
    request->number = number;
    request->offset = offset;
    pthread_mutex_lock(&binding->mutex);
    bool is_found = ask(binding, request) && request->is_found;
    if (is_found)
        *ret_whereabouts = request->whereabouts;
    leave(binding, request);
    pthread_mutex_unlock(&binding->mutex);
    return is_found;
}
