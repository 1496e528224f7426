/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions that deliver nothing although their end lies ahead. */
#include "kab-test.h"

#include "intake.h"

#define SECOND INT64_C(1000000)
#define TIMEOUT (60 * SECOND)

typedef struct {
    KabIntake *intake;
    KabPartitionSnapshot partition;
    KabBindingSnapshot binding;
    int64_t now;
} Fixture;

static int
set_up(void **state)
{
    static char topic[] = "payments";
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->intake = kab_intake_new();
    fixture->partition = (KabPartitionSnapshot){
        .topic = topic,
        .number = 3,
        .state = KAB_PARTITION_OWNED,
        .position = 40,
        .committed = 40,
        .end = 50,
        .oldest_unfinished = -1,
        .is_open = true,
    };
    fixture->binding.n_partitions = 1;
    fixture->binding.partitions = &fixture->partition;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    kab_intake_free(fixture->intake);
    g_free(fixture);
    return 0;
}

static void
look_for(Fixture *fixture, int64_t time_us)
{
    for (int64_t end = fixture->now + time_us; fixture->now < end;) {
        fixture->now += SECOND;
        kab_intake_look(fixture->intake, &fixture->binding, TIMEOUT,
                        fixture->now);
    }
}

static bool
stalls(Fixture *fixture, KabStall *ret_stall)
{
    return kab_intake_find_stall(fixture->intake, fixture->now, ret_stall);
}

TEST(records_that_the_broker_does_not_send_are_a_stall)
{
    Fixture *fixture = *state;
    KabStall stall;
    look_for(fixture, TIMEOUT);
    assert_false(stalls(fixture, &stall));
    look_for(fixture, 2 * SECOND);
    assert_true(stalls(fixture, &stall));
    g_autofree char *sentence = kab_stall_dup_sentence(&stall);
    assert_string_equal(sentence,
                        "payments [3] has not moved for 61 s: offset 40 is "
                        "not taken and waits for its broker (cause: broker)");
}

TEST(one_record_ends_it)
{
    Fixture *fixture = *state;
    KabStall stall;
    look_for(fixture, TIMEOUT + 2 * SECOND);
    fixture->partition.position++;
    look_for(fixture, SECOND);
    assert_false(stalls(fixture, &stall));
}

TEST(a_partition_at_its_end_has_nothing_to_bring)
{
    Fixture *fixture = *state;
    KabStall stall;
    fixture->partition.end = fixture->partition.position;
    look_for(fixture, 2 * TIMEOUT);
    assert_false(stalls(fixture, &stall));
}

TEST(a_record_that_is_held_is_the_engines_to_judge)
{
    Fixture *fixture = *state;
    KabStall stall;
    fixture->partition.oldest_unfinished = 12;
    look_for(fixture, 2 * TIMEOUT);
    assert_false(stalls(fixture, &stall));
}

TEST(a_partition_that_is_not_read_waits_for_the_budget)
{
    Fixture *fixture = *state;
    KabStall stall;
    fixture->partition.is_open = false;
    look_for(fixture, TIMEOUT + 2 * SECOND);
    assert_true(stalls(fixture, &stall));
    assert_int_equal(stall.cause, KAB_STALL_BUDGET);
}

TEST(while_a_member_joins_the_rebalance_is_the_cause)
{
    Fixture *fixture = *state;
    KabStall stall;
    fixture->binding.source.is_joining = true;
    look_for(fixture, TIMEOUT + 2 * SECOND);
    assert_true(stalls(fixture, &stall));
    assert_int_equal(stall.cause, KAB_STALL_REBALANCE);
}

TEST(a_partition_that_was_away_begins_anew)
{
    Fixture *fixture = *state;
    KabStall stall;
    look_for(fixture, TIMEOUT - SECOND);
    fixture->binding.n_partitions = 0;
    look_for(fixture, SECOND);
    fixture->binding.n_partitions = 1;
    look_for(fixture, TIMEOUT - SECOND);
    assert_false(stalls(fixture, &stall));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(records_that_the_broker_does_not_send_are_a_stall),
        T(one_record_ends_it),
        T(a_partition_at_its_end_has_nothing_to_bring),
        T(a_record_that_is_held_is_the_engines_to_judge),
        T(a_partition_that_is_not_read_waits_for_the_budget),
        T(while_a_member_joins_the_rebalance_is_the_cause),
        T(a_partition_that_was_away_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
