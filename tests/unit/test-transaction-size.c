/* SPDX-License-Identifier: Apache-2.0 */
/* How much one transaction may hold. */
#include "kab-test.h"

#include "transaction-size.h"

#define MIB ((size_t)1 << 20)
#define MOST (48 * MIB)

/* Transactions that are always full, behind a wire on which those that hold
 * more than `wire` time out. */
typedef struct {
    KabTransactionSize size;
    size_t wire;
    unsigned failures;
    double committed;
} Wire;

static void
run_transactions(Wire *wire, unsigned n)
{
    wire->failures = 0;
    wire->committed = 0;
    for (unsigned i = 0; i < n; i++) {
        size_t held = wire->size.limit;
        if (held > wire->wire) {
            wire->failures++;
            kab_transaction_size_note_failure(&wire->size, held);
        } else {
            wire->committed += (double)held;
            kab_transaction_size_note_success(&wire->size, held, MOST);
        }
    }
}

static Wire
make_wire(size_t holds)
{
    Wire wire = {.wire = holds};
    kab_transaction_size_init(&wire.size, MOST);
    return wire;
}

TEST(without_a_failure_the_limit_is_what_the_budget_leaves)
{
    (void)state;
    Wire wire = make_wire(MOST);
    run_transactions(&wire, 100);
    assert_int_equal(wire.failures, 0);
    assert_int_equal(wire.size.limit, MOST);
}

TEST(behind_a_slow_wire_the_limit_is_steady)
{
    (void)state;
    for (size_t holds = MIB / 2; holds < MOST; holds += MIB) {
        Wire wire = make_wire(holds);
        run_transactions(&wire, 2000);
        run_transactions(&wire, 2000);
        assert_true(wire.failures <= 2);
        assert_true(wire.committed > 0.7 * 2000 * (double)holds);
    }
}

TEST(a_wire_that_becomes_fast_again_is_used)
{
    (void)state;
    Wire wire = make_wire(3 * MIB);
    run_transactions(&wire, 50);
    assert_true(wire.size.limit <= 3 * MIB);
    wire.wire = MOST;
    run_transactions(&wire, 1000);
    assert_int_equal(wire.failures, 0);
    assert_int_equal(wire.size.limit, MOST);
}

TEST(an_outage_of_any_length_is_forgotten_as_fast_as_a_short_one)
{
    (void)state;
    Wire wire = make_wire(0);
    run_transactions(&wire, 1);
    unsigned patience = wire.size.patience;
    run_transactions(&wire, 100);
    assert_int_equal(wire.size.patience, patience);
}

TEST(a_small_transaction_that_fails_does_not_make_the_next_one_smaller)
{
    (void)state;
    Wire wire = make_wire(MOST);
    kab_transaction_size_note_failure(&wire.size, 1000);
    assert_int_equal(wire.size.limit, MOST);
}

TEST(a_full_transaction_that_fails_halves_the_limit_however_small)
{
    (void)state;
    Wire wire = make_wire(MOST);
    wire.size.limit = 1000;
    kab_transaction_size_note_failure(&wire.size, 1000);
    assert_int_equal(wire.size.limit, 500);
}

TEST(transactions_that_are_not_full_say_nothing_about_a_larger_limit)
{
    (void)state;
    Wire wire = make_wire(10 * MIB);
    run_transactions(&wire, 2);
    size_t limit = wire.size.limit;
    for (int i = 0; i < 10000; i++)
        kab_transaction_size_note_success(&wire.size, limit / 2, MOST);
    assert_int_equal(wire.size.limit, limit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_failure_the_limit_is_what_the_budget_leaves),
        cmocka_unit_test(behind_a_slow_wire_the_limit_is_steady),
        cmocka_unit_test(a_wire_that_becomes_fast_again_is_used),
        cmocka_unit_test(
            an_outage_of_any_length_is_forgotten_as_fast_as_a_short_one),
        cmocka_unit_test(
            a_small_transaction_that_fails_does_not_make_the_next_one_smaller),
        cmocka_unit_test(
            a_full_transaction_that_fails_halves_the_limit_however_small),
        cmocka_unit_test(
            transactions_that_are_not_full_say_nothing_about_a_larger_limit),
    };
    return cmocka_run_group_tests_name("transaction-size", tests, NULL, NULL);
}
