/* SPDX-License-Identifier: Apache-2.0 */
/* What every part of plugin/kafka is given by the binding it serves.
 *
 * The Kafka layer knows nothing of the runtime: it logs, wakes the loop and
 * fails through this, and gives its events to the engine directly.
 */
#pragma once

#include <unistd.h>

#include "engine.h"

/* Where something happened; topic NULL: nowhere in particular. offset -1:
 * none. */
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
    /* One sentence. Repeating ones are limited by the binding. Thread: any */
    void (*log)(void *user,
                KabLogLevel level,
                KabPlace place,
                const char *message);
    /* An eventfd of the binding's loop: writing an uint64_t 1 makes it turn.
     * For rd_kafka_queue_io_event_enable() and kab_edge_wake(). */
    int wake_fd;
} KabEdge;

/* Thread: any. */
static inline void
kab_edge_wake(const KabEdge *edge)
{
    uint64_t one = 1;
    ssize_t n = write(edge->wake_fd, &one, sizeof one);
    (void)n; /* full: it is awake */
}
