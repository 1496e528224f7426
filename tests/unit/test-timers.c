/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of deadlines. */
#include "kab-test.h"

#include "timers.h"

#define N 200

TEST(timers_fire_in_the_order_of_time)
{
    (void)state;
    KabTimers timers = {0};
    KabTimer timer[N] = {{0}};
    for (int64_t i = 0; i < N; i++)
        kab_timers_arm(&timers, &timer[i], (i * 7919) % 1000);
    int64_t last = -1;
    for (int i = 0; i < N; i++) {
        KabTimer *next = kab_timers_pop(&timers, 1000);
        assert_non_null(next);
        assert_true(next->due_us >= last);
        last = next->due_us;
    }
    assert_null(kab_timers_pop(&timers, 1000));
    kab_timers_clear(&timers);
}

TEST(timers_due_at_once_fire_in_the_order_of_arming)
{
    (void)state;
    KabTimers timers = {0};
    KabTimer timer[8] = {{0}};
    for (int i = 0; i < 8; i++)
        kab_timers_arm(&timers, &timer[i], 5);
    for (int i = 0; i < 8; i++)
        assert_ptr_equal(kab_timers_pop(&timers, 5), &timer[i]);
    kab_timers_clear(&timers);
}

TEST(a_disarmed_timer_never_fires)
{
    (void)state;
    KabTimers timers = {0};
    KabTimer timer[N] = {{0}};
    for (int64_t i = 0; i < N; i++)
        kab_timers_arm(&timers, &timer[i], (i * 31) % 97);
    for (int i = 0; i < N; i += 2)
        kab_timers_disarm(&timers, &timer[i]);
    for (KabTimer *next; (next = kab_timers_pop(&timers, 1000));)
        assert_int_equal((next - timer) % 2, 1);
    for (int i = 0; i < N; i++)
        assert_false(kab_timer_is_armed(&timer[i]));
    kab_timers_clear(&timers);
}

TEST(arming_an_armed_timer_moves_it)
{
    (void)state;
    KabTimers timers = {0};
    KabTimer early = {0}, late = {0};
    kab_timers_arm(&timers, &early, 1);
    kab_timers_arm(&timers, &late, 2);
    kab_timers_arm(&timers, &early, 3);
    assert_int_equal(kab_timers_next(&timers), 2);
    assert_ptr_equal(kab_timers_pop(&timers, 5), &late);
    assert_ptr_equal(kab_timers_pop(&timers, 5), &early);
    assert_int_equal(kab_timers_next(&timers), INT64_MAX);
    kab_timers_clear(&timers);
}

TEST(nothing_is_due_before_its_time)
{
    (void)state;
    KabTimers timers = {0};
    KabTimer timer = {0};
    kab_timers_arm(&timers, &timer, 10);
    assert_null(kab_timers_pop(&timers, 9));
    assert_ptr_equal(kab_timers_pop(&timers, 10), &timer);
    kab_timers_clear(&timers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_the_order_of_time),
        cmocka_unit_test(timers_due_at_once_fire_in_the_order_of_arming),
        cmocka_unit_test(a_disarmed_timer_never_fires),
        cmocka_unit_test(arming_an_armed_timer_moves_it),
        cmocka_unit_test(nothing_is_due_before_its_time),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
