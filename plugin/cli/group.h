/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer group seen from outside: its members and committed offsets.
 *
 * For commands that work while the bridge is stopped. Every call blocks, for at
 * most fifteen seconds; errors are KAB_ERROR_UNAVAILABLE.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "configuration.h"

/* Returns a new client with the binding's own properties, once a broker has
 * answered it. */
rd_kafka_t *kab_group_new_client(const KabBindingSettings *settings,
                                 const char *group,
                                 GError **error);
/* False: the group has members, or the broker does not say. */
bool
kab_group_check_stopped(rd_kafka_t *client, const char *group, GError **error);
/* Loads a committed offset; *ret_offset -1: nothing is committed. Appends
 * KabInterval to ret_intervals. Metadata in a foreign format is an error. */
bool kab_group_load(rd_kafka_t *client,
                    const char *group,
                    const char *topic,
                    int32_t number,
                    int64_t *ret_offset,
                    GArray *ret_intervals,
                    GError **error);
/* Commits the offset. The broker refuses while the group has members. */
bool kab_group_store(rd_kafka_t *client,
                     const char *group,
                     const char *topic,
                     int32_t number,
                     int64_t offset,
                     const GArray *intervals,
                     GError **error);
