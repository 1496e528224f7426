/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge: starts its bindings, watches them, ends them.
 *
 * The thread that calls kab_bridge_run() turns a loop of its own, for stops,
 * reloads, ended bindings and a tick every second. It waits for no binding:
 * each opens and closes its function on its own thread.
 */
#include "bridge-internal.h"
#include "process-limits.h"

#define SECOND G_USEC_PER_SEC
/* A live loop turns at least once a second. */
#define DEAD_US (5 * SECOND)

/* --- Made -------------------------------------------------------------- */

void
kab_generation_unref(KabGeneration *generation)
{
    if (atomic_fetch_sub(&generation->references, 1) > 1)
        return;
    kab_settings_free(generation->settings);
    kab_config_free(generation->config);
    g_free(generation);
}

KabGeneration *
kab_generation_new(KabConfig *config, GError **error)
{
    KabSettings *settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_PROGRAM, error);
    if (!settings) {
        kab_config_free(config);
        return NULL;
    }
    KabGeneration *generation = g_new0(KabGeneration, 1);
    atomic_init(&generation->references, 1);
    generation->config = config;
    generation->settings = settings;
    return generation;
}

static void
on_changed(void *user)
{
    kab_mailbox_kick(kab_loop_mailbox(((KabBridge *)user)->loop));
}

KabMember *
kab_member_new(KabBridge *bridge,
               KabGeneration *generation,
               const KabBindingSettings *settings)
{
    KabMember *member = g_new0(KabMember, 1);
    atomic_init(&member->references, 1);
    member->generation = generation;
    atomic_fetch_add(&generation->references, 1);
    member->settings = settings;
    member->reloadable_digest = g_strdup(settings->reloadable_digest);
    member->function = settings->module.function;
    if (!member->function && bridge->given)
        member->function = g_hash_table_lookup(bridge->given, settings->name);
    member->binding = kab_binding_new(settings, on_changed, bridge);
    return member;
}

void
kab_member_unref(KabMember *member)
{
    if (atomic_fetch_sub(&member->references, 1) > 1)
        return;
    kab_binding_free(member->binding);
    kab_generation_unref(member->generation);
    g_free(member->reloadable_digest);
    g_free(member);
}

GPtrArray *
kab_bridge_list_members(KabBridge *bridge)
{
    GPtrArray *members =
        g_ptr_array_new_with_free_func((GDestroyNotify)kab_member_unref);
    pthread_mutex_lock(&bridge->mutex);
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        atomic_fetch_add(&member->references, 1);
        g_ptr_array_add(members, member);
    }
    pthread_mutex_unlock(&bridge->mutex);
    return members;
}

static bool turn_bridge(void *user);
static int64_t bridge_deadline(void *user);
static const KabLoopWork work = {.turn = turn_bridge,
                                 .deadline = bridge_deadline};

KabBridge *
kab_bridge_new(KabConfig *config, GError **error)
{
    KabGeneration *generation = kab_generation_new(config, error);
    if (!generation)
        return NULL;
    KabBridge *bridge = g_new0(KabBridge, 1);
    bridge->loop = kab_loop_new(&work, bridge, error);
    if (!bridge->loop) {
        kab_generation_unref(generation);
        g_free(bridge);
        return NULL;
    }
    bridge->generation = generation;
    bridge->given =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bridge->members = g_ptr_array_new();
    bridge->left = g_ptr_array_new();
    pthread_mutex_init(&bridge->mutex, NULL);
    GPtrArray *bindings = generation->settings->bindings;
    for (guint i = 0; i < bindings->len; i++)
        g_ptr_array_add(bridge->members,
                        kab_member_new(bridge, generation, bindings->pdata[i]));
    return bridge;
}

KabMember *
kab_bridge_find_member(KabBridge *bridge, const char *name)
{
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (g_str_equal(member->settings->name, name))
            return member;
    }
    return NULL;
}

/* Below is the function, not the macro by which its error may be left out. */
#undef kab_bridge_set_function

bool
kab_bridge_set_function(KabBridge *bridge,
                        const char *binding,
                        const KabFunction *function,
                        GError **error)
{
    KabMember *member = kab_bridge_find_member(bridge, binding);
    if (!member) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "there is no [binding %s]", binding);
        return false;
    }
    const KabFunction *adopted = kab_loader_adopt(function, binding, error);
    if (!adopted ||
        !kab_settings_check_function(member->generation->config,
                                     member->settings, adopted, error))
        return false;
    member->function = adopted;
    g_hash_table_insert(bridge->given, g_strdup(binding),
                        (void *)(uintptr_t)adopted);
    return true;
}

/* --- Started ----------------------------------------------------------- */

static bool
is_running(const KabMember *member)
{
    return !kab_binding_has_ended(member->binding);
}

void
kab_bridge_stop_all(KabBridge *bridge)
{
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (is_running(member))
            kab_binding_stop(member->binding);
    }
}

static unsigned
count_running(const KabBridge *bridge)
{
    unsigned n = 0;
    for (guint i = 0; i < bridge->members->len; i++)
        n += is_running(bridge->members->pdata[i]);
    return n;
}

/* No client is made before every function is open. If one does not open, the
 * bridge ends when all have been tried, so that every fault is reported. */
static void
watch_opening(KabBridge *bridge)
{
    bool has_failed = false;
    for (guint i = 0; i < bridge->members->len; i++) {
        const KabMember *member = bridge->members->pdata[i];
        if (kab_binding_is_opening(member->binding))
            return;
        has_failed |= !is_running(member);
    }
    bridge->is_open = true;
    if (has_failed) {
        bridge->is_stopping = true;
        kab_bridge_stop_all(bridge);
        return;
    }
    for (guint i = 0; i < bridge->members->len; i++)
        kab_binding_start(((KabMember *)bridge->members->pdata[i])->binding);
}

/* --- Watched ----------------------------------------------------------- */

/* A binding that stopped by itself stops the others if so configured; one that
 * a reload stopped or could not start does not. */
static void
note_stopped(KabBridge *bridge, KabMember *member)
{
    const GError *error = kab_binding_error(member->binding);
    member->is_noted = true;
    if (!error || member->is_removed || member->is_replaced)
        return;
    if (kab_binding_was_started(member->binding)) {
        if (bridge->generation->settings->on_stop == KAB_ON_STOP_EXIT)
            kab_bridge_stop_all(bridge);
    } else if (bridge->has_started) {
        kab_log(KAB_LOG_ERROR, member->settings->name, "not started: %s",
                error->message);
    }
}

static void
watch_stopped(KabBridge *bridge, int64_t now)
{
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        kab_binding_give_up(member->binding, now);
        if (!member->is_noted && kab_binding_has_stopped(member->binding))
            note_stopped(bridge, member);
    }
}

static bool
is_dead(const KabMember *member, int64_t now)
{
    int64_t turned_us = kab_binding_turned_us(member->binding);
    return turned_us && now - turned_us > DEAD_US;
}

bool
kab_bridge_is_live(KabBridge *bridge)
{
    int64_t now = g_get_monotonic_time();
    bool is_live = true;
    pthread_mutex_lock(&bridge->mutex);
    for (guint i = 0; i < bridge->members->len; i++)
        is_live &= !is_dead(bridge->members->pdata[i], now);
    pthread_mutex_unlock(&bridge->mutex);
    return is_live;
}

/* The watchdog is fed while functions are opened or closed, too. */
static void
tick_bridge(KabBridge *bridge, int64_t now)
{
    if (now < bridge->tick_us)
        return;
    bridge->tick_us =
        now + (bridge->watch.tick_us ? bridge->watch.tick_us : SECOND);
    if (!bridge->is_open || !kab_bridge_is_live(bridge))
        return;
    const KabBridgeWatch *watch = &bridge->watch;
    if (!bridge->has_started && !bridge->is_stopping) {
        bridge->has_started = true;
        if (watch->on_started)
            watch->on_started(watch->user);
    }
    if (watch->on_tick)
        watch->on_tick(watch->user);
}

static bool
turn_bridge(void *user)
{
    KabBridge *bridge = user;
    int64_t now = g_get_monotonic_time();
    unsigned n_stops = atomic_load(&bridge->n_stops);
    kab_mailbox_deliver(kab_loop_mailbox(bridge->loop), bridge);
    if (n_stops && !bridge->is_stopping) {
        bridge->is_stopping = true;
        kab_bridge_stop_all(bridge);
    }
    if (!bridge->is_open)
        watch_opening(bridge);
    if (atomic_exchange(&bridge->is_log_asked, false))
        kab_bridge_log_now(bridge);
    if (bridge->is_open && !n_stops &&
        atomic_exchange(&bridge->is_reload_asked, false))
        kab_bridge_reload_now(bridge);
    watch_stopped(bridge, now);
    kab_bridge_restart_ended(bridge);
    if (n_stops > 1 || !count_running(bridge))
        kab_loop_quit(bridge->loop);
    tick_bridge(bridge, now);
    return false;
}

static int64_t
bridge_deadline(void *user)
{
    KabBridge *bridge = user;
    int64_t due = bridge->tick_us;
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        due = MIN(due, kab_binding_patience_end_us(member->binding));
    }
    return due;
}

/* --- Ended ------------------------------------------------------------- */

/* Precedence among several errors: the order of the exit statuses in the
 * contract. */
static int
error_weight(const GError *error)
{
    switch ((KabError)error->code) {
    case KAB_ERROR_CONFIG:
    case KAB_ERROR_USAGE:
        return 4;
    case KAB_ERROR_INTERNAL:
        return 3;
    case KAB_ERROR_UNAVAILABLE:
        return 2;
    case KAB_ERROR_UNFINISHED:
        return 1;
    }
    return 3;
}

/* A binding that could not be opened, and that a reload then removed from the
 * file. */
static bool
is_forgiven(const KabMember *member)
{
    return member->is_removed && !kab_binding_was_started(member->binding);
}

static void
collect_error(GString *lines, const GError **worst, const GError *one)
{
    g_string_append_printf(lines, "%s%s", lines->len ? "\n" : "", one->message);
    if (!*worst || error_weight(one) > error_weight(*worst))
        *worst = one;
}

/* The errors of all bindings, with the code of the worst. */
static bool
report_errors(KabBridge *bridge, GError **error)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    const GError *worst = NULL;
    g_autoptr(GError) left = NULL;
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        const GError *one =
            is_running(member) ? NULL : kab_binding_error(member->binding);
        if (one && !is_forgiven(member))
            collect_error(lines, &worst, one);
    }
    if (count_running(bridge)) {
        left = g_error_new_literal(KAB_ERROR, KAB_ERROR_UNFINISHED,
                                   "stopped at once, as asked a second time: "
                                   "what was not finished will be delivered "
                                   "again");
        collect_error(lines, &worst, left);
    }
    if (worst)
        g_set_error_literal(error, KAB_ERROR, worst->code, lines->str);
    return !worst;
}

static bool
has_leaks(const KabBridge *bridge)
{
    bool has_leaked = false;
    for (guint i = 0; i < bridge->members->len; i++) {
        const KabMember *member = bridge->members->pdata[i];
        has_leaked |=
            is_running(member) || kab_binding_has_leaked(member->binding);
    }
    return has_leaked;
}

bool
kab_bridge_check_limits(const KabBridge *bridge,
                        const KabGeneration *generation,
                        GError **error)
{
    const GPtrArray *bindings = generation->settings->bindings;
    uint64_t n_pool_threads = 0;
    for (guint i = 0; i < bindings->len; i++) {
        const KabBindingSettings *settings = bindings->pdata[i];
        const KabFunction *function = settings->module.function;
        if (!function)
            function = g_hash_table_lookup(bridge->given, settings->name);
        if (function && !(function->flags & KAB_FUNCTION_NONBLOCKING))
            n_pool_threads += settings->engine.threads;
    }
    return kab_process_limits_check(bindings->len, n_pool_threads, error);
}

bool
kab_bridge_run(KabBridge *bridge, GError **error)
{
    if (!kab_bridge_check_limits(bridge, bridge->generation, error))
        return false;
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        kab_binding_open(member->binding, member->function);
    }
    kab_loop_run(bridge->loop);
    bridge->has_leaked |= has_leaks(bridge);
    return report_errors(bridge, error);
}

void
kab_bridge_stop(KabBridge *bridge)
{
    atomic_fetch_add(&bridge->n_stops, 1);
    kab_mailbox_kick(kab_loop_mailbox(bridge->loop));
}

void
kab_bridge_reload(KabBridge *bridge)
{
    atomic_store(&bridge->is_reload_asked, true);
    kab_mailbox_kick(kab_loop_mailbox(bridge->loop));
}

void
kab_bridge_log_state(KabBridge *bridge)
{
    atomic_store(&bridge->is_log_asked, true);
    kab_mailbox_kick(kab_loop_mailbox(bridge->loop));
}

void
kab_bridge_set_watch(KabBridge *bridge, const KabBridgeWatch *watch)
{
    bridge->watch = *watch;
}

const KabSettings *
kab_bridge_settings(const KabBridge *bridge)
{
    return bridge->generation->settings;
}

size_t
kab_bridge_n_left(const KabBridge *bridge)
{
    size_t n = 0;
    for (guint i = 0; i < bridge->members->len; i++) {
        const KabMember *member = bridge->members->pdata[i];
        n += kab_binding_n_left(member->binding);
    }
    return n;
}

void
kab_bridge_free(KabBridge *bridge)
{
    if (!bridge || bridge->has_leaked)
        return;
    for (guint i = 0; i < bridge->members->len; i++)
        kab_member_unref(bridge->members->pdata[i]);
    g_ptr_array_unref(bridge->members);
    g_ptr_array_unref(bridge->left);
    g_hash_table_unref(bridge->given);
    g_free(bridge->reloads.refusal);
    kab_generation_unref(bridge->generation);
    kab_loop_free(bridge->loop);
    pthread_mutex_destroy(&bridge->mutex);
    g_free(bridge);
}
