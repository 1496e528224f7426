/* SPDX-License-Identifier: Apache-2.0 */
#include "mock-client.h"

#include <string.h>

static rd_kafka_t *
new_client(rd_kafka_type_t type, KabMock *mock, const char *group)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kab_mock_bootstrap(mock), NULL,
                      0);
    if (group)
        rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *client = rd_kafka_new(type, conf, NULL, 0);
    g_assert(client);
    return client;
}

rd_kafka_t *
mock_client_new_producer(KabMock *mock)
{
    return new_client(RD_KAFKA_PRODUCER, mock, NULL);
}

rd_kafka_t *
mock_client_new_consumer(KabMock *mock, const char *group)
{
    return new_client(RD_KAFKA_CONSUMER, mock, group);
}

rd_kafka_t *
mock_client_new_reader(KabMock *mock, const char *topic)
{
    rd_kafka_t *reader = mock_client_new_consumer(mock, "test-reader");
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    return reader;
}

void
mock_client_produce(rd_kafka_t *producer, const char *topic, const char *value)
{
    rd_kafka_resp_err_t fault = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    g_assert(!fault);
}
