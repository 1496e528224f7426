/* SPDX-License-Identifier: Apache-2.0 */
/* What every part of plugin/kafka is given by the binding it serves.
 *
 * The Kafka layer knows nothing of the runtime: it logs, wakes the loop and
 * fails through this, and gives its events to the engine directly.
 */
#pragma once

#include <unistd.h>

#include "allowance.h"
#include "engine.h"

/* Where something happened. topic NULL: not tied to a topic; offset -1: not
 * tied to a record. */
typedef struct {
    const char *topic;
    int32_t partition;
    int64_t offset;
} KabPlace;

#define KAB_NOWHERE ((KabPlace){NULL, -1, -1})

/* Borrowed from the binding; outlives every client. */
typedef struct {
    void *user;
    const char *binding;
    /* message: one sentence. The binding rate-limits repeated ones. Thread:
     * any */
    void (*log)(void *user,
                KabLogLevel level,
                KabPlace place,
                const char *message);
    /* Keeps what a client complains of as a reason for not being ready, logged
     * or not. NULL: not wanted. */
    void (*note_fault)(void *user, const char *reason);
    /* An eventfd that wakes the binding's loop when a uint64_t 1 is written to
     * it. For rd_kafka_queue_io_event_enable() and kab_edge_wake(). */
    int wake_fd;
} KabEdge;

/* For lines that an outage repeats: what exceeds the allowance is logged at
 * debug level only, and counted in the next line. */
void kab_edge_log_some(const KabEdge *edge,
                       KabAllowance *allowance,
                       KabLogLevel level,
                       KabPlace place,
                       const char *message,
                       int64_t now);

/* The command that passes the record at this place, a new string. Thread: any
 */
char *kab_edge_dup_skip(const char *binding, KabPlace place);

/* The level at which we log a line of librdkafka's own log. What matters in
 * that log also arrives as a client error, which we report in our own words,
 * fatal ones (FATAL, TXNERR), too; only a property without effect (CONFWARN) is
 * reported nowhere else. Thread:
 * any */
KabLogLevel kab_edge_client_level(int syslog_level, const char *facility);

/* Thread: any. */
static inline void
kab_edge_wake(const KabEdge *edge)
{
    uint64_t one = 1;
    ssize_t n = write(edge->wake_fd, &one, sizeof one);
    (void)n; /* the counter is full: the loop wakes anyway */
}
