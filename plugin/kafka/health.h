/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's requests tell of its brokers and its group.
 *
 * Request interceptors run on librdkafka's threads and only set atomic
 * fields; the loop reads them. A broker is silent when a request to it has
 * had no answer for ten seconds, or when it was connected and the client
 * has tried to reach it that long.
 *
 * A commit that is sent behind a JoinGroup request is refused, and librdkafka
 * below 2.10 loses its whole assignment with it. So the member counts as
 * joining from the request until the rebalance event that follows it, and
 * from the answer to a REVOKE, which makes it join again. What is left is
 * the time from the broker's word that the group rebalances, in the answer
 * to a heartbeat (or that topics have changed, in metadata), to the request,
 * which is sent at once or when the last one is a second old.
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

/* A REVOKE is being answered. */
void kab_health_expect_join(KabHealth *health);
/* A rebalance event has come: joined. */
void kab_health_clear_joining(KabHealth *health);

/* Cuts the connection on which a request waits until the other members have
 * joined. False: none waits. */
bool kab_health_cut_group(KabHealth *health);
/* The client closes this socket, on its thread for it. True: because it was
 * cut; its requests fail when this thread goes on. */
bool kab_health_note_closed(KabHealth *health, int fd);

/* Thread: any, for what follows. */
bool kab_health_is_joining(const KabHealth *health, int64_t now);
/* Might it be about to join? */
bool kab_health_may_join(const KabHealth *health, int64_t now);
/* Has it sent the word that it leaves? */
bool kab_health_has_left(const KabHealth *health);
/* Was a JoinGroup request ever answered? */
bool kab_health_has_joined(const KabHealth *health);
/* Was a heartbeat of the newer group protocol (KIP-848) answered since this
 * was asked last? */
bool kab_health_take_beat(KabHealth *health);
/* A broker's last answer; 0: none yet. */
int64_t kab_health_answered_us(const KabHealth *health);
/* Is a broker silent? Its name, cut to size. */
bool kab_health_find_silent(const KabHealth *health,
                            int64_t now,
                            char *ret_name,
                            size_t size);
