/* SPDX-License-Identifier: Apache-2.0 */
/* Properties that are right one by one and contradict each other, or name
 * files that are not there: librdkafka finds it only when it makes a client.
 */
#include "properties.h"

/* Nothing that goes out: no broker, no ticket, no cluster of its own. */
static void
isolate(rd_kafka_conf_t *conf)
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

/* Takes the configuration. */
static bool
is_accepted(rd_kafka_conf_t *conf, KabClientKind kind, char **ret_message)
{
    char reason[512] = "";
    isolate(conf);
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
    return !conf || is_accepted(conf, kind, ret_message);
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
    return is_accepted(conf, KAB_CLIENT_PRODUCER, ret_message);
}
