/* SPDX-License-Identifier: Apache-2.0 */
/* The process's table of calls: what a `KabBatch *` really is.
 *
 * A handle is a number, never an address: the index of a ticket, the number
 * of the caller (the executor of one binding) and a generation. A ticket is
 * used again and again; a handle of an older generation is recognised
 * without touching memory that may be gone. The table is the one piece of
 * process-wide mutable state: a function may keep a handle for ever, also
 * beyond the life of its binding.
 *
 * Who owns a ticket: the loop from kab_ticket_take() until the call is
 * handed to the pool; the function until kab_ticket_end(), which only one
 * thread wins; then the loop again, until kab_ticket_release().
 */
#pragma once

#include <stdatomic.h>

#include "types.h"
#include "arena.h"
#include "mailbox.h"

/* What all calls of one function share. Created and freed by the executor;
 * constant while calls are out.
 */
typedef struct {
    const char *binding; /* borrowed */
    const KabFunction *function;
    void *instance;
    bool has_output_topic;
    const char *const *topics; /* that outputs may name; NULL-terminated */
    /* All headers of a message in order: how many there are; fills in the
     * first `capacity`. The bytes live as long as the message. NULL: none */
    size_t (*get_headers)(void *message, KabHeader *ret, size_t capacity);
    KabMailbox *mailbox;
    KabChunkPool chunks;
    unsigned number; /* in handles, from kab_ticket_caller_number() */
    /* The call was answered: on the loop. */
    void (*deliver_entered)(KabMail *mail, void *user);
    void (*deliver_answered)(KabMail *mail, void *user);
    bool is_quiet; /* nobody waits for `entered`: there is no time-out */
} KabCaller;

/* What becomes of a call, for the message of a misuse. */
typedef struct {
    const char *binding, *function; /* static or resident: see executor */
    size_t n;
    int64_t taken_us, entered_us, ended_us;
    const char *ended_by;
    long thread;
} KabHistory;

typedef struct KabTicket KabTicket;

struct KabTicket {
    atomic_uint_fast64_t state; /* generation and flags */
    uint32_t index;
    KabTicket *next_free;
    KabCaller *caller;
    KabAttempt *attempt;
    uint64_t serial;
    KabArena arena;
    KabHeader **headers; /* of each record, as asked for; in the arena */
    size_t *n_headers;
    const char *last_topic; /* the one found last, of caller->topics */
    KabAnswer answer;
    int64_t entered_us, ended_us, deadline_us;
    const char *misuse; /* the first one; static */
    KabMail entered, answered;
    KabHistory history, previous;
};

/* A number for a new caller. Thread: any. */
unsigned kab_ticket_caller_number(void);
/* How many second answers this caller's handles got since the last time. */
unsigned kab_ticket_steal_doubles(const KabCaller *caller);

/* A ticket for one call. Thread: any. */
KabTicket *kab_ticket_take(KabCaller *caller, KabAttempt *attempt);
/* Its memory and number are free again. An unanswered one is never used
 * again: the function may still hold it. */
void kab_ticket_release(KabTicket *ticket);
KabBatch *kab_ticket_handle(const KabTicket *ticket);

/* The function is about to be entered. False: nobody wants it any more, and
 * it is not to be called. Thread: worker */
bool kab_ticket_enter(KabTicket *ticket);
/* The answer is not wanted any more. True if the function was entered and
 * must be told. */
bool kab_ticket_cancel(KabTicket *ticket);

/* What a handle stands for; NULL if it has ended. Thread: any. */
KabTicket *kab_ticket_find(const KabBatch *batch);
/* The same; on one that has ended aborts with its history if
 * KABRIDGE_DEBUG=1. Thread: any. */
KabTicket *kab_ticket_demand(const KabBatch *batch, const char *used_by);
bool kab_ticket_is_cancelled(const KabBatch *batch);
/* Ends the handle: the one caller that gets the ticket gives the answer.
 * NULL, and counted, if it was ended before. Thread: any. */
KabTicket *kab_ticket_end(KabBatch *batch, const char *ended_by);
