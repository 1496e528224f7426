/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge run: a bridge, its admin server, signals, the service manager.
 *
 * Ends upstream first: the bridge has drained, or was left, before the
 * signals' thread and the server go; after an error that leaked clients the
 * process is left without taking anything apart.
 */
#include <stdio.h>
#include <sysexits.h>

#include "admin-bridge.h"
#include "cli.h"
#include "log.h"
#include "service.h"
#include "session.h"
#include "signals.h"

/* --- Service manager --------------------------------------------------- */

static void
on_started(void *user)
{
    sd_notify(0, "READY=1");
}

/* One line: what is not ready, or how many bindings run. */
static char *
dup_service_status(const GPtrArray *snapshots)
{
    for (guint i = 0; i < snapshots->len; i++) {
        const KabBindingSnapshot *snapshot = snapshots->pdata[i];
        if (snapshot->reason)
            return g_strdup_printf("STATUS=binding %s is not ready: %s",
                                   snapshot->name, snapshot->reason);
    }
    return g_strdup_printf("STATUS=%u bindings are ready", snapshots->len);
}

static void
on_tick(void *user)
{
    if (!g_getenv("NOTIFY_SOCKET"))
        return;
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(user);
    g_autofree char *status = dup_service_status(snapshots);
    g_strdelimit(status, "\r\n", ' ');
    g_autofree char *state = g_strconcat("WATCHDOG=1\n", status, NULL);
    sd_notify(0, state);
}

static void
on_stop(void)
{
    sd_notify(0, "STOPPING=1");
    kab_log(KAB_LOG_INFO, NULL,
            "stopping: what is called is finished first; "
            "once more leaves at once");
}

/* --- Run --------------------------------------------------------------- */

/* Taken and not finished, of bindings that were left running. */
static size_t
count_unfinished(KabBridge *bridge)
{
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(bridge);
    size_t n = 0;
    for (guint i = 0; i < snapshots->len; i++)
        n += ((KabBindingSnapshot *)snapshots->pdata[i])->n_unfinished;
    return n;
}

static void
say_what_is_left(KabBridge *bridge, const GError *error, unsigned n_stops)
{
    size_t n_left = kab_bridge_n_left(bridge);
    if (!error && n_left)
        fprintf(stderr,
                "kabridge: %zu records that were taken but waiting will be "
                "delivered again\n",
                n_left);
    if (n_stops > 1 && g_error_matches(error, KAB_ERROR, KAB_ERROR_UNFINISHED))
        fprintf(stderr,
                "kabridge: %zu records were taken and not finished: they will "
                "be delivered again\n",
                count_unfinished(bridge));
}

static bool
serve(KabBridge *bridge, GError **error)
{
    const KabSettings *settings = kab_bridge_settings(bridge);
    g_autoptr(KabAdmin) admin = NULL;
    if (settings->admin_listen) {
        admin = kab_admin_new_for_bridge(settings->admin_listen, bridge, error);
        if (!admin)
            return false;
        kab_log(KAB_LOG_INFO, NULL, "metrics, health and status at %s",
                kab_admin_url(admin));
    }
    kab_bridge_set_watch(bridge,
                         &(KabBridgeWatch){on_started, on_tick, bridge});
    g_autoptr(KabSignals) signals = kab_signals_new(bridge, on_stop);
    g_autoptr(GError) fault = NULL;
    bool is_done = kab_bridge_run(bridge, &fault);
    sd_notify(0, "STOPPING=1");
    say_what_is_left(bridge, fault, kab_signals_n_stops(signals));
    if (fault)
        g_propagate_error(error, g_steal_pointer(&fault));
    return is_done;
}

static KabBridge *
make_bridge(const char *path, char *const *sets, GError **error)
{
    g_autoptr(KabConfig) config = kab_cli_open(path, sets, error);
    /* A bridge takes functions from its program too, this one has none. */
    g_autoptr(KabSettings) checked =
        config ? kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, error)
               : NULL;
    KabBridge *bridge =
        checked ? kab_bridge_new(g_steal_pointer(&config), error) : NULL;
    if (!bridge)
        return NULL;
    const KabSettings *settings = kab_bridge_settings(bridge);
    kab_log_set_format(settings->log_format);
    kab_log_set_level(settings->log_level);
    return bridge;
}

int
kab_cli_run(int argc, char **argv)
{
    g_auto(GStrv) sets = NULL;
    const GOptionEntry entries[] = {KAB_CLI_SET_ENTRY(&sets), {NULL}};
    if (!kab_cli_parse(&argc, &argv, "CONFIG",
                       "Runs the bindings of a configuration until SIGTERM or "
                       "SIGINT.\n\nSIGHUP reads the file again, SIGUSR1 logs "
                       "the state of every binding.",
                       entries, 1, 1))
        return EX_USAGE;
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_INFO);
    g_autoptr(GError) error = NULL;
    g_autoptr(KabBridge) bridge = make_bridge(argv[1], sets, &error);
    if (bridge && serve(bridge, &error))
        return EX_OK;
    if (!bridge)
        return kab_cli_fail(g_steal_pointer(&error));
    kab_cli_leave(kab_cli_fail_of_bindings(g_steal_pointer(&error)));
}
