/* SPDX-License-Identifier: Apache-2.0 */
/* Connects the admin server to a bridge. */
#include "admin-bridge.h"

static GPtrArray *
dup_snapshots(void *user)
{
    return kab_bridge_snapshots(user);
}

static bool
find_record(void *user,
            const char *topic,
            int32_t number,
            int64_t offset,
            KabWhereabouts *ret_whereabouts)
{
    return kab_bridge_find(user, topic, number, offset, ret_whereabouts);
}

static bool
is_live(void *user)
{
    return kab_bridge_is_live(user);
}

static KabReloads
dup_reloads(void *user)
{
    return kab_bridge_dup_reloads(user);
}

static GPtrArray *
read_tap(void *user,
         const char *binding,
         uint64_t after,
         uint64_t *ret_next,
         uint64_t *ret_missed)
{
    return kab_bridge_read_tap(user, binding, after, ret_next, ret_missed);
}

KabAdmin *
kab_admin_new_for_bridge(const char *listen, KabBridge *bridge, GError **error)
{
    const KabAdminView view = {
        .snapshots = dup_snapshots,
        .find = find_record,
        .is_live = is_live,
        .dup_reloads = dup_reloads,
        .read_tap = kab_bridge_settings(bridge)->has_tap ? read_tap : NULL,
        .instance = kab_bridge_settings(bridge)->instance,
        .user = bridge,
    };
    return kab_admin_new(listen, &view, error);
}
