/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the function: opened, abandoned, ended.
 *
 * The call's answer is wanted for a slot as long as slot->call points at the
 * call; a time-out, or the end of the slot's partition, clears that pointer.
 * From then on the open call holds a reference to the slot, so that the
 * function may read the record to the end. The call's memory, the executor's,
 * lives until the last slot with outputs in it drops its reference.
 */
#include "work.h"

static void
reserve_room(KabRoom *room, size_t n)
{
    if (room->capacity >= n)
        return;
    room->capacity = n;
    room->slots = g_renew(KabSlot *, room->slots, n);
    room->records = g_renew(KabRecord, room->records, n);
    room->messages = g_renew(void *, room->messages, n);
    room->results = g_renew(KabResult, room->results, n);
}

static KabRoom *
take_room(KabEngine *engine, size_t n)
{
    KabRoom *room = engine->free_rooms;
    if (room)
        engine->free_rooms = room->next;
    else
        room = g_new0(KabRoom, 1);
    reserve_room(room, n);
    return room;
}

static KabCall *
take_free(KabEngine *engine)
{
    KabCall *call = engine->free_calls;
    if (!call)
        return g_new0(KabCall, 1);
    engine->free_calls = call->next;
    *call = (KabCall){0};
    return call;
}

static void
link_open(KabEngine *engine, KabCall *call)
{
    call->is_open = true;
    call->references = 1;
    call->previous = NULL;
    call->next = engine->open_first;
    if (call->next)
        call->next->previous = call;
    engine->open_first = call;
    engine->in_flight++;
    engine->n_attempts++;
}

KabCall *
kab_call_open(KabEngine *engine, size_t n)
{
    KabCall *call = take_free(engine);
    KabRoom *room = call->room = take_room(engine, n);
    call->successes = engine->successes;
    call->timer.kind = KAB_TIMER_CALL;
    call->timer.owner = call;
    call->attempt = (KabAttempt){
        .serial = ++engine->serials,
        .n = n,
        .records = room->records,
        .messages = room->messages,
        .results = room->results,
        .timeout_us = engine->options.call_timeout_us,
    };
    link_open(engine, call);
    return call;
}

void
kab_call_leave_flight(KabEngine *engine, const KabCall *call)
{
    engine->in_flight--;
    kab_limiter_give_back(engine, call->attempt.serial);
}

static void
leave_open(KabEngine *engine, KabCall *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        engine->open_first = call->next;
    if (call->next)
        call->next->previous = call->previous;
    call->is_open = false;
}

static void
leave_room(KabEngine *engine, KabCall *call)
{
    KabRoom *room = g_steal_pointer(&call->room);
    call->attempt.records = NULL;
    call->attempt.messages = NULL;
    call->attempt.results = NULL;
    room->next = engine->free_rooms;
    engine->free_rooms = room;
}

/* All have left early. */
static void
let_go(KabEngine *engine, KabCall *call)
{
    for (size_t i = 0; i < call->attempt.n; i++)
        kab_slot_unref(engine, call->room->slots[i]);
}

void
kab_call_end(KabEngine *engine, KabCall *call)
{
    leave_open(engine, call);
    engine->charge -= call->charge;
    if (call->is_unwanted)
        let_go(engine, call);
    leave_room(engine, call);
    kab_call_unref(engine, call);
}

static void
free_room(KabRoom *room)
{
    g_free(room->slots);
    g_free(room->records);
    g_free(room->messages);
    g_free(room->results);
    g_free(room);
}

void
kab_calls_clear(KabEngine *engine)
{
    while (engine->free_calls) {
        KabCall *call = engine->free_calls;
        engine->free_calls = call->next;
        g_free(call);
    }
    while (engine->free_rooms) {
        KabRoom *room = engine->free_rooms;
        engine->free_rooms = room->next;
        free_room(room);
    }
}

/* Each record that waits or is called may need one more attempt. */
size_t
kab_calls_room(const KabEngine *engine)
{
    size_t most = engine->options.max_attempts;
    size_t may_be = engine->n_attempts + engine->n_waiting + engine->n_called;
    return most ? most - MIN(most, may_be) : SIZE_MAX;
}

/* No record needs the call's answer any more. */
void
kab_call_abandon(KabEngine *engine, KabCall *call)
{
    kab_timers_disarm(&engine->timers, &call->timer);
    call->is_unwanted = true;
    kab_call_leave_flight(engine, call);
    engine->abandoned++;
    engine->ports.call->cancel(engine->ports.call_user, &call->attempt);
}

void
kab_call_forget(KabEngine *engine, KabSlot *slot)
{
    KabCall *call = slot->call;
    if (!call)
        return;
    kab_call_leave_early(slot);
    if (!call->wanted) {
        engine->counters.calls[KAB_CALL_ABANDONED]++;
        kab_call_abandon(engine, call);
    }
}

void
kab_engine_attempt_grew(KabEngine *engine,
                        KabAttempt *attempt,
                        uint64_t serial,
                        size_t bytes)
{
    KabCall *call = (KabCall *)attempt;
    if (attempt->serial != serial || !call->is_open)
        return;
    call->charge += bytes;
    engine->charge += bytes;
}
