/* SPDX-License-Identifier: Apache-2.0 */
#include "mock.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "kabridge/error.h"

/* The mock cluster runs inside a client made only to host it. */
struct KabMock {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    int n_brokers;
};

KabMock *
kab_mock_new(int n_brokers, GError **error)
{
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    /* Silence the host's warning that it has no broker to talk to. */
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *host =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!host) {
        rd_kafka_conf_destroy(conf);
        g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL, "embedded broker: %s",
                    reason);
        return NULL;
    }
    KabMock *mock = g_new0(KabMock, 1);
    mock->host = host;
    mock->n_brokers = n_brokers;
    mock->cluster = rd_kafka_mock_cluster_new(host, n_brokers);
    if (!mock->cluster) {
        kab_mock_free(mock);
        g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL,
                    "embedded broker: cannot listen on 127.0.0.1");
        return NULL;
    }
    return mock;
}

const char *
kab_mock_bootstrap(const KabMock *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

gboolean
kab_mock_create_topic(KabMock *mock,
                      const char *topic,
                      int n_partitions,
                      GError **error)
{
    rd_kafka_resp_err_t err = rd_kafka_mock_topic_create(
        mock->cluster, topic, n_partitions, mock->n_brokers);
    if (err)
        g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL,
                    "embedded broker: topic %s: %s", topic,
                    rd_kafka_err2str(err));
    return !err;
}

void *
kab_mock_cluster(KabMock *mock)
{
    return mock->cluster;
}

void
kab_mock_free(KabMock *mock)
{
    if (!mock)
        return;
    if (mock->cluster)
        rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->host);
    g_free(mock);
}
