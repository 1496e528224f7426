/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's internal topics, which a pattern does not match unless they are
 * named, as with Java's exclude.internal.topics: a group that reads
 * __consumer_offsets would write its own next input record with each commit.
 *
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <librdkafka/rdkafka.h>

bool kab_topic_is_internal(const char *topic);

/* For a consumer of topics (NULL-terminated; "^…" is a pattern): adds the
 * internal topics that are not named to topic.blacklist. */
void kab_internal_topics_hide(rd_kafka_conf_t *conf, const char *const *topics);
