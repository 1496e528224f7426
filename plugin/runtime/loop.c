/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: one GSource, whose dispatch runs turns until nothing moves.
 *
 * A round of turns is bounded, so that other sources of the context are served
 * even if records never stop coming.
 */
#include "loop.h"

enum { TURNS_A_ROUND = 64 };

/* The GSource, with a pointer to the loop behind it. */
typedef struct {
    GSource source;
    KabLoop *loop;
} LoopSource;

/* Made by its owner; the fields below belong to the thread that runs it. */
struct KabLoop {
    KabLoopWork work;
    void *user;
    KabMailbox *mailbox;
    GMainContext *context;
    GSource *source;
    int64_t deadline_us; /* of the current sleep */
    bool is_hungry;      /* something still moved when the last round ended */
    bool has_quit;
};

/* Uses a time-out instead of g_source_set_ready_time(), which wakes the context
 * it is called on: a loop whose deadline moves would never sleep. Rounded up to
 * poll's milliseconds, because otherwise the loop would spin for the last
 * millisecond before a deadline. */
static gboolean
prepare_source(GSource *source, gint *timeout)
{
    KabLoop *loop = ((LoopSource *)source)->loop;
    *timeout = -1;
    if (loop->is_hungry)
        return TRUE;
    loop->deadline_us = loop->work.deadline(loop->user);
    if (loop->deadline_us == INT64_MAX)
        return FALSE;
    int64_t left_us = loop->deadline_us - g_get_monotonic_time();
    *timeout = (gint)CLAMP((left_us + 999) / 1000, 0, G_MAXINT);
    return left_us <= 0;
}

/* GLib itself checks the descriptors. */
static gboolean
check_source(GSource *source)
{
    KabLoop *loop = ((LoopSource *)source)->loop;
    return loop->is_hungry || g_get_monotonic_time() >= loop->deadline_us;
}

static gboolean
dispatch_source(GSource *source, GSourceFunc callback, gpointer data)
{
    KabLoop *loop = ((LoopSource *)source)->loop;
    kab_mailbox_wake(loop->mailbox);
    for (unsigned i = 0; i < TURNS_A_ROUND && !loop->has_quit; i++) {
        bool has_moved = loop->work.turn(loop->user);
        if (!has_moved && kab_mailbox_arm(loop->mailbox)) {
            loop->is_hungry = false;
            return G_SOURCE_CONTINUE;
        }
    }
    loop->is_hungry = true;
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {.prepare = prepare_source,
                                        .check = check_source,
                                        .dispatch = dispatch_source};

/* g_main_context_new() aborts if it gets no descriptor for its wake-up. */
static bool
has_descriptor(GError **error)
{
    KabMailbox *spare = kab_mailbox_new(error);
    kab_mailbox_free(spare);
    return spare != NULL;
}

KabLoop *
kab_loop_new(const KabLoopWork *work, void *user, GError **error)
{
    KabMailbox *mailbox = kab_mailbox_new(error);
    if (!mailbox || !has_descriptor(error)) {
        kab_mailbox_free(mailbox);
        return NULL;
    }
    KabLoop *loop = g_new0(KabLoop, 1);
    loop->work = *work;
    loop->user = user;
    loop->mailbox = mailbox;
    loop->context = g_main_context_new();
    loop->source = g_source_new(&source_functions, sizeof(LoopSource));
    loop->is_hungry = true;
    ((LoopSource *)loop->source)->loop = loop;
    kab_loop_watch(loop, kab_mailbox_fd(loop->mailbox));
    g_source_attach(loop->source, loop->context);
    return loop;
}

void
kab_loop_free(KabLoop *loop)
{
    if (!loop)
        return;
    g_source_destroy(loop->source);
    g_source_unref(loop->source);
    g_main_context_unref(loop->context);
    kab_mailbox_free(loop->mailbox);
    g_free(loop);
}

KabMailbox *
kab_loop_mailbox(KabLoop *loop)
{
    return loop->mailbox;
}

void
kab_loop_watch(KabLoop *loop, int fd)
{
    g_source_add_unix_fd(loop->source, fd, G_IO_IN);
}

void
kab_loop_run(KabLoop *loop)
{
    g_main_context_push_thread_default(loop->context);
    while (!loop->has_quit)
        g_main_context_iteration(loop->context, TRUE);
    g_main_context_pop_thread_default(loop->context);
    loop->has_quit = false;
    loop->is_hungry = true;
}

void
kab_loop_quit(KabLoop *loop)
{
    loop->has_quit = true;
}

bool
kab_loop_is_own(const KabLoop *loop)
{
    return g_main_context_is_owner(loop->context);
}
