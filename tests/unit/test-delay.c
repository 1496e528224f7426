/* SPDX-License-Identifier: Apache-2.0 */
/* The function "delay": completes on time, any number of calls at once,
 * cancels at once. */
#include "kab-test.h"

#include <poll.h>

#include <glib.h>

#include "context.h"
#include "executor.h"

enum { N_RECORDS = 4, N_CALLS = 3, WAIT_MS = 20000 };

extern const KabFunction kab_function;

/* One call of the function. */
typedef struct {
    KabAttempt attempt;
    KabResult results[N_RECORDS];
    void *messages[N_RECORDS];
} Call;

typedef struct {
    KabMailbox *mailbox;
    KabContext *context;
    void *instance;
    KabExecutor *executor;
    KabRecord records[N_RECORDS];
    Call calls[N_CALLS];
    unsigned n_answered, n_failed;
} Fixture;

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
    Fixture *fixture = user;
    fixture->n_answered++;
    fixture->n_failed += answer->failed;
}

static void
on_twice(void *user)
{
}

static const KabExecutorEvents events = {on_entered, on_answered, on_twice};

static size_t
no_headers(void *message, KabHeader *ret, size_t capacity)
{
    return 0;
}

/* Opens the function and calls it n times. */
static void
start(Fixture *fixture, const char *base, const char *per_record, unsigned n)
{
    static const char *const topics[] = {"out", NULL};
    const KabOptionText texts[] = {{"base", base}, {"per.record", per_record}};
    fixture->context =
        kab_context_new("b", &kab_function, texts, G_N_ELEMENTS(texts), 4);
    assert_true(kab_function.open(fixture->context, &fixture->instance));
    const KabExecutorSetup setup = {.binding = "b",
                                    .function = &kab_function,
                                    .instance = fixture->instance,
                                    .has_output_topic = true,
                                    .topics = topics,
                                    .get_headers = no_headers,
                                    .threads = 1,
                                    .mailbox = fixture->mailbox,
                                    .events = &events,
                                    .user = fixture};
    fixture->executor = kab_executor_new(&setup);
    for (unsigned i = 0; i < n; i++)
        kab_executor_port.invoke(fixture->executor, &fixture->calls[i].attempt);
}

static void
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

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->mailbox = kab_mailbox_new(NULL);
    kab_mailbox_wake(fixture->mailbox);
    for (unsigned i = 0; i < N_RECORDS; i++)
        fixture->records[i] = (KabRecord){
            .key = {"key", 3}, .value = {"value", 5}, .topic = "in"};
    for (unsigned i = 0; i < N_CALLS; i++) {
        Call *call = &fixture->calls[i];
        call->attempt = (KabAttempt){.serial = i + 1,
                                     .n = N_RECORDS,
                                     .records = fixture->records,
                                     .messages = call->messages,
                                     .results = call->results,
                                     .number = 1};
    }
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    for (unsigned i = 0; i < N_CALLS; i++)
        if (fixture->calls[i].attempt.call)
            kab_executor_port.release_attempt(fixture->executor,
                                              &fixture->calls[i].attempt);
    kab_executor_free(fixture->executor);
    kab_function.close(fixture->instance);
    kab_context_free(fixture->context);
    kab_mailbox_free(fixture->mailbox);
    g_free(fixture);
    return 0;
}

TEST(a_batch_is_completed_when_it_is_due)
{
    Fixture *fixture = *state;
    int64_t from_us = g_get_monotonic_time();
    start(fixture, "10ms", "2ms", 1);
    assert_int_equal(kab_executor_n_out(fixture->executor), 1);
    serve(fixture, 1);
    assert_true(g_get_monotonic_time() - from_us >= 18000);
    assert_int_equal(fixture->n_failed, 0);
}

TEST(each_output_is_its_input)
{
    Fixture *fixture = *state;
    start(fixture, "0", "0", 1);
    serve(fixture, 1);
    for (unsigned i = 0; i < N_RECORDS; i++) {
        const KabResult *result = &fixture->calls[0].results[i];
        assert_int_equal(result->outcome, KAB_OUTCOME_DONE);
        assert_int_equal(result->n_products, 1);
        assert_ptr_equal(result->first->output.value.data,
                         fixture->records[i].value.data);
    }
}

TEST(any_number_of_batches_waits_at_once)
{
    Fixture *fixture = *state;
    start(fixture, "5ms", "0", N_CALLS);
    assert_int_equal(kab_executor_n_out(fixture->executor), N_CALLS);
    serve(fixture, N_CALLS);
    assert_int_equal(fixture->n_failed, 0);
}

TEST(a_cancelled_batch_is_let_go_at_once)
{
    Fixture *fixture = *state;
    start(fixture, "1h", "0", N_CALLS);
    kab_executor_port.cancel(fixture->executor, &fixture->calls[1].attempt);
    serve(fixture, 1);
    assert_int_equal(fixture->n_failed, 1);
    kab_executor_port.cancel(fixture->executor, &fixture->calls[0].attempt);
    kab_executor_port.cancel(fixture->executor, &fixture->calls[2].attempt);
    serve(fixture, N_CALLS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_is_completed_when_it_is_due,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_output_is_its_input, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(any_number_of_batches_waits_at_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_batch_is_let_go_at_once,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
