/* SPDX-License-Identifier: Apache-2.0 */
/* Group metadata: by it the broker tells a member's offsets from a zombie's.
 * It must not be newer than the set of partitions the engine owns.
 *
 * In a classic group a generation begins with a rebalance event, so the
 * metadata is taken at each event. In a KIP-848 group the broker raises a
 * member's epoch at a heartbeat, without an event if the member keeps its
 * partitions, and refuses any other epoch: so there the metadata is taken when
 * offsets are sent. It is no newer than the engine's partitions then, either:
 *
 * - The broker gives a partition to another member only when this one has
 *   reported its release, or is out of the group.
 * - The client reports it after the unassign call, before which the engine has
 *   ended the partition; until then the epoch does not change.
 * - Once out of the group the member needs a new epoch, which the client asks
 *   for only after everything was unassigned as lost. The old epoch is refused
 *   like that of any zombie.
 */
#include "source-internal.h"

#include <string.h>

/* librdkafka gives generation and member id together only in its serialised
 * form: "CGMDv2:", generation, then group and member, each ended by a NUL. Its
 * own reader refuses a group id beyond ASCII (KAB_QUIRK_GROUP_BEYOND_ASCII),
 * so we parse it. False: not of this form. */
static bool
parse_group(KabSource *source, const char *data, size_t size)
{
    static const char magic[] = "CGMDv2:";
    const size_t group_at = sizeof magic - 1 + sizeof source->generation;
    const size_t member_at = group_at + strlen(source->setup.group) + 1;
    if (size <= member_at || memcmp(data, magic, sizeof magic - 1) != 0 ||
        strcmp(data + group_at, source->setup.group) != 0 ||
        !memchr(data + member_at, '\0', size - member_at))
        return false;
    memcpy(&source->generation, data + sizeof magic - 1,
           sizeof source->generation);
    g_free(source->member_id);
    source->member_id = g_strdup(data + member_at);
    return true;
}

bool
kab_source_has_member_id(KabSource *source)
{
    char *id = rd_kafka_memberid(source->client);
    bool has = id && *id;
    if (id)
        rd_kafka_mem_free(source->client, id);
    return has;
}

void
kab_source_clear_group(KabSource *source)
{
    source->generation = -1;
    g_clear_pointer(&source->member_id, g_free);
}

static void
read_group(KabSource *source, const rd_kafka_consumer_group_metadata_t *group)
{
    void *data = NULL;
    size_t size = 0;
    rd_kafka_error_t *error =
        rd_kafka_consumer_group_metadata_write(group, &data, &size);
    if (error) {
        kab_source_fail(source, "the metadata of group %s cannot be read: %s",
                        source->setup.group, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else if (!parse_group(source, data, size)) {
        kab_source_fail(source,
                        "librdkafka %s writes the metadata of group %s in a "
                        "form that is not known",
                        rd_kafka_version_str(), source->setup.group);
    }
    if (data)
        rd_kafka_mem_free(NULL, data);
}

/* Without a valid member there is no metadata: the broker would not check a
 * commit with an empty member id and generation -1. */
void
kab_source_renew_group(KabSource *source, bool is_lost)
{
    kab_source_clear_group(source);
    if (is_lost || !kab_source_has_member_id(source))
        return;
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata(source->client);
    if (!group)
        return;
    read_group(source, group);
    rd_kafka_consumer_group_metadata_destroy(group);
}

/* group.protocol is classic, as configured or by default; librdkafka 2.0.2
 * does not know the property. */
static bool
is_classic(const KabSource *source)
{
    char protocol[16] = "classic";
    size_t size = sizeof protocol;
    rd_kafka_conf_get(rd_kafka_conf(source->client), "group.protocol", protocol,
                      &size);
    return g_ascii_strcasecmp(protocol, "classic") == 0;
}

/* A KIP-848 member that gets no partitions has no rebalance event. Before it
 * has an epoch of its own its generation is -1 or 0. */
void
kab_source_serve_group(KabSource *source)
{
    if (source->is_member || kab_source_is_leaving(source) ||
        source->events.length || !kab_health_take_beat(source->health))
        return;
    kab_source_renew_group(source, false);
    source->is_member = source->generation > 0;
    source->has_moved |= source->is_member;
}

static char *
dup_instance_id(const KabSource *source)
{
    size_t size = 0;
    const rd_kafka_conf_t *conf = rd_kafka_conf(source->client);
    if (rd_kafka_conf_get(conf, "group.instance.id", NULL, &size) !=
            RD_KAFKA_CONF_OK ||
        size <= 1)
        return NULL;
    char *id = g_malloc(size);
    rd_kafka_conf_get(conf, "group.instance.id", id, &size);
    return id;
}

/* If the assignment is lost, the event that says so is on its way. */
rd_kafka_consumer_group_metadata_t *
kab_source_dup_group(void *user)
{
    KabSource *source = user;
    if (source->is_member && !is_classic(source))
        kab_source_renew_group(source,
                               rd_kafka_assignment_lost(source->client));
    if (source->generation < 0 || !source->member_id)
        return NULL;
    g_autofree char *instance_id = dup_instance_id(source);
    return rd_kafka_consumer_group_metadata_new_with_genid(
        source->setup.group, source->generation, source->member_id,
        instance_id);
}
