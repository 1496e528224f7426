/* SPDX-License-Identifier: Apache-2.0 */
/* When outputs leave: beside partitions that are retried, held or drained, and
 * when all is to end. Most of these were found by the simulator (tests/sim)
 * first.
 */
#include "kab-test.h"

#include "engine-test.h"

/* --- Partitions that share order groups --------------------------------- */

enum { MANY_KEYS = 3000 };

static void
start_by_key(FakeEdge *edge)
{
    edge->options.order = KAB_ORDER_KEY;
    edge->options.batch_count = 2 * MANY_KEYS;
    edge->options.max_in_flight = 1;
    edge->options.buffer_bytes = 1 << 24;
    fake_edge_start(edge);
}

/* So many keys that some share an order group with any other partition's. */
static void
take_many_keys(FakeEdge *edge, KabPartition *partition)
{
    KabPartition *first = edge->partition;
    edge->partition = partition;
    for (int i = 0; i < MANY_KEYS; i++) {
        g_autofree char *key = g_strdup_printf("%d", i);
        fake_edge_take(edge, i, key);
    }
    edge->partition = first;
}

static KabPartition *
add_partition(FakeEdge *edge, bool has_offset)
{
    KabPartition *other =
        kab_engine_assigned(edge->engine, "in", 1, NULL, edge->now);
    fake_edge_advance(edge, 0);
    kab_engine_loaded(edge->engine, other,
                      &(KabCommitted){.has_offset = has_offset}, edge->now);
    fake_edge_advance(edge, 0);
    return other;
}

TEST(records_that_wait_for_their_start_offset_do_not_delay_other_partitions)
{
    FakeEdge *edge = *state;
    start_by_key(edge);
    kab_engine_hold_commits(edge->engine, INT64_MAX);
    take_many_keys(edge, add_partition(edge, false));
    take_many_keys(edge, edge->partition);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    assert_int_equal(edge->lines->len, MANY_KEYS);
}

/* One partition's records are to be retried, and then belong to its next
 * owner. */
TEST(retried_records_do_not_delay_other_partitions)
{
    FakeEdge *edge = *state;
    start_by_key(edge);
    KabPartition *other = add_partition(edge, true);
    take_many_keys(edge, other);
    take_many_keys(edge, edge->partition);
    fake_edge_advance(edge, 0);
    KabAttempt *attempt = fake_edge_call(edge, 0);
    for (size_t i = 0; i < attempt->n; i++)
        if (i < MANY_KEYS)
            attempt->results[i].outcome = KAB_OUTCOME_RETRY;
        else
            fake_edge_output(edge, attempt, i);
    fake_edge_complete(edge, attempt);
    assert_int_equal(edge->lines->len, MANY_KEYS);
}

static void
take_of(FakeEdge *edge, KabPartition *partition, int64_t offset)
{
    KabPartition *first = edge->partition;
    edge->partition = partition;
    fake_edge_take(edge, offset, NULL);
    fake_edge_advance(edge, 0);
    edge->partition = first;
}

TEST(a_kept_partition_goes_on_while_another_drains)
{
    FakeEdge *edge = *state;
    edge->options.batch_count = 1;
    fake_edge_start(edge);
    KabPartition *kept = add_partition(edge, true);
    take_of(edge, edge->partition, 0);
    kab_engine_revoking(edge->engine, edge->partition, edge->now);
    for (int i = 0; i < 3; i++) {
        take_of(edge, kept, i);
        fake_edge_answer(edge, fake_edge_call(edge, 1));
    }
    assert_produced(edge, "0,1,2");
    assert_int_equal(edge->n_unassigned, 0);
    assert_commit(edge, 3);
    answer_first(edge);
    fake_edge_acknowledge(edge);
    assert_int_equal(edge->n_unassigned, 1);
}

/* --- What lingers ------------------------------------------------------- */

static void
emit_four(FakeEdge *edge)
{
    fake_edge_take_range(edge, 0, 4);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    assert_produced(edge, "0,1,2,3");
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_flushed, 0);
}

TEST(a_drain_flushes_lingering_outputs)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    emit_four(edge);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 1000000);
    assert_int_equal(edge->n_flushed, 1);
    assert_true(kab_engine_is_drained(edge->engine));
}

TEST(outputs_produced_during_a_drain_are_flushed)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 8);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    answer_first(edge);
    assert_int_equal(edge->n_flushed, 2);
}

/* One flush may not have sent everything. */
TEST(a_flush_is_repeated_until_all_reports_are_in)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    emit_four(edge);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    int64_t due = kab_engine_next_deadline(edge->engine);
    assert_true(due <= edge->now + 200000);
    fake_edge_advance(edge, due - edge->now);
    assert_int_equal(edge->n_flushed, 2);
}

TEST(a_revoke_flushes_lingering_outputs)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    KabPartition *other = add_partition(edge, true);
    emit_four(edge);
    kab_engine_revoking(edge->engine, other, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 0);
    kab_engine_revoking(edge->engine, edge->partition, edge->now);
    fake_edge_advance(edge, 0);
    assert_int_equal(edge->n_flushed, 1);
    fake_edge_acknowledge(edge);
    assert_null(edge->partition);
}

/* --- Drained at once ---------------------------------------------------- */

TEST(a_binding_that_stops_for_its_sink_is_drained_at_once)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    fake_edge_take_range(edge, 0, 2);
    fake_edge_advance(edge, 0);
    answer_first(edge);
    kab_engine_refused(edge->engine, g_ptr_array_steal_index(edge->produced, 1),
                       KAB_REFUSED_FATAL, "not authorised", edge->now);
    fake_edge_acknowledge(edge);
    fake_edge_advance(edge, 10000);
    assert_int_equal(edge->committed, 1);
    assert_true(kab_engine_is_drained(edge->engine));
}

TEST(nothing_is_loaded_while_stopping)
{
    FakeEdge *edge = *state;
    fake_edge_start(edge);
    kab_engine_lost(edge->engine, edge->partition, edge->now);
    kab_engine_drain(edge->engine, edge->now);
    fake_edge_advance(edge, 0);
    size_t loads = edge->n_loads;
    assign(edge);
    assert_int_equal(edge->n_loads, loads);
    assert_true(kab_engine_is_drained(edge->engine));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(records_that_wait_for_their_start_offset_do_not_delay_other_partitions),
        T(retried_records_do_not_delay_other_partitions),
        T(a_kept_partition_goes_on_while_another_drains),
        T(a_drain_flushes_lingering_outputs),
        T(outputs_produced_during_a_drain_are_flushed),
        T(a_flush_is_repeated_until_all_reports_are_in),
        T(a_revoke_flushes_lingering_outputs),
        T(a_binding_that_stops_for_its_sink_is_drained_at_once),
        T(nothing_is_loaded_while_stopping),
    };
    return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
