/* SPDX-License-Identifier: Apache-2.0 */
/* One GET of a bridge's admin server, for commands that look at one. */
#pragma once

#include <stdbool.h>

#include "kabridge/error.h"

/* url: "http://HOST:PORT", or without "http://". Waits ten seconds at most.
 * Returns the body of a 200; else NULL with KAB_ERROR_UNAVAILABLE that names
 * the address. Blocks. */
char *kab_fetch(const char *url, const char *path, GError **error);
