/* SPDX-License-Identifier: Apache-2.0 */
/* The process-wide table of tickets, and how a handle is resolved.
 *
 * Tickets live in chunks that are made on demand and never freed, so reading
 * the state of any index is always safe. A ticket's state is one atomic word;
 * every change of ownership is a change of that word.
 *
 *   free --take--> LIVE --enter--> LIVE|ENTERED --end--> ended --release-->
 *                    |                 |                   (next generation)
 *                    +----- cancel: |CANCELLED -----+
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
    LIVE = KAB_TICKET_LIVE,
    ENTERED = 2,
    CANCELLED = 4,

    CALLER_SHIFT = KAB_TICKET_INDEX_BITS,
    N_CALLERS = 1 << (KAB_TICKET_GENERATION_SHIFT - CALLER_SHIFT),
};
_Static_assert(KAB_MAX_TICKETS == 1 << KAB_TICKET_INDEX_BITS, "all of them");
#define GENERATION_ONE (UINT64_C(1) << KAB_TICKET_GENERATION_SHIFT)

_Atomic(KabTicket *) kab_ticket_chunks[KAB_N_TICKET_CHUNKS];

/* Process-wide, as the header explains; never freed. */
static struct {
    pthread_mutex_t mutex; /* guards free, n_tickets and growth */
    KabTicket *free;       /* of callers that are gone */
    uint32_t n_tickets;
    atomic_uint next_caller;
    atomic_uint doubles[N_CALLERS];
    bool is_debugging; /* KABRIDGE_DEBUG=1 when the first caller was made */
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool
is_debugging(void)
{
    const char *value = getenv("KABRIDGE_DEBUG");
    return value && strcmp(value, "1") == 0;
}

unsigned
kab_ticket_caller_number(void)
{
    unsigned number = atomic_fetch_add(&table.next_caller, 1);
    if (number == 0)
        table.is_debugging = is_debugging();
    return number % N_CALLERS;
}

unsigned
kab_ticket_steal_doubles(const KabCaller *caller)
{
    atomic_uint *doubles = &table.doubles[caller->number];
    if (!atomic_load_explicit(doubles, memory_order_relaxed))
        return 0;
    return atomic_exchange(doubles, 0);
}

/* The mutex is held. Returns a list of new tickets. */
static KabTicket *
make_chunk(void)
{
    uint32_t first = table.n_tickets;
    if (first >= KAB_MAX_TICKETS)
        g_error("more than %u calls are not acknowledged, although each "
                "binding stops taking records before: a fault of kabridge",
                first);
    KabTicket *chunk = g_new0(KabTicket, KAB_TICKET_CHUNK), *list = NULL;
    for (uint32_t i = KAB_TICKET_CHUNK; i-- > 0;) {
        chunk[i].index = first + i;
        chunk[i].next_free = list;
        list = &chunk[i];
    }
    table.n_tickets += KAB_TICKET_CHUNK;
    atomic_store(&kab_ticket_chunks[first / KAB_TICKET_CHUNK], chunk);
    return list;
}

/* A call takes and returns its ticket without a lock: only the first ones of a
 * caller come from the table. */
static void
stock_up(KabCaller *caller)
{
    pthread_mutex_lock(&table.mutex);
    caller->free = table.free;
    table.free = NULL;
    if (!caller->free)
        caller->free = make_chunk();
    pthread_mutex_unlock(&table.mutex);
}

static KabTicket *
take_free(KabCaller *caller)
{
    if (!caller->free)
        stock_up(caller);
    KabTicket *ticket = caller->free;
    caller->free = ticket->next_free;
    return ticket;
}

void
kab_ticket_leave_all(KabCaller *caller)
{
    pthread_mutex_lock(&table.mutex);
    while (caller->free) {
        KabTicket *ticket = caller->free;
        caller->free = ticket->next_free;
        ticket->next_free = table.free;
        table.free = ticket;
    }
    pthread_mutex_unlock(&table.mutex);
}

static void
note_history(KabTicket *ticket)
{
    ticket->previous = ticket->history;
    ticket->history = (KabHistory){.binding = ticket->caller->binding,
                                   .function = ticket->caller->function->name,
                                   .n = ticket->attempt->n,
                                   .taken_us = g_get_monotonic_time()};
}

static uint64_t
generation_of(uint64_t state)
{
    return state >> KAB_TICKET_GENERATION_SHIFT;
}

/* Space for one product per record, some bytes of values, and the reasons. */
static size_t
expected_bytes(size_t n)
{
    return n * (sizeof(KabProduct) + 16);
}

KabTicket *
kab_ticket_take(KabCaller *caller, KabAttempt *attempt)
{
    KabTicket *ticket = take_free(caller);
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
    ticket->grown_mail.deliver = caller->deliver_grown;
    ticket->told = 0;
    atomic_store_explicit(&ticket->grown, 0, memory_order_relaxed);
    note_history(ticket);
    uint64_t state = atomic_load(&ticket->state);
    uint64_t generation = state & -GENERATION_ONE;
    atomic_store(&ticket->state, (generation + GENERATION_ONE) | LIVE);
    return ticket;
}

void
kab_ticket_release(KabTicket *ticket)
{
    uint64_t gone = ~(uint64_t)LIVE;
    if (atomic_fetch_and(&ticket->state, gone) & LIVE)
        return;
    kab_arena_clear(&ticket->arena);
    ticket->next_free = ticket->caller->free;
    ticket->caller->free = ticket;
}

/* The load pairs with the store in take(): a worker that first asks for the
 * handle sees everything the loop wrote before, however the pointer got from
 * one thread to the other. */
KabBatch *
kab_ticket_handle(const KabTicket *ticket)
{
    uint64_t state = atomic_load_explicit(&ticket->state, memory_order_acquire);
    uint64_t handle = (state & -GENERATION_ONE) |
                      (uint64_t)ticket->caller->number << CALLER_SHIFT |
                      ticket->index;
    return (KabBatch *)(uintptr_t)handle;
}

bool
kab_ticket_enter(KabTicket *ticket)
{
    /* Pairs with the store in take(): makes the loop's writes visible here,
     * however the pointer got from one thread to the other. */
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

bool
kab_ticket_is_cancelled(const KabBatch *batch)
{
    uintptr_t handle = (uintptr_t)batch;
    KabTicket *ticket = kab_ticket_at(handle);
    if (!ticket)
        return true;
    uint64_t state = atomic_load_explicit(&ticket->state, memory_order_acquire);
    return !kab_ticket_is_current(handle, state) || (state & CANCELLED);
}

static void G_GNUC_NORETURN
abort_with_history(uintptr_t handle, const char *used_by)
{
    const KabTicket *ticket = kab_ticket_at(handle);
    uint64_t generation = ticket ? generation_of(ticket->state) : 0;
    const KabHistory *history = NULL;
    if (ticket && generation == generation_of(handle))
        history = &ticket->history;
    else if (ticket && generation == generation_of(handle) + 1)
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

void
kab_ticket_miss(const KabBatch *batch, const char *used_by)
{
    if (is_debugging())
        abort_with_history((uintptr_t)batch, used_by);
}

/* The mail is posted only while it is not in the mailbox already. The answer
 * follows it into the mailbox, so the ticket is not reused before both are
 * delivered. */
void
kab_ticket_post_growth(KabTicket *ticket, size_t grown)
{
    ticket->told = ticket->arena.total;
    if (atomic_fetch_add(&ticket->grown, grown) == 0)
        kab_mailbox_post(ticket->caller->mailbox, &ticket->grown_mail);
}

static void
count_double(uintptr_t handle)
{
    unsigned caller = (handle >> CALLER_SHIFT) & (N_CALLERS - 1);
    atomic_fetch_add(&table.doubles[caller], 1);
}

KabTicket *
kab_ticket_end(KabBatch *batch, const char *ended_by)
{
    uintptr_t handle = (uintptr_t)batch;
    KabTicket *ticket = kab_ticket_at(handle);
    uint64_t state = ticket ? atomic_load(&ticket->state) : 0;
    do {
        if (!kab_ticket_is_current(handle, state)) {
            count_double(handle);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&ticket->state, &state,
                                           state & ~(uint64_t)LIVE));
    ticket->ended_us = ticket->history.ended_us = g_get_monotonic_time();
    ticket->history.ended_by = ended_by;
    if (table.is_debugging)
        ticket->history.thread = syscall(SYS_gettid);
    return ticket;
}
