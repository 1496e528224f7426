/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: one GSource, whose dispatch runs turns until nothing moves.
 *
 * A round of turns is bounded, so that other sources of the context get
 * their part even if records never stop coming.
 */
#include "loop.h"

enum { TURNS_A_ROUND = 64 };

/* What the GSource is; the loop is behind it. */
typedef struct {
    GSource source;
    KabLoop *loop;
} LoopSource;

/* Made by its owner; the fields below are of the thread that runs it. */
struct KabLoop {
    KabLoopWork work;
    void *user;
    KabMailbox *mailbox;
    GMainContext *context;
    GSource *source;
    bool is_hungry; /* the last round ended with something moving */
    bool has_quit;
};

static gboolean
prepare(GSource *source, gint *timeout)
{
    KabLoop *loop = ((LoopSource *) source)->loop;
    *timeout = -1;
    if (loop->is_hungry)
        return TRUE;
    int64_t deadline = loop->work.deadline(loop->user);
    g_source_set_ready_time(source, deadline == INT64_MAX ? -1 : deadline);
    return FALSE;
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    KabLoop *loop = ((LoopSource *) source)->loop;
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

/* check: left to GLib, which looks at the descriptors and the ready time. */
static GSourceFuncs source_functions = {.prepare = prepare,
                                        .dispatch = dispatch};

KabLoop *
kab_loop_new(const KabLoopWork *work, void *user)
{
    KabLoop *loop = g_new0(KabLoop, 1);
    loop->work = *work;
    loop->user = user;
    loop->mailbox = kab_mailbox_new();
    loop->context = g_main_context_new();
    loop->source = g_source_new(&source_functions, sizeof(LoopSource));
    loop->is_hungry = true;
    ((LoopSource *) loop->source)->loop = loop;
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
