/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of the embedded broker, for tests that run the command as a process:
 * they write its input and read its output. All on the test's thread.
 */
#pragma once

#include <glib.h>
#include <librdkafka/rdkafka.h>

#include "mock.h"

rd_kafka_t *mock_client_new_producer(KabMock *mock);
rd_kafka_t *mock_client_new_consumer(KabMock *mock, const char *group);
/* Reads the topic's first partition from its beginning. */
rd_kafka_t *mock_client_new_reader(KabMock *mock, const char *topic);
/* A record of this value, without a key; flushing is the caller's. */
void
mock_client_produce(rd_kafka_t *producer, const char *topic, const char *value);
