/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's mock cluster: the embedded broker of the demo and of the
 * component tests. It keeps 5 MiB a partition, in memory, and forgets all at
 * the end; it knows no transactions.
 */
#pragma once

#include <glib.h>

typedef struct KabMock KabMock;

/* Returns a new cluster on loopback; lives until freed. */
KabMock *kab_mock_new(int n_brokers, GError **error);
/* bootstrap.servers of it. Borrowed. */
const char *kab_mock_bootstrap(const KabMock *mock);
gboolean kab_mock_create_topic(KabMock *mock,
                               const char *topic,
                               int n_partitions,
                               GError **error);
/* The cluster itself (rd_kafka_mock_cluster_t), for errors to inject. */
void *kab_mock_cluster(KabMock *mock);
void kab_mock_free(KabMock *mock);
