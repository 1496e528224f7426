/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of a binding: the test is its loop. Where that is about to end, a
 * thread asks. */
#include "kab-test.h"

#include <poll.h>
#include <pthread.h>

#include "binding-internal.h"

typedef struct {
    KabBindingSettings settings;
    KabBinding *binding;
    pthread_t asker;
    KabBindingSnapshot *answer;
} Fixture;

static void
ignore_change(void *user)
{
}

static int
setup(void **state)
{
    static const KabLoopWork work = {0};
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->settings.name = g_strdup("copy");
    fixture->settings.engine.batch_count = 1;
    fixture->settings.engine.max_in_flight = 1;
    KabBinding *binding =
        kab_binding_new(&fixture->settings, ignore_change, NULL);
    binding->engine = kab_engine_new(&fixture->settings.engine);
    binding->loop = kab_loop_new(&work, binding, NULL);
    binding->takes_requests = true;
    fixture->binding = binding;
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    kab_binding_snapshot_free(fixture->answer);
    kab_engine_free(fixture->binding->engine);
    kab_binding_free(fixture->binding);
    g_free(fixture->settings.name);
    g_free(fixture);
    return 0;
}

static void *
ask(void *user)
{
    Fixture *fixture = user;
    fixture->answer = kab_binding_snapshot(fixture->binding);
    return NULL;
}

/* Returns when the request is in the mailbox. */
static void
start_asking(Fixture *fixture)
{
    KabMailbox *mailbox = kab_loop_mailbox(fixture->binding->loop);
    struct pollfd pollfd = {.fd = kab_mailbox_fd(mailbox), .events = POLLIN};
    assert_int_equal(pthread_create(&fixture->asker, NULL, ask, fixture), 0);
    assert_int_equal(poll(&pollfd, 1, 20000), 1);
}

static void
end_asking(Fixture *fixture)
{
    pthread_join(fixture->asker, NULL);
    assert_non_null(fixture->answer);
    assert_string_equal(fixture->answer->name, "copy");
}

TEST(a_loop_that_ends_answers_whoever_waits)
{
    Fixture *fixture = *state;
    start_asking(fixture);
    KabBindingSnapshot *last =
        kab_binding_make_snapshot(fixture->binding, g_get_monotonic_time());
    kab_binding_end_requests(fixture->binding, last);
    end_asking(fixture);
}

/* Between the last request that the loop takes and its last delivery, the asker
 * gives up after its second. The request is still in the mailbox, and must not
 * be freed twice. */
TEST(who_gives_up_while_the_loop_ends_leaves_its_request_to_the_loop)
{
    Fixture *fixture = *state;
    KabBinding *binding = fixture->binding;
    start_asking(fixture);
    pthread_mutex_lock(&binding->mutex);
    binding->takes_requests = false;
    pthread_mutex_unlock(&binding->mutex);
    end_asking(fixture);
    assert_int_equal(
        kab_mailbox_deliver(kab_loop_mailbox(binding->loop), binding), 1);
}

TEST(without_a_loop_nobody_waits)
{
    Fixture *fixture = *state;
    fixture->binding->takes_requests = false;
    int64_t start_us = g_get_monotonic_time();
    ask(fixture);
    assert_true(g_get_monotonic_time() - start_us < G_USEC_PER_SEC);
    assert_string_equal(fixture->answer->reason,
                        "waits until every function is open");
}

TEST(a_broker_that_never_answered_keeps_its_error)
{
    Fixture *fixture = *state;
    int64_t now = g_get_monotonic_time();
    fixture->binding->source_error = g_strdup("Connection refused");
    fixture->binding->source_error_us = now;
    fixture->answer =
        kab_binding_make_snapshot(fixture->binding, now + 29 * G_USEC_PER_SEC);
    assert_string_equal(fixture->answer->reason,
                        "no broker has answered yet; Connection refused");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_broker_that_never_answered_keeps_its_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loop_that_ends_answers_whoever_waits,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            who_gives_up_while_the_loop_ends_leaves_its_request_to_the_loop,
            setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_loop_nobody_waits, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
