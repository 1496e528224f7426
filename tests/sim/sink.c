/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of a member: a producer, and its transactions.
 *
 * Outputs to one output partition are written in the order in which they
 * were produced, as an idempotent producer does; after a lost output no later
 * one is written. Delivery reports come in any order.
 */
#include <string.h>

#include "sim.h"

bool
sink_is_fenced(const Member *member)
{
    return member_is_exactly_once(member) &&
           member->sim->transactions[member->number].epoch !=
               member->sink.producer_epoch;
}

void
sink_init(Sink *sink)
{
    *sink = (Sink){0};
    sink->tail = &sink->first;
}

/* --- Losing it ---------------------------------------------------------- */

typedef struct {
    uint32_t epoch;
    bool is_fenced;
} Loss;

static void
tell_lost(Sim *sim, Member *member, void *data)
{
    const Loss *loss = data;
    TRACE(sim, "%u: sink lost%s", member->number,
          loss->is_fenced ? ", fenced" : "");
    kab_engine_sink_lost(member->engine, loss->epoch, loss->is_fenced, "lost",
                         sim->now);
    member_touch(member);
}

void
sink_die(Sim *sim, Member *member, bool by_fencing)
{
    Sink *sink = &member->sink;
    sink->is_broken = sink->is_dead = true;
    if (sink->is_told)
        return;
    sink->is_told = true;
    Loss *loss = sim_alloc(sim, sizeof *loss);
    *loss = (Loss){sink->epoch, by_fencing};
    sim_after(sim, sim_between(sim, 0, 2 * MS), member, tell_lost, loss);
}

/* A fatal error, or sometimes under exactly-once one that an abort repairs. */
void
sink_break(Sim *sim, Member *member)
{
    Sink *sink = &member->sink;
    if (!sink->is_ready || sink->is_broken)
        return;
    TRACE(sim, "%u: its producer breaks", member->number);
    sink->is_broken = true;
    if (!member_is_exactly_once(member) || !sink->in_transaction ||
        sim_below(sim, 2))
        sink_die(sim, member, false);
}

void
sink_fence(Sim *sim, Member *member)
{
    if (!member_is_exactly_once(member))
        return;
    TRACE(sim, "%u: its transactional id is taken", member->number);
    broker_init_producer(sim, member->number);
}

/* --- Delivery ----------------------------------------------------------- */

static OutputFate
judge_output(Sim *sim, Member *member, Output *output)
{
    Sink *sink = &member->sink;
    bool is_unwritable = output->effect->record->nature == NATURE_UNWRITABLE;
    if (sink->is_broken)
        return OUTPUT_LOST;
    if (sink_is_fenced(member)) {
        sink_die(sim, member, true);
        return OUTPUT_LOST;
    }
    if ((is_unwritable && !output->effect->is_letter) ||
        sim_strikes(sim, FAULT_REFUSE))
        return OUTPUT_REFUSED;
    if (sim_strikes(sim, FAULT_FATAL_ACK) && sim_below(sim, 10) == 0)
        return OUTPUT_FATAL;
    bool is_unknown = sim_strikes(sim, FAULT_UNKNOWN_ACK);
    if (sim_strikes(sim, FAULT_BREAK) || is_unknown)
        sink_break(sim, member);
    if (sink->is_broken && !is_unknown)
        return OUTPUT_LOST;
    broker_write(sim, output, member->number);
    return is_unknown ? OUTPUT_LOST : OUTPUT_ACKNOWLEDGED;
}

static void
unlink_output(Sink *sink, Output *output)
{
    Output **place = &sink->first;
    while (*place != output)
        place = &(*place)->next;
    *place = output->next;
    if (sink->tail == &output->next)
        sink->tail = place;
    sink->n_unreported--;
}

static void
acknowledge_output(Sim *sim, Member *member, Output *output)
{
    Effect *effect = output->effect;
    effect->acknowledged |= UINT64_C(1) << output->index;
    uint64_t all = (UINT64_C(1) << effect->n) - 1;
    if (!member_is_exactly_once(member) && effect->acknowledged == all)
        effect->message->is_finished = true;
    count_acknowledged(output);
    kab_engine_acknowledged(member->engine, output->product, sim->now);
}

/* The record's output is never written, neither now nor later. */
void
sink_mark_refused(Message *message)
{
    message->is_refused = true;
    if (message->effect)
        message->effect->is_refused = true;
    count_may_fail(message);
}

static void
refuse_output(Member *member, const Output *output, KabRefusal refusal)
{
    member->counted.produce_errors[refusal]++;
    kab_engine_refused(member->engine, output->product, refusal, "refused",
                       member->sim->now);
}

static void
report_output(Sim *sim, Member *member, Output *output)
{
    static const KabRefusal refusals[] = {
        [OUTPUT_REFUSED] = KAB_REFUSED_RECORD,
        [OUTPUT_LOST] = KAB_REFUSED_SINK,
        [OUTPUT_FATAL] = KAB_REFUSED_FATAL,
    };
    unlink_output(&member->sink, output);
    output->is_reported = true;
    TRACE(sim, "%u: report %u/%" PRIi64 ".%u: %d", member->number,
          output->effect->record->partition, output->effect->record->offset,
          output->index, (int)output->fate);
    if (output->fate == OUTPUT_REFUSED)
        sink_mark_refused(output->effect->message);
    member->must_stop |= output->fate == OUTPUT_FATAL;
    if (output->fate == OUTPUT_ACKNOWLEDGED)
        acknowledge_output(sim, member, output);
    else
        refuse_output(member, output, refusals[output->fate]);
    member_touch(member);
}

static void
give_room(Sim *sim, Member *member, void *data)
{
    if (!member->sink.owes_room ||
        member->sink.n_unreported >= sim->plan.sink_room)
        return;
    member->sink.owes_room = false;
    kab_engine_sink_has_room(member->engine);
    member_touch(member);
}

void
sink_owe_room(Sim *sim, Member *member)
{
    member->sink.owes_room = true;
    sim_after(sim, sim_below(sim, 500), member, give_room, NULL);
}

static void
on_report(Sim *sim, Member *member, void *data)
{
    Output *output = data;
    if (output->is_reported || output->is_silent)
        return;
    report_output(sim, member, output);
    give_room(sim, member, NULL);
}

void
sink_report_soon(Sim *sim, Member *member, Output *output)
{
    sim_after(sim, sim_between(sim, 0, 2 * MS), member, on_report, output);
}

/* The watchdog's time is up. */
static void
stop_waiting(Sim *sim, Member *member, void *data)
{
    const Output *output = data;
    if (!output->is_reported && output->epoch == member->sink.epoch)
        sink_die(sim, member, false);
}

/* Written or not, the output is never reported; no later one is written. */
static void
fall_silent(Sim *sim, Member *member, Output *output)
{
    TRACE(sim, "%u: %u/%" PRIi64 ".%u will not be reported", member->number,
          output->effect->record->partition, output->effect->record->offset,
          output->index);
    output->is_silent = true;
    member->sink.is_broken = true;
    sim_after(sim, sim_between(sim, MS, 50 * MS), member, stop_waiting, output);
}

static void
deliver_output(Sim *sim, Member *member, void *data)
{
    Output *output = data;
    if (output->is_delivered)
        return;
    output->is_delivered = true;
    output->lingers = false;
    check_bytes(output);
    output->fate = judge_output(sim, member, output);
    if (sim_strikes(sim, FAULT_SILENT))
        fall_silent(sim, member, output);
    sink_report_soon(sim, member, output);
}

/* --- Purging ------------------------------------------------------------ */

static void
write_late(Sim *sim, Member *none, void *data)
{
    Output *output = data;
    broker_write(sim, output, output->member->number);
}

/* Outputs on their way are reported lost; the first ones of each partition may
 * still be written, now or a little later. */
void
sink_lose_undelivered(Sim *sim, Member *member, bool may_write)
{
    bool is_cut[OUTPUT_PARTITIONS] = {0};
    int64_t delay = sim_below(sim, 2) ? 0 : sim_between(sim, 0, 10 * MS);
    for (Output *output = member->sink.first; output; output = output->next) {
        if (output->is_delivered)
            continue;
        output->is_delivered = true;
        output->fate = OUTPUT_LOST;
        bool *cut = &is_cut[output->partition];
        *cut |= !may_write || member->sink.is_broken || sim_below(sim, 2);
        if (!*cut)
            sim_after(sim, delay, NULL, write_late, output);
    }
}

static void
report_all(Sim *sim, Member *member)
{
    for (Output *output; (output = member->sink.first);) {
        if (!output->is_silent) {
            report_output(sim, member, output);
            continue;
        }
        unlink_output(&member->sink, output);
        output->is_reported = true;
        member->counted.produce_errors[KAB_REFUSED_SINK]++;
    }
}

void
sink_abandon(Sim *sim, Member *member)
{
    sink_lose_undelivered(sim, member, true);
}

/* --- Sending ------------------------------------------------------------ */

/* Delivers the output after those sent before it to its output partition. */
static void
send_at(Sim *sim, Member *member, Output *output, int64_t at)
{
    int64_t *free_at = &member->sink.free_at[output->partition];
    *free_at = MAX(*free_at, at) + sim_below(sim, 300);
    sim_after(sim, *free_at - sim->now, member, deliver_output, output);
}

void
sink_send(Sim *sim, Member *member, Output *output)
{
    Sink *sink = &member->sink;
    *sink->tail = output;
    sink->tail = &output->next;
    sink->n_unreported++;
    output->lingers = sim->plan.linger_us > 0;
    send_at(sim, member, output, sim->now + sim->plan.linger_us);
}

void
sink_flush(void *user)
{
    Member *member = user;
    Sink *sink = &member->sink;
    member->n_effects++;
    if (!sink->is_ready || !sink->n_unreported)
        sim_fail(member->sim, "flushes although no output is unreported");
    memset(sink->free_at, 0, sizeof sink->free_at);
    for (Output *output = sink->first; output; output = output->next) {
        if (output->is_delivered)
            continue;
        output->lingers = false;
        send_at(member->sim, member, output, member->sim->now);
    }
}

/* --- Replacing ---------------------------------------------------------- */

static void
tell_ready(Sim *sim, Member *member, void *data)
{
    Sink *sink = &member->sink;
    uint32_t epoch = (uint32_t)GPOINTER_TO_UINT(data);
    sink_lose_undelivered(sim, member, !member_is_exactly_once(member));
    report_all(sim, member);
    TRACE(sim, "%u: producer %u is ready", member->number, epoch);
    sink_init(sink);
    sink->epoch = epoch;
    sink->is_ready = true;
    if (member_is_exactly_once(member))
        sink->producer_epoch = broker_init_producer(sim, member->number);
    kab_engine_sink_ready(member->engine, epoch, sim->now);
    if (sim_strikes(sim, FAULT_BREAK))
        sink_break(sim, member);
    member_touch(member);
}

void
sink_replace(void *user, uint32_t epoch)
{
    Member *member = user;
    Sim *sim = member->sim;
    member->n_effects++;
    member->counted.sinks_lost += epoch > 1;
    if (member->sink.is_replacing || epoch <= member->sink.epoch)
        sim_fail(sim, "replaces a producer that is being replaced");
    if (member->sink.is_ready && !member->sink.is_broken &&
        !sink_is_fenced(member))
        sim_fail(sim, "replaces a producer that works");
    TRACE(sim, "%u: replace producer: %u", member->number, epoch);
    member->sink.is_replacing = true;
    member->sink.is_ready = false;
    sim_after(sim, sim_between(sim, 0, 5 * MS), member, tell_ready,
              GUINT_TO_POINTER(epoch));
}
