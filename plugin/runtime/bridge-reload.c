/* SPDX-License-Identifier: Apache-2.0 */
/* Reload: reads the file again and touches only what changed.
 *
 * - A fault in the file, or too few descriptors or threads for its bindings:
 *   nothing changes.
 * - Reloadable options only: changed in place.
 * - Other options, or a max.in.flight above what the function's open() was
 *   told: drained, then started anew.
 * - Section gone: drained; its counters stay.
 * - Section back: started anew, once what it was has ended.
 * - New section: started.
 *
 * A binding that is to be started anew is ended first, function and all, so
 * that never two of them are in its group or hold its model.
 */
#include "bridge-internal.h"

static const KabBindingSettings *
settings_of(const KabGeneration *generation, const KabMember *member)
{
    return kab_settings_find(generation->settings, member->settings->name);
}

/* Applies reloadable values, and the binding's share of what all of them have
 * together; the binding keeps the strings it was started from. */
static void
adopt_settings(KabMember *member, const KabBindingSettings *settings)
{
    kab_binding_reload(member->binding, settings);
    if (strcmp(settings->reloadable_digest, member->reloadable_digest) == 0)
        return;
    g_free(member->reloadable_digest);
    member->reloadable_digest = g_strdup(settings->reloadable_digest);
    kab_log(KAB_LOG_INFO, settings->name, "options changed in place");
}

static void
replace_member(KabMember *member, const char *why)
{
    member->is_replaced = true;
    kab_log(KAB_LOG_INFO, member->settings->name, "%s", why);
    kab_binding_stop(member->binding);
}

static void
remove_member(KabMember *member)
{
    atomic_store(&member->is_removed, true);
    kab_log(KAB_LOG_INFO, member->settings->name,
            "removed from the configuration: draining");
    kab_binding_stop(member->binding);
}

static bool
needs_restart(const KabMember *member, const KabBindingSettings *settings)
{
    return strcmp(settings->fixed_digest, member->settings->fixed_digest) ||
           settings->engine.max_in_flight >
               member->settings->engine.max_in_flight;
}

static void
update_member(KabMember *member, KabGeneration *generation)
{
    const KabBindingSettings *settings = settings_of(generation, member);
    if (!settings)
        remove_member(member);
    else if (kab_binding_has_ended(member->binding))
        replace_member(member, "had stopped: starting anew");
    else if (needs_restart(member, settings))
        replace_member(member, "options changed: draining, then starting anew");
    else
        adopt_settings(member, settings);
}

/* Starts a binding in the place of `before`, which has ended; NULL: it is new.
 * A binding whose function does not open is kept as stopped, with the reason.
 * The other bindings go on, and the next reload tries it again. */
static void
start_member(KabBridge *bridge,
             const KabBindingSettings *settings,
             KabMember *before)
{
    KabMember *member = kab_member_new(bridge, bridge->generation, settings);
    guint i;
    pthread_mutex_lock(&bridge->mutex);
    if (g_ptr_array_find(bridge->members, before, &i))
        bridge->members->pdata[i] = member;
    else
        g_ptr_array_add(bridge->members, member);
    pthread_mutex_unlock(&bridge->mutex);
    kab_binding_open(member->binding, member->function);
    kab_binding_start(member->binding);
    if (!before)
        return;
    /* A leaked binding keeps what it was started from. */
    if (kab_binding_has_leaked(before->binding)) {
        bridge->has_leaked = true;
        g_ptr_array_add(bridge->left, before);
    } else {
        kab_member_unref(before);
    }
}

static void
start_new(KabBridge *bridge)
{
    GPtrArray *bindings = bridge->generation->settings->bindings;
    for (guint i = 0; i < bindings->len; i++) {
        const KabBindingSettings *settings = bindings->pdata[i];
        KabMember *member = kab_bridge_find_member(bridge, settings->name);
        if (!member ||
            (member->is_removed && kab_binding_has_ended(member->binding))) {
            start_member(bridge, settings, member);
        } else if (member->is_removed) {
            atomic_store(&member->is_removed, false);
            replace_member(member, "back in the configuration: draining first, "
                                   "then starting anew");
        }
    }
}

/* refusal NULL: it was done. */
static void
note_reload(KabBridge *bridge, const char *refusal)
{
    KabReloads *reloads = &bridge->reloads;
    pthread_mutex_lock(&bridge->mutex);
    g_free(reloads->refusal);
    reloads->refusal = g_strdup(refusal);
    reloads->n++;
    pthread_mutex_unlock(&bridge->mutex);
}

static void
refuse_reload(KabBridge *bridge, const GError *error)
{
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    for (char **line = lines; *line; line++)
        kab_log(KAB_LOG_ERROR, NULL, "%s", *line);
    note_reload(bridge, error->message);
    kab_log(KAB_LOG_ERROR, NULL, "reload refused: nothing was changed");
}

static void
warn_if(bool has_changed, const char *what)
{
    if (has_changed)
        kab_log(KAB_LOG_WARNING, NULL,
                "%s changed: takes effect when kabridge is restarted", what);
}

/* Warns of changed settings that belong to the process and are set up once. */
static void
warn_of_fixed(const KabSettings *before, const KabSettings *after)
{
    warn_if(g_strcmp0(before->admin_listen, after->admin_listen) != 0,
            "[admin] listen");
    warn_if(before->has_tap != after->has_tap, "[admin] tap");
    warn_if(before->log_format != after->log_format, "[log] format");
}

void
kab_bridge_reload_now(KabBridge *bridge)
{
    g_autoptr(GError) error = NULL;
    KabConfig *config = kab_config_reread(bridge->generation->config, &error);
    KabGeneration *generation =
        config ? kab_generation_new(config, &error) : NULL;
    if (!generation) {
        refuse_reload(bridge, error);
        return;
    }
    if (!kab_bridge_check_limits(bridge, generation, &error)) {
        refuse_reload(bridge, error);
        kab_generation_unref(generation);
        return;
    }
    kab_log_set_level(generation->settings->log_level);
    warn_of_fixed(bridge->generation->settings, generation->settings);
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->is_removed && !member->is_replaced)
            update_member(member, generation);
    }
    kab_generation_unref(bridge->generation);
    bridge->generation = generation;
    start_new(bridge);
    note_reload(bridge, NULL);
    kab_log(KAB_LOG_INFO, NULL, "reloaded %s", kab_config_path(config));
}

/* Nobody will ask for the error of this binding any more. */
static void
log_error(const KabMember *member)
{
    const GError *error = kab_binding_error(member->binding);
    if (error)
        kab_log(KAB_LOG_WARNING, member->settings->name, "%s", error->message);
}

void
kab_bridge_restart_ended(KabBridge *bridge)
{
    if (bridge->is_stopping)
        return;
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->is_replaced || !kab_binding_has_ended(member->binding))
            continue;
        const KabBindingSettings *settings =
            settings_of(bridge->generation, member);
        log_error(member);
        member->is_replaced = false;
        if (settings)
            start_member(bridge, settings, member);
        else
            remove_member(member);
    }
}
