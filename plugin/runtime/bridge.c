/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge: starts its bindings, watches them, ends them.
 *
 * Its own thread is the one that calls kab_bridge_run(); it turns a loop of
 * its own for stops, reloads, bindings that ended, and a tick a second.
 */
#include "bridge-internal.h"

#define SECOND G_USEC_PER_SEC
/* A loop turns at least once a second. */
#define DEAD_US (5 * SECOND)

/* --- Made -------------------------------------------------------------- */

void
kab_generation_unref(KabGeneration *generation)
{
    if (--generation->references)
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
    generation->references = 1;
    generation->config = config;
    generation->settings = settings;
    return generation;
}

static void
on_ended(void *user)
{
    kab_mailbox_kick(kab_loop_mailbox(((KabBridge *)user)->loop));
}

KabMember *
kab_member_new(KabBridge *bridge,
               KabGeneration *generation,
               const KabBindingSettings *settings)
{
    KabMember *member = g_new0(KabMember, 1);
    member->generation = generation;
    generation->references++;
    member->settings = settings;
    member->reloadable_digest = g_strdup(settings->reloadable_digest);
    member->function = settings->module.function;
    if (!member->function && bridge->given)
        member->function = g_hash_table_lookup(bridge->given, settings->name);
    return member;
}

void
kab_member_free(KabMember *member)
{
    kab_binding_free(member->binding);
    kab_generation_unref(member->generation);
    g_free(member->reloadable_digest);
    g_free(member);
}

static bool turn(void *user);
static int64_t deadline(void *user);
static const KabLoopWork work = {.turn = turn, .deadline = deadline};

KabBridge *
kab_bridge_new(KabConfig *config, GError **error)
{
    KabGeneration *generation = kab_generation_new(config, error);
    if (!generation)
        return NULL;
    KabBridge *bridge = g_new0(KabBridge, 1);
    bridge->generation = generation;
    bridge->given =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bridge->members = g_ptr_array_new();
    bridge->loop = kab_loop_new(&work, bridge);
    pthread_mutex_init(&bridge->mutex, NULL);
    GPtrArray *bindings = generation->settings->bindings;
    for (guint i = 0; i < bindings->len; i++)
        g_ptr_array_add(bridge->members,
                        kab_member_new(bridge, generation, bindings->pdata[i]));
    return bridge;
}

static KabMember *
find_member(KabBridge *bridge, const char *name)
{
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->is_removed && g_str_equal(member->settings->name, name))
            return member;
    }
    return NULL;
}

bool
kab_bridge_set_function(KabBridge *bridge,
                        const char *binding,
                        const KabFunction *function,
                        GError **error)
{
    KabMember *member = find_member(bridge, binding);
    if (!member) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "there is no [binding %s]", binding);
        return false;
    }
    if (!kab_loader_check(function, binding, error) ||
        !kab_settings_check_function(member->generation->config,
                                     member->settings, function, error))
        return false;
    member->function = function;
    g_hash_table_insert(bridge->given, g_strdup(binding),
                        (void *)(uintptr_t)function);
    return true;
}

/* --- Started ----------------------------------------------------------- */

bool
kab_member_open(KabBridge *bridge, KabMember *member, GError **error)
{
    KabBinding *binding =
        kab_binding_new(member->settings, member->function, on_ended, bridge);
    pthread_mutex_lock(&bridge->mutex);
    member->binding = binding;
    pthread_mutex_unlock(&bridge->mutex);
    if (member->function)
        return kab_binding_open(binding, error);
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                "[binding %s] function: found nothing; wanted the name of a "
                "function, or one given by the program",
                member->settings->name);
    return false;
}

/* Every function that does not open is named. */
static bool
open_all(KabBridge *bridge, GError **error)
{
    g_autoptr(GString) faults = g_string_new(NULL);
    for (guint i = 0; i < bridge->members->len; i++) {
        g_autoptr(GError) fault = NULL;
        if (kab_member_open(bridge, bridge->members->pdata[i], &fault))
            continue;
        g_string_append_printf(faults, "%s%s", faults->len ? "\n" : "",
                               fault->message);
    }
    if (faults->len)
        g_set_error_literal(error, KAB_ERROR, KAB_ERROR_CONFIG, faults->str);
    return !faults->len;
}

/* --- Watched ----------------------------------------------------------- */

static bool
is_running(const KabMember *member)
{
    return member->binding && !kab_binding_has_ended(member->binding);
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

/* Not one that a reload stopped, or could not start. */
static bool
has_stopped_by_itself(const KabMember *member)
{
    return kab_binding_error(member->binding) && !member->is_removed &&
           !member->is_replaced && kab_binding_was_started(member->binding);
}

/* A binding that stopped by itself takes the others along, if so asked. */
static void
watch_ended(KabBridge *bridge)
{
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->binding || member->is_noted || is_running(member))
            continue;
        member->is_noted = true;
        KabOnStop on_stop = bridge->generation->settings->on_stop;
        if (has_stopped_by_itself(member) && on_stop == KAB_ON_STOP_EXIT)
            kab_bridge_stop_all(bridge);
    }
}

/* One whose function is being opened does not turn yet. */
static bool
is_dead(const KabMember *member, int64_t now)
{
    if (!is_running(member))
        return false;
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

static void
tick(KabBridge *bridge, int64_t now)
{
    if (now < bridge->tick_us)
        return;
    bridge->tick_us = now + SECOND;
    if (!kab_bridge_is_live(bridge))
        return;
    const KabBridgeWatch *watch = &bridge->watch;
    if (!bridge->has_started && watch->on_started)
        watch->on_started(watch->user);
    bridge->has_started = true;
    if (watch->on_tick)
        watch->on_tick(watch->user);
}

static bool
turn(void *user)
{
    KabBridge *bridge = user;
    unsigned n_stops = atomic_load(&bridge->n_stops);
    kab_mailbox_deliver(kab_loop_mailbox(bridge->loop), bridge);
    if (n_stops && !bridge->is_stopping) {
        bridge->is_stopping = true;
        kab_bridge_stop_all(bridge);
    }
    if (atomic_exchange(&bridge->is_log_asked, false))
        kab_bridge_log_now(bridge);
    if (atomic_exchange(&bridge->is_reload_asked, false) && !n_stops)
        kab_bridge_reload_now(bridge);
    watch_ended(bridge);
    kab_bridge_restart_ended(bridge);
    if (n_stops > 1 || !count_running(bridge))
        kab_loop_quit(bridge->loop);
    tick(bridge, g_get_monotonic_time());
    return false;
}

static int64_t
deadline(void *user)
{
    return ((KabBridge *)user)->tick_us;
}

/* --- Ended ------------------------------------------------------------- */

/* Several at once: the order of the contract's exit statuses. */
static int
weight(const GError *error)
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

/* It could not be opened, and a reload took it out of the file again. */
static bool
is_forgiven(const KabMember *member)
{
    return member->is_removed && !kab_binding_was_started(member->binding);
}

static bool
collect(KabBridge *bridge, GError **error)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    const GError *worst = NULL;
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        const GError *one = kab_binding_error(member->binding);
        if (!one || is_forgiven(member))
            continue;
        g_string_append_printf(lines, "%s%s", lines->len ? "\n" : "",
                               one->message);
        if (!worst || weight(one) > weight(worst))
            worst = one;
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
kab_bridge_run(KabBridge *bridge, GError **error)
{
    if (!open_all(bridge, error))
        return false;
    for (guint i = 0; i < bridge->members->len; i++)
        kab_binding_start(((KabMember *)bridge->members->pdata[i])->binding);
    kab_loop_run(bridge->loop);
    bridge->has_leaked |= has_leaks(bridge);
    if (!count_running(bridge))
        return collect(bridge, error);
    g_set_error_literal(error, KAB_ERROR, KAB_ERROR_UNFINISHED,
                        "stopped at once, as asked a second time: what was not "
                        "finished will be delivered again");
    return false;
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
        n += member->binding ? kab_binding_n_left(member->binding) : 0;
    }
    return n;
}

void
kab_bridge_free(KabBridge *bridge)
{
    if (!bridge || bridge->has_leaked)
        return;
    for (guint i = 0; i < bridge->members->len; i++)
        kab_member_free(bridge->members->pdata[i]);
    g_ptr_array_unref(bridge->members);
    g_hash_table_unref(bridge->given);
    kab_generation_unref(bridge->generation);
    kab_loop_free(bridge->loop);
    pthread_mutex_destroy(&bridge->mutex);
    g_free(bridge);
}
