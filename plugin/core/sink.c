/* SPDX-License-Identifier: Apache-2.0 */
/* The sink: one producer, and its transactions under exactly-once.
 *
 *   opening -> open                                       at least once
 *   opening -> open -> beginning -> in-transaction
 *                ^         -> settling -> ending -> open  exactly once
 *                +------------------ aborting
 *   any -> lost -> opening
 *
 * Settling begins only between records and produces nothing more; when every
 * report is in, the offsets are sent and the commit is asked for, or the
 * transaction is aborted. Meanwhile the loop goes on taking and calling:
 * results wait as resolved slots. What a lost sink had not finished goes
 * back and is emitted again; the function is not called for it.
 *
 * A transaction settles after transaction.interval, and sooner when it holds
 * most of the budget or of what a closed partition may hold: its end alone
 * gives that back.
 *
 * Of one whose end is unknown: unknown.c.
 */
#include "internal.h"

#define FENCING_PERIOD (300 * KAB_SECOND)
/* Of the budget, and of a partition's share of it. */
#define MOST 0.75

void
kab_sink_set_state(KabEngine *engine, KabSinkState state)
{
    engine->moves++;
    engine->sink.state = state;
    engine->sink.is_asked = false;
    engine->sink.has_ended = false;
    engine->sink.has_aborted = false;
}

void
kab_sink_taint(KabEngine *engine)
{
    engine->moves++;
    engine->sink.must_abort = true;
}

void
kab_sink_give_up(KabEngine *engine, KabStopReason reason, const char *message)
{
    engine->moves++;
    engine->sink.is_given_up = true;
    kab_engine_stop(engine, reason, message);
}

bool
kab_sink_can_emit(const KabEngine *engine)
{
    const KabSink *sink = &engine->sink;
    if (sink->is_given_up)
        return false;
    if (!kab_engine_is_exactly_once(engine))
        return sink->state == KAB_SINK_OPEN;
    if (sink->state != KAB_SINK_IN_TRANSACTION || sink->must_abort)
        return false;
    /* Between records it may have to settle; a record is never parted. */
    const KabSlot *head = sink->queue.head;
    bool is_parted = head && head->next_product != head->products;
    return is_parted ||
           (!sink->settle_now && sink->charge < sink->charge_limit);
}

/* What a transaction holds is given back by its end alone: when that is most
 * of the budget, intake would only wait for the interval. The rest is taken
 * and called while it ends. Larger ones cost less a record. */
size_t
kab_sink_charge_limit(const KabEngine *engine)
{
    return (size_t)(MOST * (double)engine->options.buffer_bytes) + 1;
}

void
kab_sink_count(KabEngine *engine, const KabSlot *slot)
{
    KabSink *sink = &engine->sink;
    sink->charge += slot->charge;
    slot->partition->in_transaction += slot->charge;
    kab_sink_check_partition(engine, slot->partition);
}

/* Closed for what the transaction holds of it? Its end opens it again. */
void
kab_sink_check_partition(KabEngine *engine, const KabPartition *partition)
{
    KabSink *sink = &engine->sink;
    if (sink->state == KAB_SINK_IN_TRANSACTION && partition->is_closed &&
        partition->in_transaction >= sink->partition_limit)
        sink->is_waited_for = true;
}

static void
check_fencing(KabEngine *engine, const char *reason)
{
    KabSink *sink = &engine->sink;
    if (sink->was_fenced && engine->now - sink->fenced_us < FENCING_PERIOD)
        kab_sink_give_up(engine, KAB_STOP_FENCED, reason);
    sink->was_fenced = true;
    sink->fenced_us = engine->now;
}

/* The next transactions are smaller: this one took too long, perhaps. */
static void
shrink(KabSink *sink)
{
    sink->charge_limit = MAX(sink->charge_limit / 2, 1);
}

static bool
has_transaction(const KabSink *sink)
{
    switch (sink->state) {
    case KAB_SINK_IN_TRANSACTION:
    case KAB_SINK_SETTLING:
    case KAB_SINK_ENDING:
        return true;
    case KAB_SINK_OPENING:
    case KAB_SINK_OPEN:
    case KAB_SINK_BEGINNING:
    case KAB_SINK_ABORTING:
    case KAB_SINK_LOST:
        break;
    }
    return false;
}

void
kab_sink_lose(KabEngine *engine, bool is_fenced, const char *reason)
{
    KabSink *sink = &engine->sink;
    bool is_made = sink->state != KAB_SINK_OPENING || sink->has_ended;
    if (sink->state == KAB_SINK_LOST || !is_made)
        return;
    if (is_fenced)
        check_fencing(engine, reason);
    if (has_transaction(sink))
        shrink(sink);
    sink->is_unknown = sink->is_unknown || sink->state == KAB_SINK_ENDING;
    kab_sink_set_state(engine, KAB_SINK_LOST);
    sink->is_full = false;
    sink->timer.kind = KAB_TIMER_SINK;
    int64_t delay = kab_engine_backoff(engine, sink->losses++);
    kab_timers_arm(&engine->timers, &sink->timer, engine->now + delay);
    engine->counters.sinks_lost++;
}

void
kab_engine_sink_lost(KabEngine *engine,
                     uint32_t epoch,
                     bool is_fenced,
                     const char *reason,
                     int64_t now)
{
    engine->now = now;
    if (epoch >= engine->sink.life)
        kab_sink_lose(engine, is_fenced, reason);
}

void
kab_engine_sink_has_room(KabEngine *engine)
{
    engine->sink.is_full = false;
}

void
kab_engine_sink_ready(KabEngine *engine, uint32_t epoch, int64_t now)
{
    engine->now = now;
    if (engine->sink.state != KAB_SINK_OPENING || engine->sink.epoch != epoch)
        return;
    engine->sink.has_ended = true;
    kab_emission_forget(engine);
}

/* --- Opening ----------------------------------------------------------- */

static void
open_sink(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (sink->is_unknown && !sink->has_aborted) {
        sink->has_aborted = true; /* asked */
        if (kab_unknown_ask(engine))
            return;
    }
    if (sink->unchecked)
        return;
    if (sink->is_unknown)
        kab_unknown_decide(engine);
    else
        kab_commit_apply_failed(engine);
    kab_emission_requeue(engine, kab_engine_is_exactly_once(engine));
    sink->must_abort = false;
    kab_sink_set_state(engine, KAB_SINK_OPEN);
}

static void
advance_opening(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (sink->is_given_up)
        return;
    if (!sink->is_asked) {
        sink->is_asked = true;
        sink->life = ++sink->epoch;
        engine->effects.replace_sink(engine->user, sink->epoch);
    } else if (sink->has_ended) {
        open_sink(engine);
    }
}

/* --- Transactions ------------------------------------------------------ */

/* Offsets alone wait for the interval, too. */
static bool
wants_transaction(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (engine->is_joining || engine->is_overdue || sink->is_given_up ||
        kab_timer_is_armed(&sink->timer))
        return false;
    if (sink->queue.n)
        return true;
    if (!kab_commit_is_wanted(engine))
        return false;
    int64_t due = sink->ended_us + engine->options.transaction_interval_us;
    if (due <= engine->now || kab_commit_is_urgent(engine))
        return true;
    if (!kab_timer_is_armed(&sink->transaction_timer)) {
        sink->transaction_timer.kind = KAB_TIMER_TRANSACTION;
        kab_timers_arm(&engine->timers, &sink->transaction_timer, due);
    }
    return false;
}

static void
begin(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    kab_timers_disarm(&engine->timers, &sink->transaction_timer);
    kab_sink_set_state(engine, KAB_SINK_BEGINNING);
    sink->epoch++;
    sink->charge = 0;
    sink->partition_limit = (size_t)(kab_partition_share(engine) * MOST *
                                     (double)engine->options.buffer_bytes);
    for (guint i = 0; i < engine->partitions->len; i++)
        ((KabPartition *)engine->partitions->pdata[i])->in_transaction = 0;
    sink->settle_now = sink->must_abort = sink->is_waited_for = false;
    engine->effects.begin_transaction(engine->user, sink->epoch);
}

void
kab_engine_transaction_begun(KabEngine *engine,
                             uint32_t epoch,
                             bool ok,
                             int64_t now)
{
    KabSink *sink = &engine->sink;
    engine->now = now;
    if (sink->state != KAB_SINK_BEGINNING || sink->epoch != epoch)
        return;
    if (!ok) {
        kab_sink_lose(engine, false, "a transaction could not be begun");
        return;
    }
    kab_sink_set_state(engine, KAB_SINK_IN_TRANSACTION);
    sink->transaction_timer.kind = KAB_TIMER_TRANSACTION;
    kab_timers_arm(&engine->timers, &sink->transaction_timer,
                   now + engine->options.transaction_interval_us);
}

static bool
must_abort(const KabEngine *engine)
{
    return engine->sink.must_abort || engine->is_overdue ||
           engine->sink.is_given_up;
}

static bool
should_settle(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (must_abort(engine))
        return true;
    const KabSlot *head = sink->queue.head;
    if (head && head->next_product != head->products)
        return false;
    if (sink->settle_now || sink->charge >= sink->charge_limit)
        return true;
    return !sink->queue.n &&
           (sink->is_waited_for || kab_commit_is_urgent(engine));
}

static void
advance_settling(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    KabCommit *commit = &engine->transaction;
    if (must_abort(engine)) {
        kab_sink_set_state(engine, KAB_SINK_ABORTING);
        engine->effects.abort_transaction(engine->user, sink->epoch);
        return;
    }
    if (sink->unreported)
        return;
    kab_commit_compose(engine, commit, true);
    commit->is_outstanding = true;
    commit->asked_us = engine->now;
    kab_sink_set_state(engine, KAB_SINK_ENDING);
    engine->effects.end_transaction(engine->user, sink->epoch, commit->items,
                                    commit->n);
}

/* What was composed into a transaction that is gone is dirty again. */
void
kab_commit_apply_failed(KabEngine *engine)
{
    KabCommit *commit = &engine->transaction;
    for (size_t i = 0; i < commit->n; i++)
        if (commit->items[i].result != KAB_COMMIT_TOO_LARGE)
            commit->items[i].result = KAB_COMMIT_FAILED;
    kab_commit_apply(engine, &engine->transaction);
}

static void
committed(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    kab_histogram_add(&engine->counters.commit_us,
                      (uint64_t)(engine->now - engine->transaction.asked_us));
    for (size_t i = 0; i < engine->transaction.n; i++)
        engine->transaction.items[i].result = KAB_COMMIT_OK;
    kab_emission_commit(engine);
    kab_commit_apply(engine, &engine->transaction);
    sink->charge_limit =
        MIN(sink->charge_limit * 2, kab_sink_charge_limit(engine));
    sink->ended_us = engine->now;
    sink->losses = 0;
    sink->must_abort = false;
    kab_sink_set_state(engine, KAB_SINK_OPEN);
}

/* Its offsets' metadata, not the transaction. */
static bool
is_too_large(const KabCommit *commit)
{
    for (size_t i = 0; i < commit->n; i++)
        if (commit->items[i].result == KAB_COMMIT_TOO_LARGE)
            return true;
    return false;
}

/* One may meet a rebalance. Those that follow each other are refused for
 * what lasts, and do not hammer the broker. */
static void
back_off(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    shrink(sink);
    if (sink->losses++ == 0)
        return;
    sink->timer.kind = KAB_TIMER_SINK;
    kab_timers_arm(&engine->timers, &sink->timer,
                   engine->now + kab_engine_backoff(engine, sink->losses - 2));
}

void
kab_engine_transaction_ended(KabEngine *engine,
                             uint32_t epoch,
                             KabTxnResult result,
                             const char *reason,
                             int64_t now)
{
    KabSink *sink = &engine->sink;
    bool is_ending = sink->state == KAB_SINK_ENDING;
    engine->now = now;
    if (sink->epoch != epoch ||
        (!is_ending && sink->state != KAB_SINK_ABORTING))
        return;
    engine->counters.transactions[result]++;
    engine->transaction.is_outstanding = false;
    kab_timers_disarm(&engine->timers, &sink->transaction_timer);
    switch (result) {
    case KAB_TXN_COMMITTED:
        if (is_ending)
            committed(engine);
        break;
    case KAB_TXN_ABORTED:
        if (is_ending && !is_too_large(&engine->transaction))
            back_off(engine);
        kab_sink_set_state(engine, KAB_SINK_ABORTING);
        sink->has_aborted = true;
        break;
    case KAB_TXN_UNKNOWN:
        kab_sink_lose(engine, false, reason);
        break;
    case KAB_TXN_FENCED:
        kab_sink_lose(engine, true, reason);
        break;
    }
}

static void
advance_aborting(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (!sink->has_aborted || sink->unreported)
        return;
    kab_commit_apply_failed(engine);
    kab_emission_requeue(engine, true);
    sink->ended_us = engine->now;
    sink->must_abort = false;
    kab_sink_set_state(engine, KAB_SINK_OPEN);
}

void
kab_sink_advance(KabEngine *engine)
{
    switch (engine->sink.state) {
    case KAB_SINK_OPENING:
        advance_opening(engine);
        break;
    case KAB_SINK_OPEN:
        if (kab_engine_is_exactly_once(engine) && wants_transaction(engine))
            begin(engine);
        break;
    case KAB_SINK_IN_TRANSACTION:
        if (should_settle(engine))
            kab_sink_set_state(engine, KAB_SINK_SETTLING);
        break;
    case KAB_SINK_SETTLING:
        advance_settling(engine);
        break;
    case KAB_SINK_ABORTING:
        advance_aborting(engine);
        break;
    case KAB_SINK_LOST:
        if (!kab_timer_is_armed(&engine->sink.timer))
            kab_sink_set_state(engine, KAB_SINK_OPENING);
        break;
    case KAB_SINK_BEGINNING:
    case KAB_SINK_ENDING:
        break;
    }
}
