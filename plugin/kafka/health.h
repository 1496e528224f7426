/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's requests reveal about its brokers and its group.
 *
 * Request interceptors run on librdkafka's threads and only set atomic fields;
 * the loop reads them. A broker is silent when a request to it has had no
 * answer for seven seconds, or when a broker that was connected has been
 * unreachable that long despite attempts to connect.
 *
 * No commit may be sent while the member joins: the broker serves a request
 * queued behind JoinGroup only when all members have joined, and then refuses
 * the commit. The member counts as joining from its JoinGroup request until
 * the rebalance event that follows, and from its answer to a REVOKE, which
 * makes it join again.
 *
 * Where such a commit makes librdkafka lose its assignment
 * (KAB_QUIRK_COMMIT_BEHIND_JOIN), commits are also held for a moment after any
 * answer that may have told the client to join: Heartbeat or Metadata.
 * JoinGroup follows such an answer at once, or one second after the previous
 * JoinGroup; the hold covers the time the answer takes through the client's
 * threads.
 */
#pragma once

#include "edge.h"

#include <librdkafka/rdkafka.h>

typedef struct KabHealth KabHealth;

/* Borrows edge; NULL: nobody is woken. servers: bootstrap.servers. */
KabHealth *kab_health_new(const KabEdge *edge, const char *servers);
/* Installs the interceptors in conf, before rd_kafka_new(). Health must
 * outlive the client. */
void kab_health_observe(KabHealth *health, rd_kafka_conf_t *conf);
void kab_health_free(KabHealth *health);
/* Stop waking the loop: the edge may be freed while the client lives on. */
void kab_health_detach(KabHealth *health);
/* How long commits are held after an answer that may have told the client to
 * join; 0 (the initial value): not at all. */
void kab_health_set_hold(KabHealth *health, int64_t hold_us);

/* A REVOKE is being answered: JoinGroup follows. */
void kab_health_expect_join(KabHealth *health);
/* A rebalance event has arrived: the member has joined. */
void kab_health_clear_joining(KabHealth *health);

/* Shuts down the connection on which JoinGroup or SyncGroup waits for the
 * other members. False: neither is pending. */
bool kab_health_cut_group(KabHealth *health);
/* KAB_QUIRK_STUCK_BROKER: has the client's work been overdue since since_us (0:
 * none is)? Then it may have forgotten its brokers: it is given
 * bootstrap.servers anew, and its connection to the coordinator is cut, whose
 * end makes what waits for the coordinator look again. After seven seconds, as
 * silence, then at growing intervals. True: that was done. Thread: loop. */
bool kab_health_revive(KabHealth *health,
                       rd_kafka_t *client,
                       int64_t since_us,
                       int64_t now);
/* Called when the client closes this socket, on its thread for that broker.
 * True: because kab_health_cut_group() cut it; its requests fail once this
 * thread continues. */
bool kab_health_note_closed(KabHealth *health, int fd);

/* The functions below: thread: any. */
bool kab_health_is_joining(const KabHealth *health, int64_t now);
/* When the member counts as joined even without a rebalance event; INT64_MAX:
 * no such limit. */
int64_t kab_health_joining_until(const KabHealth *health);
/* Until when commits are held because the member may be about to join; 0: they
 * are not held. */
int64_t kab_health_held_until(const KabHealth *health, int64_t now);
/* Has LeaveGroup been sent? */
bool kab_health_has_left(const KabHealth *health);
/* Has any JoinGroup request been answered? */
bool kab_health_has_joined(const KabHealth *health);
/* Has a ConsumerGroupHeartbeat (KIP-848) been answered since the last call? */
bool kab_health_take_beat(KabHealth *health);
/* Time of the last answer from any broker; 0: none yet. */
int64_t kab_health_answered_us(const KabHealth *health);
/* Are all connections down, and has nothing been answered since? A connection
 * that another one to the same broker survives does not count. */
bool kab_health_is_cut_off(const KabHealth *health);
/* Is any broker silent? Copies its name, truncated to size. */
bool kab_health_find_silent(const KabHealth *health,
                            int64_t now,
                            char *ret_name,
                            size_t size);
