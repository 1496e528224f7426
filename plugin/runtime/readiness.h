/* SPDX-License-Identifier: Apache-2.0 */
/* When a binding became ready or not ready, and the log lines about it.
 *
 * Each change is logged as one line with the reason; the line that reports
 * ready again tells how long the binding was not ready. A binding that stays
 * not ready is logged again every ten minutes, and when the kind of its
 * obstacle changes. A binding that keeps changing has a limited number of
 * lines; the next line tells how many changes were left out.
 *
 * Pure: the time goes in, a sentence comes out. Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "allowance.h"
#include "kabridge/function.h"

/* What keeps a binding from being ready; /status shows the word. */
#define KAB_OBSTACLES(X)                                                       \
    X(NONE, "none")               /* it is ready */                            \
    X(BROKER, "broker")           /* no answer, or not connected */            \
    X(PRODUCER, "producer")       /* not open: topic, transactional.id */      \
    X(TOPIC, "topic")             /* an input topic is missing */              \
    X(GROUP, "group")             /* no place in the consumer group yet */     \
    X(TRANSACTION, "transaction") /* of a previous owner is still open */      \
    X(FUNCTION, "function")       /* it waits, or does not return */           \
    X(OVERLOAD, "overload")       /* the service asked for a pause */          \
    X(STALL, "stall")             /* lag without progress */                   \
    X(STOP, "stop")               /* it drains, leaves or has stopped */

typedef enum {
#define X(NAME, text) KAB_OBSTACLE_##NAME,
    KAB_OBSTACLES(X)
#undef X
} KabObstacle;

const char *kab_obstacle_name(KabObstacle obstacle);

/* Zero-initialised except since_us: when the binding was started. */
typedef struct {
    KabObstacle obstacle; /* as of the last look */
    int64_t since_us;     /* when readiness last changed; monotonic */
    bool is_ready, was_ready_once;
    bool is_told;     /* not ready has been logged */
    KabObstacle told; /* obstacle in the last line */
    int64_t told_us;  /* time of that line */
    KabAllowance lines;
} KabReadiness;

/* Takes the current obstacle; reason is NULL if there is none. Returns a new
 * sentence to be logged at *ret_level, or NULL. */
char *kab_readiness_note(KabReadiness *readiness,
                         KabObstacle obstacle,
                         const char *reason,
                         int64_t now,
                         KabLogLevel *ret_level);
