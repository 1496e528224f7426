/* SPDX-License-Identifier: Apache-2.0 */
/* The function "worker" with workers that behave, crash, hang and lie: no
 * result lands on the wrong record, and no record is blamed for another's
 * crash. */
#include "kab-test.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-rig.h"

#define SECOND_US INT64_C(1000000)

/* The system refuses pidfd_open(), as a seccomp filter may. */
static bool has_no_pidfd;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c);

long
__wrap_syscall(long number, long a, long b, long c)
{
    if (number == SYS_pidfd_open && has_no_pidfd) {
        errno = EPERM;
        return -1;
    }
    return __real_syscall(number, a, b, c);
}

/* Opens the function with fake workers that get these arguments. */
static WorkerRig *
open_fake(const char *words_of_worker, const char *workers)
{
    const char *build = g_getenv("top_builddir");
    char *command = g_strdup_printf("%s/fake-worker %s", build ? build : ".",
                                    words_of_worker);
    const KabOptionText texts[] = {
        {"command", command}, {"workers", workers}, {"start.timeout", "2s"}};
    char *failure = NULL;
    WorkerRig *rig = worker_rig_new(texts, G_N_ELEMENTS(texts), &failure);
    assert_non_null(rig);
    g_free(command);
    return rig;
}

static void
answers_values(const WorkerCall *call)
{
    assert_false(call->answer.failed);
    for (size_t i = 0; i < call->attempt.n; i++) {
        const KabResult *result = &call->results[i];
        const KabOutput *output = &result->first->output;
        assert_int_equal(result->outcome, KAB_OUTCOME_DONE);
        assert_int_equal(result->n_products, 1);
        assert_int_equal(output->value.len, call->records[i].value.len);
        assert_memory_equal(output->value.data, call->records[i].value.data,
                            output->value.len);
        assert_ptr_equal(output->key.data, call->records[i].key.data);
    }
}

static void
fails_with(const WorkerCall *call, KabFailure failure, const char *words_)
{
    assert_true(call->answer.failed);
    assert_int_equal(call->answer.failure, failure);
    if (!strstr(call->reason, words_))
        fail_msg("found \"%s\"; wanted \"%s\" in it", call->reason, words_);
    for (size_t i = 0; i < call->attempt.n; i++)
        assert_int_equal(call->results[i].outcome, KAB_OUTCOME_NONE);
}

/* Makes one call of a fake worker, which must fail like this. */
static void
one_call_fails(const char *words_of_worker,
               KabFailure failure,
               const char *words_)
{
    WorkerRig *rig = open_fake(words_of_worker, "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    fails_with(call, failure, words_);
    worker_rig_free(rig);
}

/* --- Right -------------------------------------------------------------- */

TEST(each_record_gets_its_own_value)
{
    static const size_t sizes[] = {0, 20, 8191, 8192, 300000};
    WorkerRig *rig = open_fake("", "1");
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        WorkerCall *call = worker_rig_call(rig, 64, sizes[i], 0);
        assert_true(worker_rig_wait(rig, call));
        answers_values(call);
    }
    worker_rig_free(rig);
}

TEST(many_calls_on_several_workers_keep_their_results)
{
    enum { N_CALLS = 200 };
    WorkerCall *calls[N_CALLS];
    WorkerRig *rig = open_fake("", "3");
    for (int i = 0; i < N_CALLS; i++)
        calls[i] = worker_rig_call(rig, 1 + (size_t)i % 7, 100, 0);
    for (int i = 0; i < N_CALLS; i++) {
        assert_true(worker_rig_wait(rig, calls[i]));
        answers_values(calls[i]);
    }
    worker_rig_free(rig);
}

TEST(two_large_batches_never_wait_for_each_other)
{
    WorkerRig *rig = open_fake("", "1");
    WorkerCall *first = worker_rig_call(rig, 19, 1000000, 0);
    WorkerCall *second = worker_rig_call(rig, 19, 1000000, 0);
    assert_true(worker_rig_wait(rig, first));
    assert_true(worker_rig_wait(rig, second));
    answers_values(first);
    answers_values(second);
    worker_rig_free(rig);
}

TEST(each_status_becomes_its_outcome)
{
    static const KabOutcome wanted[] = {KAB_OUTCOME_DONE, KAB_OUTCOME_RETRY,
                                        KAB_OUTCOME_REJECT, KAB_OUTCOME_PASS};
    WorkerRig *rig = open_fake("statuses=1234", "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    assert_false(call->answer.failed);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(call->results[i].outcome, wanted[i]);
    assert_string_equal(call->results[1].reason, "why");
    assert_string_equal(call->results[2].reason, "why");
    worker_rig_free(rig);
}

TEST(what_a_worker_prints_stays_out_of_the_channel)
{
    WorkerRig *rig = open_fake("print", "1");
    WorkerCall *call = worker_rig_call(rig, 64, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    answers_values(call);
    worker_rig_free(rig);
}

TEST(a_batch_beyond_the_workers_limits_is_too_large)
{
    one_call_fails("'ready={\"proto\":1,\"max_batch\":3}'", KAB_FAIL_TOO_LARGE,
                   "found a batch of 4 records");
    one_call_fails("'ready={\"proto\":1,\"max_batch_bytes\":70}'",
                   KAB_FAIL_TOO_LARGE, "found a batch of 4 records");
}

TEST(the_bridge_is_told_the_workers_ceilings)
{
    WorkerRig *rig = open_fake("'ready={\"proto\":1,\"concurrency\":3,"
                               "\"max_batch\":5,\"max_batch_bytes\":700}'",
                               "2");
    WorkerCall *call = worker_rig_call(rig, 1, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    KabCeilings ceilings = kab_context_ceilings(worker_rig_context(rig));
    assert_int_equal(ceilings.records, 5);
    assert_int_equal(ceilings.bytes, 700);
    assert_true(ceilings.calls == 4 || ceilings.calls == 8);
    worker_rig_free(rig);
}

/* --- Crashes ------------------------------------------------------------ */

TEST(a_crash_names_signal_and_standard_error)
{
    WorkerRig *rig = open_fake("crash-on=value-2", "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    fails_with(call, KAB_FAIL_CRASH,
               "was killed by signal 11 (Segmentation "
               "fault)");
    assert_non_null(strstr(call->reason, "it is that record"));
    worker_rig_free(rig);
}

TEST(an_exit_names_its_status)
{
    one_call_fails("exit=3", KAB_FAIL_CRASH, "exited with status 3");
}

TEST(a_batch_behind_the_one_that_crashed_is_not_to_blame)
{
    WorkerRig *rig = open_fake("crash-on=value-2", "1");
    WorkerCall *warm = worker_rig_call(rig, 1, 20, 0);
    assert_true(worker_rig_wait(rig, warm));
    WorkerCall *guilty = worker_rig_call(rig, 4, 20, 0);
    WorkerCall *behind = worker_rig_call(rig, 2, 20, 0);
    assert_true(worker_rig_wait(rig, guilty));
    assert_true(worker_rig_wait(rig, behind));
    fails_with(guilty, KAB_FAIL_CRASH, "signal 11");
    answers_values(behind);
    worker_rig_free(rig);
}

/* The fake worker declares that it takes three batches at once. */
TEST(of_several_suspects_only_the_guilty_one_is_blamed)
{
    WorkerRig *rig = open_fake(
        "crash-on=value-2 'ready={\"proto\":1,\"concurrency\":3}'", "1");
    WorkerCall *warm = worker_rig_call(rig, 1, 20, 0);
    assert_true(worker_rig_wait(rig, warm));
    WorkerCall *calls[] = {worker_rig_call(rig, 4, 20, 0),
                           worker_rig_call(rig, 1, 20, 0),
                           worker_rig_call(rig, 2, 20, 0)};
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
        assert_true(worker_rig_wait(rig, calls[i]));
    fails_with(calls[0], KAB_FAIL_CRASH, "signal 11");
    answers_values(calls[1]);
    answers_values(calls[2]);
    worker_rig_free(rig);
}

TEST(one_worker_that_crashes_leaves_the_others_at_work)
{
    WorkerRig *rig = open_fake("crash-on=value-2", "2");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    for (int i = 0; i < 20; i++) {
        WorkerCall *other = worker_rig_call(rig, 2, 20, 0);
        assert_true(worker_rig_wait(rig, other));
        answers_values(other);
    }
    assert_true(worker_rig_wait(rig, call));
    fails_with(call, KAB_FAIL_CRASH, "signal 11");
    worker_rig_free(rig);
}

/* --- Lies --------------------------------------------------------------- */

/* What fake-worker answers with, and what the bridge says of it. */
static const struct {
    const char *lie, *words;
} lies[] = {
    {"long-length", "longer than max_frame"},
    {"long-output", "ends within an entry"},
    {"duplicate", "a second RESULT"},
    {"unknown-index", "a record that the batch does not have"},
    {"unknown-batch", "a batch that it does not have"},
    {"wrong-status", "a status above 4"},
    {"wrong-topic", "no TOPIC frame has named"},
    {"garbage", "found a frame"},
};

TEST(a_worker_that_lies_is_ended_and_nothing_of_its_answer_is_used)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lies); i++)
        one_call_fails(lies[i].lie, KAB_FAIL_CRASH, lies[i].words);
}

TEST(a_record_without_an_answer_is_left_to_the_bridge)
{
    WorkerRig *rig = open_fake("answer-only=3", "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    assert_false(call->answer.failed);
    assert_int_equal(call->results[2].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(call->results[3].outcome, KAB_OUTCOME_NONE);
    worker_rig_free(rig);
}

/* --- Never ready -------------------------------------------------------- */

TEST(a_worker_that_can_never_work_stops_the_binding)
{
    one_call_fails("'ready={\"proto\":2}'", KAB_FAIL_FATAL,
                   "speaks version 2 of the protocol; wanted version 1");
    one_call_fails("die-at-start=78", KAB_FAIL_FATAL, "exited with status 78");
    one_call_fails("fatal", KAB_FAIL_FATAL, "there is no model");
}

TEST(a_missing_command_stops_the_binding)
{
    const KabOptionText text = {"command", "/does/not/exist --now"};
    WorkerRig *rig = worker_rig_new(&text, 1, NULL);
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    fails_with(call, KAB_FAIL_FATAL, "found the command /does/not/exist");
    worker_rig_free(rig);
}

/* The call is refused, which does not count as an attempt, and the bridge is
 * not ready. */
static void
is_refused_while(const char *words_of_worker, const char *why)
{
    WorkerRig *rig = open_fake(words_of_worker, "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 4 * SECOND_US);
    assert_true(worker_rig_wait(rig, call));
    fails_with(call, KAB_FAIL_OVERLOAD, why);
    char *waiting = kab_context_dup_waiting(worker_rig_context(rig));
    assert_non_null(waiting);
    assert_non_null(strstr(waiting, why));
    g_free(waiting);
    worker_rig_free(rig);
}

TEST(a_command_whose_end_would_not_be_noticed_is_not_run)
{
    has_no_pidfd = true;
    is_refused_while("", "cannot be run: Operation not permitted");
    has_no_pidfd = false;
}

TEST(a_worker_that_dies_at_its_start_costs_no_record)
{
    is_refused_while("die-at-start=1",
                     "exited with status 1; its standard error ends: no "
                     "model here");
}

TEST(a_worker_that_is_never_ready_costs_no_record)
{
    is_refused_while("silent", "was not ready within function.start.timeout, "
                               "2000 ms");
}

TEST(a_ready_frame_that_is_not_json_costs_no_record)
{
    is_refused_while("ready=hello", "found a READY that is not a JSON object");
}

/* --- Time --------------------------------------------------------------- */

TEST(a_worker_that_hangs_is_ended_and_another_answers)
{
    WorkerRig *rig = open_fake("hang ignore-term", "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, SECOND_US);
    assert_true(worker_rig_wait(rig, call));
    assert_true(call->answer.failed);
    assert_non_null(strstr(call->reason, "did not answer within"));
    worker_rig_free(rig);
}

TEST(a_batch_behind_a_hung_one_is_refused_before_its_own_time_out)
{
    WorkerRig *rig = open_fake("hang", "1");
    WorkerCall *first = worker_rig_call(rig, 4, 20, SECOND_US);
    WorkerCall *behind = worker_rig_call(rig, 4, 20, SECOND_US);
    assert_true(worker_rig_wait(rig, behind));
    assert_false(first->is_answered);
    fails_with(behind, KAB_FAIL_OVERLOAD, "still at an earlier batch");
    assert_true(worker_rig_wait(rig, first));
    worker_rig_free(rig);
}

TEST(results_that_came_before_a_hang_are_kept)
{
    WorkerRig *rig = open_fake("answer-only=3 then-hang", "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, SECOND_US);
    assert_true(worker_rig_wait(rig, call));
    assert_false(call->answer.failed);
    assert_int_equal(call->results[2].outcome, KAB_OUTCOME_DONE);
    assert_int_equal(call->results[3].outcome, KAB_OUTCOME_RETRY);
    worker_rig_free(rig);
}

TEST(a_cancelled_batch_is_let_go_at_once)
{
    WorkerRig *rig = open_fake("hang", "1");
    WorkerCall *sent = worker_rig_call(rig, 4, 20, 0);
    WorkerCall *queued[4];
    for (int i = 0; i < 4; i++)
        queued[i] = worker_rig_call(rig, 4, 20, 0);
    worker_rig_cancel(rig, sent);
    for (int i = 0; i < 4; i++)
        worker_rig_cancel(rig, queued[i]);
    assert_true(worker_rig_wait(rig, sent));
    for (int i = 0; i < 4; i++)
        assert_true(worker_rig_wait(rig, queued[i]));
    fails_with(sent, KAB_FAIL_TRANSIENT, "cancelled");
    worker_rig_free(rig);
}

TEST(closing_ends_a_worker_that_does_not_listen)
{
    WorkerRig *rig = open_fake("never-end", "1");
    WorkerCall *call = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, call));
    worker_rig_free(rig);
}

/* --- Sidecars ----------------------------------------------------------- */

static GPid
start_sidecar(const char *path, const char *word)
{
    char *program =
        g_build_filename(g_getenv("top_builddir"), "fake-worker", NULL);
    char *listen_word = g_strconcat("listen=", path, NULL);
    char word_of_own[64];
    g_strlcpy(word_of_own, word, sizeof word_of_own);
    char *argv[] = {program, listen_word, word_of_own, NULL};
    GPid pid;
    assert_true(g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                              NULL, &pid, NULL));
    g_free(program);
    g_free(listen_word);
    return pid;
}

TEST(a_sidecar_is_connected_to_again)
{
    char *folder = g_dir_make_tmp("kabridge-XXXXXX", NULL);
    char *path = g_build_filename(folder, "socket", NULL);
    const KabOptionText text = {"socket", path};
    WorkerRig *rig = worker_rig_new(&text, 1, NULL);
    WorkerCall *first = worker_rig_call(rig, 4, 20, 0);
    GPid sidecar = start_sidecar(path, "crash-on=nothing");
    assert_true(worker_rig_wait(rig, first));
    answers_values(first);
    kill(sidecar, SIGKILL);
    waitpid(sidecar, NULL, 0);
    sidecar = start_sidecar(path, "crash-on=nothing");
    WorkerCall *second = worker_rig_call(rig, 4, 20, 0);
    assert_true(worker_rig_wait(rig, second));
    answers_values(second);
    worker_rig_free(rig);
    waitpid(sidecar, NULL, 0);
    unlink(path);
    rmdir(folder);
    g_free(path);
    g_free(folder);
}

/* --- Options ------------------------------------------------------------ */

TEST(exactly_one_of_command_and_socket_is_required)
{
    const KabOptionText both[] = {{"command", "x"}, {"socket", "/y"}};
    char *failure = NULL;
    assert_null(worker_rig_new(both, 0, &failure));
    assert_non_null(strstr(failure, "found neither function.command"));
    g_clear_pointer(&failure, g_free);
    assert_null(worker_rig_new(both, 2, &failure));
    assert_non_null(strstr(failure, "found both function.command"));
    g_free(failure);
}

TEST(a_command_that_does_not_split_is_refused)
{
    const KabOptionText text = {"command", "python3 'score.py"};
    char *failure = NULL;
    assert_null(worker_rig_new(&text, 1, &failure));
    assert_non_null(strstr(failure, "does not split into words"));
    g_free(failure);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_gets_its_own_value),
        cmocka_unit_test(many_calls_on_several_workers_keep_their_results),
        cmocka_unit_test(two_large_batches_never_wait_for_each_other),
        cmocka_unit_test(each_status_becomes_its_outcome),
        cmocka_unit_test(what_a_worker_prints_stays_out_of_the_channel),
        cmocka_unit_test(a_batch_beyond_the_workers_limits_is_too_large),
        cmocka_unit_test(the_bridge_is_told_the_workers_ceilings),
        cmocka_unit_test(a_crash_names_signal_and_standard_error),
        cmocka_unit_test(an_exit_names_its_status),
        cmocka_unit_test(a_batch_behind_the_one_that_crashed_is_not_to_blame),
        cmocka_unit_test(of_several_suspects_only_the_guilty_one_is_blamed),
        cmocka_unit_test(one_worker_that_crashes_leaves_the_others_at_work),
        cmocka_unit_test(
            a_worker_that_lies_is_ended_and_nothing_of_its_answer_is_used),
        cmocka_unit_test(a_record_without_an_answer_is_left_to_the_bridge),
        cmocka_unit_test(a_worker_that_can_never_work_stops_the_binding),
        cmocka_unit_test(a_missing_command_stops_the_binding),
        cmocka_unit_test(a_command_whose_end_would_not_be_noticed_is_not_run),
        cmocka_unit_test(a_worker_that_dies_at_its_start_costs_no_record),
        cmocka_unit_test(a_worker_that_is_never_ready_costs_no_record),
        cmocka_unit_test(a_ready_frame_that_is_not_json_costs_no_record),
        cmocka_unit_test(a_worker_that_hangs_is_ended_and_another_answers),
        cmocka_unit_test(
            a_batch_behind_a_hung_one_is_refused_before_its_own_time_out),
        cmocka_unit_test(results_that_came_before_a_hang_are_kept),
        cmocka_unit_test(a_cancelled_batch_is_let_go_at_once),
        cmocka_unit_test(closing_ends_a_worker_that_does_not_listen),
        cmocka_unit_test(a_sidecar_is_connected_to_again),
        cmocka_unit_test(exactly_one_of_command_and_socket_is_required),
        cmocka_unit_test(a_command_that_does_not_split_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
