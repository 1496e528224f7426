/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge run: a bridge, its admin server, signals, the service manager.
 *
 * Ends upstream first: the bridge has drained, or was aborted, before the
 * signals' thread and the server end. After an error that leaked clients, the
 * process exits without freeing anything.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "admin-bridge.h"
#include "cli.h"
#include "log.h"
#include "service.h"
#include "session.h"
#include "signals.h"

/* --- Service manager --------------------------------------------------- */

/* Reports to the service manager. Used by the bridge's thread. */
typedef struct {
    KabBridge *bridge;
    unsigned n_ticks; /* ticks between two watchdog pings; 0: no watchdog */
    unsigned n_until_ping;
} Service;

/* Pings the watchdog at half its time-out, as sd_watchdog_enabled(3)
 * recommends, with ticks of a second at most that divide it evenly. Returns the
 * length of a tick. */
static int64_t
init_service(Service *service, KabBridge *bridge)
{
    uint64_t watchdog_us = 0;
    *service = (Service){.bridge = bridge};
    if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
        return G_USEC_PER_SEC;
    int64_t half_us = MAX((int64_t)(watchdog_us / 2), 1);
    service->n_ticks =
        (unsigned)((half_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
    return half_us / service->n_ticks;
}

static bool
is_ping_due(Service *service)
{
    if (!service->n_ticks)
        return false;
    if (service->n_until_ping) {
        service->n_until_ping--;
        return false;
    }
    service->n_until_ping = service->n_ticks - 1;
    return true;
}

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
    Service *service = user;
    if (!g_getenv("NOTIFY_SOCKET"))
        return;
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(service->bridge);
    g_autofree char *status = dup_service_status(snapshots);
    g_strdelimit(status, "\r\n", ' ');
    sd_notify(0, status);
    if (is_ping_due(service))
        sd_notify(0, "WATCHDOG=1");
}

static void
on_stop(void)
{
    sd_notify(0, "STOPPING=1");
    kab_log(KAB_LOG_INFO, NULL,
            "stopping: calls in flight are finished first; "
            "a second signal leaves at once");
}

/* --- Run --------------------------------------------------------------- */

/* Records taken but not finished, over all bindings that were left running. */
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
        kab_log_print("kabridge: %zu records that were taken but waiting will "
                      "be delivered again\n",
                      n_left);
    size_t n_unfinished = error && n_stops > 1 ? count_unfinished(bridge) : 0;
    if (n_unfinished)
        kab_log_print("kabridge: %zu records were taken and not finished: they "
                      "will be delivered again\n",
                      n_unfinished);
}

static bool
run_bridge(KabBridge *bridge, GError **error)
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
    Service service;
    KabBridgeWatch watch = {.on_started = on_started,
                            .on_tick = on_tick,
                            .user = &service,
                            .tick_us = init_service(&service, bridge)};
    kab_bridge_set_watch(bridge, &watch);
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
    /* This program gives no functions, so the file must name them all. */
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

/* A binding needs about 15 descriptors. The soft limit is low for historical
 * reasons; the hard limit is what the administrator allows. */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
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
    kab_signals_ignore_pipe();
    raise_descriptor_limit();
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_INFO);
    kab_log_start_writer();
    g_autoptr(GError) error = NULL;
    g_autoptr(KabBridge) bridge = make_bridge(argv[1], sets, &error);
    if (bridge && run_bridge(bridge, &error))
        return EX_OK;
    if (!bridge)
        return kab_cli_fail(g_steal_pointer(&error));
    kab_cli_leave(kab_cli_fail_of_bindings(g_steal_pointer(&error)));
}
