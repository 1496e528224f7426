/* SPDX-License-Identifier: Apache-2.0 */
/* Finds properties that are valid one by one but contradict each other, or
 * name missing files: librdkafka checks that only when it creates a client.
 */
#include "properties.h"

#include "quirks.h"

/* Removes whatever would connect: no brokers, no Kerberos ticket, no mock
 * cluster. */
static void
isolate_client(rd_kafka_conf_t *conf)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"bootstrap.servers", ""},
        {"sasl.kerberos.min.time.before.relogin", "0"},
        {"test.mock.num.brokers", "0"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        rd_kafka_conf_set(conf, rows[i].name, rows[i].value, NULL, 0);
}

static void
drop_log(const rd_kafka_t *client,
         int level,
         const char *facility,
         const char *text)
{
}

void
kab_properties_mute(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, drop_log);
}

bool
kab_properties_accept(rd_kafka_conf_t *conf,
                      KabClientKind kind,
                      char **ret_message)
{
    char reason[512] = "";
    isolate_client(conf);
    kab_properties_mute(conf);
    rd_kafka_t *client = rd_kafka_new(
        kind == KAB_CLIENT_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER,
        conf, reason, sizeof reason);
    if (client) {
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    *ret_message = g_strdup(reason);
    return false;
}

bool
kab_properties_try(KabClientKind kind,
                   const KabProperty *user,
                   size_t n_user,
                   char **ret_message)
{
    rd_kafka_conf_t *conf = kab_properties_new_conf(kind, user, n_user, NULL);
    return !conf || kab_properties_accept(conf, kind, ret_message);
}

bool
kab_properties_try_transactional(const KabProperty *user,
                                 size_t n_user,
                                 char **ret_message)
{
    rd_kafka_conf_t *conf =
        kab_properties_new_conf(KAB_CLIENT_PRODUCER, user, n_user, NULL);
    if (!conf)
        return true;
    kab_properties_make_transactional(conf, "kabridge-try");
    return kab_properties_accept(conf, KAB_CLIENT_PRODUCER, ret_message);
}

static bool
is_scram(const char *mechanism)
{
    return mechanism && g_ascii_strncasecmp(mechanism, "SCRAM-", 6) == 0;
}

/* sasl.mechanism and sasl.mechanisms are one property. */
char *
kab_properties_dup_warning(KabClientKind kind,
                           const KabProperty *user,
                           size_t n_user)
{
    bool uses_scram =
        is_scram(kab_properties_lookup(kind, user, n_user, "sasl.mechanism")) ||
        is_scram(kab_properties_lookup(kind, user, n_user, "sasl.mechanisms"));
    if (!uses_scram || !kab_quirk_applies(KAB_QUIRK_SCRAM_NONCE))
        return NULL;
    return g_strdup_printf(
        "SCRAM with librdkafka %s: brokers of Kafka 4 refuse the right "
        "password, too, as invalid credentials; use librdkafka 2.6.1 or newer, "
        "or another sasl.mechanism",
        rd_kafka_version_str());
}
