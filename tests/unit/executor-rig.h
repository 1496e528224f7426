/* SPDX-License-Identifier: Apache-2.0 */
/* An executor, one function whose body a test sets, and one call of it. */
#pragma once

#include <stdatomic.h>

#include <glib.h>

#include "executor.h"

enum { N_RECORDS = 4 };

/* A binding as the executor sees it, and what it was told. */
typedef struct {
    KabMailbox *mailbox;
    KabExecutor *executor;
    KabFunction function;
    KabRecord records[N_RECORDS];
    KabResult results[N_RECORDS];
    void *messages[N_RECORDS];
    KabAttempt attempt;
    unsigned n_entered, n_answered, n_twice;
    KabAnswer answer;
    char *reason;
    _Atomic(KabBatch *) handle; /* what process() was given */
    atomic_uint n_cancelled, n_processed;
    void (*act)(KabBatch *batch);
} Fixture;

/* That the function may name; NULL ends them. */
extern const char *const topics[3];

/* A Fixture in *state: four records with key "key" and value "value". */
int setup(void **state);
int teardown(void **state);
/* flags: of the function. */
void start(Fixture *fixture, uint32_t flags);
/* Starts, and runs one call of the function on the loop. */
void run(Fixture *fixture, void (*act)(KabBatch *batch));
/* Serves the mailbox until as many calls were answered. */
void serve(Fixture *fixture, unsigned n_answered);

#define WITH_CALLS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
