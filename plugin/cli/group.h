/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer group seen from outside: its members, what it has committed.
 *
 * For commands that work while the bridge is stopped. Every call blocks,
 * fifteen seconds at most; errors are KAB_ERROR_UNAVAILABLE.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "configuration.h"

/* A client with the binding's own properties, which a broker answers. Returns
 * a new client. */
rd_kafka_t *kab_group_new_client(const KabBindingSettings *settings,
                                 const char *group,
                                 GError **error);
/* False: it has members, or the broker does not say. */
bool
kab_group_check_stopped(rd_kafka_t *client, const char *group, GError **error);
/* *ret_offset -1: nothing is committed. Appends KabInterval to
 * ret_intervals; metadata that is not ours is an error. */
bool kab_group_load(rd_kafka_t *client,
                    const char *group,
                    const char *topic,
                    int32_t number,
                    int64_t *ret_offset,
                    GArray *ret_intervals,
                    GError **error);
/* The broker refuses it while the group has members. */
bool kab_group_store(rd_kafka_t *client,
                     const char *group,
                     const char *topic,
                     int32_t number,
                     int64_t offset,
                     const GArray *intervals,
                     GError **error);
