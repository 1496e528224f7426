/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's requests tell of its brokers and its group.
 *
 * Request interceptors run on librdkafka's threads and only set atomic
 * fields; the loop reads them. A broker is silent when a request to it has
 * had no answer for ten seconds, or when it was connected and the client
 * has tried to reach it that long. The member is joining from a JoinGroup
 * request until the answer to SyncGroup: a commit sent in between would be
 * refused, and librdkafka below 2.10 would lose its assignment with it.
 */
#pragma once

#include "edge.h"

#include <librdkafka/rdkafka.h>

typedef struct KabHealth KabHealth;

/* Borrows edge. */
KabHealth *kab_health_new(const KabEdge *edge);
/* Before the client is made of conf; the client must end before health. */
void kab_health_observe(KabHealth *health, rd_kafka_conf_t *conf);
void kab_health_free(KabHealth *health);
/* The client goes on without anyone to tell. */
void kab_health_detach(KabHealth *health);

/* Thread: any, for what follows. */
bool kab_health_is_joining(const KabHealth *health);
/* The attempt to join is over, whatever its requests said. */
void kab_health_clear_joining(KabHealth *health);
/* Was a JoinGroup request ever answered? */
bool kab_health_has_joined(const KabHealth *health);
/* A broker's last answer; 0: none yet. */
int64_t kab_health_answered_us(const KabHealth *health);
/* Is a broker silent? Its name, cut to size. */
bool kab_health_find_silent(const KabHealth *health,
                            int64_t now,
                            char *ret_name,
                            size_t size);
