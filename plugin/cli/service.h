/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's calls; without libsystemd they do nothing. */
#pragma once

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
#include <stdint.h>

static inline int
sd_notify(int unset_environment, const char *state)
{
    return 0;
}

static inline int
sd_watchdog_enabled(int unset_environment, uint64_t *ret_usec)
{
    return 0;
}
#endif
