/* SPDX-License-Identifier: Apache-2.0 */
/* The process's table of calls: what a `KabBatch *` really is.
 *
 * A handle is a number, never an address: the index of a ticket, the number of
 * the caller (the executor of one binding) and a generation. Tickets are
 * reused; a handle of an older generation is recognised without touching memory
 * that may be freed. The table is the only process-wide mutable state, because
 * a function may keep a handle forever, even beyond the life of its binding.
 *
 * Who owns a ticket: the loop from kab_ticket_take() until the call is handed
 * to the pool; the function until kab_ticket_end(), which only one thread wins;
 * then the loop again, until kab_ticket_release().
 */
#pragma once

#include <stdatomic.h>

#include "types.h"
#include "arena.h"
#include "mailbox.h"

/* A handle: the generation, 10 bits of the caller's number, 20 of the ticket's
 * index. A ticket's state has its generation in the same place, above flags. */
enum {
    KAB_TICKET_INDEX_BITS = 20,
    KAB_TICKET_GENERATION_SHIFT = 30,
    KAB_TICKET_LIVE = 1,
    KAB_TICKET_CHUNK = 64,
};

/* Tickets at once in a process. Each binding stops taking records at its share
 * (KabEngineOptions.max_attempts). */
#define KAB_MAX_TICKETS ((size_t)1 << KAB_TICKET_INDEX_BITS)
#define KAB_N_TICKET_CHUNKS (KAB_MAX_TICKETS / KAB_TICKET_CHUNK)

/* Smaller growth is not reported: most batches never need this much. */
#define KAB_GROWTH_BYTES ((size_t)64 * 1024)

typedef struct KabTicket KabTicket;

/* Shared by all calls of one function. Created and freed by the executor;
 * constant while calls are out, but for what says otherwise.
 */
typedef struct {
    const char *binding; /* borrowed */
    const KabFunction *function;
    void *instance;
    bool has_output_topic;
    const char *const *topics; /* that outputs may name; NULL-terminated */
    /* All headers of a message in order: returns how many there are and fills
     * in the first `capacity`. The bytes live as long as the message.
     * NULL: none */
    size_t (*get_headers)(void *message, KabHeader *ret, size_t capacity);
    KabMailbox *mailbox;
    KabChunkPool chunks;
    KabTicket *free; /* tickets to take; used by the loop */
    unsigned number; /* part of the handle; from kab_ticket_caller_number() */
    /* Runs on the loop when the function was entered, and when it has
     * answered. */
    void (*deliver_entered)(KabMail *mail, void *user);
    void (*deliver_answered)(KabMail *mail, void *user);
    /* Runs on the loop when the memory of an open call has grown. */
    void (*deliver_grown)(KabMail *mail, void *user);
    bool is_quiet; /* no time-out, so `entered` is not reported */
} KabCaller;

/* The history of a call, for the message about a misuse. */
typedef struct {
    const char *binding, *function; /* static or resident: see executor */
    size_t n;
    int64_t taken_us, entered_us, ended_us;
    const char *ended_by;
    long thread;
} KabHistory;

struct KabTicket {
    atomic_uint_fast64_t state; /* generation, flags */
    uint32_t index;
    KabTicket *next_free;
    KabCaller *caller;
    KabAttempt *attempt;
    uint64_t serial;
    KabArena arena;
    KabHeader **headers; /* of each record, loaded on demand; in the arena */
    size_t *n_headers;
    const char *last_topic; /* last one looked up; from caller->topics */
    KabAnswer answer;
    int64_t entered_us, ended_us, deadline_us;
    const char *misuse;  /* the first misuse; static */
    size_t told;         /* bytes of the arena already reported */
    atomic_size_t grown; /* bytes that `grown_mail` is reporting */
    KabMail entered, answered, grown_mail;
    KabHistory history, previous;
};

/* Allocates the number of a new caller. Thread: any. */
unsigned kab_ticket_caller_number(void);
/* Answers to handles of this caller that had already ended, since the last
 * call. */
unsigned kab_ticket_steal_doubles(const KabCaller *caller);

/* Takes a ticket for one call. */
KabTicket *kab_ticket_take(KabCaller *caller, KabAttempt *attempt);
/* Gives the caller's free tickets to other callers. Call when it takes no more.
 */
void kab_ticket_leave_all(KabCaller *caller);
/* Frees its memory and number for reuse. An unanswered ticket is never reused,
 * because the function may still hold its handle. */
void kab_ticket_release(KabTicket *ticket);
KabBatch *kab_ticket_handle(const KabTicket *ticket);

/* Call before entering the function. False: the call was cancelled, do not
 * enter. Thread: worker */
bool kab_ticket_enter(KabTicket *ticket);
/* The answer is no longer wanted. True if the function was entered and must be
 * told. */
bool kab_ticket_cancel(KabTicket *ticket);

/* For the next four alone. */
extern _Atomic(KabTicket *) kab_ticket_chunks[KAB_N_TICKET_CHUNKS];
void kab_ticket_miss(const KabBatch *batch, const char *used_by);

static inline KabTicket *
kab_ticket_at(uintptr_t handle)
{
    size_t index = handle & (KAB_MAX_TICKETS - 1);
    KabTicket *chunk = atomic_load_explicit(
        &kab_ticket_chunks[index / KAB_TICKET_CHUNK], memory_order_acquire);
    return chunk ? &chunk[index % KAB_TICKET_CHUNK] : NULL;
}

static inline bool
kab_ticket_is_current(uintptr_t handle, uint64_t state)
{
    return (state & KAB_TICKET_LIVE) &&
           !((state ^ handle) >> KAB_TICKET_GENERATION_SHIFT);
}

/* The ticket of a handle; NULL if the handle has ended, but with
 * KABRIDGE_DEBUG=1 that aborts the process with the handle's history. Inline:
 * once or more for each record. Thread: any. */
static inline KabTicket *
kab_ticket_demand(const KabBatch *batch, const char *used_by)
{
    uintptr_t handle = (uintptr_t)batch;
    KabTicket *ticket = kab_ticket_at(handle);
    if (ticket &&
        kab_ticket_is_current(
            handle, atomic_load_explicit(&ticket->state, memory_order_acquire)))
        return ticket;
    kab_ticket_miss(batch, used_by);
    return NULL;
}

bool kab_ticket_is_cancelled(const KabBatch *batch);

/* Keeps the first misuse: what the function did to the batch. Static text. */
static inline void
kab_ticket_note_misuse(KabTicket *ticket, const char *what)
{
    if (!ticket->misuse)
        ticket->misuse = what;
}

/* Does the batch have a record i? If not, that is noted. */
static inline bool
kab_ticket_has_record(KabTicket *ticket, size_t i)
{
    if (i < ticket->attempt->n)
        return true;
    kab_ticket_note_misuse(ticket,
                           "named a record that the batch does not have");
    return false;
}

/* Only for kab_ticket_tell_growth(). */
void kab_ticket_post_growth(KabTicket *ticket, size_t grown);

/* Tells the loop how much memory the open call took since the last report, if
 * it is 64 KiB or more, so that a function's data is charged while it arrives.
 * Call before the answer, on the thread that holds the handle. */
static inline void
kab_ticket_tell_growth(KabTicket *ticket)
{
    size_t grown = ticket->arena.total - ticket->told;
    if (grown >= KAB_GROWTH_BYTES)
        kab_ticket_post_growth(ticket, grown);
}

/* Ends the handle: the one caller that gets the ticket gives the answer. NULL,
 * and counted, if the handle had ended before. Thread: any. */
KabTicket *kab_ticket_end(KabBatch *batch, const char *ended_by);
