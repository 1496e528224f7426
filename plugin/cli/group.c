/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer group seen from outside, through librdkafka's admin API. */
#include "group.h"

#include <string.h>

#include "committed.h"
#include "probe.h"
#include "rdkafka-auto.h"

/* The first answer has the time-out of `check --connect`; later ones have
 * more. */
enum { REACH_TIMEOUT_MS = 5000, TIMEOUT_MS = 15000 };

G_DEFINE_AUTOPTR_CLEANUP_FUNC(rd_kafka_AdminOptions_t,
                              rd_kafka_AdminOptions_destroy)

static rd_kafka_t *
make_client(const KabProperty *properties,
            size_t n,
            const char *group,
            GError **error)
{
    char message[512];
    rd_kafka_conf_t *conf =
        kab_properties_new_conf(KAB_CLIENT_CONSUMER, properties, n, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    kab_properties_mute(conf);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR);
    rd_kafka_t *client =
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, message, sizeof message);
    if (client)
        return client;
    rd_kafka_conf_destroy(conf);
    g_set_error_literal(error, KAB_ERROR, KAB_ERROR_CONFIG, message);
    return NULL;
}

rd_kafka_t *
kab_group_new_client(const KabBindingSettings *settings,
                     const char *group,
                     GError **error)
{
    const KabProperty *properties =
        (const KabProperty *)(void *)settings->consumer->data;
    size_t n = settings->consumer->len;
    rd_kafka_t *client = make_client(properties, n, group, error);
    const char *servers = kab_properties_lookup(KAB_CLIENT_CONSUMER, properties,
                                                n, "bootstrap.servers");
    g_autofree char *silence =
        client ? kab_probe_dup_silence(client, servers ? servers : "the file",
                                       REACH_TIMEOUT_MS)
               : NULL;
    if (!silence)
        return client;
    rd_kafka_destroy(client);
    g_set_error_literal(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE, silence);
    return NULL;
}

static void
set_error(GError **error, const char *what, const char *why)
{
    g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE, "%s: %s", what, why);
}

/* Waits for the result on `queue`; NULL: the request failed as a whole. */
static rd_kafka_event_t *
wait_for(rd_kafka_queue_t *queue, const char *what, GError **error)
{
    g_autoptr(rd_kafka_event_t) event =
        rd_kafka_queue_poll(queue, TIMEOUT_MS + 1000);
    if (event && !rd_kafka_event_error(event))
        return g_steal_pointer(&event);
    set_error(error, what,
              event ? rd_kafka_event_error_string(event)
                    : "the broker did not answer");
    return NULL;
}

static rd_kafka_AdminOptions_t *
new_options(rd_kafka_t *client, rd_kafka_admin_op_t operation)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, operation);
    rd_kafka_AdminOptions_set_request_timeout(options, TIMEOUT_MS, NULL, 0);
    return options;
}

/* --- Members ----------------------------------------------------------- */

static bool
has_no_members(const rd_kafka_event_t *event,
               const char *group,
               const char *what,
               GError **error)
{
    size_t n = 0;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(event, &n);
    const rd_kafka_error_t *fault =
        n ? rd_kafka_ConsumerGroupDescription_error(groups[0]) : NULL;
    if (!n || fault) {
        set_error(error, what, fault ? rd_kafka_error_string(fault) : "none");
        return false;
    }
    size_t n_members =
        rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
    if (n_members)
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "group %s has %zu active member%s; wanted none: stop every "
                    "bridge of this group first (a killed one is a member "
                    "until its session.timeout.ms is over)",
                    group, n_members, n_members == 1 ? "" : "s");
    return !n_members;
}

bool
kab_group_check_stopped(rd_kafka_t *client, const char *group, GError **error)
{
    g_autofree char *what =
        g_strdup_printf("cannot ask for the members of group %s", group);
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_new(client);
    g_autoptr(rd_kafka_AdminOptions_t) options =
        new_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_DescribeConsumerGroups(client, &group, 1, options, queue);
    g_autoptr(rd_kafka_event_t) event = wait_for(queue, what, error);
    return event && has_no_members(event, group, what, error);
}

/* --- Committed --------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *
one_partition(const char *topic, int32_t number)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, number);
    return list;
}

/* The one partition of the one group in an answer; NULL: an error. */
static const rd_kafka_topic_partition_t *
only_partition(const rd_kafka_group_result_t **groups,
               size_t n,
               const char *what,
               GError **error)
{
    const rd_kafka_error_t *fault =
        n ? rd_kafka_group_result_error(groups[0]) : NULL;
    const rd_kafka_topic_partition_list_t *list =
        n && !fault ? rd_kafka_group_result_partitions(groups[0]) : NULL;
    if (!list || list->cnt != 1) {
        set_error(error, what,
                  fault ? rd_kafka_error_string(fault) : "an empty answer");
        return NULL;
    }
    if (!list->elems[0].err)
        return &list->elems[0];
    set_error(error, what, rd_kafka_err2str(list->elems[0].err));
    return NULL;
}

bool
kab_group_load(rd_kafka_t *client,
               const char *group,
               const char *topic,
               int32_t number,
               int64_t *ret_offset,
               GArray *ret_intervals,
               GError **error)
{
    g_autofree char *what =
        g_strdup_printf("cannot read what group %s has committed", group);
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_new(client);
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        one_partition(topic, number);
    g_autoptr(rd_kafka_AdminOptions_t) options =
        new_options(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_error_t *refused =
        rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    g_assert(!refused);
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(group, list);
    rd_kafka_ListConsumerGroupOffsets(client, &request, 1, options, queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    g_autoptr(rd_kafka_event_t) event = wait_for(queue, what, error);
    if (!event)
        return false;
    size_t n = 0;
    const rd_kafka_group_result_t **groups =
        rd_kafka_ListConsumerGroupOffsets_result_groups(event, &n);
    const rd_kafka_topic_partition_t *found =
        only_partition(groups, n, what, error);
    if (!found)
        return false;
    const char *problem = NULL;
    if (!kab_committed_decode(found->metadata, found->metadata_size,
                              found->offset, ret_intervals, &problem)) {
        set_error(error, "the metadata of the commit is not kabridge's",
                  problem);
        return false;
    }
    *ret_offset = found->offset < 0 ? -1 : found->offset;
    return true;
}

/* librdkafka frees the copy. */
static void
set_metadata(rd_kafka_topic_partition_t *partition,
             int64_t offset,
             const GArray *intervals)
{
    g_autofree char *text = kab_committed_encode(
        offset, (const KabInterval *)(const void *)intervals->data,
        intervals->len);
    if (!text)
        return;
    partition->metadata = strdup(text);
    partition->metadata_size = strlen(text);
}

bool
kab_group_store(rd_kafka_t *client,
                const char *group,
                const char *topic,
                int32_t number,
                int64_t offset,
                const GArray *intervals,
                GError **error)
{
    g_autofree char *what =
        g_strdup_printf("cannot commit for group %s", group);
    g_autoptr(rd_kafka_queue_t) queue = rd_kafka_queue_new(client);
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        one_partition(topic, number);
    list->elems[0].offset = offset;
    set_metadata(&list->elems[0], offset, intervals);
    g_autoptr(rd_kafka_AdminOptions_t) options =
        new_options(client, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS);
    rd_kafka_AlterConsumerGroupOffsets_t *request =
        rd_kafka_AlterConsumerGroupOffsets_new(group, list);
    rd_kafka_AlterConsumerGroupOffsets(client, &request, 1, options, queue);
    rd_kafka_AlterConsumerGroupOffsets_destroy(request);
    g_autoptr(rd_kafka_event_t) event = wait_for(queue, what, error);
    if (!event)
        return false;
    size_t n = 0;
    const rd_kafka_group_result_t **groups =
        rd_kafka_AlterConsumerGroupOffsets_result_groups(event, &n);
    return only_partition(groups, n, what, error) != NULL;
}
