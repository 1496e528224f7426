/* SPDX-License-Identifier: Apache-2.0 */
/* What a producer's clients are created from: destinations, properties, and
 * the plan for the client's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "kabridge/error.h"

#include "producer-internal.h"

static const char *
lookup_property(const KabProducer *producer, const char *name)
{
    return kab_properties_lookup(KAB_CLIENT_PRODUCER,
                                 producer->setup.properties,
                                 producer->setup.n_properties, name);
}

static size_t
lookup_number(const KabProducer *producer, const char *name, size_t otherwise)
{
    const char *value = lookup_property(producer, name);
    return value ? strtoul(value, NULL, 10) : otherwise;
}

static size_t
add_destination(KabProducer *producer, const char *name)
{
    for (size_t i = 0; i < producer->n_destinations; i++)
        if (strcmp(producer->destinations[i].name, name) == 0)
            return i;
    producer->destinations[producer->n_destinations] =
        (KabDestination){.name = name, .alias = name};
    return producer->n_destinations++;
}

static void
list_destinations(KabProducer *producer)
{
    const KabProducerSetup *setup = &producer->setup;
    const char *const *more = setup->output_topics;
    size_t n = 2;
    for (const char *const *topic = more; topic && *topic; topic++)
        n++;
    producer->destinations = g_new0(KabDestination, n);
    producer->output = producer->dead_letter = SIZE_MAX;
    if (setup->output_topic)
        producer->output = add_destination(producer, setup->output_topic);
    for (const char *const *topic = more; topic && *topic; topic++)
        add_destination(producer, *topic);
    producer->n_outputs = producer->n_destinations;
    if (setup->dead_letter_topic)
        producer->dead_letter =
            add_destination(producer, setup->dead_letter_topic);
}

static bool
is_exactly_once(const KabProducer *producer)
{
    return producer->setup.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

static bool
is_compressing(const KabProducer *producer)
{
    const char *codec = lookup_property(producer, "compression.codec");
    if (!codec)
        codec = lookup_property(producer, "compression.type");
    return codec && strcmp(codec, "none") != 0;
}

/* The transactional id of the only slot. */
static char *
dup_id(const KabProducer *producer)
{
    return g_strdup_printf("%s-0", producer->setup.transactional_id);
}

static rd_kafka_conf_t *
make_conf(const KabProducer *producer, GError **error)
{
    rd_kafka_conf_t *conf =
        kab_properties_new_conf(KAB_CLIENT_PRODUCER, producer->setup.properties,
                                producer->setup.n_properties, error);
    bool is_transactional = is_exactly_once(producer);
    g_autofree char *id = is_transactional ? dup_id(producer) : NULL;
    if (conf && is_transactional)
        kab_properties_make_transactional(conf, id);
    /* An idempotent client always sends InitProducerId, which needs a right to
     * write; without destinations that right may be missing. */
    else if (conf && !producer->n_destinations)
        rd_kafka_conf_set(conf, "enable.idempotence", "false", NULL, 0);
    return conf;
}

bool
kab_producer_prepare(KabProducer *producer, GError **error)
{
    producer->transaction_us =
        1000 *
        (int64_t)lookup_number(producer, "transaction.timeout.ms", 10000);
    producer->report_us =
        producer->setup.report_us +
        1000 *
            (int64_t)MAX(lookup_number(producer, "linger.ms", 5),
                         lookup_number(producer, "queue.buffering.max.ms", 5));
    producer->batch_bytes = lookup_number(producer, "batch.size", 1000000);
    producer->is_compressed = is_compressing(producer);
    list_destinations(producer);
    rd_kafka_conf_t *conf = make_conf(producer, error);
    g_autofree char *sentence = NULL;
    if (!conf)
        return false;
    if (kab_properties_accept(conf, KAB_CLIENT_PRODUCER, &sentence))
        return true;
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG, "producer: %s", sentence);
    return false;
}

bool
kab_producer_make_plan(const KabProducer *producer,
                       KabClientPlan *ret_plan,
                       GError **error)
{
    rd_kafka_conf_t *conf = make_conf(producer, error);
    if (!conf)
        return false;
    const KabProducerSetup *setup = &producer->setup;
    const char *bootstrap = lookup_property(producer, "bootstrap.servers");
    KabClientPlan plan = {
        .conf = conf,
        .topics = g_new0(char *, producer->n_destinations + 1),
        .awaited = g_new0(char *, producer->n_destinations + 1),
        .n_topics = producer->n_destinations,
        .n_outputs = producer->n_outputs,
        .inputs = setup->partition_is_same
                      ? g_strdupv((char **)(uintptr_t)setup->input_topics)
                      : NULL,
        .bootstrap = g_strdup(bootstrap ? bootstrap : "BROKER:9092"),
        .grant = kab_properties_dup_grant(
            KAB_CLIENT_PRODUCER, setup->properties, setup->n_properties),
        .group = g_strdup(setup->group),
        .warning = kab_properties_dup_warning(
            KAB_CLIENT_PRODUCER, setup->properties, setup->n_properties),
        .is_transactional = is_exactly_once(producer),
        .transactional_id = is_exactly_once(producer) ? dup_id(producer) : NULL,
        .is_size_given = lookup_property(producer, "message.max.bytes") != NULL,
        .batch_bytes = producer->batch_bytes,
        .missing_topic_us = setup->missing_topic_us,
        .transaction_us = producer->transaction_us,
    };
    for (size_t i = 0; i < plan.n_topics; i++) {
        const char *name = producer->destinations[i].name;
        plan.topics[i] = g_strdup(name);
        plan.awaited[i] = g_strdup_printf("topic %s does not exist yet", name);
    }
    *ret_plan = plan;
    return true;
}
