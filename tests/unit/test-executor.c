/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: the function ABI, handles that end, and the pool, with threads. */
#include "kab-test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "arena.h"
#include "executor.h"
#include "ticket.h"

enum { N_RECORDS = 4, WAIT_MS = 20000 };

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

static const KabExecutorEvents events = {on_entered, on_answered, on_twice};

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

static const char *const topics[] = {"out", "more", NULL};

static void
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

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->mailbox = kab_mailbox_new();
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

/* Serves the mailbox until as many calls were answered. */
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
teardown(void **state)
{
    Fixture *fixture = *state;
    if (fixture->attempt.call)
        kab_executor_release(fixture->executor, &fixture->attempt);
    kab_executor_free(fixture->executor);
    kab_mailbox_free(fixture->mailbox);
    g_free(fixture->reason);
    g_free(fixture);
    return 0;
}

/* Runs one call of the function on the loop. */
static void
run(Fixture *fixture, void (*act)(KabBatch *batch))
{
    start(fixture, KAB_FUNCTION_NONBLOCKING);
    fixture->act = act;
    kab_executor_invoke(fixture->executor, &fixture->attempt);
    assert_int_equal(fixture->n_answered, 0);
    serve(fixture, 1);
}

/* --- Results ----------------------------------------------------------- */

static void
answer_each_way(KabBatch *batch)
{
    kab_batch_emit_value(batch, 0, "new", 3);
    kab_batch_drop(batch, 1);
    kab_batch_retry_after(batch, 2, 50, "later");
    kab_batch_reject_input(batch, 3, "unreadable");
    kab_batch_complete(batch);
}

TEST(each_record_gets_its_own_outcome)
{
    Fixture *fixture = *state;
    run(fixture, answer_each_way);
    const KabResult *results = fixture->results;
    assert_int_equal(results[0].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(results[0].n_products, 1);
    assert_int_equal(results[0].bytes, 6);
    const KabOutput *output = &results[0].first->output;
    assert_memory_equal(output->value.data, "new", 3);
    assert_ptr_equal(output->key.data, fixture->records[0].key.data);
    assert_int_equal(results[1].outcome, KAB_OUTCOME_DONE);
    assert_null(results[1].first);
    assert_int_equal(results[2].outcome, KAB_OUTCOME_RETRY);
    assert_int_equal(results[2].delay_ms, 50);
    assert_string_equal(results[2].reason, "later");
    assert_int_equal(results[3].outcome, KAB_OUTCOME_REJECT_INPUT);
    assert_false(fixture->answer.failed);
    assert_int_equal(fixture->n_entered, 1);
}

static void
emit_borrowed(KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    KabOutput output = KAB_OUTPUT_INIT;
    output.value = records[0].value;
    kab_batch_emit(batch, 0, &output);
    char *own = kab_batch_alloc(batch, 100);
    memset(own, 'x', 100);
    output.value = (KabBytes){own, 100};
    kab_batch_emit(batch, 0, &output);
    char stack[] = "stack";
    output.value = (KabBytes){stack, 5};
    kab_batch_emit(batch, 0, &output);
    memset(stack, 0, sizeof stack);
    kab_batch_complete(batch);
}

TEST(only_bytes_that_live_long_enough_are_borrowed)
{
    Fixture *fixture = *state;
    run(fixture, emit_borrowed);
    const KabProduct *product = fixture->results[0].first;
    assert_int_equal(fixture->results[0].n_products, 3);
    assert_ptr_equal(product->output.value.data,
                     fixture->records[0].value.data);
    assert_null(product->output.key.data);
    product = product->next;
    assert_int_equal(product->output.value.len, 100);
    product = product->next;
    assert_memory_equal(product->output.value.data, "stack", 5);
    assert_null(product->next);
}

static char neighbour[] = "neighbour";

static void
emit_a_neighbours_value(KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    KabOutput output = KAB_OUTPUT_INIT;
    output.value = records[1].value;
    kab_batch_emit(batch, 0, &output);
    kab_batch_complete(batch);
}

TEST(a_neighbours_bytes_are_copied)
{
    Fixture *fixture = *state;
    fixture->records[1].value = (KabBytes){neighbour, sizeof neighbour};
    run(fixture, emit_a_neighbours_value);
    const KabProduct *product = fixture->results[0].first;
    assert_ptr_not_equal(product->output.value.data, neighbour);
    assert_string_equal(product->output.value.data, neighbour);
}

static void
emit_topics(KabBatch *batch)
{
    char more[] = "more";
    KabOutput output = KAB_OUTPUT_INIT;
    output.topic = more;
    kab_batch_emit_copy(batch, 0, &output);
    output.topic = "elsewhere";
    kab_batch_emit_copy(batch, 1, &output);
    kab_batch_emit_copy(batch, 1, &output);
    kab_batch_complete(batch);
}

TEST(a_topic_that_is_not_listed_fails_the_record)
{
    Fixture *fixture = *state;
    run(fixture, emit_topics);
    assert_ptr_equal(fixture->results[0].first->output.topic, topics[1]);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_INVALID);
    assert_non_null(strstr(fixture->results[1].reason, "elsewhere"));
    assert_null(fixture->results[1].first);
}

static void
emit_partitions(KabBatch *batch)
{
    KabOutput output = KAB_OUTPUT_INIT;
    output.partition = 0;
    kab_batch_emit_copy(batch, 0, &output);
    output.partition = -2;
    kab_batch_emit_copy(batch, 1, &output);
    kab_batch_complete(batch);
}

TEST(a_partition_below_minus_1_fails_the_record)
{
    Fixture *fixture = *state;
    run(fixture, emit_partitions);
    assert_int_equal(fixture->results[0].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_INVALID);
    assert_non_null(strstr(fixture->results[1].reason, "-2"));
    assert_null(fixture->results[1].first);
}

static void
emit_headers(KabBatch *batch)
{
    KabHeader headers[] = {{"h", {"v", 1}}, {"h", {NULL, 0}}};
    KabOutput output = KAB_OUTPUT_INIT;
    output.headers = headers;
    output.n_headers = 2;
    kab_batch_emit(batch, 0, &output);
    memset(headers, 0, sizeof headers);
    kab_batch_complete(batch);
}

TEST(headers_are_copied)
{
    Fixture *fixture = *state;
    run(fixture, emit_headers);
    const KabOutput *output = &fixture->results[0].first->output;
    assert_int_equal(output->n_headers, 2);
    assert_string_equal(output->headers[0].name, "h");
    assert_memory_equal(output->headers[0].value.data, "v", 1);
    assert_null(output->headers[1].value.data);
}

static atomic_int n_wrong;

static void
expect(bool is_right)
{
    if (!is_right)
        atomic_fetch_add(&n_wrong, 1);
}

static void
read_headers(KabBatch *batch)
{
    size_t n;
    KabBytes value = {"untouched", 9};
    expect(!kab_batch_headers(batch, 0, &n) && n == 0);
    expect(!kab_batch_header(batch, 0, "a", &value) && value.len == 9);
    const KabHeader *headers = kab_batch_headers(batch, 1, &n);
    expect(n == 3 && strcmp(headers[1].name, "b") == 0);
    expect(kab_batch_header(batch, 1, "a", &value) &&
           memcmp(value.data, "3", 1) == 0);
    expect(!kab_batch_header(batch, 1, "c", &value));
    expect(kab_batch_headers(batch, 1, &n) == headers);
    kab_batch_complete(batch);
}

TEST(the_last_header_of_a_name_is_found)
{
    atomic_store(&n_wrong, 0);
    run(*state, read_headers);
    assert_int_equal(atomic_load(&n_wrong), 0);
}

static void
answer_wrongly(KabBatch *batch)
{
    kab_batch_drop(batch, 99);
    kab_batch_reject(batch, 0, "first");
    kab_batch_emit_value(batch, 0, "second", 6);
    kab_batch_drop(batch, 1);
    kab_batch_emit_value(batch, 1, "second", 6);
    kab_batch_complete(batch);
}

TEST(the_first_outcome_of_a_record_stands)
{
    Fixture *fixture = *state;
    run(fixture, answer_wrongly);
    assert_int_equal(fixture->results[0].outcome, KAB_OUTCOME_REJECT);
    assert_null(fixture->results[0].first);
    assert_int_equal(fixture->results[1].outcome, KAB_OUTCOME_DONE);
    assert_null(fixture->results[1].first);
}

static void
fail_at_length(KabBatch *batch)
{
    g_autofree char *reason = g_strnfill(1023, 'x');
    g_autofree char *text = g_strconcat(reason, "\xC3\xA4", NULL);
    kab_batch_fail(batch, KAB_FAIL_OVERLOAD, 1500, text);
}

TEST(a_failure_carries_its_class_and_a_bounded_reason)
{
    Fixture *fixture = *state;
    run(fixture, fail_at_length);
    assert_true(fixture->answer.failed);
    assert_int_equal(fixture->answer.failure, KAB_FAIL_OVERLOAD);
    assert_int_equal(fixture->answer.retry_after_ms, 1500);
    assert_int_equal(strlen(fixture->reason), 1023);
}

static void
fail_with_nonsense(KabBatch *batch)
{
    kab_batch_fail(batch, (KabFailure)42, -7, NULL);
}

TEST(a_class_that_does_not_exist_is_transient)
{
    Fixture *fixture = *state;
    run(fixture, fail_with_nonsense);
    assert_int_equal(fixture->answer.failure, KAB_FAIL_TRANSIENT);
    assert_int_equal(fixture->answer.retry_after_ms, -1);
    assert_null(fixture->answer.reason);
}

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
    kab_executor_release(fixture->executor, &fixture->attempt);
    fixture->act = NULL;
    kab_executor_invoke(fixture->executor, &fixture->attempt);
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
        kab_executor_invoke(fixture->executor, &fixture->attempt);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, complete_on_thread,
                           fixture->handle);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        serve(fixture, round + 1);
        kab_executor_release(fixture->executor, &fixture->attempt);
    }
    kab_executor_turn(fixture->executor);
    assert_int_equal(fixture->n_answered, 200);
    assert_int_equal(fixture->n_twice, 600);
}

TEST(cancel_is_told_once_and_the_answer_still_comes)
{
    Fixture *fixture = *state;
    start(fixture, KAB_FUNCTION_NONBLOCKING);
    kab_executor_invoke(fixture->executor, &fixture->attempt);
    kab_executor_cancel(fixture->executor, &fixture->attempt);
    assert_int_equal(atomic_load(&fixture->n_cancelled), 1);
    assert_true(kab_batch_is_cancelled(fixture->handle));
    assert_int_equal(kab_batch_count(fixture->handle), N_RECORDS);
    kab_batch_emit_value(fixture->handle, 0, "late", 4);
    kab_batch_complete(fixture->handle);
    serve(fixture, 1);
}

/* In a child: what stands on stderr before it aborts. */
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
        kab_executor_invoke(fixture->executor, &attempts[i]);
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
            kab_executor_release(fixture->executor, &attempts[i]);
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

#define WITH_CALLS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CALLS(each_record_gets_its_own_outcome),
        WITH_CALLS(only_bytes_that_live_long_enough_are_borrowed),
        WITH_CALLS(a_neighbours_bytes_are_copied),
        WITH_CALLS(a_topic_that_is_not_listed_fails_the_record),
        WITH_CALLS(a_partition_below_minus_1_fails_the_record),
        WITH_CALLS(headers_are_copied),
        WITH_CALLS(the_last_header_of_a_name_is_found),
        WITH_CALLS(the_first_outcome_of_a_record_stands),
        WITH_CALLS(a_failure_carries_its_class_and_a_bounded_reason),
        WITH_CALLS(a_class_that_does_not_exist_is_transient),
        WITH_CALLS(only_the_first_answer_counts),
        WITH_CALLS(an_old_handle_is_recognised_when_its_ticket_is_used_again),
        cmocka_unit_test(calls_on_a_handle_that_never_was_are_harmless),
        WITH_CALLS(of_many_answers_at_once_one_wins),
        WITH_CALLS(cancel_is_told_once_and_the_answer_still_comes),
        WITH_CALLS(debugging_aborts_with_the_history_of_an_ended_batch),
        WITH_CALLS(every_call_on_the_pool_is_answered),
        WITH_CALLS(a_call_nobody_wants_any_more_is_not_entered),
        cmocka_unit_test(
            an_arena_gives_aligned_memory_of_any_size_and_knows_it),
    };
    return cmocka_run_group_tests_name("executor", tests, NULL, NULL);
}
