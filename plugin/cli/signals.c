/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: GLib's sources on a context and thread of their own. */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib-unix.h>

#include "log.h"

/* Time for kab_bridge_run() to return after the second stop. */
enum { PATIENCE_S = 3 };

struct KabSignals {
    KabBridge *bridge;
    void (*on_stop)(void);
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    atomic_uint n_stops;
};

static void
attach_source(KabSignals *signals, GSource *source, GSourceFunc on_event)
{
    g_source_set_callback(source, on_event, signals, NULL);
    g_source_attach(source, signals->context);
    g_source_unref(source);
}

/* The user has asked twice: exits, whatever keeps kab_bridge_run() from
 * returning. */
static gboolean
on_patience_over(gpointer user)
{
    kab_log_print("kabridge: the bridge does not return: left without it; "
                  "what was not finished will be delivered again\n");
    kab_log_flush();
    _exit(EX_TEMPFAIL);
}

static gboolean
on_stop(gpointer user)
{
    KabSignals *signals = user;
    unsigned n = atomic_fetch_add(&signals->n_stops, 1);
    if (n == 0)
        signals->on_stop();
    if (n == 1)
        attach_source(signals, g_timeout_source_new_seconds(PATIENCE_S),
                      on_patience_over);
    if (n < 2)
        kab_bridge_stop(signals->bridge);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_reload(gpointer user)
{
    kab_bridge_reload(((KabSignals *)user)->bridge);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_log_state(gpointer user)
{
    kab_bridge_log_state(((KabSignals *)user)->bridge);
    return G_SOURCE_CONTINUE;
}

static gpointer
listen_for_signals(gpointer user)
{
    KabSignals *signals = user;
    g_main_context_push_thread_default(signals->context);
    g_main_loop_run(signals->loop);
    g_main_context_pop_thread_default(signals->context);
    return NULL;
}

void
kab_signals_ignore_pipe(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

KabSignals *
kab_signals_new(KabBridge *bridge, void (*on_stop_)(void))
{
    static const struct {
        int number;
        GSourceFunc on_signal;
    } table[] = {
        {SIGTERM, on_stop},
        {SIGINT, on_stop},
        {SIGHUP, on_reload},
        {SIGUSR1, on_log_state},
    };
    KabSignals *signals = g_new0(KabSignals, 1);
    signals->bridge = bridge;
    signals->on_stop = on_stop_;
    signals->context = g_main_context_new();
    signals->loop = g_main_loop_new(signals->context, FALSE);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        attach_source(signals, g_unix_signal_source_new(table[i].number),
                      table[i].on_signal);
    signals->thread = g_thread_new("signals", listen_for_signals, signals);
    return signals;
}

unsigned
kab_signals_n_stops(const KabSignals *signals)
{
    return atomic_load(&signals->n_stops);
}

static gboolean
quit_loop(gpointer user)
{
    g_main_loop_quit(((KabSignals *)user)->loop);
    return G_SOURCE_REMOVE;
}

void
kab_signals_free(KabSignals *signals)
{
    if (!signals)
        return;
    attach_source(signals, g_idle_source_new(), quit_loop);
    g_thread_join(signals->thread);
    g_main_loop_unref(signals->loop);
    g_main_context_unref(signals->context);
    g_free(signals);
}
