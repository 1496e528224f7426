/* SPDX-License-Identifier: Apache-2.0 */
/* One member on the mock cluster: what it takes, commits and finds again. */
#include "kab-test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "member.h"
#include "mock.h"

#define N 500

static int
make_cluster(void **state)
{
    KabMock *mock = kab_mock_new(1, NULL);
    *state = mock;
    return mock ? 0 : -1;
}

static int
free_cluster(void **state)
{
    kab_mock_free(*state);
    return 0;
}

static MemberSetup
setup_of(KabMock *mock, const char *topic)
{
    return (MemberSetup){
        .bootstrap = kab_mock_bootstrap(mock),
        .group = topic,
        .topics = {topic},
    };
}

static bool
has_committed_all(void *data)
{
    Member *member = data;
    return member_partition(member, 0).committed == N &&
           member_partition(member, 1).committed == 0;
}

TEST(what_is_finished_is_committed_and_found_again)
{
    KabMock *mock = *state;
    kab_mock_create_topic(mock, "basic", 2, NULL);
    produce(kab_mock_bootstrap(mock), "basic", 0, 0, N);
    MemberSetup setup = setup_of(mock, "basic");
    Member *member = member_new(&setup);
    assert_true(members_run(&member, 1, has_committed_all, member, 15000));
    assert_int_equal(member->seen->len, N);
    assert_int_equal(kab_source_get_end(member->source, "basic", 0), N);
    member_leave(member, &member, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_finished_is_committed_and_found_again),
    };
    return cmocka_run_group_tests(tests, make_cluster, free_cluster);
}
