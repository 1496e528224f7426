/* SPDX-License-Identifier: Apache-2.0 */
/* The function "worker", opened as a binding opens it, and calls of it that
 * a test or a benchmark makes. All on the caller's thread.
 */
#pragma once

#include <glib.h>

#include "context.h"
#include "executor.h"

typedef struct WorkerRig WorkerRig;

/* One call; its arrays have `attempt.n` elements. */
typedef struct {
    KabAttempt attempt;
    KabRecord *records;
    KabResult *results;
    void **messages;
    char *bytes; /* of the values */
    bool is_answered;
    KabAnswer answer; /* its reason is the call's own */
    char *reason;
} WorkerCall;

/* Opens it with these options. NULL: open() failed with *ret_failure. */
WorkerRig *
worker_rig_new(const KabOptionText *texts, size_t n_texts, char **ret_failure);
/* Closes the function and frees all calls. */
void worker_rig_free(WorkerRig *rig);
KabContext *worker_rig_context(WorkerRig *rig);

/* Makes a call of n records, "value-I" padded to `size` bytes, key "key-I",
 * topic "in", offset I. Owned by the rig. */
WorkerCall *
worker_rig_call(WorkerRig *rig, size_t n, size_t size, int64_t timeout_us);
/* The same call once more, after its answer. */
void worker_rig_call_again(WorkerRig *rig, WorkerCall *call);
void worker_rig_cancel(WorkerRig *rig, WorkerCall *call);

/* Serves until the call is answered; false: not within 30 s. */
bool worker_rig_wait(WorkerRig *rig, WorkerCall *call);
/* Serves until condition(user), asked each 10 ms; false: not within 30 s. */
bool
worker_rig_until(WorkerRig *rig, bool (*condition)(void *user), void *user);
/* Serves what there is, for at most timeout_ms. */
void worker_rig_serve(WorkerRig *rig, int timeout_ms);

/* Headers that the records of every call have. */
void worker_rig_set_headers(WorkerRig *rig,
                            const KabHeader *headers,
                            size_t n_headers);
