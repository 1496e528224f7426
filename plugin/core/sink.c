/* SPDX-License-Identifier: Apache-2.0 */
/* The sink: one producer, and its transactions under exactly-once.
 *
 *   opening -> ready -> open                              at least once
 *   opening -> ready (-> recovering) -> open -> beginning -> in-transaction
 *                ^         -> settling -> ending -> open  exactly once
 *                +----- aborted <- aborting
 *   any with a producer -> lost -> opening
 *
 * Settling begins only between records and produces nothing more; when every
 * delivery report is in, the offsets are sent and the commit is requested, or
 * the transaction is aborted. Meanwhile the loop goes on taking and calling:
 * results wait as resolved slots. Slots that a lost sink had not finished are
 * emitted again, without another call of the function.
 *
 * A transaction settles after transaction.interval, and sooner when it holds
 * most of the budget or of what a closed partition may hold: only its end
 * frees that.
 *
 * A transaction whose end is unknown: transaction-recovery.c.
 */
#include "outlet.h"

#define FENCING_PERIOD (300 * KAB_SECOND)
/* Settle when the transaction holds this part of the budget, or of a share. */
#define MOST 0.75

static void
set_state(KabEngine *engine, KabSinkState state)
{
    static const unsigned allowed[] = {
#define TO(NAME) (1U << KAB_SINK_##NAME)
#define X(NAME, text, moves) [KAB_SINK_##NAME] = (moves),
        KAB_SINK_STATES(X)
#undef X
#undef TO
    };
    g_assert(allowed[engine->sink.state] & 1U << state);
    engine->moves++;
    engine->sink.state = state;
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

/* Of an exactly-once sink: has the open transaction room for one more? */
bool
kab_sink_takes_more(const KabEngine *engine)
{
    const KabSink *sink = &engine->sink;
    if (sink->is_given_up || sink->state != KAB_SINK_IN_TRANSACTION ||
        sink->must_abort)
        return false;
    /* Settle only between records: a record's outputs are never split. */
    const KabSlot *head = sink->next;
    bool is_parted = head && head->next_product != head->products;
    return is_parted || (kab_timer_is_armed(&sink->transaction_timer) &&
                         sink->charge < sink->size.limit);
}

/* Only the transaction's end frees what it holds: once that is most of the
 * budget, intake would only wait for the interval. The rest of the budget is
 * used while the transaction ends. Larger ones cost less per record. */
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
    KabPartition *partition = slot->partition;
    if (partition->transaction != sink->epoch)
        partition->in_transaction = 0;
    partition->transaction = sink->epoch;
    partition->in_transaction += slot->charge;
    kab_sink_check_partition(engine, partition);
}

/* A partition that is closed because of what the transaction holds of it opens
 * only after the transaction's end. */
void
kab_sink_check_partition(KabEngine *engine, const KabPartition *partition)
{
    KabSink *sink = &engine->sink;
    if (sink->state == KAB_SINK_IN_TRANSACTION && partition->is_closed &&
        partition->transaction == sink->epoch &&
        partition->in_transaction >= sink->partition_limit)
        sink->is_waited_for = true;
}

static void
check_fencing(KabEngine *engine, const char *reason)
{
    KabSink *sink = &engine->sink;
    if (engine->now - sink->fenced_us < FENCING_PERIOD)
        kab_sink_give_up(engine, KAB_STOP_FENCED, reason);
    sink->fenced_us = engine->now;
}

/* The transaction may have failed because of its size or duration. */
void
kab_sink_shrink(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (sink->has_shrunk)
        return;
    sink->has_shrunk = true;
    kab_transaction_size_note_failure(&sink->size, sink->charge);
}

static bool
has_transaction(const KabSink *sink)
{
    switch (sink->state) {
    case KAB_SINK_IN_TRANSACTION:
    case KAB_SINK_SETTLING:
    case KAB_SINK_ENDING:
    case KAB_SINK_ABORTING:
    case KAB_SINK_ABORTED:
        return true;
    case KAB_SINK_NONE:
    case KAB_SINK_OPENING:
    case KAB_SINK_READY:
    case KAB_SINK_RECOVERING:
    case KAB_SINK_OPEN:
    case KAB_SINK_BEGINNING:
    case KAB_SINK_LOST:
        break;
    }
    return false;
}

static bool
has_producer(const KabSink *sink)
{
    return sink->state != KAB_SINK_NONE && sink->state != KAB_SINK_OPENING &&
           sink->state != KAB_SINK_LOST;
}

void
kab_sink_lose(KabEngine *engine, bool is_fenced, const char *reason)
{
    KabSink *sink = &engine->sink;
    if (!has_producer(sink))
        return;
    if (is_fenced)
        check_fencing(engine, reason);
    if (has_transaction(sink))
        kab_sink_shrink(engine);
    sink->is_unknown = sink->is_unknown || sink->state == KAB_SINK_ENDING;
    set_state(engine, KAB_SINK_LOST);
    sink->is_full = false;
    sink->timer.kind = KAB_TIMER_SINK;
    int64_t delay = kab_backoff_us(engine, sink->losses++);
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
    kab_engine_set_now(engine, now);
    g_assert(epoch <= engine->sink.epoch);
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
    kab_engine_set_now(engine, now);
    g_assert(epoch == engine->sink.epoch);
    set_state(engine, KAB_SINK_READY);
    kab_emission_forget(engine);
}

/* --- Opening ----------------------------------------------------------- */

static void
ask_for_producer(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    const KabSinkJoint *joint = kab_engine_sink(engine);
    if (sink->is_given_up || kab_timer_is_armed(&sink->timer))
        return;
    set_state(engine, KAB_SINK_OPENING);
    sink->life = ++sink->epoch;
    joint->port->replace(joint->user, sink->epoch);
}

static void
open_sink(KabEngine *engine)
{
    kab_emission_requeue(engine, kab_engine_is_exactly_once(engine));
    engine->sink.must_abort = false;
    set_state(engine, KAB_SINK_OPEN);
}

static void
advance_ready(KabEngine *engine)
{
    if (engine->sink.is_given_up)
        return;
    if (engine->sink.is_unknown) {
        set_state(engine, KAB_SINK_RECOVERING);
        kab_recovery_ask(engine);
        return;
    }
    kab_commit_apply_failed(engine);
    open_sink(engine);
}

static void
advance_recovering(KabEngine *engine)
{
    if (engine->sink.is_given_up || engine->sink.unchecked)
        return;
    kab_recovery_decide(engine);
    open_sink(engine);
}

/* --- Transactions ------------------------------------------------------ */

/* A transaction of offsets alone waits for the interval too. */
static bool
wants_transaction(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    if (engine->is_joining || engine->is_overdue || sink->is_given_up ||
        kab_timer_is_armed(&sink->timer))
        return false;
    if (sink->n_queued)
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
begin_transaction(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    kab_timers_disarm(&engine->timers, &sink->transaction_timer);
    set_state(engine, KAB_SINK_BEGINNING);
    sink->epoch++;
    sink->charge = 0;
    sink->partition_limit = (size_t)(kab_partition_share(engine) * MOST *
                                     (double)engine->options.buffer_bytes);
    sink->must_abort = sink->is_waited_for = sink->has_shrunk = false;
    const KabSinkJoint *joint = kab_engine_sink(engine);
    joint->port->begin(joint->user, sink->epoch);
}

/* Does the answer belong to the transaction, and is its producer still in use?
 * One that was lost may still answer. */
static bool
is_current(const KabSink *sink, uint32_t epoch)
{
    g_assert(epoch <= sink->epoch);
    return epoch == sink->epoch && sink->state != KAB_SINK_LOST;
}

void
kab_engine_transaction_begun(KabEngine *engine,
                             uint32_t epoch,
                             bool ok,
                             int64_t now)
{
    KabSink *sink = &engine->sink;
    kab_engine_set_now(engine, now);
    if (!is_current(sink, epoch))
        return;
    g_assert(sink->state == KAB_SINK_BEGINNING);
    if (!ok) {
        kab_sink_lose(engine, false, "a transaction could not be begun");
        return;
    }
    set_state(engine, KAB_SINK_IN_TRANSACTION);
    sink->transaction_timer.kind = KAB_TIMER_TRANSACTION;
    kab_timers_arm(&engine->timers, &sink->transaction_timer,
                   engine->now + engine->options.transaction_interval_us);
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
    const KabSlot *head = sink->next;
    if (head && head->next_product != head->products)
        return false;
    if (!kab_timer_is_armed(&sink->transaction_timer) ||
        sink->charge >= sink->size.limit)
        return true;
    return !sink->n_queued &&
           (sink->is_waited_for || kab_commit_is_urgent(engine));
}

static void
advance_settling(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    KabCommit *commit = &engine->transaction;
    const KabSinkJoint *joint = kab_engine_sink(engine);
    if (must_abort(engine)) {
        set_state(engine, KAB_SINK_ABORTING);
        joint->port->abort(joint->user, sink->epoch);
        return;
    }
    if (sink->unreported)
        return;
    kab_commit_compose(engine, commit, true);
    commit->asked_us = engine->now;
    set_state(engine, KAB_SINK_ENDING);
    joint->port->end(joint->user, sink->epoch, commit->items, commit->n);
}

/* The offsets of a failed transaction are to be committed again. */
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
finish_committed(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    kab_histogram_add(&engine->counters.commit_us,
                      (uint64_t)(engine->now - engine->transaction.asked_us));
    for (size_t i = 0; i < engine->transaction.n; i++)
        engine->transaction.items[i].result = KAB_COMMIT_OK;
    kab_emission_commit(engine);
    kab_commit_apply(engine, &engine->transaction);
    kab_transaction_size_note_success(&sink->size, sink->charge,
                                      kab_sink_charge_limit(engine));
    sink->ended_us = engine->now;
    sink->losses = 0;
    sink->must_abort = false;
    set_state(engine, KAB_SINK_OPEN);
}

/* Was the offsets' metadata too large, rather than the transaction? */
static bool
is_too_large(const KabCommit *commit)
{
    for (size_t i = 0; i < commit->n; i++)
        if (commit->items[i].result == KAB_COMMIT_TOO_LARGE)
            return true;
    return false;
}

/* A single refusal may be due to a rebalance. Refusals in a row have a lasting
 * cause: back off, so as not to hammer the broker. */
static void
back_off(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    kab_sink_shrink(engine);
    if (sink->losses++ == 0)
        return;
    sink->timer.kind = KAB_TIMER_SINK;
    kab_timers_arm(&engine->timers, &sink->timer,
                   engine->now + kab_backoff_us(engine, sink->losses - 2));
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
    kab_engine_set_now(engine, now);
    if (!is_current(sink, epoch))
        return;
    g_assert(is_ending || sink->state == KAB_SINK_ABORTING);
    engine->counters.transactions[result]++;
    kab_timers_disarm(&engine->timers, &sink->transaction_timer);
    switch (result) {
    case KAB_TXN_COMMITTED:
        g_assert(is_ending);
        finish_committed(engine);
        break;
    case KAB_TXN_ABORTED:
        if (is_ending && !is_too_large(&engine->transaction))
            back_off(engine);
        set_state(engine, KAB_SINK_ABORTED);
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
advance_aborted(KabEngine *engine)
{
    if (engine->sink.unreported)
        return;
    kab_commit_apply_failed(engine);
    engine->sink.ended_us = engine->now;
    open_sink(engine);
}

void
kab_sink_advance(KabEngine *engine)
{
    switch (engine->sink.state) {
    case KAB_SINK_NONE:
    case KAB_SINK_LOST:
        ask_for_producer(engine);
        break;
    case KAB_SINK_READY:
        advance_ready(engine);
        break;
    case KAB_SINK_RECOVERING:
        advance_recovering(engine);
        break;
    case KAB_SINK_OPEN:
        if (kab_engine_is_exactly_once(engine) && wants_transaction(engine))
            begin_transaction(engine);
        break;
    case KAB_SINK_IN_TRANSACTION:
        if (should_settle(engine))
            set_state(engine, KAB_SINK_SETTLING);
        break;
    case KAB_SINK_SETTLING:
        advance_settling(engine);
        break;
    case KAB_SINK_ABORTED:
        advance_aborted(engine);
        break;
    case KAB_SINK_OPENING: /* these await an event */
    case KAB_SINK_BEGINNING:
    case KAB_SINK_ENDING:
    case KAB_SINK_ABORTING:
        break;
    }
}
