/* SPDX-License-Identifier: Apache-2.0 */
/* A GET request to a bridge's admin server, for commands that inspect a
 * bridge. */
#pragma once

#include <stdbool.h>

#include "kabridge/error.h"

/* A bridge's address unless its [admin] section sets another. */
#define KAB_DEFAULT_URL "http://127.0.0.1:9464"

/* url: "http://HOST:PORT", or without "http://". Waits at most ten seconds.
 * Returns the body of a 200; otherwise NULL with KAB_ERROR_UNAVAILABLE and a
 * message with the address. Blocks. */
char *kab_fetch(const char *url, const char *path, GError **error);
/* The same, but returns the body whatever the status. */
char *kab_fetch_any(const char *url,
                    const char *path,
                    unsigned *ret_status,
                    GError **error);
