/* SPDX-License-Identifier: Apache-2.0 */
/* Members alone, each on a mock cluster of its own: the broker refuses commits,
 * is away for long, or never answers.
 */
#include "kab-test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "api-keys.h"
#include "member.h"
#include "mock.h"
#include "source-internal.h"

#define N 500
#define TIMEOUT 20000

static bool
has_time_passed(void *data)
{
    return g_get_monotonic_time() > *(const int64_t *)data;
}

/* The only member of a group, with N records on a mock cluster of its own. */
static Member *
alone_member(const char *name, KabMock **ret_mock, int load_timeout_ms)
{
    KabMock *mock = *ret_mock = kab_mock_new(1, NULL);
    kab_mock_create_topic(mock, name, 1, NULL);
    produce(kab_mock_bootstrap(mock), name, 0, 0, N);
    Member *member = member_new(&(MemberSetup){
        .bootstrap = kab_mock_bootstrap(mock),
        .group = name,
        .topics = {name},
        .load_timeout_ms = load_timeout_ms,
    });
    member->awaited = N;
    return member;
}

static bool
has_refusals(void *data)
{
    const KabCounters *counters = kab_engine_counters(((Member *)data)->engine);
    return counters->commits[KAB_COMMIT_TOO_LARGE] &&
           counters->commits[KAB_COMMIT_FAILED];
}

TEST(a_refused_commit_is_classified_and_repeated)
{
    KabMock *mock;
    Member *member = alone_member("refused", &mock, 0);
    assert_true(members_run(&member, 1, member_has_committed, member, TIMEOUT));
    rd_kafka_mock_push_request_errors(
        kab_mock_cluster(mock), KAB_API_OFFSET_COMMIT, 2,
        RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE);
    produce(kab_mock_bootstrap(mock), "refused", 0, N, 2 * N);
    member->awaited = 2 * N;
    assert_true(members_run(&member, 1, member_has_committed, member, TIMEOUT));
    assert_true(has_refusals(member));
    member_leave(member, &member, 1);
    kab_mock_free(mock);
}

static bool
is_cut_off(void *data)
{
    return kab_health_is_cut_off(((const Member *)data)->source->health);
}

static bool
is_loading(void *data)
{
    return ((const Member *)data)->source->is_load_out;
}

static bool
has_committed_and_asks_nothing(void *data)
{
    return member_has_committed(data) && !is_loading(data);
}

/* KAB_QUIRK_ADMIN_TIMEOUT: the client would abort the process when the broker
 * is back, if a request had begun and timed out meanwhile. With the time-out of
 * users this takes an outage of an hour. */
TEST(an_outage_may_be_longer_than_the_time_out_of_a_load)
{
    enum { LOAD_MS = 1000, OUTAGE_US = 9000000, TURN_MS = 100 };
    KabMock *mock;
    Member *member = alone_member("dark", &mock, LOAD_MS);
    assert_true(members_run(&member, 1, has_committed_and_asks_nothing, member,
                            TIMEOUT));
    rd_kafka_mock_broker_set_down(kab_mock_cluster(mock), 1);
    while (!is_cut_off(member)) /* its thread tells; no turn meanwhile */
        g_usleep(1000);
    int64_t end_us = g_get_monotonic_time() + OUTAGE_US;
    while (!has_time_passed(&end_us)) /* the owner's turns, by its clock */
        members_run(&member, 1, has_time_passed, &end_us, TURN_MS);
    rd_kafka_mock_broker_set_up(kab_mock_cluster(mock), 1);
    produce(kab_mock_bootstrap(mock), "dark", 0, N, 2 * N);
    member->awaited = 2 * N;
    assert_true(members_run(&member, 1, member_has_committed, member, TIMEOUT));
    member_leave(member, &member, 1);
    kab_mock_free(mock);
}

/* KAB_QUIRK_STUCK_BROKER: the answer is lost, and made to look as if it had
 * been waited for long. */
TEST(a_load_that_is_never_answered_is_asked_for_again)
{
    KabMock *mock;
    Member *member = alone_member("mute", &mock, 0);
    assert_true(members_run(&member, 1, is_loading, member, TIMEOUT));
    rd_kafka_event_t *answer =
        rd_kafka_queue_poll(member->source->admin, TIMEOUT);
    assert_non_null(answer);
    rd_kafka_event_destroy(answer);
    assert_false(members_run(&member, 1, member_has_committed, member, 500));
    member->source->load_asked_us = 1;
    member->source->load_missed_us = 0;
    assert_true(members_run(&member, 1, member_has_committed, member, TIMEOUT));
    member_leave(member, &member, 1);
    kab_mock_free(mock);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_commit_is_classified_and_repeated),
        cmocka_unit_test(an_outage_may_be_longer_than_the_time_out_of_a_load),
        cmocka_unit_test(a_load_that_is_never_answered_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
