/* SPDX-License-Identifier: Apache-2.0 */
/* The partitions whose queues may hold records: the list that the loop takes
 * from while threads of librdkafka add to it.
 */
#include "kab-test.h"

#include <pthread.h>

#include "source-internal.h"

enum { N = 16, THREADS = 3, ROUNDS = 20000 };

typedef struct {
    KabSource source;
    KabToppar toppars[N];
    atomic_size_t queued[N];
    size_t taken[N];
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    for (int i = 0; i < N; i++)
        fixture->toppars[i].number = i;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    g_free(*state);
    return 0;
}

static bool
arrive(Fixture *fixture, int number)
{
    return kab_source_note_records(&fixture->source, &fixture->toppars[number]);
}

/* Returns the number of the next ready partition, -1 if there is none. */
static int
pop(Fixture *fixture)
{
    KabToppar *toppar = kab_source_pop_ready(&fixture->source);
    return toppar ? toppar->number : -1;
}

/* As a take does, which clears before it looks into the queue. */
static int
take(Fixture *fixture)
{
    int number = pop(fixture);
    if (number < 0)
        return number;
    atomic_store(&fixture->toppars[number].is_ready, false);
    fixture->taken[number] = atomic_load(&fixture->queued[number]);
    return number;
}

TEST(partitions_take_turns_in_the_order_in_which_records_came)
{
    Fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        arrive(fixture, i);
    assert_int_equal(take(fixture), 0);
    arrive(fixture, 0); /* a backlog: it may hold more */
    assert_int_equal(take(fixture), 1);
    assert_int_equal(take(fixture), 2);
    assert_int_equal(take(fixture), 0);
    assert_int_equal(take(fixture), -1);
}

/* Takes n of the `want` records from the next ready partition. */
static int
take_some(Fixture *fixture, size_t n, size_t want)
{
    int number = take(fixture);
    kab_source_note_taken(&fixture->source, &fixture->toppars[number], n, want);
    return number;
}

/* Each partition's outputs are requests of their own. */
TEST(a_turn_lasts_until_a_partition_has_given_its_share_or_is_empty)
{
    Fixture *fixture = *state;
    fixture->source.in_a_row = 100;
    for (int i = 0; i < 3; i++)
        arrive(fixture, i);
    assert_int_equal(take_some(fixture, 60, 60), 0);
    assert_int_equal(take_some(fixture, 60, 60), 0);
    assert_int_equal(take_some(fixture, 10, 10), 1);
    assert_int_equal(take_some(fixture, 10, 90), 1); /* empty */
    assert_int_equal(take_some(fixture, 99, 99), 2);
    kab_source_set_aside(&fixture->toppars[pop(fixture)]);
    assert_int_equal(take_some(fixture, 60, 60), 0);
    kab_source_resume(&fixture->source, &fixture->toppars[2]);
    assert_int_equal(take_some(fixture, 40, 40), 0);
    assert_int_equal(take_some(fixture, 99, 99), 2); /* a turn anew */
    assert_int_equal(take_some(fixture, 1, 1), 2);
    assert_int_equal(take_some(fixture, 1, 2), 0);
    assert_int_equal(take_some(fixture, 1, 2), 2);
    assert_int_equal(take(fixture), -1);
}

TEST(more_records_of_a_ready_partition_wake_nobody)
{
    Fixture *fixture = *state;
    assert_true(arrive(fixture, 5));
    assert_false(arrive(fixture, 5));
    assert_int_equal(take(fixture), 5);
    assert_int_equal(take(fixture), -1);
    assert_true(arrive(fixture, 5));
}

TEST(what_is_set_aside_comes_back_when_it_is_resumed)
{
    Fixture *fixture = *state;
    KabToppar *toppar = &fixture->toppars[7];
    arrive(fixture, 7);
    assert_int_equal(pop(fixture), 7);
    kab_source_set_aside(toppar);
    assert_false(arrive(fixture, 7));
    assert_int_equal(pop(fixture), -1);
    kab_source_resume(&fixture->source, toppar);
    kab_source_resume(&fixture->source, toppar);
    assert_int_equal(take(fixture), 7);
    assert_int_equal(take(fixture), -1);
}

static void *
queue_records(void *user)
{
    Fixture *fixture = user;
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&fixture->queued[i % N], 1);
        arrive(fixture, i % N);
    }
    return NULL;
}

TEST(records_that_come_on_other_threads_are_all_seen)
{
    Fixture *fixture = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, queue_records, fixture);
    for (int i = 0; i < ROUNDS; i++)
        take(fixture);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (take(fixture) >= 0)
        continue;
    for (int i = 0; i < N; i++)
        assert_int_equal(fixture->taken[i], THREADS * ROUNDS / N);
}

/* One that is woken while the queue is still full enough sleeps on. */
TEST(fetchers_are_woken_before_a_queue_that_was_full_is_empty)
{
    assert_int_equal(kab_source_wake_records(2000), 1000);
    assert_int_equal(kab_source_wake_records(1), 500);
    assert_int_equal(kab_source_wake_records(100000), 5000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(partitions_take_turns_in_the_order_in_which_records_came),
        T(a_turn_lasts_until_a_partition_has_given_its_share_or_is_empty),
        T(more_records_of_a_ready_partition_wake_nobody),
        T(what_is_set_aside_comes_back_when_it_is_resumed),
        T(records_that_come_on_other_threads_are_all_seen),
        T(fetchers_are_woken_before_a_queue_that_was_full_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
