/* SPDX-License-Identifier: Apache-2.0 */
/* The pool that calls the function, and the way its answers come back.
 *
 * Handing a ticket to a pool thread needs no annotation for ThreadSanitizer.
 * The ticket's state is stored before the hand-over and loaded after it
 * (kab_ticket_take, kab_ticket_handle), and that synchronises the two threads
 * whatever the distribution's GLib does in between.
 */
#include "executor.h"

#include <stdatomic.h>

#include <glib.h>

#include "ticket.h"

/* A call on the loop that takes longer than this is logged. */
static const int64_t slow_us = 10 * 1000;

/* Created and freed by the binding, on its loop. */
struct KabExecutor {
    KabCaller caller; /* must be first: a ticket's caller is cast to the
                       * executor */
    KabExecutorEvents events;
    void *user;
    GThreadPool *pool;    /* NULL: the function is called on the loop */
    atomic_uint n_inside; /* threads in process() */
    unsigned n_out, n_not_entered;
    unsigned n_blocked; /* calls that held up the loop, not reported yet */
    int64_t timeout_us; /* of each call */
    KabLogLimit misuse_limit, slow_limit;
};

static KabExecutor *
executor_of(const KabTicket *ticket)
{
    return (KabExecutor *)ticket->caller;
}

static KabTicket *
ticket_of_entered(KabMail *mail)
{
    return (KabTicket *)(void *)((char *)mail -
                                 G_STRUCT_OFFSET(KabTicket, entered));
}

static KabTicket *
ticket_of_answered(KabMail *mail)
{
    return (KabTicket *)(void *)((char *)mail -
                                 G_STRUCT_OFFSET(KabTicket, answered));
}

static void
deliver_entered(KabMail *mail, void *user)
{
    KabTicket *ticket = ticket_of_entered(mail);
    KabExecutor *executor = executor_of(ticket);
    executor->n_not_entered--;
    executor->events.entered(executor->user, ticket->attempt, ticket->serial,
                             ticket->entered_us);
}

static void
deliver_answered(KabMail *mail, void *user)
{
    KabTicket *ticket = ticket_of_answered(mail);
    KabExecutor *executor = executor_of(ticket);
    executor->n_out--;
    if (ticket->misuse)
        kab_log_limited(&executor->misuse_limit, KAB_LOG_WARNING,
                        executor->caller.binding, "function %s %s",
                        executor->caller.function->name, ticket->misuse);
    executor->events.answered(executor->user, ticket->attempt, ticket->serial,
                              &ticket->answer);
}

static KabTicket *
ticket_of_grown(KabMail *mail)
{
    return (KabTicket *)(void *)((char *)mail -
                                 G_STRUCT_OFFSET(KabTicket, grown_mail));
}

static void
deliver_grown(KabMail *mail, void *user)
{
    KabTicket *ticket = ticket_of_grown(mail);
    KabExecutor *executor = executor_of(ticket);
    size_t bytes = atomic_exchange(&ticket->grown, 0);
    if (executor->events.grew)
        executor->events.grew(executor->user, ticket->attempt, ticket->serial,
                              bytes);
}

/* Thread: worker, or the loop for a function that never blocks. Once process()
 * has returned, the ticket may belong to anybody. */
static void
call_function(KabExecutor *executor, KabTicket *ticket)
{
    KabBatch *handle = kab_ticket_handle(ticket);
    bool is_wanted = kab_ticket_enter(ticket);
    kab_mailbox_post_quietly(executor->caller.mailbox, &ticket->entered);
    if (is_wanted)
        executor->caller.function->process(executor->caller.instance, handle);
    else
        kab_batch_fail(handle, KAB_FAIL_TRANSIENT, -1,
                       "cancelled before it was called");
}

/* Decrementing n_inside is a worker's last access to the executor. */
static void
on_worker(gpointer data, gpointer user)
{
    KabExecutor *executor = user;
    call_function(executor, data);
    atomic_fetch_sub(&executor->n_inside, 1);
}

static void
call_on_loop(KabExecutor *executor, KabTicket *ticket)
{
    int64_t start = g_get_monotonic_time();
    call_function(executor, ticket);
    int64_t took = g_get_monotonic_time() - start;
    if (took <= slow_us)
        return;
    executor->n_blocked++;
    kab_log_limited(&executor->slow_limit, KAB_LOG_WARNING,
                    executor->caller.binding,
                    "function %s is KAB_FUNCTION_NONBLOCKING, but its "
                    "process() took %" G_GINT64_FORMAT
                    " ms: nothing was taken or produced meanwhile",
                    executor->caller.function->name, took / 1000);
}

KabExecutor *
kab_executor_new(const KabExecutorSetup *setup)
{
    KabExecutor *executor = g_new0(KabExecutor, 1);
    executor->caller = (KabCaller){
        .binding = g_intern_string(setup->binding),
        .function = setup->function,
        .instance = setup->instance,
        .has_output_topic = setup->has_output_topic,
        .topics = setup->topics,
        .get_headers = setup->get_headers,
        .mailbox = setup->mailbox,
        .number = kab_ticket_caller_number(),
        .deliver_entered = deliver_entered,
        .deliver_answered = deliver_answered,
        .deliver_grown = deliver_grown,
    };
    kab_chunk_pool_init(&executor->caller.chunks);
    executor->events = *setup->events;
    executor->user = setup->user;
    if (!(setup->function->flags & KAB_FUNCTION_NONBLOCKING))
        executor->pool = g_thread_pool_new(on_worker, executor,
                                           (int)setup->threads, FALSE, NULL);
    return executor;
}

void
kab_executor_free(KabExecutor *executor)
{
    if (!executor)
        return;
    if (executor->pool)
        g_thread_pool_free(executor->pool, FALSE, TRUE);
    g_assert(!atomic_load(&executor->n_inside));
    kab_ticket_leave_all(&executor->caller);
    kab_chunk_pool_clear(&executor->caller.chunks);
    g_free(executor);
}

void
kab_executor_set_threads(KabExecutor *executor, unsigned threads)
{
    if (executor->pool)
        g_thread_pool_set_max_threads(executor->pool, (int)threads, NULL);
}

void
kab_executor_invoke(void *user, KabAttempt *attempt)
{
    KabExecutor *executor = user;
    executor->n_out++;
    executor->n_not_entered++;
    executor->timeout_us = attempt->timeout_us;
    KabTicket *ticket = kab_ticket_take(&executor->caller, attempt);
    attempt->call = ticket;
    attempt->memory = &ticket->arena;
    if (!executor->pool) {
        call_on_loop(executor, ticket);
        return;
    }
    atomic_fetch_add(&executor->n_inside, 1);
    g_thread_pool_push(executor->pool, ticket, NULL);
}

void
kab_executor_cancel(void *user, KabAttempt *attempt)
{
    KabExecutor *executor = user;
    KabTicket *ticket = attempt->call;
    KabBatch *handle = kab_ticket_handle(ticket);
    const KabFunction *function = executor->caller.function;
    if (kab_ticket_cancel(ticket) && function->cancel)
        function->cancel(executor->caller.instance, handle);
}

void
kab_executor_release(void *user, KabAttempt *attempt)
{
    kab_ticket_release(attempt->call);
    attempt->call = NULL;
    attempt->memory = NULL;
}

const KabCallPort kab_executor_port = {
    .invoke = kab_executor_invoke,
    .cancel = kab_executor_cancel,
    .release_attempt = kab_executor_release,
};

static void
report_blocked(KabExecutor *executor)
{
    for (; executor->n_blocked; executor->n_blocked--)
        if (executor->events.blocked)
            executor->events.blocked(executor->user);
}

void
kab_executor_turn(KabExecutor *executor)
{
    report_blocked(executor);
    unsigned n = kab_ticket_steal_doubles(&executor->caller);
    for (unsigned i = 0; i < n; i++)
        executor->events.answered_twice(executor->user);
    if (n)
        kab_log_limited(&executor->misuse_limit, KAB_LOG_WARNING,
                        executor->caller.binding,
                        "function %s answered a batch that had ended: that "
                        "answer is ignored",
                        executor->caller.function->name);
}

int64_t
kab_executor_patience_us(const KabExecutor *executor)
{
    if (!executor->n_not_entered || !executor->timeout_us)
        return INT64_MAX;
    return CLAMP(executor->timeout_us / 10, 1000, 100 * 1000);
}

unsigned
kab_executor_n_out(const KabExecutor *executor)
{
    return executor->n_out;
}

bool
kab_executor_is_idle(const KabExecutor *executor)
{
    return !executor->n_out && !atomic_load(&executor->n_inside);
}
