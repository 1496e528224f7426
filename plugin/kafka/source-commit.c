/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: explicit lists with metadata, asynchronous, one outstanding.
 *
 * Nobody checks an explicit list against the assignment: the engine sees to it
 * that it names only partitions of this member.
 */
#include "source-internal.h"

#include <stdlib.h>
#include <string.h>

#include "offsets.h"
#include "quirks.h"
#include "refusal.h"

/* Commits are held for heartbeat.interval.ms / HOLDS_PER_HEARTBEAT, at most
 * HOLD_MAX_US, after an answer that may have told the client to join. */
#define HOLDS_PER_HEARTBEAT 10
#define HOLD_MAX_US INT64_C(50000)

static KabCommitResult
classify_error(rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return KAB_COMMIT_OK;
    if (err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
        return KAB_COMMIT_TOO_LARGE;
    if (kab_refusal_is_authorisation(err))
        return KAB_COMMIT_REFUSED;
    /* Fatal error: another process has taken this member's place. */
    if (err == RD_KAFKA_RESP_ERR__FATAL ||
        err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
        err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
        err == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
        err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID ||
        err == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST)
        return KAB_COMMIT_GROUP;
    /* STALE_MEMBER_EPOCH, FENCED_MEMBER_EPOCH: errors of KIP-848 groups, which
     * librdkafka 2.0.2 has no names for. */
    if ((int)err == 110 || (int)err == 113)
        return KAB_COMMIT_GROUP;
    return KAB_COMMIT_FAILED;
}

static void
fail_commit(KabSource *source,
            const KabCommitItem *item,
            rd_kafka_resp_err_t err)
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
    if (kab_refusal_is_authorisation(err))
        fail_commit(source, item, err);
    else
        kab_source_log_fault(source,
                             classify_error(err) == KAB_COMMIT_GROUP
                                 ? KAB_LOG_INFO
                                 : KAB_LOG_WARNING,
                             place, "a commit was refused, it is repeated: %s",
                             rd_kafka_err2str(err));
}

static const rd_kafka_topic_partition_t *
find_element(const rd_kafka_topic_partition_list_t *list,
             const KabCommitItem *item)
{
    if (!item->partition)
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

/* An item's topic may be used only while its partition exists. Where this is
 * the start offset, more than one record may be taken from now on. */
static void
note_committed(KabSource *source, const KabCommitItem *item)
{
    if (!item->partition || item->result != KAB_COMMIT_OK)
        return;
    KabToppar *toppar = kab_partition_edge(item->partition);
    toppar->has_committed = true;
    kab_source_resume(source, toppar);
}

/* If any element has an error, those without one succeeded; otherwise the
 * error of the whole list applies to every element, and none is searched for:
 * librdkafka compares with one after another. */
static void
end_commit(KabSource *source,
           rd_kafka_resp_err_t err,
           const rd_kafka_topic_partition_list_t *list)
{
    KabCommitItem *items = g_steal_pointer(&source->items);
    bool is_by_element = has_errors(list);
    if (is_by_element)
        err = RD_KAFKA_RESP_ERR_NO_ERROR;
    bool is_told = false;
    const KabToppar *missing = NULL;
    for (size_t i = 0; i < source->n_items; i++) {
        const rd_kafka_topic_partition_t *element =
            is_by_element ? find_element(list, &items[i]) : NULL;
        rd_kafka_resp_err_t of_item =
            element && element->err ? element->err : err;
        items[i].result = classify_error(of_item);
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
    /* The client's own error about the topic may be queued behind records that
     * are not wanted yet. */
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

void
kab_source_limit_hold(KabSource *source)
{
    char text[16];
    size_t size = sizeof text;
    if (!kab_quirk_applies(KAB_QUIRK_COMMIT_BEHIND_JOIN) ||
        rd_kafka_conf_get(rd_kafka_conf(source->client),
                          "heartbeat.interval.ms", text, &size))
        return;
    source->heartbeat_us = strtoll(text, NULL, 10) * 1000;
    kab_health_set_hold(
        source->health,
        MIN(source->heartbeat_us / HOLDS_PER_HEARTBEAT, HOLD_MAX_US));
}

/* Answers that may tell the client to join can follow so closely that the
 * holds leave no gap: after two heartbeat intervals the commit is sent
 * anyway. */
static int64_t
held_until(KabSource *source, int64_t now)
{
    int64_t until_us = kab_health_held_until(source->health, now);
    if (!until_us)
        source->held_since_us = 0;
    else if (!source->held_since_us)
        source->held_since_us = now;
    return MIN(until_us, source->held_since_us + 2 * source->heartbeat_us);
}

static bool
is_held(KabSource *source, int64_t now)
{
    return kab_health_is_joining(source->health, now) ||
           held_until(source, now) > now;
}

static void
send_commit(KabSource *source)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        kab_offsets_new_list(source->items, source->n_items);
    source->is_commit_held = false;
    source->is_commit_refused =
        !list->cnt ||
        rd_kafka_commit_queue(source->client, list, source->commits, on_commit,
                              source) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The engine knows of holds as of the last turn; if one has begun since, the
 * commit is kept here until it ends. */
void
kab_source_commit(void *user, KabCommitItem *items, size_t n)
{
    KabSource *source = user;
    g_assert(!source->items);
    source->items = items;
    source->n_items = n;
    source->is_commit_held = is_held(source, g_get_monotonic_time());
    if (!source->is_commit_held)
        send_commit(source);
}

int64_t
kab_source_commit_deadline(const KabSource *source)
{
    if (source->is_commit_refused)
        return 0;
    return source->is_commit_held && source->held_until_us > source->now
               ? source->held_until_us
               : INT64_MAX;
}

void
kab_source_serve_commits(KabSource *source)
{
    source->held_until_us = held_until(source, source->now);
    if (source->held_until_us > source->now)
        kab_engine_hold_commits(source->setup.engine, source->held_until_us);
    if (source->is_commit_held && !is_held(source, source->now))
        send_commit(source);
    if (source->is_commit_refused) {
        source->is_commit_refused = false;
        end_commit(source, RD_KAFKA_RESP_ERR__STATE, NULL);
    }
    if (source->items)
        rd_kafka_queue_poll_callback(source->commits, 0);
}
