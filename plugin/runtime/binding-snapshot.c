/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of a binding.
 *
 * Another thread posts a request to the mailbox and waits for at most a second.
 * A request that was given up is freed by the loop. A request made
 * before the loop turns or after it has ended does not wait.
 */
#include "binding-internal.h"

#include <string.h>
#include <time.h>

/* --- Made on the loop -------------------------------------------------- */

static const char *
newest_error(const KabBinding *binding)
{
    return binding->source_error_us > binding->last_error_us
               ? binding->source_error
               : binding->last_error;
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
        .waits_for = info->waits_for,
        .is_open = info->is_valve_open,
    };
    if (partition.end >= 0 && behind >= 0)
        partition.lag = MAX(partition.end - behind, 0);
    g_array_append_val(visit->partitions, partition);
}

static void
read_units(const KabBinding *binding, KabBindingSnapshot *snapshot)
{
    KabUnitCount all[KAB_MAX_UNITS];
    size_t n = 0;
    if (binding->instance)
        n = kab_context_read_units(binding->instance->context, all);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, "answers_misaligned") == 0)
            snapshot->answers_misaligned = all[i].n;
        else
            snapshot->units[snapshot->n_units++] = all[i];
    }
}

KabBindingSnapshot *
kab_binding_make_snapshot(KabBinding *binding, int64_t now)
{
    KabBindingSnapshot *snapshot = g_new0(KabBindingSnapshot, 1);
    snapshot->name = g_strdup(binding->settings->name);
    snapshot->state = binding->state;
    snapshot->made_us = now;
    snapshot->last_error = g_strdup(newest_error(binding));
    snapshot->counters = *kab_engine_counters(binding->engine);
    kab_engine_get_state(binding->engine, now, &snapshot->engine);
    snapshot->n_unfinished = binding->state < KAB_STATE_LEAVING
                                 ? snapshot->engine.records
                                 : binding->n_left;
    if (binding->trace) {
        snapshot->trace_spans_sent = kab_trace_n_sent(binding->trace);
        snapshot->trace_spans_lost = kab_trace_n_lost(binding->trace);
    }
    if (binding->producer)
        kab_producer_get_state(binding->producer, &snapshot->producer);
    Visit visit = {binding,
                   g_array_new(FALSE, FALSE, sizeof(KabPartitionSnapshot))};
    if (binding->source) {
        kab_source_get_state(binding->source, now, &snapshot->source);
        kab_engine_foreach_partition(binding->engine, now, visit_partition,
                                     &visit);
    }
    read_units(binding, snapshot);
    snapshot->n_partitions = visit.partitions->len;
    snapshot->partitions = (void *)g_array_free(visit.partitions, FALSE);
    snapshot->ready_since_us = binding->watch.readiness.since_us;
    if (snapshot->engine.calls_in_flight)
        snapshot->function_silent_us = now - binding->watch.answered_us;
    if (binding->source)
        kab_binding_find_stall(binding, snapshot, now);
    kab_binding_find_obstacle(binding, snapshot, now);
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
    g_free((char *)(uintptr_t)snapshot->stall.topic);
    g_free(snapshot->reason);
    g_free(snapshot->last_error);
    g_free(snapshot);
}

static KabBindingSnapshot *
copy_snapshot(const KabBindingSnapshot *snapshot)
{
    KabBindingSnapshot *twin = g_memdup2(snapshot, sizeof *snapshot);
    twin->name = g_strdup(snapshot->name);
    twin->reason = g_strdup(snapshot->reason);
    twin->last_error = g_strdup(snapshot->last_error);
    twin->stall.topic = g_strdup(snapshot->stall.topic);
    twin->partitions =
        g_memdup2(snapshot->partitions,
                  snapshot->n_partitions * sizeof *snapshot->partitions);
    for (size_t i = 0; i < snapshot->n_partitions; i++)
        twin->partitions[i].topic = g_strdup(snapshot->partitions[i].topic);
    return twin;
}

/* --- Without a loop ---------------------------------------------------- */

/* The mutex is held. */
static KabBindingSnapshot *
first_snapshot(const KabBinding *binding)
{
    KabBindingSnapshot *snapshot = g_new0(KabBindingSnapshot, 1);
    snapshot->name = g_strdup(binding->settings->name);
    snapshot->state = KAB_STATE_STARTING; /* binding->state is the loop's */
    snapshot->obstacle = KAB_OBSTACLE_FUNCTION;
    snapshot->reason = binding->phase == KAB_PHASE_OPENING && binding->function
                           ? g_strdup_printf("function %s is being opened",
                                             binding->function->name)
                           : g_strdup("waits until every function is open");
    return snapshot;
}

void
kab_binding_settle_snapshot(KabBinding *binding)
{
    KabBindingSnapshot *snapshot = binding->snapshot;
    if (!snapshot)
        snapshot = binding->snapshot = first_snapshot(binding);
    snapshot->state = KAB_STATE_STOPPED;
    snapshot->obstacle = KAB_OBSTACLE_STOP;
    g_free(snapshot->reason);
    snapshot->reason =
        g_strdup(binding->error ? binding->error->message : "it has stopped");
}

/* --- Requests ---------------------------------------------------------- */

/* A request from another thread. Made by that thread; freed by whichever side
 * finishes with it last, under the binding's mutex. */
typedef struct {
    KabMail mail;
    bool is_posted, is_done, is_left;
    char *topic; /* a record to find; NULL: make a snapshot */
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

/* The mutex is held. */
static void
replace_snapshot(KabBinding *binding, KabBindingSnapshot *snapshot)
{
    kab_binding_snapshot_free(binding->snapshot);
    binding->snapshot = snapshot;
}

void
kab_binding_keep_snapshot(KabBinding *binding, KabBindingSnapshot *snapshot)
{
    pthread_mutex_lock(&binding->mutex);
    replace_snapshot(binding, snapshot);
    pthread_mutex_unlock(&binding->mutex);
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
        replace_snapshot(binding, snapshot);
    request->is_done = true;
    if (request->is_left)
        free_request(request);
    else
        pthread_cond_broadcast(&binding->changed);
    pthread_mutex_unlock(&binding->mutex);
}

void
kab_binding_end_requests(KabBinding *binding, KabBindingSnapshot *last)
{
    pthread_mutex_lock(&binding->mutex);
    binding->takes_requests = false;
    replace_snapshot(binding, last);
    pthread_mutex_unlock(&binding->mutex);
    kab_mailbox_deliver(kab_loop_mailbox(binding->loop), binding);
}

/* The mutex is held. True: the loop has answered. */
static bool
ask_loop(KabBinding *binding, Request *request)
{
    request->mail.deliver = deliver_request;
    if (!binding->takes_requests)
        return false;
    request->is_posted = true;
    kab_mailbox_post(kab_loop_mailbox(binding->loop), &request->mail);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    int status = 0;
    while (!request->is_done && !status)
        status =
            pthread_cond_timedwait(&binding->changed, &binding->mutex, &until);
    return request->is_done;
}

/* The mutex is held. A posted request is always delivered, even after the loop
 * has ended, and the delivery frees it. */
static void
leave_request(Request *request)
{
    if (request->is_done || !request->is_posted)
        free_request(request);
    else
        request->is_left = true;
}

KabBindingSnapshot *
kab_binding_snapshot(KabBinding *binding)
{
    Request *request = g_new0(Request, 1);
    pthread_mutex_lock(&binding->mutex);
    ask_loop(binding, request);
    KabBindingSnapshot *snapshot = binding->snapshot
                                       ? copy_snapshot(binding->snapshot)
                                       : first_snapshot(binding);
    if (!binding->takes_requests) /* no loop that could be stuck */
        snapshot->made_us = g_get_monotonic_time();
    leave_request(request);
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
    bool is_found = ask_loop(binding, request) && request->is_found;
    if (is_found)
        *ret_whereabouts = request->whereabouts;
    leave_request(request);
    pthread_mutex_unlock(&binding->mutex);
    return is_found;
}
