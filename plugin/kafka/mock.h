/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's mock cluster: the embedded broker of the demo and of the
 * component tests. It keeps up to 5 MiB per partition, in memory, and loses
 * everything at the end; it does not support transactions.
 */
#pragma once

#include <glib.h>

typedef struct KabMock KabMock;

/* Returns a new cluster on the loopback interface. */
KabMock *kab_mock_new(int n_brokers, GError **error);
/* Its bootstrap.servers. Borrowed. */
const char *kab_mock_bootstrap(const KabMock *mock);
gboolean kab_mock_create_topic(KabMock *mock,
                               const char *topic,
                               int n_partitions,
                               GError **error);
/* The rd_kafka_mock_cluster_t itself, for injecting errors. */
void *kab_mock_cluster(KabMock *mock);
void kab_mock_free(KabMock *mock);
