/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server: health, metrics, status and a page over HTTP.
 *
 * Made and freed by the thread that runs the bridge. Answers on one thread of
 * its own, from snapshots, so a slow reader never blocks a loop.
 */
#pragma once

#include "kabridge/error.h"

#include "bridge.h"

typedef struct KabAdmin KabAdmin;

/* Source of the answers. Called on the server's thread. */
typedef struct {
    /* Returns a new array of KabBindingSnapshot that frees them. */
    GPtrArray *(*snapshots)(void *user);
    bool (*find)(void *user,
                 const char *topic,
                 int32_t number,
                 int64_t offset,
                 KabWhereabouts *ret_whereabouts);
    bool (*is_live)(void *user);
    /* The refusal is a new string. */
    KabReloads (*dup_reloads)(void *user);
    /* Records of a binding, see kab_tap_read(); returns NULL if there is no
     * such binding. The function is NULL where the tap is off. */
    GPtrArray *(*read_tap)(void *user,
                           const char *binding,
                           uint64_t after,
                           uint64_t *ret_next,
                           uint64_t *ret_missed);
    const char *instance; /* borrowed during kab_admin_new() only */
    void *user;           /* borrowed until the server is freed */
} KabAdminView;

/* Starts serving. Copies the view. listen: HOST:PORT or [IPv6]:PORT; port 0
 * picks a free one; without a port it is 9464. Errors are
 * KAB_ERROR_UNAVAILABLE, with the address and the cause. */
KabAdmin *
kab_admin_new(const char *listen, const KabAdminView *view, GError **error);
/* "http://ADDRESS:PORT", with the actual port. Borrowed. */
const char *kab_admin_url(const KabAdmin *admin);
void kab_admin_free(KabAdmin *admin);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabAdmin, kab_admin_free)
