/* SPDX-License-Identifier: Apache-2.0 */
/* The process-wide table of tickets, and how a handle is read.
 *
 * Tickets live in chunks that are made on demand and never freed, so looking
 * at the state of any index is always safe. A ticket's state is one atomic
 * word; every change of hands is a change of that word.
 *
 *     free --take--> LIVE --enter--> LIVE|ENTERED --end--> ended --release-->
 *                      |                 |                   (next generation)
 *                      +----- cancel: |CANCELLED -----+
 */
#include "ticket.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib.h>

_Static_assert(sizeof(uintptr_t) == 8, "handles need 64 bits");

enum {
    LIVE = 1,
    ENTERED = 2,
    CANCELLED = 4,
    FLAGS = 3, /* bits */

    INDEX_BITS = 20,
    CALLER_BITS = 10,
    GENERATION_SHIFT = INDEX_BITS + CALLER_BITS,
    CHUNK_BITS = 6,
    CHUNK_SIZE = 1 << CHUNK_BITS,
    N_CHUNKS = 1 << (INDEX_BITS - CHUNK_BITS),
    N_CALLERS = 1 << CALLER_BITS,
};
#define GENERATION_MASK ((UINT64_C(1) << (64 - GENERATION_SHIFT)) - 1)

/* Process-wide for the reason given in the header; never freed. */
static struct {
    pthread_mutex_t mutex; /* of free, n_tickets and growth */
    KabTicket *free;
    uint32_t n_tickets;
    _Atomic(KabTicket *) chunks[N_CHUNKS];
    atomic_uint next_caller;
    atomic_uint doubles[N_CALLERS];
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

unsigned
kab_ticket_caller_number(void)
{
    return atomic_fetch_add(&table.next_caller, 1) % N_CALLERS;
}

unsigned
kab_ticket_steal_doubles(const KabCaller *caller)
{
    atomic_uint *doubles = &table.doubles[caller->number];
    if (!atomic_load_explicit(doubles, memory_order_relaxed))
        return 0;
    return atomic_exchange(doubles, 0);
}

static void
grow(void)
{
    uint32_t first = table.n_tickets;
    if (first >= (uint32_t)N_CHUNKS << CHUNK_BITS)
        g_error("more than %u calls are unacknowledged at once", first);
    KabTicket *chunk = g_new0(KabTicket, CHUNK_SIZE);
    for (uint32_t i = CHUNK_SIZE; i-- > 0;) {
        chunk[i].index = first + i;
        chunk[i].next_free = table.free;
        table.free = &chunk[i];
    }
    table.n_tickets += CHUNK_SIZE;
    atomic_store(&table.chunks[first >> CHUNK_BITS], chunk);
}

static KabTicket *
take_free(void)
{
    pthread_mutex_lock(&table.mutex);
    if (!table.free)
        grow();
    KabTicket *ticket = table.free;
    table.free = ticket->next_free;
    pthread_mutex_unlock(&table.mutex);
    return ticket;
}

static uint64_t
generation_of(uint64_t state)
{
    return (state >> FLAGS) & GENERATION_MASK;
}

/* Room for a product a record, some bytes of values, and the reasons. */
static size_t
expected_bytes(size_t n)
{
    return n * (sizeof(KabProduct) + 16);
}

KabTicket *
kab_ticket_take(KabCaller *caller, KabAttempt *attempt)
{
    KabTicket *ticket = take_free();
    ticket->caller = caller;
    ticket->attempt = attempt;
    ticket->serial = attempt->serial;
    kab_arena_init(&ticket->arena, &caller->chunks, expected_bytes(attempt->n));
    ticket->headers = NULL;
    ticket->n_headers = NULL;
    ticket->last_topic = NULL;
    ticket->misuse = NULL;
    ticket->answer = (KabAnswer){.retry_after_ms = -1};
    ticket->entered_us = ticket->ended_us = ticket->deadline_us = 0;
    ticket->entered.deliver = caller->deliver_entered;
    ticket->answered.deliver = caller->deliver_answered;
    ticket->previous = ticket->history;
    ticket->history = (KabHistory){.binding = caller->binding,
                                   .function = caller->function->name,
                                   .n = attempt->n,
                                   .taken_us = g_get_monotonic_time()};
    uint64_t state = atomic_load(&ticket->state);
    uint64_t generation = (generation_of(state) + 1) & GENERATION_MASK;
    atomic_store(&ticket->state, generation << FLAGS | LIVE);
    return ticket;
}

void
kab_ticket_release(KabTicket *ticket)
{
    uint64_t gone = ~(uint64_t)LIVE;
    if (atomic_fetch_and(&ticket->state, gone) & LIVE)
        return;
    kab_arena_clear(&ticket->arena);
    pthread_mutex_lock(&table.mutex);
    ticket->next_free = table.free;
    table.free = ticket;
    pthread_mutex_unlock(&table.mutex);
}

/* The load pairs with the store in take(): a worker that asks for the handle
 * first sees everything the loop wrote before, whatever carried the pointer
 * between the threads. */
KabBatch *
kab_ticket_handle(const KabTicket *ticket)
{
    uint64_t state = atomic_load_explicit(&ticket->state, memory_order_acquire);
    uint64_t handle = generation_of(state) << GENERATION_SHIFT |
                      (uint64_t)ticket->caller->number << INDEX_BITS |
                      ticket->index;
    return (KabBatch *)(uintptr_t)handle;
}

bool
kab_ticket_enter(KabTicket *ticket)
{
    /* Pairs with the store in take(): what the loop wrote is seen here,
     * whatever carried the pointer between the threads. */
    (void)atomic_load_explicit(&ticket->state, memory_order_acquire);
    ticket->entered_us = ticket->history.entered_us = g_get_monotonic_time();
    int64_t timeout_us = ticket->attempt->timeout_us;
    if (timeout_us)
        ticket->deadline_us = ticket->entered_us + timeout_us;
    return !(atomic_fetch_or(&ticket->state, ENTERED) & CANCELLED);
}

bool
kab_ticket_cancel(KabTicket *ticket)
{
    uint64_t state = atomic_fetch_or(&ticket->state, CANCELLED);
    return state & ENTERED;
}

static KabTicket *
at_index(uintptr_t handle)
{
    uint32_t index = handle & ((1u << INDEX_BITS) - 1);
    KabTicket *chunk = atomic_load_explicit(&table.chunks[index >> CHUNK_BITS],
                                            memory_order_acquire);
    return chunk ? &chunk[index & (CHUNK_SIZE - 1)] : NULL;
}

static bool
is_current(uintptr_t handle, uint64_t state)
{
    return (state & LIVE) && generation_of(state) == handle >> GENERATION_SHIFT;
}

KabTicket *
kab_ticket_find(const KabBatch *batch)
{
    uintptr_t handle = (uintptr_t)batch;
    KabTicket *ticket = at_index(handle);
    if (!ticket)
        return NULL;
    uint64_t state = atomic_load_explicit(&ticket->state, memory_order_acquire);
    return is_current(handle, state) ? ticket : NULL;
}

bool
kab_ticket_is_cancelled(const KabBatch *batch)
{
    uintptr_t handle = (uintptr_t)batch;
    KabTicket *ticket = at_index(handle);
    if (!ticket)
        return true;
    uint64_t state = atomic_load_explicit(&ticket->state, memory_order_acquire);
    return !is_current(handle, state) || (state & CANCELLED);
}

static bool
is_debugging(void)
{
    const char *value = getenv("KABRIDGE_DEBUG");
    return value && strcmp(value, "1") == 0;
}

static void G_GNUC_NORETURN
abort_with_history(uintptr_t handle, const char *used_by)
{
    const KabTicket *ticket = at_index(handle);
    uint64_t generation = ticket ? generation_of(ticket->state) : 0;
    const KabHistory *history = NULL;
    if (ticket && generation == handle >> GENERATION_SHIFT)
        history = &ticket->history;
    else if (ticket && generation == (handle >> GENERATION_SHIFT) + 1)
        history = &ticket->previous;
    if (!history || !history->binding) {
        fprintf(stderr,
                "kabridge: %s() on batch %#zx, which ended long ago or "
                "never was\n",
                used_by, (size_t)handle);
        abort();
    }
    int64_t now = g_get_monotonic_time();
    fprintf(stderr,
            "kabridge: %s() on batch %#zx, which has ended: binding %s, "
            "function %s, %zu records, called %.3f ms ago, entered %.3f ms "
            "ago, ended by %s() on thread %ld %.3f ms ago\n",
            used_by, (size_t)handle, history->binding, history->function,
            history->n, (double)(now - history->taken_us) / 1000,
            (double)(now - history->entered_us) / 1000,
            history->ended_by ? history->ended_by : "nothing", history->thread,
            (double)(now - history->ended_us) / 1000);
    abort();
}

KabTicket *
kab_ticket_demand(const KabBatch *batch, const char *used_by)
{
    KabTicket *ticket = kab_ticket_find(batch);
    if (!ticket && is_debugging())
        abort_with_history((uintptr_t)batch, used_by);
    return ticket;
}

static void
count_double(uintptr_t handle)
{
    unsigned caller = (handle >> INDEX_BITS) & (N_CALLERS - 1);
    atomic_fetch_add(&table.doubles[caller], 1);
}

KabTicket *
kab_ticket_end(KabBatch *batch, const char *ended_by)
{
    uintptr_t handle = (uintptr_t)batch;
    KabTicket *ticket = at_index(handle);
    uint64_t state = ticket ? atomic_load(&ticket->state) : 0;
    do {
        if (!is_current(handle, state)) {
            count_double(handle);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&ticket->state, &state,
                                           state & ~(uint64_t)LIVE));
    ticket->ended_us = ticket->history.ended_us = g_get_monotonic_time();
    ticket->history.ended_by = ended_by;
    ticket->history.thread = syscall(SYS_gettid);
    return ticket;
}
