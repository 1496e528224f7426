/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server: health, metrics, status and a page over HTTP.
 *
 * Made and freed by the thread that runs the bridge; answers on one thread
 * of its own, from snapshots, so a slow reader never holds a loop up.
 */
#pragma once

#include "kabridge/error.h"

#include "binding.h"

typedef struct KabAdmin KabAdmin;

/* Where the answers come from. Called on the server's thread. */
typedef struct {
    /* Returns a new array of KabBindingSnapshot that frees them. */
    GPtrArray *(*snapshots)(void *user);
    bool (*find)(void *user,
                 const char *topic,
                 int32_t number,
                 int64_t offset,
                 KabWhereabouts *ret_whereabouts);
    bool (*is_live)(void *user);
    const char *instance; /* borrowed for kab_admin_new() only */
    void *user;           /* until the server is freed */
} KabAdminView;

/* Copies the view. listen: HOST:PORT, [IPv6]:PORT; port 0: any free one; none:
 * 9464. Serves from now on. The error's code: KAB_ERROR_UNAVAILABLE, with the
 * address and the cause. */
KabAdmin *
kab_admin_new(const char *listen, const KabAdminView *view, GError **error);
/* "http://ADDRESS:PORT", with the port that was chosen. Borrowed. */
const char *kab_admin_url(const KabAdmin *admin);
void kab_admin_free(KabAdmin *admin);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabAdmin, kab_admin_free)
