/* SPDX-License-Identifier: Apache-2.0 */
/* Can the clients of a binding be created? Reports what librdkafka would refuse
 * only at creation, with its place in the file.
 */
#include "settings-internal.h"

int64_t
kab_settings_property_us(const KabCheck *check,
                         KabClientKind kind,
                         const char *name,
                         int64_t standard_us)
{
    const GArray *properties = kind == KAB_CLIENT_CONSUMER
                                   ? check->binding->consumer
                                   : check->binding->producer;
    const char *text = kab_properties_lookup(
        kind, (const KabProperty *)properties->data, properties->len, name);
    return text ? g_ascii_strtoll(text, NULL, 10) * 1000 : standard_us;
}

static bool
has_text(KabClientKind kind,
         const KabProperty *user,
         size_t n_user,
         const char *name)
{
    const char *value = kab_properties_lookup(kind, user, n_user, name);
    return value && *value;
}

void
kab_settings_check_brokers(const KabCheck *check)
{
    static const char key[] = "bootstrap.servers";
    const struct {
        KabClientKind kind;
        const GArray *properties;
    } clients[] = {{KAB_CLIENT_CONSUMER, check->binding->consumer},
                   {KAB_CLIENT_PRODUCER, check->binding->producer}};
    const KabConfig *config = check->builder->config;
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        const KabProperty *user =
            (const KabProperty *)clients[i].properties->data;
        unsigned n = clients[i].properties->len;
        if (has_text(clients[i].kind, user, n, key) ||
            has_text(clients[i].kind, user, n, "metadata.broker.list"))
            continue;
        const KabIniSection *kafka = kab_ini_find(config->ini, "kafka");
        KabFaultPlace place = kafka ? kab_fault_place(kafka, key)
                                    : (KabFaultPlace){.is_absent = true,
                                                      .section = "kafka",
                                                      .key = key};
        kab_fault_take(check->builder->faults, config, place,
                       g_strdup_printf("found none for binding %s; wanted "
                                       "HOST:PORT, separated by commas",
                                       check->binding->name));
        return;
    }
}

/* Where a property is set: in the binding's section or in [kafka]. */
static bool
find_given(const KabCheck *check,
           const char *prefix,
           const char *name,
           KabFaultPlace *ret_place)
{
    const KabIniSection *kafka =
        kab_ini_find(check->builder->config->ini, "kafka");
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    const KabIniEntry *entry = kab_ini_section_find(check->section, key);
    const KabIniEntry *common =
        kafka ? kab_ini_section_find(kafka, name) : NULL;
    if (entry)
        *ret_place = kab_fault_place(check->section, entry->key);
    else if (common)
        *ret_place = kab_fault_place(kafka, common->key);
    return entry || common;
}

/* The place to report for a librdkafka message: where the first property that
 * it names is set. */
static KabFaultPlace
blame_property(const KabCheck *check, const char *prefix, const char *sentence)
{
    KabFaultPlace place = kab_fault_place(check->section, NULL);
    g_auto(GStrv) words = g_strsplit_set(sentence, " `,:", -1);
    for (char **word = words; *word; word++)
        if (find_given(check, prefix, *word, &place))
            break;
    return place;
}

/* Deadline by which lingering outputs are given up; INT64_MAX: never. */
static int64_t
give_up_us(const KabCheck *check, const char **ret_name)
{
    int64_t given_us = kab_settings_property_us(check, KAB_CLIENT_PRODUCER,
                                                "message.timeout.ms", 0);
    *ret_name = "message.timeout.ms";
    if (check->binding->engine.delivery != KAB_DELIVERY_EXACTLY_ONCE)
        return given_us ? given_us : INT64_MAX;
    int64_t timeout_us = kab_settings_property_us(
        check, KAB_CLIENT_PRODUCER, "transaction.timeout.ms", 10 * 1000 * 1000);
    if (given_us && given_us < timeout_us)
        return given_us;
    *ret_name = "transaction.timeout.ms";
    return timeout_us;
}

/* False: linger.ms is at fault. */
static bool
check_linger(const KabCheck *check)
{
    static const char key[] = "linger.ms";
    const char *limit;
    int64_t limit_us = give_up_us(check, &limit);
    const GArray *properties = check->binding->producer;
    const char *linger = kab_properties_lookup(
        KAB_CLIENT_PRODUCER, (const KabProperty *)properties->data,
        properties->len, key);
    /* 0: reported as a fault of its own. */
    if (!limit_us || g_ascii_strtod(linger, NULL) * 1000 < (double)limit_us)
        return true;
    KabFaultPlace place = kab_fault_place(check->section, NULL);
    if (!find_given(check, "producer.", key, &place))
        find_given(check, "producer.", limit, &place);
    kab_fault_take(
        check->builder->faults, check->builder->config, place,
        g_strdup_printf("found linger.ms %s, not below %s %" G_GINT64_FORMAT
                        ", when an output is given up; wanted it below",
                        linger, limit, limit_us / 1000));
    return false;
}

/* librdkafka's error for a client with these properties. Returns a new string;
 * NULL: no error. */
static char *
dup_refusal(KabClientKind kind, const GArray *properties)
{
    char *sentence = NULL;
    bool is_possible =
        kab_properties_try(kind, (const KabProperty *)properties->data,
                           properties->len, &sentence);
    return is_possible ? NULL : sentence;
}

static char *
dup_producer_refusal(const KabBindingSettings *binding)
{
    const GArray *properties = binding->producer;
    char *sentence = NULL;
    if (binding->engine.delivery != KAB_DELIVERY_EXACTLY_ONCE)
        return dup_refusal(KAB_CLIENT_PRODUCER, properties);
    bool is_possible = kab_properties_try_transactional(
        (const KabProperty *)properties->data, properties->len, &sentence);
    return is_possible ? NULL : sentence;
}

static void
blame_client(const KabCheck *check,
             const char *client,
             const char *prefix,
             const char *sentence)
{
    kab_fault_take(check->builder->faults, check->builder->config,
                   blame_property(check, prefix, sentence),
                   g_strdup_printf("found properties that make no %s: %s; "
                                   "wanted others",
                                   client, sentence));
}

/* A fault that both clients have is reported once. */
void
kab_settings_check_clients(const KabCheck *check)
{
    g_autofree char *consumer =
        dup_refusal(KAB_CLIENT_CONSUMER, check->binding->consumer);
    g_autofree char *producer =
        check_linger(check) ? dup_producer_refusal(check->binding) : NULL;
    if (consumer)
        blame_client(check, "consumer", "consumer.", consumer);
    if (producer && g_strcmp0(producer, consumer) != 0)
        blame_client(check, "producer", "producer.", producer);
}
