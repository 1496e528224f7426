/* SPDX-License-Identifier: Apache-2.0 */
/* Group metadata: by what the broker tells the offsets of a member from those
 * of a zombie. It must not be newer than what the engine takes for its own.
 *
 * In a classic group a generation begins with a rebalance event, so what was
 * taken at the last one is it. In a group of the newer protocol (KIP-848) the
 * broker raises a member's epoch at a heartbeat, without an event if the
 * member keeps what it has, and refuses any other epoch: so there it is taken
 * when offsets are sent. That is no newer than the engine's partitions:
 *
 * - The broker gives a partition to another member only when this one has
 *   said that it let go of it, or is out of the group.
 * - The client says so after the unassign call, before which the engine has
 *   ended the partition; until then the epoch stays what it was.
 * - Once out of the group the member needs a new epoch, and the client asks
 *   for one after the unassign call of everything, as lost. The old one is
 *   refused like that of any zombie.
 */
#include "source-internal.h"

#include <string.h>

/* The client does not tell it but in its own serialisation: "CGMDv2:",
 * generation, group, member. */
static int32_t
generation_of(const rd_kafka_consumer_group_metadata_t *group)
{
    static const char magic[] = "CGMDv2:";
    const size_t magic_len = sizeof magic - 1;
    void *data = NULL;
    size_t size = 0;
    rd_kafka_error_t *error =
        rd_kafka_consumer_group_metadata_write(group, &data, &size);
    if (error) {
        rd_kafka_error_destroy(error);
        return -1;
    }
    int32_t generation = 0;
    if (size > magic_len + sizeof generation &&
        memcmp(data, magic, magic_len) == 0)
        memcpy(&generation, (char *)data + magic_len, sizeof generation);
    rd_kafka_mem_free(NULL, data);
    return generation;
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
    g_clear_pointer(&source->group, rd_kafka_consumer_group_metadata_destroy);
}

/* A commit with an empty member id and generation -1 is not checked by the
 * broker. */
void
kab_source_renew_group(KabSource *source, bool is_lost)
{
    kab_source_clear_group(source);
    if (is_lost || !kab_source_has_member_id(source))
        return;
    source->group = rd_kafka_consumer_group_metadata(source->client);
    if (source->group && generation_of(source->group) < 0)
        kab_source_clear_group(source);
}

/* As configured or by default; 2.0.2 does not know the property. */
static bool
is_classic(const KabSource *source)
{
    char protocol[16] = "classic";
    size_t size = sizeof protocol;
    rd_kafka_conf_get(rd_kafka_conf(source->client), "group.protocol", protocol,
                      &size);
    return g_ascii_strcasecmp(protocol, "classic") == 0;
}

/* A member of the newer protocol that gets nothing hears of no event. Before
 * it has an epoch of its own its generation is -1, or 0. */
void
kab_source_serve_group(KabSource *source)
{
    if (source->is_member || source->is_leaving || source->events.length ||
        !kab_health_take_beat(source->health))
        return;
    kab_source_renew_group(source, false);
    source->is_member = source->group && generation_of(source->group) > 0;
    source->has_moved |= source->is_member;
}

/* Of an assignment that is lost the event is on its way. */
rd_kafka_consumer_group_metadata_t *
kab_source_get_group(KabSource *source)
{
    if (source->is_member && !is_classic(source))
        kab_source_renew_group(source,
                               rd_kafka_assignment_lost(source->client));
    return source->group;
}
