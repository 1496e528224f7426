/* SPDX-License-Identifier: Apache-2.0 */
#include "try-wait.h"

#include <inttypes.h>
#include <stdio.h>

#define FIRST_US (2 * G_USEC_PER_SEC)

void
kab_try_wait_clear(KabTryWait *wait)
{
    g_free(wait->last_failure);
}

void
kab_try_wait_note(KabTryWait *wait, const KabAnswer *answer)
{
    if (!answer->failed)
        return;
    g_free(wait->last_failure);
    wait->last_failure = g_strdup(answer->reason);
}

static uint64_t
count_ended(const KabEngine *engine)
{
    const KabCounters *counters = kab_engine_counters(engine);
    uint64_t n = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(counters->records_finished); i++)
        n += counters->records_finished[i];
    return n;
}

static void
take_oldest(void *data, const KabPartitionInfo *info)
{
    KabPartitionInfo *oldest = data;
    if (info->waits_for)
        *oldest = *info;
}

static void
say_record(const KabTryWait *wait, const KabPartitionInfo *oldest)
{
    fprintf(stderr, "line %" PRIi64 " waits for %s",
            oldest->oldest_unfinished + 1, oldest->waits_for);
    if (wait->last_failure)
        fprintf(stderr, "; the last failed call: %s", wait->last_failure);
}

/* No record in hand: standard input is what gives no line. */
static void
say_wait(const KabTryWait *wait,
         const KabEngine *engine,
         KabContext *context,
         int64_t now)
{
    KabPartitionInfo oldest = {0};
    kab_engine_foreach_partition(engine, now, take_oldest, &oldest);
    g_autofree char *waiting = kab_context_dup_waiting(context);
    if (!waiting && !oldest.waits_for)
        return;
    fprintf(stderr, "kabridge: no outcome for %" PRIi64 " s: ",
            (now - wait->since_us) / (int64_t)G_USEC_PER_SEC);
    if (waiting)
        fprintf(stderr, "%s", waiting);
    else
        say_record(wait, &oldest);
    fprintf(stderr, "\n");
}

void
kab_try_wait_look(KabTryWait *wait,
                  const KabEngine *engine,
                  KabContext *context,
                  int64_t now)
{
    uint64_t n = count_ended(engine);
    if (!wait->due_us || n != wait->n_ended) {
        wait->n_ended = n;
        wait->since_us = now;
        wait->due_us = now + FIRST_US;
    } else if (now >= wait->due_us) {
        say_wait(wait, engine, context, now);
        wait->due_us = now + (now - wait->since_us);
    }
}
