/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge top: shows a running bridge in the terminal. */
#include "top.h"

#include <sysexits.h>

#include "cli.h"
#include "fetch.h"

/* The previous round, for the rates. */
typedef struct {
    const char *url;
    KabTerminal out;
    KabTopSums *before;
    int64_t before_us;
    KabTopHistory *history; /* NULL: one round only */
} Watch;

/* One round: two requests, one text. Returns a new string. */
static char *
dup_round(Watch *watch, GError **error)
{
    g_autofree char *status = kab_fetch(watch->url, "/status", error);
    g_autofree char *metrics =
        status ? kab_fetch(watch->url, "/metrics", error) : NULL;
    if (!metrics)
        return NULL;
    int64_t now_us = g_get_monotonic_time();
    KabTopSums *now = kab_top_sums_new(metrics);
    char *screen = kab_top_dup_screen(
        &watch->out, status, now, watch->before,
        (double)(now_us - watch->before_us) / G_USEC_PER_SEC, watch->history);
    kab_top_sums_free(watch->before);
    watch->before = now;
    watch->before_us = now_us;
    if (!screen)
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "%s: found an answer that is no status; wanted the admin "
                    "server of a bridge",
                    watch->url);
    return screen;
}

/* Runs until the user ends it. Keeps polling a bridge that does not answer. */
static void
show_for_ever(Watch *watch, char *screen)
{
    watch->history = kab_top_history_new();
    for (;;) {
        fprintf(watch->out.stream, "\033[H\033[J%s", screen);
        fflush(watch->out.stream);
        g_free(screen);
        g_usleep(G_USEC_PER_SEC);
        g_autoptr(GError) error = NULL;
        screen = dup_round(watch, &error);
        if (!screen)
            screen = g_strdup_printf("%s\n", error->message);
    }
}

int
kab_cli_top(int argc, char **argv)
{
    gboolean is_once = FALSE;
    const GOptionEntry entries[] = {
        {"once", '1', 0, G_OPTION_ARG_NONE, &is_once,
         "one look, with the rates of one second; the default without a "
         "terminal",
         NULL},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "[URL]",
                       "Shows a running bridge in the terminal, every second. "
                       "URL: of its admin server (default " KAB_DEFAULT_URL
                       ").",
                       entries, 0, 1))
        return EX_USAGE;
    Watch watch = {.url = argc > 1 ? argv[1] : KAB_DEFAULT_URL,
                   .out = kab_terminal_of(stdout)};
    g_autoptr(GError) error = NULL;
    char *screen = dup_round(&watch, &error);
    if (screen && watch.out.is_terminal && !is_once)
        show_for_ever(&watch, screen);
    if (screen) {
        g_free(screen);
        g_usleep(G_USEC_PER_SEC);
        screen = dup_round(&watch, &error);
    }
    kab_top_sums_free(watch.before);
    if (!screen)
        return kab_cli_fail(g_steal_pointer(&error));
    fputs(screen, stdout);
    g_free(screen);
    return EX_OK;
}
