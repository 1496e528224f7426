/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server of a bridge. */
#pragma once

#include "admin.h"
#include "bridge.h"

/* kab_admin_new() with answers from the bridge. Borrows the bridge until the
 * server is freed. */
KabAdmin *
kab_admin_new_for_bridge(const char *listen, KabBridge *bridge, GError **error);
