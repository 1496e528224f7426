/* SPDX-License-Identifier: Apache-2.0 */
#include "process-limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kabridge/error.h"
#include "small-file.h"

/* Measured with one broker: sockets and pipes of a consumer and a producer, the
 * loop's descriptors, the clients' threads and the binding's own. Two are
 * duplicates, which only a current librdkafka needs (KAB_QUIRK_STUCK_BROKER).
 */
enum {
    DESCRIPTORS_A_BINDING = 17,
    THREADS_A_BINDING = 9,
    DESCRIPTORS_BESIDE = 32, /* admin server, log, files */
    THREADS_BESIDE = 8,
};

static bool
is_enough(const char *what,
          const char *where,
          uint64_t limit,
          uint64_t wanted,
          unsigned n_bindings,
          GError **error)
{
    if (limit >= wanted)
        return true;
    g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                "found a limit of %" PRIu64 " %s (%s); wanted at least "
                "%" PRIu64 " for %u bindings: raise it, or run the bindings "
                "in several processes",
                limit, what, where, wanted, n_bindings);
    return false;
}

static uint64_t
limit_of(__rlimit_resource_t resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

/* Process limit of the control group that a container sees as its root; "max":
 * no limit. */
static uint64_t
group_limit(void)
{
    size_t len;
    g_autofree char *text =
        kab_small_file_read("/sys/fs/cgroup/pids.max", &len, NULL);
    if (!text || !g_ascii_isdigit(*text))
        return UINT64_MAX;
    return g_ascii_strtoull(text, NULL, 10);
}

bool
kab_process_limits_check(unsigned n_bindings,
                         uint64_t n_pool_threads,
                         GError **error)
{
    uint64_t descriptors =
        DESCRIPTORS_BESIDE + (uint64_t)DESCRIPTORS_A_BINDING * n_bindings;
    uint64_t threads = THREADS_BESIDE +
                       (uint64_t)THREADS_A_BINDING * n_bindings +
                       n_pool_threads;
    /* The kernel does not apply RLIMIT_NPROC to root. */
    uint64_t processes = geteuid() ? limit_of(RLIMIT_NPROC) : UINT64_MAX;
    return is_enough("file descriptors", "RLIMIT_NOFILE, ulimit -n",
                     limit_of(RLIMIT_NOFILE), descriptors, n_bindings, error) &&
           is_enough("threads", "RLIMIT_NPROC, ulimit -u", processes, threads,
                     n_bindings, error) &&
           is_enough("threads", "pids.max of the control group", group_limit(),
                     threads, n_bindings, error);
}
