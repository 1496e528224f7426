/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: the end of handles, the pool, and memory, with threads. */
#include "kab-test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "executor-rig.h"
#include "ticket.h"

/* --- Handles ----------------------------------------------------------- */

static void
complete_twice(KabBatch *batch)
{
    kab_batch_complete(batch);
    kab_batch_complete(batch);
    kab_batch_fail(batch, KAB_FAIL_PERMANENT, -1, "too late");
}

TEST(only_the_first_answer_counts)
{
    Fixture *fixture = *state;
    run(fixture, complete_twice);
    kab_executor_turn(fixture->executor);
    assert_int_equal(fixture->n_answered, 1);
    assert_false(fixture->answer.failed);
    assert_int_equal(fixture->n_twice, 2);
}

TEST(an_old_handle_is_recognised_when_its_ticket_is_used_again)
{
    Fixture *fixture = *state;
    run(fixture, (void (*)(KabBatch *))kab_batch_complete);
    KabBatch *old = fixture->handle;
    kab_executor_port.release_attempt(fixture->executor, &fixture->attempt);
    fixture->act = NULL;
    kab_executor_port.invoke(fixture->executor, &fixture->attempt);
    assert_ptr_not_equal(fixture->handle, old);
    assert_true(kab_batch_is_cancelled(old));
    assert_false(kab_batch_is_cancelled(fixture->handle));
    kab_batch_complete(old);
    kab_executor_turn(fixture->executor);
    assert_int_equal(fixture->n_twice, 1);
    assert_int_equal(kab_executor_n_out(fixture->executor), 1);
    kab_batch_complete(fixture->handle);
    serve(fixture, 2);
}

TEST(calls_on_a_handle_that_never_was_are_harmless)
{
    KabBatch *nonsense = (KabBatch *)(uintptr_t)UINT64_C(0xFFFFFFFFFFFFFFF);
    assert_true(kab_batch_is_cancelled(nonsense));
    kab_batch_complete(nonsense);
    assert_int_equal(kab_batch_count(nonsense), 0);
    kab_batch_drop(NULL, 0);
}

static void *
complete_on_thread(void *batch)
{
    kab_batch_complete(batch);
    return NULL;
}

TEST(of_many_answers_at_once_one_wins)
{
    Fixture *fixture = *state;
    start(fixture, KAB_FUNCTION_NONBLOCKING);
    for (unsigned round = 0; round < 200; round++) {
        kab_executor_port.invoke(fixture->executor, &fixture->attempt);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, complete_on_thread,
                           fixture->handle);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        serve(fixture, round + 1);
        kab_executor_port.release_attempt(fixture->executor, &fixture->attempt);
    }
    kab_executor_turn(fixture->executor);
    assert_int_equal(fixture->n_answered, 200);
    assert_int_equal(fixture->n_twice, 600);
}

static void
hold_up_the_loop(KabBatch *batch)
{
    int64_t until = g_get_monotonic_time() + 20 * 1000;
    while (g_get_monotonic_time() < until)
        continue;
    kab_batch_complete(batch);
}

TEST(a_call_that_holds_up_the_loop_is_counted)
{
    Fixture *fixture = *state;
    run(fixture, hold_up_the_loop);
    kab_executor_turn(fixture->executor);
    kab_executor_turn(fixture->executor);
    assert_int_equal(fixture->n_blocked, 1);
}

TEST(cancel_is_told_once_and_the_answer_still_comes)
{
    Fixture *fixture = *state;
    start(fixture, KAB_FUNCTION_NONBLOCKING);
    kab_executor_port.invoke(fixture->executor, &fixture->attempt);
    kab_executor_port.cancel(fixture->executor, &fixture->attempt);
    assert_int_equal(atomic_load(&fixture->n_cancelled), 1);
    assert_true(kab_batch_is_cancelled(fixture->handle));
    assert_int_equal(kab_batch_count(fixture->handle), N_RECORDS);
    kab_batch_emit_value(fixture->handle, 0, "late", 4);
    kab_batch_complete(fixture->handle);
    serve(fixture, 1);
}

/* In a child process: returns what it prints to stderr before it aborts. */
static char *
dup_last_words(Fixture *fixture)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        g_setenv("KABRIDGE_DEBUG", "1", TRUE);
        dup2(fds[1], STDERR_FILENO);
        kab_batch_drop(fixture->handle, 0);
        _exit(0);
    }
    close(fds[1]);
    char text[1024] = {0};
    ssize_t n = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(n > 0);
    assert_true(WIFSIGNALED(status));
    return g_strdup(text);
}

TEST(debugging_aborts_with_the_history_of_an_ended_batch)
{
    Fixture *fixture = *state;
    run(fixture, (void (*)(KabBatch *))kab_batch_complete);
    g_autofree char *text = dup_last_words(fixture);
    assert_non_null(strstr(text, "kab_batch_drop() on batch"));
    assert_non_null(strstr(text, "binding b, function test, 4 records"));
    assert_non_null(strstr(text, "ended by kab_batch_complete()"));
}

/* --- The pool ---------------------------------------------------------- */

enum { N_CALLS = 2000, N_AT_ONCE = 8 };

static void
answer_somewhere(KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    for (size_t i = 0; i < kab_batch_count(batch); i++)
        kab_batch_emit_value(batch, i, records[i].value.data,
                             records[i].value.len);
    kab_batch_complete(batch);
}

static void
deal_out(Fixture *fixture, KabAttempt *attempts, KabResult *results)
{
    for (unsigned i = 0; i < N_AT_ONCE; i++) {
        memset(&results[i * N_RECORDS], 0, N_RECORDS * sizeof *results);
        attempts[i] = fixture->attempt;
        attempts[i].serial = i;
        attempts[i].results = &results[i * N_RECORDS];
        kab_executor_port.invoke(fixture->executor, &attempts[i]);
    }
}

TEST(every_call_on_the_pool_is_answered)
{
    Fixture *fixture = *state;
    start(fixture, 0);
    fixture->act = answer_somewhere;
    KabAttempt attempts[N_AT_ONCE];
    KabResult results[N_AT_ONCE * N_RECORDS];
    unsigned n = 0;
    while (n < N_CALLS) {
        deal_out(fixture, attempts, results);
        n += N_AT_ONCE;
        serve(fixture, n);
        for (unsigned i = 0; i < N_AT_ONCE; i++) {
            assert_int_equal(results[i * N_RECORDS].bytes, 8);
            kab_executor_port.release_attempt(fixture->executor, &attempts[i]);
        }
    }
    assert_int_equal(fixture->n_entered, n);
    assert_int_equal(atomic_load(&fixture->n_processed), n);
}

TEST(a_call_nobody_wants_any_more_is_not_entered)
{
    Fixture *fixture = *state;
    start(fixture, 0);
    KabTicket *ticket;
    KabAttempt *attempt = &fixture->attempt;
    KabCaller caller = {.binding = "b",
                        .function = &fixture->function,
                        .mailbox = fixture->mailbox};
    kab_chunk_pool_init(&caller.chunks);
    ticket = kab_ticket_take(&caller, attempt);
    assert_false(kab_ticket_cancel(ticket));
    assert_false(kab_ticket_enter(ticket));
    assert_non_null(kab_ticket_end(kab_ticket_handle(ticket), "test"));
    kab_ticket_release(ticket);
    kab_chunk_pool_clear(&caller.chunks);
}

/* --- The arena --------------------------------------------------------- */

TEST(an_arena_gives_aligned_memory_of_any_size_and_knows_it)
{
    KabChunkPool pool;
    kab_chunk_pool_init(&pool);
    KabArena arena;
    for (unsigned round = 0; round < 3; round++) {
        kab_arena_init(&arena, &pool, 100);
        char *last = NULL;
        for (size_t size = 0; size < 100000; size = size * 2 + 1) {
            char *memory = kab_arena_alloc(&arena, size);
            assert_int_equal((uintptr_t)memory % 16, 0);
            memset(memory, 'a', size);
            assert_true(kab_arena_contains(&arena, memory, size));
            assert_false(kab_arena_contains(&arena, memory, 1 << 20));
            last = memory;
        }
        assert_false(kab_arena_contains(&arena, &pool, 1));
        assert_non_null(last);
        kab_arena_clear(&arena);
    }
    kab_chunk_pool_clear(&pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CALLS(only_the_first_answer_counts),
        WITH_CALLS(an_old_handle_is_recognised_when_its_ticket_is_used_again),
        cmocka_unit_test(calls_on_a_handle_that_never_was_are_harmless),
        WITH_CALLS(of_many_answers_at_once_one_wins),
        WITH_CALLS(a_call_that_holds_up_the_loop_is_counted),
        WITH_CALLS(cancel_is_told_once_and_the_answer_still_comes),
        WITH_CALLS(debugging_aborts_with_the_history_of_an_ended_batch),
        WITH_CALLS(every_call_on_the_pool_is_answered),
        WITH_CALLS(a_call_nobody_wants_any_more_is_not_entered),
        cmocka_unit_test(
            an_arena_gives_aligned_memory_of_any_size_and_knows_it),
    };
    return cmocka_run_group_tests_name("executor", tests, NULL, NULL);
}
