/* SPDX-License-Identifier: Apache-2.0 */
/* How many lines of a kind are logged when a broker is away, or comes and goes,
 * for an hour. */
#include "kab-test.h"

#include <string.h>

#include <glib.h>

#include "edge.h"

enum { HOUR_S = 3600, FAULTS_PER_S = 10 };

typedef struct {
    KabEdge edge;
    KabAllowance allowance;
    int64_t now;
    unsigned n_lines, n_debug, n_told;
} Rig;

static void
take_line(void *user, KabLogLevel level, KabPlace place, const char *message)
{
    Rig *rig = user;
    if (level > KAB_LOG_INFO) {
        rig->n_debug++;
        return;
    }
    rig->n_lines++;
    const char *left_out = strchr(message, '(');
    if (left_out)
        rig->n_told += (unsigned)g_ascii_strtoull(left_out + 1, NULL, 10);
}

static int
set_up(void **state)
{
    Rig *rig = g_new0(Rig, 1);
    rig->edge = (KabEdge){.user = rig, .log = take_line};
    *state = rig;
    return 0;
}

static int
tear_down(void **state)
{
    g_free(*state);
    return 0;
}

static void
complain(Rig *rig, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * FAULTS_PER_S; i++) {
        rig->now += G_USEC_PER_SEC / FAULTS_PER_S;
        kab_edge_log_some(&rig->edge, &rig->allowance, KAB_LOG_WARNING,
                          KAB_NOWHERE, "consumer: no connection", rig->now);
    }
}

/* Faults of the consumer, rebalances, losses of the producer: 90, and 80 of
 * readiness (test-readiness). */
TEST(an_hour_of_faults_is_thirty_lines)
{
    Rig *rig = *state;
    complain(rig, HOUR_S);
    assert_in_range(rig->n_lines, 10, 31);
}

TEST(every_line_is_there_at_debug_level_or_counted)
{
    Rig *rig = *state;
    complain(rig, HOUR_S);
    assert_int_equal(rig->n_lines + rig->n_debug, HOUR_S * FAULTS_PER_S);
    unsigned n_after = rig->allowance.n_left_out;
    assert_int_equal(rig->n_told + n_after, rig->n_debug);
}

TEST(the_first_lines_of_another_outage_are_all_there)
{
    Rig *rig = *state;
    complain(rig, HOUR_S);
    rig->now += INT64_C(3600) * G_USEC_PER_SEC;
    rig->n_lines = 0;
    complain(rig, 1);
    assert_int_equal(rig->n_lines, 10);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_hour_of_faults_is_thirty_lines),
        T(every_line_is_there_at_debug_level_or_counted),
        T(the_first_lines_of_another_outage_are_all_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
