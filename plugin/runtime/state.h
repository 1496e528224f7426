/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a binding: the one table of their words, for the log, /status,
 * metrics and kabridge/bridge.h. */
#pragma once

#define KAB_STATES(X)                                                          \
    X(STARTING, "starting") /* waits for its function, group and producer */   \
    X(RUNNING, "running")   /* takes records and calls the function */         \
    X(DRAINING, "draining") /* takes no records; finishes what is called */    \
    X(LEAVING, "leaving")   /* leaves its group, then closes the function */   \
    X(STOPPED, "stopped")   /* final; the function is closed */

typedef enum {
#define X(NAME, text) KAB_STATE_##NAME,
    KAB_STATES(X)
#undef X
} KabState;

/* Static. */
const char *kab_state_name(KabState state);
