/* SPDX-License-Identifier: Apache-2.0 */
/* One table of the properties we set; those librdkafka knows are asked of it
 * at run time. */
#include "properties.h"

#include <stdlib.h>
#include <string.h>

#include "kabridge/error.h"
#include "properties-known.h"

#define OWN(name, value, clients, why)                                         \
    {                                                                          \
        name, value, clients, true, why                                        \
    }
#define SET(name, value, clients, why)                                         \
    {                                                                          \
        name, value, clients, false, why                                       \
    }

/* An owned row without a value: plugin/kafka sets it elsewhere, or nobody
 * may. */
static const KabClientDefault defaults[] = {
    OWN("group.id", NULL, KAB_CLIENT_CONSUMER, "it is the option `group`"),
    OWN("transactional.id",
        NULL,
        KAB_CLIENT_PRODUCER,
        "it is the option `transactional.id` of the binding"),
    OWN("enable.auto.commit",
        "false",
        KAB_CLIENT_CONSUMER,
        "offsets are committed when their records are finished"),
    OWN("auto.commit.enable",
        NULL,
        KAB_CLIENT_CONSUMER,
        "offsets are committed when their records are finished"),
    OWN("enable.auto.offset.store",
        "false",
        KAB_CLIENT_CONSUMER,
        "offsets are committed when their records are finished"),
    OWN("offset.store.method",
        NULL,
        KAB_CLIENT_CONSUMER,
        "offsets are kept by the group"),
    OWN("auto.offset.reset",
        "error",
        KAB_CLIENT_CONSUMER,
        "where a partition begins is the option `start`"),
    OWN("enable.partition.eof",
        "true",
        KAB_CLIENT_CONSUMER,
        "the end of a partition is committed too"),
    OWN("enable.idempotence",
        "true",
        KAB_CLIENT_PRODUCER,
        "without it a retried request writes an output twice, or out of "
        "order"),
    OWN("enable.gapless.guarantee",
        NULL,
        KAB_CLIENT_PRODUCER,
        "a refused record goes to `on.failure`, it does not end the producer"),
    OWN("delivery.report.only.error",
        "false",
        KAB_CLIENT_PRODUCER,
        "a record is finished when its outputs are acknowledged"),
    OWN("statistics.interval.ms",
        NULL,
        KAB_CLIENT_BOTH,
        "the numbers are on GET /metrics"),
    OWN("enabled_events", NULL, KAB_CLIENT_BOTH, "the bridge serves them"),
    OWN("log.queue", "false", KAB_CLIENT_BOTH, "the bridge's log takes them"),
    OWN("test.mock.num.brokers",
        NULL,
        KAB_CLIENT_BOTH,
        "each client would get a cluster of its own; `kabridge demo` has one"),

    SET("client.id", "kabridge", KAB_CLIENT_BOTH, "named in the broker's log"),
    SET("socket.nagle.disable",
        "true",
        KAB_CLIENT_BOTH,
        "latency; librdkafka's own default only since 2.10"),
    SET("reconnect.backoff.max.ms",
        "1000",
        KAB_CLIENT_BOTH,
        "nobody waits for ten seconds for a broker that is back; as Kafka's "
        "own clients"),
    SET("isolation.level",
        "read_committed",
        KAB_CLIENT_CONSUMER,
        "aborted records are no input"),
    SET("partition.assignment.strategy",
        "cooperative-sticky",
        KAB_CLIENT_CONSUMER,
        "a rebalance stops only the partitions that move"),
    SET("heartbeat.interval.ms",
        "500",
        KAB_CLIENT_CONSUMER,
        "partitions that move stand still until each member has heard of it"),
    SET("queued.min.messages",
        "2000",
        KAB_CLIENT_CONSUMER,
        "memory of a partition that is behind: 300 bytes a record, and"),
    SET("queued.max.messages.kbytes",
        "2048",
        KAB_CLIENT_CONSUMER,
        "the records themselves"),
    SET("fetch.max.bytes",
        "4194304",
        KAB_CLIENT_CONSUMER,
        "a record that is held pins its whole fetch response, and what is "
        "fetched comes on top of queued.min.messages"),
    SET("fetch.queue.backoff.ms",
        "5",
        KAB_CLIENT_CONSUMER,
        "no pause of a second when a partition's queue was full; since 2.2"),
    SET("allow.auto.create.topics",
        "false",
        KAB_CLIENT_PRODUCER,
        "a typing error must not create a topic"),
    SET("partitioner",
        "murmur2_random",
        KAB_CLIENT_PRODUCER,
        "the partition that Java's clients choose for the same key"),
    SET("linger.ms",
        "5",
        KAB_CLIENT_PRODUCER,
        "requests of a useful size, as Kafka's own since 4.0 (KIP-1030)"),
    SET("max.in.flight.requests.per.connection",
        "5",
        KAB_CLIENT_PRODUCER,
        "a request holds one partition: they need not wait for each other; 1 "
        "where `order` is kept at least once"),
    SET("message.timeout.ms",
        "0",
        KAB_CLIENT_PRODUCER,
        "a broker's outage is waited out (exactly once: it ends with the "
        "transaction)"),
    SET("transaction.timeout.ms",
        "10000",
        KAB_CLIENT_PRODUCER,
        "how long a crash may hold back the readers of the output"),
    SET("retry.backoff.ms",
        "20",
        KAB_CLIENT_PRODUCER,
        "a transaction begins while the broker still ends the last one"),
};

/* Defaults of ours that become wrong when the user sets another property. */
static const struct {
    const char *name;
    const char *unless;
    const char *is; /* NULL: any value */
} yields[] = {
    {"reconnect.backoff.max.ms", "reconnect.backoff.ms", NULL},
    {"fetch.max.bytes", "message.max.bytes", NULL},
    {"partition.assignment.strategy", "group.protocol", "consumer"},
    {"heartbeat.interval.ms", "group.protocol", "consumer"},
};

const KabClientDefault *
kab_client_defaults(size_t *ret_n)
{
    *ret_n = G_N_ELEMENTS(defaults);
    return defaults;
}

static const KabClientDefault *
find_default(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++)
        if (strcmp(defaults[i].name, name) == 0)
            return &defaults[i];
    return NULL;
}

const char *
kab_property_refusal(const char *name)
{
    const KabClientDefault *row = find_default(name);
    return row && row->is_owned ? row->why : NULL;
}

/* librdkafka compares such words case-insensitively. */
bool
kab_property_is_set_to(const char *name, const char *value)
{
    const KabClientDefault *row = find_default(name);
    return row && row->is_owned && row->value &&
           g_ascii_strcasecmp(row->value, value) == 0;
}

bool
kab_property_is_secret(const char *name)
{
    static const char *const parts[] = {
        "password", "passwd",      "secret", "token",
        "key",      "credentials", "jaas",   "oauthbearer.config",
    };
    g_autofree char *lower = g_ascii_strdown(name, -1);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        if (strstr(lower, parts[i]))
            return true;
    return false;
}

/* --- One property ------------------------------------------------------ */

static char *
describe_unknown(const GPtrArray *known, const char *name)
{
    const KabKnownProperty *nearest = kab_known_properties_nearest(known, name);
    g_autofree char *hint =
        nearest ? g_strdup_printf(", perhaps %s", nearest->name) : NULL;
    return g_strdup_printf(
        "found a property that librdkafka %s does not have; wanted one of "
        "its properties%s",
        rd_kafka_version_str(), hint ? hint : "");
}

static char *
describe_value(const GPtrArray *known,
               const char *name,
               const char *value,
               const char *reason)
{
    if (kab_property_is_secret(name))
        return g_strdup(
            "found a value that librdkafka refuses (a secret is not "
            "shown); wanted another");
    const KabKnownProperty *property = kab_known_properties_find(known, name);
    if (property && *property->range)
        return g_strdup_printf("found \"%s\"; wanted %s", value,
                               property->range);
    return g_strdup_printf("found \"%s\"; wanted a value that librdkafka "
                           "takes (%s)",
                           value, reason);
}

static bool
is_loaded_when_set(const char *name)
{
    return strcmp(name, "plugin.library.paths") == 0;
}

bool
kab_property_check(const char *name, const char *value, char **ret_message)
{
    if (is_loaded_when_set(name))
        return true;
    char reason[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t result =
        rd_kafka_conf_set(conf, name, value, reason, sizeof reason);
    rd_kafka_conf_destroy(conf);
    if (result == RD_KAFKA_CONF_OK)
        return true;
    g_autoptr(GPtrArray) known = kab_known_properties_new();
    *ret_message = result == RD_KAFKA_CONF_UNKNOWN
                       ? describe_unknown(known, name)
                       : describe_value(known, name, value, reason);
    return false;
}

/* --- All layers -------------------------------------------------------- */

static const char *
lookup_user(const KabProperty *user, size_t n_user, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < n_user; i++)
        if (strcmp(user[i].name, name) == 0)
            value = user[i].value;
    return value;
}

static bool
has_yielded(const char *name, const KabProperty *user, size_t n_user)
{
    for (size_t i = 0; i < G_N_ELEMENTS(yields); i++) {
        if (strcmp(yields[i].name, name) != 0)
            continue;
        const char *value = lookup_user(user, n_user, yields[i].unless);
        if (value && (!yields[i].is || strcmp(value, yields[i].is) == 0))
            return true;
    }
    return false;
}

const char *
kab_properties_lookup(KabClientKind kind,
                      const KabProperty *user,
                      size_t n_user,
                      const char *name)
{
    const KabClientDefault *row = find_default(name);
    if (row && !(row->clients & kind))
        row = NULL;
    if (row && row->is_owned)
        return row->value;
    const char *value = lookup_user(user, n_user, name);
    if (value || !row || has_yielded(name, user, n_user))
        return value;
    return row->value;
}

/* Our defaults; properties that this librdkafka does not know are left out. */
static void
apply_defaults(rd_kafka_conf_t *conf,
               KabClientKind kind,
               bool owned,
               const KabProperty *user,
               size_t n_user)
{
    for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++) {
        const KabClientDefault *row = &defaults[i];
        if (row->is_owned != owned || !row->value || !(row->clients & kind) ||
            (!owned && has_yielded(row->name, user, n_user)))
            continue;
        rd_kafka_conf_res_t result =
            rd_kafka_conf_set(conf, row->name, row->value, NULL, 0);
        g_assert(result != RD_KAFKA_CONF_INVALID);
    }
}

static bool
apply_user(rd_kafka_conf_t *conf,
           KabClientKind kind,
           const KabProperty *user,
           size_t n_user,
           GError **error)
{
    g_autoptr(GPtrArray) known = kab_known_properties_new();
    for (size_t i = 0; i < n_user; i++) {
        const char *name = user[i].name;
        const KabKnownProperty *property =
            kab_known_properties_find(known, name);
        if (property && !(property->clients & kind))
            continue;
        char reason[256] = "";
        if (rd_kafka_conf_set(conf, name, user[i].value, reason,
                              sizeof reason) == RD_KAFKA_CONF_OK)
            continue;
        g_autofree char *message = NULL;
        if (kab_property_check(name, user[i].value, &message))
            message = g_strdup(reason);
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG, "%s: %s", name,
                    message);
        return false;
    }
    return true;
}

rd_kafka_conf_t *
kab_properties_new_conf(KabClientKind kind,
                        const KabProperty *user,
                        size_t n_user,
                        GError **error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    apply_defaults(conf, kind, false, user, n_user);
    if (!apply_user(conf, kind, user, n_user, error)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    apply_defaults(conf, kind, true, user, n_user);
    return conf;
}

static unsigned long
number_of(const rd_kafka_conf_t *conf, const char *name)
{
    char text[32] = "";
    size_t size = sizeof text;
    rd_kafka_conf_get(conf, name, text, &size);
    return strtoul(text, NULL, 10);
}

void
kab_properties_make_transactional(rd_kafka_conf_t *conf, const char *id)
{
    unsigned long timeout = number_of(conf, "transaction.timeout.ms");
    unsigned long given = number_of(conf, "message.timeout.ms");
    char text[32];
    g_snprintf(text, sizeof text, "%lu", given ? MIN(given, timeout) : timeout);
    rd_kafka_conf_set(conf, "message.timeout.ms", text, NULL, 0);
    rd_kafka_conf_set(conf, "transactional.id", id, NULL, 0);
}

char *
kab_properties_dup_grant(KabClientKind kind,
                         const KabProperty *user,
                         size_t n_user)
{
    const char *servers =
        kab_properties_lookup(kind, user, n_user, "bootstrap.servers");
    const char *name =
        kab_properties_lookup(kind, user, n_user, "sasl.username");
    return g_strdup_printf("kafka-acls.sh --bootstrap-server %s --add "
                           "--allow-principal User:%s",
                           servers ? servers : "BROKER:9092",
                           name ? name : "NAME");
}
