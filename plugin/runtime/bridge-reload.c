/* SPDX-License-Identifier: Apache-2.0 */
/* Reload: the file is read again, and only what changed is touched.
 *
 *   fault in the file        nothing changes
 *   reloadable options only  changed in place
 *   other options            drained, then started anew
 *   section gone             drained; its counters stay
 *   new section              started
 */
#include "bridge-internal.h"

static const KabBindingSettings *
settings_of(const KabGeneration *generation, const KabMember *member)
{
    return kab_settings_find(generation->settings, member->settings->name);
}

/* The binding goes on with the strings it was started from. */
static void
adopt(KabMember *member, const KabBindingSettings *settings)
{
    if (strcmp(settings->reloadable_digest, member->reloadable_digest) == 0)
        return;
    g_free(member->reloadable_digest);
    member->reloadable_digest = g_strdup(settings->reloadable_digest);
    kab_binding_reload(member->binding, settings);
    kab_log(KAB_LOG_INFO, settings->name, "changed in place");
}

static void
replace(KabMember *member)
{
    member->is_replaced = true;
    kab_log(KAB_LOG_INFO, member->settings->name,
            "its options changed: drained, to be started anew");
    kab_binding_stop(member->binding);
}

static void
remove_member(KabBridge *bridge, KabMember *member)
{
    pthread_mutex_lock(&bridge->mutex);
    member->is_removed = true;
    pthread_mutex_unlock(&bridge->mutex);
    kab_log(KAB_LOG_INFO, member->settings->name,
            "its section is gone: drained");
    kab_binding_stop(member->binding);
}

static void
update(KabBridge *bridge, KabMember *member, KabGeneration *generation)
{
    const KabBindingSettings *settings = settings_of(generation, member);
    if (!settings)
        remove_member(bridge, member);
    else if (kab_binding_has_ended(member->binding) ||
             strcmp(settings->fixed_digest, member->settings->fixed_digest))
        replace(member);
    else
        adopt(member, settings);
}

static bool
has_member(const KabBridge *bridge, const char *name)
{
    for (guint i = 0; i < bridge->members->len; i++) {
        const KabMember *member = bridge->members->pdata[i];
        if (!member->is_removed && g_str_equal(member->settings->name, name))
            return true;
    }
    return false;
}

/* What is leaked keeps what it was started from. */
static void
forget(KabBridge *bridge, guint i)
{
    KabMember *member = bridge->members->pdata[i];
    g_ptr_array_remove_index(bridge->members, i);
    if (kab_binding_has_leaked(member->binding))
        bridge->has_leaked = true;
    else
        kab_member_free(member);
}

/* What was removed and has ended makes room for its name. */
static void
drop_removed(KabBridge *bridge, const char *name)
{
    for (guint i = bridge->members->len; i-- > 0;) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->is_removed || strcmp(member->settings->name, name) ||
            !kab_binding_has_ended(member->binding))
            continue;
        forget(bridge, i);
    }
}

/* One whose function does not open is there, stopped, with the reason: the
 * others go on, and the next reload tries it again. */
static void
start(KabBridge *bridge, const KabBindingSettings *settings)
{
    g_autoptr(GError) error = NULL;
    KabMember *member = kab_member_new(bridge, bridge->generation, settings);
    if (kab_member_open(bridge, member, &error)) {
        kab_binding_start(member->binding);
    } else {
        kab_log(KAB_LOG_ERROR, settings->name, "not started: %s",
                error->message);
        kab_binding_refuse(member->binding, error);
    }
    pthread_mutex_lock(&bridge->mutex);
    drop_removed(bridge, settings->name);
    g_ptr_array_add(bridge->members, member);
    pthread_mutex_unlock(&bridge->mutex);
}

static void
start_new(KabBridge *bridge)
{
    GPtrArray *bindings = bridge->generation->settings->bindings;
    for (guint i = 0; i < bindings->len; i++) {
        const KabBindingSettings *settings = bindings->pdata[i];
        if (!has_member(bridge, settings->name))
            start(bridge, settings);
    }
}

static void
log_faults(const GError *error)
{
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    for (char **line = lines; *line; line++)
        kab_log(KAB_LOG_ERROR, NULL, "%s", *line);
    kab_log(KAB_LOG_ERROR, NULL, "reload refused: nothing was changed");
}

static void
warn_if(bool has_changed, const char *what)
{
    if (has_changed)
        kab_log(KAB_LOG_WARNING, NULL,
                "%s changed: in force at the next start only", what);
}

/* What belongs to the process and is set up once. */
static void
warn_of_fixed(const KabSettings *before, const KabSettings *after)
{
    warn_if(g_strcmp0(before->admin_listen, after->admin_listen) != 0,
            "[admin] listen");
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
        log_faults(error);
        return;
    }
    kab_log_set_level(generation->settings->log_level);
    warn_of_fixed(bridge->generation->settings, generation->settings);
    for (guint i = 0; i < bridge->members->len; i++) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->is_removed && !member->is_replaced)
            update(bridge, member, generation);
    }
    kab_generation_unref(bridge->generation);
    bridge->generation = generation;
    start_new(bridge);
    kab_log(KAB_LOG_INFO, NULL, "reloaded %s", kab_config_path(config));
}

/* Nobody asks it for its error any more. */
static void
log_unfinished(const KabMember *member)
{
    const GError *error = kab_binding_error(member->binding);
    if (error)
        kab_log(KAB_LOG_WARNING, member->settings->name, "%s", error->message);
}

void
kab_bridge_restart_ended(KabBridge *bridge)
{
    for (guint i = bridge->members->len; i-- > 0;) {
        KabMember *member = bridge->members->pdata[i];
        if (!member->is_replaced || !kab_binding_has_ended(member->binding))
            continue;
        const KabBindingSettings *settings =
            settings_of(bridge->generation, member);
        log_unfinished(member);
        pthread_mutex_lock(&bridge->mutex);
        forget(bridge, i);
        pthread_mutex_unlock(&bridge->mutex);
        if (settings && !bridge->is_stopping)
            start(bridge, settings);
    }
}
