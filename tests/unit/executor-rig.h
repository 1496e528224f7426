/* SPDX-License-Identifier: Apache-2.0 */
/* An executor, a function whose body the test sets, and one call of it. */
#pragma once

#include <stdatomic.h>

#include <glib.h>

#include "executor.h"

enum { N_RECORDS = 4 };

/* A binding as the executor sees it, and what the executor reported to it. */
typedef struct {
    KabMailbox *mailbox;
    KabExecutor *executor;
    KabFunction function;
    KabRecord records[N_RECORDS];
    KabResult results[N_RECORDS];
    void *messages[N_RECORDS];
    KabAttempt attempt;
    unsigned n_entered, n_answered, n_twice, n_blocked;
    size_t n_grown; /* bytes */
    KabAnswer answer;
    char *reason;
    _Atomic(KabBatch *) handle; /* as given to process() */
    atomic_uint n_cancelled, n_processed;
    void (*act)(KabBatch *batch);
} Fixture;

/* The topics the function may name; NULL-terminated. */
extern const char *const topics[3];

/* Puts a Fixture into *state: four records with key "key" and value "value". */
int setup(void **state);
int teardown(void **state);
/* Creates the executor. flags: the function's. */
void start(Fixture *fixture, uint32_t flags);
/* start(), then runs one call of the function on the loop. */
void run(Fixture *fixture, void (*act)(KabBatch *batch));
/* Serves the mailbox until n_answered calls were answered. */
void serve(Fixture *fixture, unsigned n_answered);

#define WITH_CALLS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
