/* SPDX-License-Identifier: Apache-2.0 */
/* Calls the function: on pool threads, or on the loop if it never blocks.
 *
 *   loop: invoke -> GThreadPool -> worker: process() ... any thread: complete
 *     ^                                                        |
 *     +--- entered, answered <---------- mailbox <-------------+
 *
 * An answer given inside process() on the loop goes through the mailbox too: an
 * effect never calls back into the engine.
 */
#pragma once

#include "log.h"
#include "mailbox.h"
#include "ports.h"

typedef struct KabExecutor KabExecutor;

/* The executor's reports, on the loop, while the mailbox is delivered. */
typedef struct {
    void (*entered)(void *user,
                    KabAttempt *attempt,
                    uint64_t serial,
                    int64_t entered_us);
    void (*answered)(void *user,
                     KabAttempt *attempt,
                     uint64_t serial,
                     const KabAnswer *answer);
    void (*answered_twice)(void *user);
    /* The memory of an open call grew by this much. NULL: not wanted. */
    void (*grew)(void *user,
                 KabAttempt *attempt,
                 uint64_t serial,
                 size_t bytes);
    /* A function that says it never blocks held up the loop. NULL: not
     * wanted. */
    void (*blocked)(void *user);
} KabExecutorEvents;

/* Everything is borrowed until the executor is freed. */
typedef struct {
    const char *binding;
    const KabFunction *function;
    void *instance;
    bool has_output_topic;
    const char *const *topics; /* that outputs may name; NULL-terminated */
    size_t (*get_headers)(void *message, KabHeader *ret, size_t capacity);
    unsigned threads;
    KabMailbox *mailbox;
    const KabExecutorEvents *events;
    void *user;
} KabExecutorSetup;

KabExecutor *kab_executor_new(const KabExecutorSetup *setup);
/* Call when kab_executor_is_idle() and every attempt is released. */
void kab_executor_free(KabExecutor *executor);

void kab_executor_set_threads(KabExecutor *executor, unsigned threads);

/* The engine's calls into an executor. user: the KabExecutor. */
extern const KabCallPort kab_executor_port;
void kab_executor_invoke(void *user, KabAttempt *attempt);
void kab_executor_cancel(void *user, KabAttempt *attempt);
void kab_executor_release(void *user, KabAttempt *attempt);

/* Reports answers to calls that had already ended, since the last report.
 * Called once per turn of the loop. */
void kab_executor_turn(KabExecutor *executor);
/* How long the loop may sleep without missing that a call was entered;
 * INT64_MAX: no limit. */
int64_t kab_executor_patience_us(const KabExecutor *executor);
/* Number of unanswered calls. */
unsigned kab_executor_n_out(const KabExecutor *executor);
/* No call is out and no thread is inside process(). The mailbox is not woken
 * when the last thread leaves, so poll this. */
bool kab_executor_is_idle(const KabExecutor *executor);
