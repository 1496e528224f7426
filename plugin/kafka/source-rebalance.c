/* SPDX-License-Identifier: Apache-2.0 */
/* Rebalances: events recorded by the callback, answered from the loop.
 *
 * Between an event and its answer librdkafka fetches nothing for the whole
 * member. So with a cooperative assignor, ASSIGN is answered at once with an
 * empty list, and each partition is added when its committed state is loaded.
 * With an eager assignor there is one list: the answer waits until every
 * partition of it is loaded.
 *
 * REVOKE is answered when the engine has released all its partitions. Only
 * those that were added are unassigned: one more, and librdkafka would refuse
 * the whole list.
 */
#include "source-internal.h"

void
kab_source_on_rebalance(rd_kafka_t *client,
                        rd_kafka_resp_err_t err,
                        rd_kafka_topic_partition_list_t *list,
                        void *user)
{
    KabSource *source = user;
    KabRebalanceEvent *event = g_new0(KabRebalanceEvent, 1);
    event->list = rd_kafka_topic_partition_list_copy(list);
    event->at_us = g_get_monotonic_time();
    event->is_assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    event->is_lost = !event->is_assign && rd_kafka_assignment_lost(client);
    source->was_assigned |= event->is_assign;
    g_queue_push_tail(&source->events, event);
    kab_health_clear_joining(source->health);
}

static void
free_event(void *data)
{
    KabRebalanceEvent *event = data;
    rd_kafka_topic_partition_list_destroy(event->list);
    g_free(event);
}

void
kab_source_clear_events(KabSource *source)
{
    g_queue_clear_full(&source->events, free_event);
}

/* --- Calls of the client ----------------------------------------------- */

/* An error means that the client and we disagree about the assignment: stop. */
static void
check_call(KabSource *source, const char *call, rd_kafka_error_t *error)
{
    if (!error)
        return;
    kab_source_fail(source, "librdkafka refuses %s: %s", call,
                    rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void
list_toppar(rd_kafka_topic_partition_list_t *list,
            const KabToppar *toppar,
            int64_t offset)
{
    rd_kafka_topic_partition_list_add(list, toppar->topic->name, toppar->number)
        ->offset = offset;
}

static void
assign_incrementally(KabSource *source, rd_kafka_topic_partition_list_t *list)
{
    check_call(source, "incremental_assign",
               rd_kafka_incremental_assign(source->client, list));
}

static void
unassign_incrementally(KabSource *source, rd_kafka_topic_partition_list_t *list)
{
    check_call(source, "incremental_unassign",
               rd_kafka_incremental_unassign(source->client, list));
}

static void
assign_eagerly(KabSource *source, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t err = rd_kafka_assign(source->client, list);
    if (err)
        kab_source_fail(source, "librdkafka refuses assign: %s",
                        rd_kafka_err2str(err));
}

static void
note_added(KabSource *source, KabToppar *toppar)
{
    if (toppar->is_add_wanted)
        source->n_add_wanted--;
    toppar->is_add_wanted = false;
    toppar->is_assigned = true;
}

/* Messages fetched before a partition is unassigned become outdated only some
 * time after the unassign call; taken before that, they would look like
 * records of the next assignment. The client's main thread has outdated them
 * once it has answered another request. */
static void
await_stops(KabSource *source)
{
    kab_source_has_member_id(source);
}

static void
open_queues(KabSource *source, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        kab_source_open_queue(source,
                              kab_source_find(source, list->elems[i].topic,
                                              list->elems[i].partition));
}

/* A partition that was reset is still assigned: unassign it first. */
static void
add_incrementally(KabSource *source)
{
    g_autoptr(rd_kafka_topic_partition_list_t) again =
        rd_kafka_topic_partition_list_new(1);
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new((int)source->n_add_wanted);
    for (guint i = 0; i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (!toppar->is_add_wanted)
            continue;
        if (toppar->is_assigned)
            list_toppar(again, toppar, RD_KAFKA_OFFSET_INVALID);
        list_toppar(list, toppar, toppar->offset);
        note_added(source, toppar);
    }
    if (again->cnt) {
        unassign_incrementally(source, again);
        await_stops(source);
    }
    open_queues(source, list);
    assign_incrementally(source, list);
}

/* Partitions added before, and not reset, keep their position. */
static void
list_positions(KabSource *source, rd_kafka_topic_partition_list_t *list)
{
    for (guint i = 0; i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (toppar->is_assigned && !toppar->is_add_wanted)
            list_toppar(list, toppar, RD_KAFKA_OFFSET_INVALID);
    }
    rd_kafka_position(source->client, list);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *element = &list->elems[i];
        if (element->offset < 0)
            element->offset =
                kab_source_find(source, element->topic, element->partition)
                    ->offset;
    }
}

/* An eager assignment names all partitions at once. */
static void
add_eagerly(KabSource *source)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(8);
    list_positions(source, list);
    for (guint i = 0; i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (!toppar->is_add_wanted)
            continue;
        list_toppar(list, toppar, toppar->offset);
        note_added(source, toppar);
    }
    open_queues(source, list);
    assign_eagerly(source, list);
    await_stops(source);
}

/* --- Events ------------------------------------------------------------ */

static void
end_event(KabSource *source)
{
    KabRebalanceEvent *event = g_queue_pop_head(&source->events);
    int64_t pause_us = g_get_monotonic_time() - event->at_us;
    kab_histogram_add(&source->rebalance_us, (uint64_t)MAX(pause_us, 0));
    source->has_moved = true;
    free_event(event);
}

/* The event is answered only after the engine has released this partition. */
static void
await_toppar(KabSource *source, KabToppar *toppar)
{
    source->n_awaited += !toppar->is_awaited;
    toppar->is_awaited = true;
}

static void
stop_awaiting(KabSource *source, KabToppar *toppar)
{
    source->n_awaited -= toppar->is_awaited;
    toppar->is_awaited = false;
}

/* Refuses an output of the binding that a pattern matches. */
static bool
refuse_output(KabSource *source, const KabToppar *toppar)
{
    if (toppar->topic->is_output)
        kab_source_fail(source,
                        "topic %s matches input.topics and is an output of "
                        "the binding: its own outputs would come back. Narrow "
                        "the pattern",
                        toppar->topic->name);
    return toppar->topic->is_output;
}

static void
begin_assign(KabSource *source, KabRebalanceEvent *event)
{
    const rd_kafka_topic_partition_list_t *list = event->list;
    for (int i = 0; !kab_source_is_leaving(source) && i < list->cnt; i++) {
        KabToppar *toppar = kab_source_intern(source, list->elems[i].topic,
                                              list->elems[i].partition);
        if (refuse_output(source, toppar) || toppar->partition)
            continue;
        toppar->is_broken = toppar->has_committed = false;
        toppar->reset_from = toppar->end = -1;
        toppar->partition =
            kab_engine_assigned(source->setup.engine, toppar->topic->name,
                                toppar->number, toppar, source->now);
        if (!source->is_cooperative)
            await_toppar(source, toppar);
    }
}

static void
begin_revoke(KabSource *source, const KabRebalanceEvent *event)
{
    /* Leaving with calls still running: do not wait for them. */
    bool is_lost =
        event->is_lost || (kab_source_is_leaving(source) &&
                           kab_engine_is_overdue(source->setup.engine));
    for (int i = 0; i < event->list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &event->list->elems[i];
        KabToppar *toppar =
            kab_source_find(source, element->topic, element->partition);
        if (!toppar)
            continue;
        source->n_reassign -= toppar->needs_reassign;
        toppar->needs_reassign = false;
        kab_source_forget_suspect(source, toppar);
        if (!toppar->partition)
            continue;
        await_toppar(source, toppar);
        if (is_lost)
            kab_engine_lost(source->setup.engine, toppar->partition,
                            source->now);
        else
            kab_engine_revoking(source->setup.engine, toppar->partition,
                                source->now);
    }
}

static KabRebalance
kind_of(const KabRebalanceEvent *event)
{
    if (event->is_assign)
        return KAB_REBALANCE_ASSIGNED;
    return event->is_lost ? KAB_REBALANCE_LOST : KAB_REBALANCE_REVOKED;
}

static void
begin_event(KabSource *source, KabRebalanceEvent *event)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_REBALANCE_##NAME] = text,
        KAB_REBALANCES(X)
#undef X
    };
    event->is_begun = true;
    source->has_moved = true;
    source->is_member = !event->is_lost;
    kab_health_take_beat(source->health);
    source->is_cooperative =
        g_strcmp0(rd_kafka_rebalance_protocol(source->client), "EAGER") != 0;
    source->rebalances[kind_of(event)]++;
    g_autofree char *line = g_strdup_printf(
        "%s: %d partitions", names[kind_of(event)], event->list->cnt);
    kab_edge_log_some(source->setup.edge, &source->rebalance_lines,
                      event->is_lost ? KAB_LOG_WARNING : KAB_LOG_INFO,
                      KAB_NOWHERE, line, source->now);
    kab_source_renew_group(source, event->is_lost);
    if (event->is_assign)
        begin_assign(source, event);
    else
        begin_revoke(source, event);
}

static void
answer_assign(KabSource *source)
{
    if (!source->is_cooperative) {
        add_eagerly(source);
        return;
    }
    g_autoptr(rd_kafka_topic_partition_list_t) empty =
        rd_kafka_topic_partition_list_new(0);
    assign_incrementally(source, empty);
}

static void
answer_revoke(KabSource *source, const KabRebalanceEvent *event)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(event->list->cnt);
    for (int i = 0; i < event->list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &event->list->elems[i];
        KabToppar *toppar =
            kab_source_find(source, element->topic, element->partition);
        if (!toppar || !toppar->is_assigned)
            continue;
        kab_source_close_queue(source, toppar);
        list_toppar(list, toppar, RD_KAFKA_OFFSET_INVALID);
        toppar->is_assigned = false;
    }
    if (!kab_source_is_closing(source))
        kab_health_expect_join(source->health);
    if (source->is_cooperative)
        unassign_incrementally(source, list);
    else
        assign_eagerly(source, NULL);
}

static void
answer_event(KabSource *source)
{
    const KabRebalanceEvent *event = g_queue_peek_head(&source->events);
    if (event->is_assign)
        answer_assign(source);
    else
        answer_revoke(source, event);
    end_event(source);
}

/* --- What a turn does -------------------------------------------------- */

static void
assign_reassign(KabSource *source)
{
    for (guint i = 0; source->n_reassign && i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (!toppar->needs_reassign)
            continue;
        toppar->needs_reassign = false;
        source->n_reassign--;
        source->has_moved = true;
        toppar->partition = kab_engine_assigned_at_beginning(
            source->setup.engine, toppar->topic->name, toppar->number, toppar,
            source->now);
    }
}

/* Do not add to a lost assignment: that would clear its mark, and the event
 * that reports the loss is on its way. */
static void
add_wanted(KabSource *source)
{
    if (!source->n_add_wanted || rd_kafka_assignment_lost(source->client))
        return;
    if (source->is_cooperative)
        add_incrementally(source);
    else
        add_eagerly(source);
    source->has_moved = true;
}

void
kab_source_rebalance(KabSource *source)
{
    for (;;) {
        KabRebalanceEvent *event = g_queue_peek_head(&source->events);
        if (event && !event->is_begun)
            begin_event(source, event);
        if (!event || source->n_awaited)
            break;
        answer_event(source);
    }
    assign_reassign(source);
    if (g_queue_is_empty(&source->events))
        add_wanted(source);
}

/* An eager answer waits for loads that will not be added any more, and a
 * closing client waits for the answer. */
void
kab_source_end_assign(KabSource *source)
{
    const KabRebalanceEvent *event = g_queue_peek_head(&source->events);
    if (!event || !event->is_assign)
        return;
    for (guint i = 0; i < source->toppars->len; i++)
        stop_awaiting(source, source->toppars->pdata[i]);
}

/* --- Effects ----------------------------------------------------------- */

void
kab_source_add(void *user, KabPartition *partition, int64_t offset)
{
    KabSource *source = user;
    KabToppar *toppar = kab_partition_edge(partition);
    g_assert(!toppar->is_add_wanted);
    toppar->offset = offset;
    toppar->is_add_wanted = true;
    source->n_add_wanted++;
    stop_awaiting(source, toppar);
}

void
kab_source_unassign(void *user, KabPartition *partition)
{
    KabSource *source = user;
    KabToppar *toppar = kab_partition_edge(partition);
    kab_source_forget_load(source, toppar);
    source->n_add_wanted -= toppar->is_add_wanted;
    toppar->is_add_wanted = false;
    toppar->partition = NULL;
    kab_source_resume(source, toppar);
    stop_awaiting(source, toppar);
    if (kab_partition_is_reset(partition) && !kab_source_is_leaving(source)) {
        toppar->needs_reassign = true;
        source->n_reassign++;
    }
}
