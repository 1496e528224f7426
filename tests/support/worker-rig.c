/* SPDX-License-Identifier: Apache-2.0 */
/* See worker-rig.h. */
#include "worker-rig.h"

#include <poll.h>
#include <string.h>

extern const KabFunction kab_function;

enum { WAIT_US = 30 * 1000 * 1000 };

struct WorkerRig {
    KabMailbox *mailbox;
    KabContext *context;
    void *instance;
    KabExecutor *executor;
    GPtrArray *calls;
    const KabHeader *headers;
    size_t n_headers;
};

static void
on_entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
}

static void
on_answered(void *user,
            KabAttempt *attempt,
            uint64_t serial,
            const KabAnswer *answer)
{
    WorkerCall *call = (WorkerCall *)attempt;
    call->is_answered = true;
    call->answer = *answer;
    g_free(call->reason);
    call->answer.reason = call->reason = g_strdup(answer->reason);
}

static void
on_twice(void *user)
{
    g_error("a batch was answered twice");
}

static const KabExecutorEvents events = {on_entered, on_answered, on_twice};

static size_t
get_headers(void *message, KabHeader *ret, size_t capacity)
{
    const WorkerRig *rig = message;
    for (size_t i = 0; i < rig->n_headers && i < capacity; i++)
        ret[i] = rig->headers[i];
    return rig->n_headers;
}

static void
free_call(void *data)
{
    WorkerCall *call = data;
    for (size_t i = 0; i < call->attempt.n; i++)
        g_free((void *)(uintptr_t)call->records[i].key.data);
    g_free(call->records);
    g_free(call->results);
    g_free(call->messages);
    g_free(call->bytes);
    g_free(call->reason);
    g_free(call);
}

WorkerRig *
worker_rig_new(const KabOptionText *texts, size_t n_texts, char **ret_failure)
{
    static const char *const topics[] = {"out", "more", NULL};
    WorkerRig *rig = g_new0(WorkerRig, 1);
    rig->context = kab_context_new("b", &kab_function, texts, n_texts, 4);
    if (!kab_function.open(rig->context, &rig->instance)) {
        *ret_failure = g_strdup(kab_context_failure(rig->context));
        kab_context_free(rig->context);
        g_free(rig);
        return NULL;
    }
    rig->mailbox = kab_mailbox_new(NULL);
    kab_mailbox_wake(rig->mailbox);
    rig->calls = g_ptr_array_new_with_free_func(free_call);
    const KabExecutorSetup setup = {.binding = "b",
                                    .function = &kab_function,
                                    .instance = rig->instance,
                                    .has_output_topic = true,
                                    .topics = topics,
                                    .get_headers = get_headers,
                                    .threads = 1,
                                    .mailbox = rig->mailbox,
                                    .events = &events,
                                    .user = rig};
    rig->executor = kab_executor_new(&setup);
    return rig;
}

static void
release_call(WorkerRig *rig, WorkerCall *call)
{
    if (call->attempt.call)
        kab_executor_release(rig->executor, &call->attempt);
}

void
worker_rig_free(WorkerRig *rig)
{
    kab_function.close(rig->instance);
    worker_rig_serve(rig, 0);
    for (unsigned i = 0; i < rig->calls->len; i++)
        release_call(rig, rig->calls->pdata[i]);
    kab_executor_free(rig->executor);
    kab_context_free(rig->context);
    kab_mailbox_free(rig->mailbox);
    g_ptr_array_unref(rig->calls);
    g_free(rig);
}

KabContext *
worker_rig_context(WorkerRig *rig)
{
    return rig->context;
}

void
worker_rig_set_headers(WorkerRig *rig,
                       const KabHeader *headers,
                       size_t n_headers)
{
    rig->headers = headers;
    rig->n_headers = n_headers;
}

static void
make_records(WorkerRig *rig, WorkerCall *call, size_t size)
{
    size_t n = call->attempt.n;
    call->records = g_new0(KabRecord, n);
    call->results = g_new0(KabResult, n);
    call->messages = g_new0(void *, n);
    call->bytes = g_malloc(n * size + 32);
    memset(call->bytes, '.', n * size + 32);
    for (size_t i = 0; i < n; i++) {
        char *key = g_strdup_printf("key-%zu", i);
        char *value = call->bytes + i * size;
        char text[32];
        int len = g_snprintf(text, sizeof text, "value-%zu", i);
        memcpy(value, text, MIN((size_t)len, size));
        call->messages[i] = rig;
        call->records[i] = (KabRecord){.key = {key, strlen(key)},
                                       .value = {value, size},
                                       .topic = "in",
                                       .offset = (int64_t)i,
                                       .timestamp_ms = 1000};
    }
}

static void
invoke_call(WorkerRig *rig, WorkerCall *call)
{
    KabAttempt *attempt = &call->attempt;
    attempt->serial++;
    memset(call->results, 0, attempt->n * sizeof *call->results);
    call->is_answered = false;
    kab_executor_invoke(rig->executor, attempt);
}

WorkerCall *
worker_rig_call(WorkerRig *rig, size_t n, size_t size, int64_t timeout_us)
{
    WorkerCall *call = g_new0(WorkerCall, 1);
    call->attempt.n = n;
    make_records(rig, call, size);
    call->attempt.number = 1;
    call->attempt.timeout_us = timeout_us;
    call->attempt.records = call->records;
    call->attempt.messages = call->messages;
    call->attempt.results = call->results;
    g_ptr_array_add(rig->calls, call);
    invoke_call(rig, call);
    return call;
}

void
worker_rig_call_again(WorkerRig *rig, WorkerCall *call)
{
    release_call(rig, call);
    invoke_call(rig, call);
}

void
worker_rig_cancel(WorkerRig *rig, WorkerCall *call)
{
    kab_executor_cancel(rig->executor, &call->attempt);
}

void
worker_rig_serve(WorkerRig *rig, int timeout_ms)
{
    if (kab_mailbox_deliver(rig->mailbox, rig) ||
        !kab_mailbox_arm(rig->mailbox))
        return;
    struct pollfd pollfd = {.fd = kab_mailbox_fd(rig->mailbox),
                            .events = POLLIN};
    poll(&pollfd, 1, timeout_ms);
    kab_mailbox_wake(rig->mailbox);
    kab_mailbox_deliver(rig->mailbox, rig);
}

bool
worker_rig_until(WorkerRig *rig, bool (*condition)(void *user), void *user)
{
    int64_t end_us = g_get_monotonic_time() + WAIT_US;
    while (!condition(user)) {
        if (g_get_monotonic_time() > end_us)
            return false;
        worker_rig_serve(rig, 10);
    }
    return true;
}

static bool
is_answered(void *user)
{
    return ((WorkerCall *)user)->is_answered;
}

bool
worker_rig_wait(WorkerRig *rig, WorkerCall *call)
{
    return worker_rig_until(rig, is_answered, call);
}
