/* SPDX-License-Identifier: Apache-2.0 */
#include "edge.h"

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include <glib.h>

/* An outage of an hour must leave the log readable: three allowances are 90
 * lines, the binding's readiness has 80 at most. */
enum { MOST_LINES = 10 };
#define REFILL_US (180 * G_USEC_PER_SEC)

void
kab_edge_log_some(const KabEdge *edge,
                  KabAllowance *allowance,
                  KabLogLevel level,
                  KabPlace place,
                  const char *message,
                  int64_t now)
{
    if (!kab_allowance_take(allowance, MOST_LINES, REFILL_US, now)) {
        allowance->n_left_out++;
        edge->log(edge->user, KAB_LOG_DEBUG, place, message);
        return;
    }
    unsigned n = allowance->n_left_out;
    g_autofree char *longer =
        n ? g_strdup_printf("%s (%u more were not logged)", message, n) : NULL;
    allowance->n_left_out = 0;
    edge->log(edge->user, level, place, longer ? longer : message);
}

KabLogLevel
kab_edge_client_level(int syslog_level, const char *facility)
{
    if (strcmp(facility, "FATAL") == 0 || strcmp(facility, "TXNERR") == 0)
        return KAB_LOG_DEBUG;
    if (syslog_level <= LOG_CRIT)
        return KAB_LOG_ERROR;
    return strcmp(facility, "CONFWARN") == 0 ? KAB_LOG_WARNING : KAB_LOG_DEBUG;
}

char *
kab_edge_dup_skip(const char *binding, KabPlace place)
{
    return g_strdup_printf("kabridge skip CONFIG --binding %s --topic %s "
                           "--partition %" PRIi32 " --offset %" PRIi64,
                           binding, place.topic, place.partition, place.offset);
}
