/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the admin server and a bridge. */
#include "admin-bridge.h"

static GPtrArray *
snapshots(void *user)
{
    return kab_bridge_snapshots(user);
}

static bool
find(void *user,
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

KabAdmin *
kab_admin_new_for_bridge(const char *listen, KabBridge *bridge, GError **error)
{
    const KabAdminView view = {
        .snapshots = snapshots,
        .find = find,
        .is_live = is_live,
        .instance = kab_bridge_settings(bridge)->instance,
        .user = bridge,
    };
    return kab_admin_new(listen, &view, error);
}
