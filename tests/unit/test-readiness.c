/* SPDX-License-Identifier: Apache-2.0 */
/* The few log lines that say when a binding became ready and when it was
 * not. */
#include "kab-test.h"

#include <string.h>

#include <glib.h>

#include "readiness.h"

#define SECOND INT64_C(1000000)

/* The log lines of one run. */
typedef struct {
    KabReadiness readiness;
    int64_t now;
    GString *lines;
    unsigned n_lines;
} Run;

static int
set_up(void **state)
{
    Run *run = g_new0(Run, 1);
    run->lines = g_string_new(NULL);
    *state = run;
    return 0;
}

static int
tear_down(void **state)
{
    Run *run = *state;
    g_string_free(run->lines, TRUE);
    g_free(run);
    return 0;
}

/* Looks once a second, `seconds` times. */
static void
look(Run *run, KabObstacle obstacle, const char *reason, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        KabLogLevel level = KAB_LOG_DEBUG;
        char *line = kab_readiness_note(&run->readiness, obstacle, reason,
                                        run->now, &level);
        if (line) {
            g_string_append_printf(
                run->lines, "%s %s\n",
                level == KAB_LOG_WARNING ? "warning" : "info", line);
            run->n_lines++;
        }
        g_free(line);
        run->now += SECOND;
    }
}

static void
start(Run *run)
{
    look(run, KAB_OBSTACLE_GROUP, "it joins", 3);
    look(run, KAB_OBSTACLE_NONE, NULL, 60);
    g_string_truncate(run->lines, 0);
    run->n_lines = 0;
}

TEST(a_quick_start_is_one_line)
{
    Run *run = *state;
    look(run, KAB_OBSTACLE_BROKER, "no broker has answered yet", 1);
    look(run, KAB_OBSTACLE_GROUP, "it joins", 3);
    look(run, KAB_OBSTACLE_NONE, NULL, 60);
    assert_string_equal(run->lines->str, "info ready: the start took 4.0 s\n");
}

TEST(a_start_that_takes_long_says_why)
{
    Run *run = *state;
    look(run, KAB_OBSTACLE_TOPIC, "topic in is missing", 8);
    look(run, KAB_OBSTACLE_NONE, NULL, 1);
    assert_string_equal(run->lines->str,
                        "warning not ready 5.0 s after its start: topic in is "
                        "missing\n"
                        "info ready: the start took 8.0 s\n");
}

TEST(an_outage_has_a_line_at_its_begin_and_one_at_its_end)
{
    Run *run = *state;
    start(run);
    look(run, KAB_OBSTACLE_BROKER, "broker b does not answer", 100);
    look(run, KAB_OBSTACLE_NONE, NULL, 60);
    assert_string_equal(
        run->lines->str,
        "warning not ready: broker b does not answer\n"
        "info ready again: it was not ready for 100 s (broker)\n");
}

TEST(another_obstacle_is_another_line)
{
    Run *run = *state;
    start(run);
    look(run, KAB_OBSTACLE_BROKER, "broker b does not answer", 20);
    look(run, KAB_OBSTACLE_GROUP, "it joins", 20);
    assert_non_null(strstr(run->lines->str,
                           "warning still not ready after 20 s: it joins"));
    assert_int_equal(run->n_lines, 2);
}

TEST(a_pause_of_a_moment_is_no_line)
{
    Run *run = *state;
    start(run);
    look(run, KAB_OBSTACLE_OVERLOAD, "paused by overload", 1);
    look(run, KAB_OBSTACLE_NONE, NULL, 60);
    assert_int_equal(run->n_lines, 0);
}

TEST(an_hour_of_an_outage_is_few_lines)
{
    Run *run = *state;
    start(run);
    look(run, KAB_OBSTACLE_BROKER, "broker b does not answer", 3600);
    assert_in_range(run->n_lines, 6, 7);
    assert_non_null(strstr(run->lines->str, "still not ready after 50 min"));
}

TEST(an_hour_of_flapping_has_a_limit_and_says_what_was_left_out)
{
    Run *run = *state;
    start(run);
    for (unsigned i = 0; i < 360; i++) {
        look(run, KAB_OBSTACLE_BROKER, "broker b does not answer", 3);
        look(run, KAB_OBSTACLE_GROUP, "it joins", 3);
        look(run, KAB_OBSTACLE_NONE, NULL, 4);
    }
    assert_in_range(run->n_lines, 40, 80);
    assert_non_null(strstr(run->lines->str, "changes were not logged)"));
}

TEST(a_stop_is_told_by_its_states)
{
    Run *run = *state;
    start(run);
    look(run, KAB_OBSTACLE_STOP, "it stops", 100);
    assert_int_equal(run->n_lines, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_quick_start_is_one_line),
        T(a_start_that_takes_long_says_why),
        T(an_outage_has_a_line_at_its_begin_and_one_at_its_end),
        T(another_obstacle_is_another_line),
        T(a_pause_of_a_moment_is_no_line),
        T(an_hour_of_an_outage_is_few_lines),
        T(an_hour_of_flapping_has_a_limit_and_says_what_was_left_out),
        T(a_stop_is_told_by_its_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
