/* SPDX-License-Identifier: Apache-2.0 */
/* See executor-rig.h. */
#include "kab-test.h"

#include <poll.h>

#include "executor-rig.h"

enum { WAIT_MS = 20000 };

static void
on_entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
    Fixture *fixture = user;
    fixture->n_entered++;
}

static void
on_answered(void *user,
            KabAttempt *attempt,
            uint64_t serial,
            const KabAnswer *answer)
{
    Fixture *fixture = user;
    fixture->n_answered++;
    fixture->answer = *answer;
    g_free(fixture->reason);
    fixture->reason = g_strdup(answer->reason);
}

static void
on_twice(void *user)
{
    Fixture *fixture = user;
    fixture->n_twice++;
}

static void
on_grown(void *user, KabAttempt *attempt, uint64_t serial, size_t bytes)
{
    ((Fixture *)user)->n_grown += bytes;
}

static void
on_blocked(void *user)
{
    ((Fixture *)user)->n_blocked++;
}

static const KabExecutorEvents events = {on_entered, on_answered, on_twice,
                                         on_grown, on_blocked};

static void
process(void *instance, KabBatch *batch)
{
    Fixture *fixture = instance;
    fixture->handle = batch;
    atomic_fetch_add(&fixture->n_processed, 1);
    if (fixture->act)
        fixture->act(batch);
}

static void
cancel(void *instance, KabBatch *batch)
{
    Fixture *fixture = instance;
    atomic_fetch_add(&fixture->n_cancelled, 1);
}

static size_t
get_headers(void *message, KabHeader *ret, size_t capacity)
{
    static const KabHeader headers[] = {
        {"a", {"1", 1}}, {"b", {NULL, 0}}, {"a", {"3", 1}}};
    for (size_t i = 0; message && i < 3 && i < capacity; i++)
        ret[i] = headers[i];
    return message ? 3 : 0;
}

const char *const topics[] = {"out", "more", NULL};

void
start(Fixture *fixture, uint32_t flags)
{
    fixture->function = (KabFunction){
        .name = "test", .flags = flags, .process = process, .cancel = cancel};
    KabExecutorSetup executor = {.binding = "b",
                                 .function = &fixture->function,
                                 .instance = fixture,
                                 .has_output_topic = true,
                                 .topics = topics,
                                 .get_headers = get_headers,
                                 .threads = 2,
                                 .mailbox = fixture->mailbox,
                                 .events = &events,
                                 .user = fixture};
    fixture->executor = kab_executor_new(&executor);
}

int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->mailbox = kab_mailbox_new(NULL);
    kab_mailbox_wake(fixture->mailbox);
    for (int i = 0; i < N_RECORDS; i++) {
        fixture->records[i] = (KabRecord){.key = {"key", 3},
                                          .value = {"value", 5},
                                          .topic = "in",
                                          .offset = i};
        fixture->messages[i] = i ? fixture : NULL;
    }
    fixture->attempt = (KabAttempt){.serial = 7,
                                    .n = N_RECORDS,
                                    .records = fixture->records,
                                    .messages = fixture->messages,
                                    .results = fixture->results,
                                    .number = 1};
    *state = fixture;
    return 0;
}

void
serve(Fixture *fixture, unsigned n_answered)
{
    for (;;) {
        kab_mailbox_deliver(fixture->mailbox, fixture);
        if (fixture->n_answered >= n_answered)
            return;
        if (!kab_mailbox_arm(fixture->mailbox))
            continue;
        struct pollfd pollfd = {.fd = kab_mailbox_fd(fixture->mailbox),
                                .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
        kab_mailbox_wake(fixture->mailbox);
    }
}

int
teardown(void **state)
{
    Fixture *fixture = *state;
    if (fixture->attempt.call)
        kab_executor_port.release_attempt(fixture->executor, &fixture->attempt);
    kab_executor_free(fixture->executor);
    kab_mailbox_free(fixture->mailbox);
    g_free(fixture->reason);
    g_free(fixture);
    return 0;
}

void
run(Fixture *fixture, void (*act)(KabBatch *batch))
{
    start(fixture, KAB_FUNCTION_NONBLOCKING);
    fixture->act = act;
    kab_executor_port.invoke(fixture->executor, &fixture->attempt);
    assert_int_equal(fixture->n_answered, 0);
    serve(fixture, 1);
}
