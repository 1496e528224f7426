/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: explicit lists with metadata, asynchronous, one outstanding.
 *
 * An explicit list is not checked against the assignment by anyone: that it
 * names only partitions of this member is the engine's doing.
 */
#include "source-internal.h"

#include <string.h>

#include "committed.h"

static bool
is_authorisation(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

static KabCommitResult
classify(rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return KAB_COMMIT_OK;
    if (err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
        return KAB_COMMIT_TOO_LARGE;
    if (is_authorisation(err))
        return KAB_COMMIT_REFUSED;
    /* A fatal error: another process has taken the member's place. */
    if (err == RD_KAFKA_RESP_ERR__FATAL ||
        err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
        err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
        err == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
        err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID ||
        err == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST)
        return KAB_COMMIT_GROUP;
    /* STALE_MEMBER_EPOCH, FENCED_MEMBER_EPOCH: groups of the newer protocol,
     * codes that 2.0.2 has no names for. */
    if ((int)err == 110 || (int)err == 113)
        return KAB_COMMIT_GROUP;
    return KAB_COMMIT_FAILED;
}

static void
refuse(KabSource *source, const KabCommitItem *item, rd_kafka_resp_err_t err)
{
    g_autofree char *grant = kab_source_dup_grant(source);
    kab_source_fail(source,
                    "offsets of group %s, topic %s, may not be committed, so "
                    "what was finished meanwhile is delivered again: %s. "
                    "Grant Read on both: %s --operation Read --group %s "
                    "--topic %s",
                    source->setup.group, item->topic, rd_kafka_err2str(err),
                    grant, source->setup.group, item->topic);
}

static void
note_error(KabSource *source,
           const KabCommitItem *item,
           rd_kafka_resp_err_t err)
{
    KabPlace place = {item->topic, item->number, item->offset};
    if (is_authorisation(err))
        refuse(source, item, err);
    else
        kab_source_log(source,
                       classify(err) == KAB_COMMIT_GROUP ? KAB_LOG_INFO
                                                         : KAB_LOG_WARNING,
                       place, "a commit was refused, it is repeated: %s",
                       rd_kafka_err2str(err));
}

static const rd_kafka_topic_partition_t *
find_element(const rd_kafka_topic_partition_list_t *list,
             const KabCommitItem *item)
{
    if (!list || !item->partition)
        return NULL;
    return rd_kafka_topic_partition_list_find(list, item->topic, item->number);
}

static bool
has_errors(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list && i < list->cnt; i++)
        if (list->elems[i].err)
            return true;
    return false;
}

/* An item that lost its partition meanwhile has no topic any more. */
static void
note_committed(KabSource *source, const KabCommitItem *item)
{
    if (item->partition && item->result == KAB_COMMIT_OK)
        ((KabToppar *)kab_partition_edge(item->partition))->has_committed =
            true;
}

/* The error of the whole is that of some element, the others being good; or
 * there is none at the elements, and it is that of all. */
static void
end_commit(KabSource *source,
           rd_kafka_resp_err_t err,
           const rd_kafka_topic_partition_list_t *list)
{
    KabCommitItem *items = g_steal_pointer(&source->items);
    if (has_errors(list))
        err = RD_KAFKA_RESP_ERR_NO_ERROR;
    bool is_told = false;
    const KabToppar *missing = NULL;
    for (size_t i = 0; i < source->n_items; i++) {
        const rd_kafka_topic_partition_t *element =
            find_element(list, &items[i]);
        rd_kafka_resp_err_t of_item =
            element && element->err ? element->err : err;
        items[i].result = classify(of_item);
        note_committed(source, &items[i]);
        if (of_item == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
            items[i].partition)
            missing = kab_partition_edge(items[i].partition);
        if (of_item && !is_told && items[i].partition)
            note_error(source, &items[i], of_item);
        is_told |= of_item && items[i].partition;
    }
    source->has_moved = true;
    kab_engine_commit_done(source->setup.engine, items, source->n_items,
                           source->now);
    /* What the client says of it may be behind records not wanted yet. */
    if (missing)
        kab_source_note_missing(source, missing->topic->name);
}

static void
on_commit(rd_kafka_t *client,
          rd_kafka_resp_err_t err,
          rd_kafka_topic_partition_list_t *list,
          void *user)
{
    KabSource *source = user;
    if (source->items)
        end_commit(source, err, list);
}

static rd_kafka_topic_partition_list_t *
list_items(const KabCommitItem *items, size_t n)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(
            list, items[i].topic, items[i].number);
        element->offset = items[i].offset;
        element->metadata = kab_committed_encode(
            items[i].offset, items[i].intervals, items[i].n_intervals);
        if (element->metadata)
            element->metadata_size = strlen(element->metadata);
    }
    /* The request has a topic once for each run of it. */
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    return list;
}

bool
kab_source_commit(KabSource *source, KabCommitItem *items, size_t n)
{
    g_assert(!source->items);
    if (kab_health_may_join(source->health, g_get_monotonic_time()))
        return false;
    g_autoptr(rd_kafka_topic_partition_list_t) list = list_items(items, n);
    source->items = items;
    source->n_items = n;
    source->is_commit_refused =
        rd_kafka_commit_queue(source->client, list, source->commits, on_commit,
                              source) != RD_KAFKA_RESP_ERR_NO_ERROR;
    return true;
}

void
kab_source_serve_commits(KabSource *source)
{
    if (source->is_commit_refused) {
        source->is_commit_refused = false;
        end_commit(source, RD_KAFKA_RESP_ERR__STATE, NULL);
    }
    if (source->items)
        rd_kafka_queue_poll_callback(source->commits, 0);
}
