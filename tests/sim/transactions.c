/* SPDX-License-Identifier: Apache-2.0 */
/* The transactions of a member's sink: begun, ended with offsets, aborted; and
 * those whose answer is lost.
 */
#include "sim.h"

typedef struct {
    uint32_t epoch;
    unsigned producer_epoch;
    KabCommitItem *items;
    size_t n;
    int generation;
    Committed *copies;
    unsigned *partitions;
    KabTxnResult result;
    int64_t asked_at;
} Request;

static void
time_out(Sim *sim, Member *none, void *data)
{
    const uint64_t *serial = data;
    for (unsigned i = 0; i < sim->plan.n_members; i++) {
        Transaction *transaction = &sim->transactions[i];
        if (!transaction->is_open || transaction->serial != *serial)
            continue;
        TRACE(sim, "transaction of %u times out", i);
        broker_init_producer(sim, i);
    }
}

static void
open_transaction(Sim *sim, unsigned member)
{
    Transaction *transaction = &sim->transactions[member];
    uint64_t *serial = sim_alloc(sim, sizeof *serial);
    *serial = transaction->serial = ++sim->transaction_serials;
    transaction->is_open = true;
    int64_t limit = sim_strikes(sim, FAULT_TXN_TIMEOUT)
                        ? sim->plan.txn_timeout_us
                        : 10 * SECOND;
    sim_after(sim, limit, NULL, time_out, serial);
}

/* Not for a late answer, after the producer was replaced. */
static void
note_begun(Sim *sim, Member *member, uint32_t epoch, bool ok)
{
    Sink *sink = &member->sink;
    sink->is_busy = false;
    if (!ok)
        sink->is_broken = sink->is_dead = sink->is_told = true;
    sink->in_transaction = ok;
    sink->transaction = epoch;
    if (ok && !sink_is_fenced(member))
        open_transaction(sim, member->number);
}

static void
tell_begun(Sim *sim, Member *member, void *data)
{
    uint32_t epoch = (uint32_t)GPOINTER_TO_UINT(data);
    bool ok = !member->sink.is_broken && !sim_strikes(sim, FAULT_BEGIN);
    if (epoch > member->sink.epoch && member->sink.is_ready)
        note_begun(sim, member, epoch, ok);
    TRACE(sim, "%u: transaction %u %s", member->number, epoch,
          ok ? "begun" : "not begun");
    kab_engine_transaction_begun(member->engine, epoch, ok, sim->now);
    member_touch(member);
}

void
sink_begin(void *user, uint32_t epoch)
{
    Member *member = user;
    Sink *sink = &member->sink;
    member->n_effects++;
    count_begin(member);
    if (!sink->is_ready || sink->in_transaction || sink->is_busy)
        sim_fail(member->sim, "begins a transaction out of turn");
    if (member->is_joining)
        sim_fail(member->sim, "begins a transaction while joining");
    sink->is_busy = true;
    sim_after(member->sim, sim_below(member->sim, 200), member, tell_begun,
              GUINT_TO_POINTER(epoch));
}

static void
end_with(Sim *sim, Member *member, Request *request)
{
    static const char *const names[] = {"committed", "aborted", "unknown",
                                        "fenced"};
    Sink *sink = &member->sink;
    bool is_current = sink->transaction == request->epoch;
    if (is_current)
        sink->in_transaction = sink->is_busy = false;
    if (is_current && request->result >= KAB_TXN_UNKNOWN)
        sink->is_broken = sink->is_dead = sink->is_told = true;
    TRACE(sim, "%u: transaction %u: %s", member->number, request->epoch,
          names[request->result]);
    if (is_current)
        count_ended(member, request->result, request->items, request->n,
                    request->asked_at);
    kab_engine_transaction_ended(member->engine, request->epoch,
                                 request->result, names[request->result],
                                 sim->now);
    member_touch(member);
}

static void
on_end(Sim *sim, Member *member, void *data)
{
    end_with(sim, member, data);
}

static void
answer_end(Sim *sim, Member *member, Request *request, KabTxnResult result)
{
    request->result = result;
    sim_after(sim, sim_between(sim, 0, MS), member, on_end, request);
}

/* Either the watchdog reports the outcome as unknown, or the sink is lost and
 * the answer comes when nobody waits for it. */
static void
answer_unknown(Sim *sim, Member *member, Request *request)
{
    if (sim_below(sim, 2)) {
        answer_end(sim, member, request,
                   sim_below(sim, 2) ? KAB_TXN_UNKNOWN : KAB_TXN_FENCED);
        return;
    }
    sink_die(sim, member, false);
    request->result = (KabTxnResult)sim_below(sim, 4);
    sim_after(sim, sim_between(sim, 2 * MS, 60 * MS), member, on_end, request);
}

static void
apply_late(Sim *sim, Member *none, void *data)
{
    const uint64_t *serial = data;
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (sim->transactions[i].serial == *serial)
            broker_end_transaction(sim, i, true);
}

static void
lose_answer(Sim *sim, Member *member, Request *request)
{
    uint64_t *serial = sim_alloc(sim, sizeof *serial);
    *serial = sim->transactions[member->number].serial;
    switch (sim_below(sim, 3)) {
    case 0: /* the request never arrives */
        break;
    case 1:
        broker_end_transaction(sim, member->number, true);
        break;
    default: /* in time for the next producer, or not */
        sim_after(sim, sim_between(sim, 0, 5 * MS), NULL, apply_late, serial);
        break;
    }
    answer_unknown(sim, member, request);
}

/* Is the request from a producer that was replaced meanwhile, or fenced? */
static bool
is_outdated(const Member *member, const Request *request)
{
    return request->producer_epoch != member->sink.producer_epoch ||
           sink_is_fenced(member);
}

static void
commit_arrives(Sim *sim, Member *member, void *data)
{
    Request *request = data;
    if (is_outdated(member, request)) {
        answer_end(sim, member, request, KAB_TXN_FENCED);
    } else if (sim_strikes(sim, FAULT_UNKNOWN_END)) {
        lose_answer(sim, member, request);
    } else {
        broker_end_transaction(sim, member->number, true);
        answer_end(sim, member, request, KAB_TXN_COMMITTED);
    }
}

static void
set_results(Request *request, KabCommitResult result)
{
    for (size_t i = 0; i < request->n; i++)
        request->items[i].result = result;
}

static void
give_up(Sim *sim, Member *member, Request *request)
{
    broker_end_transaction(sim, member->number, false);
    answer_end(sim, member, request, KAB_TXN_ABORTED);
}

static bool
are_offsets_refused(Sim *sim, Member *member, Request *request)
{
    for (size_t i = 0; i < request->n; i++)
        TRACE(sim, "%u: offsets %u: %" PRIi64 " and %zu intervals, %zu bytes",
              member->number, request->partitions[i], request->copies[i].offset,
              request->copies[i].n, committed_size(&request->copies[i]));
    if (request->n &&
        !group_takes_offsets(sim, member, request->generation, true))
        return true;
    for (size_t i = 0; i < request->n; i++)
        if (broker_check_commit(sim, &request->copies[i]) != KAB_COMMIT_OK) {
            set_results(request, KAB_COMMIT_TOO_LARGE);
            return true;
        }
    return sim_strikes(sim, FAULT_ABORT);
}

static void
offsets_arrive(Sim *sim, Member *member, void *data)
{
    Request *request = data;
    Transaction *transaction = &sim->transactions[member->number];
    if (is_outdated(member, request)) {
        answer_end(sim, member, request, KAB_TXN_FENCED);
        return;
    }
    if (member->sink.is_broken || are_offsets_refused(sim, member, request)) {
        give_up(sim, member, request);
        return;
    }
    for (size_t i = 0; i < request->n; i++) {
        transaction->has_pending[request->partitions[i]] = true;
        transaction->pending[request->partitions[i]] = request->copies[i];
    }
    sim_after(sim, sim_between(sim, 0, 2 * MS), member, commit_arrives,
              request);
}

static Request *
make_request(Member *member, uint32_t epoch, KabCommitItem *items, size_t n)
{
    Sim *sim = member->sim;
    Request *request = sim_alloc(sim, sizeof *request);
    *request = (Request){.epoch = epoch,
                         .producer_epoch = member->sink.producer_epoch,
                         .items = items,
                         .n = n,
                         .generation = member->generation,
                         .asked_at = sim->now};
    request->copies = sim_alloc(sim, n * sizeof *request->copies);
    request->partitions = sim_alloc(sim, n * sizeof *request->partitions);
    for (size_t i = 0; i < n; i++) {
        request->copies[i] = committed_copy(sim, &items[i]);
        request->partitions[i] = (unsigned)items[i].number;
    }
    return request;
}

static void
check_command(Member *member, uint32_t epoch, const char *what)
{
    const Sink *sink = &member->sink;
    member->n_effects++;
    TRACE(member->sim, "%u: %s transaction %u", member->number, what, epoch);
    if (!sink->in_transaction || sink->is_busy || epoch != sink->transaction)
        sim_fail(member->sim, "%s of a transaction out of turn", what);
}

void
sink_end(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    Member *member = user;
    check_command(member, epoch, "end");
    if (member->sink.n_unreported)
        sim_fail(member->sim, "ends a transaction with unreported outputs");
    check_commit_items(member, items, n);
    count_end(member, epoch, items, n);
    member->sink.is_busy = true;
    sim_after(member->sim, sim_between(member->sim, 0, MS), member,
              offsets_arrive, make_request(member, epoch, items, n));
}

static void
abort_arrives(Sim *sim, Member *member, void *data)
{
    Request *request = data;
    Sink *sink = &member->sink;
    if (request->producer_epoch != sink->producer_epoch) {
        answer_end(sim, member, request, KAB_TXN_FENCED);
        return;
    }
    sink_lose_undelivered(sim, member, false);
    for (Output *output = sink->first; output; output = output->next)
        sink_report_soon(sim, member, output);
    if (sink_is_fenced(member)) {
        answer_end(sim, member, request, KAB_TXN_FENCED);
    } else if (sink->is_dead || sim_strikes(sim, FAULT_UNKNOWN_END)) {
        answer_unknown(sim, member, request);
    } else {
        sink->is_broken = false;
        give_up(sim, member, request);
    }
}

void
sink_abort(void *user, uint32_t epoch)
{
    Member *member = user;
    check_command(member, epoch, "abort");
    member->sink.is_busy = true;
    sim_after(member->sim, sim_between(member->sim, 0, MS), member,
              abort_arrives, make_request(member, epoch, NULL, 0));
}
