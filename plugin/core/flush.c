/* SPDX-License-Identifier: Apache-2.0 */
/* Flushes the producer's lingering messages when their delivery reports are
 * awaited: a transaction settles, the binding drains, a partition leaves.
 */
#include "outlet.h"

/* Repeat the flush until all reports are in; one may not have sent
 * everything. */
#define FLUSH_AGAIN_US (KAB_SECOND / 5)

static bool
has_emitted_of_leaving(const KabEngine *engine)
{
    for (guint i = 0; engine->partitions_changed && i < engine->partitions->len;
         i++) {
        const KabPartition *partition = engine->partitions->pdata[i];
        if (kab_partition_is_leaving(partition) && partition->n_emitting)
            return true;
    }
    return false;
}

/* Does anything wait for the reports? */
static bool
are_reports_awaited(const KabEngine *engine)
{
    switch (engine->sink.state) {
    case KAB_SINK_SETTLING:
        return true;
    case KAB_SINK_OPEN:
    case KAB_SINK_IN_TRANSACTION:
        return engine->is_draining || has_emitted_of_leaving(engine);
    case KAB_SINK_NONE:
    case KAB_SINK_OPENING:
    case KAB_SINK_READY:
    case KAB_SINK_RECOVERING:
    case KAB_SINK_BEGINNING:
    case KAB_SINK_ENDING:
    case KAB_SINK_ABORTING:
    case KAB_SINK_ABORTED:
    case KAB_SINK_LOST:
        break;
    }
    return false;
}

void
kab_sink_flush(KabEngine *engine)
{
    KabSink *sink = &engine->sink;
    const KabSinkJoint *joint = kab_engine_sink(engine);
    if (!sink->unreported || !joint->port->flush ||
        !are_reports_awaited(engine))
        return;
    if (sink->is_flushed && kab_timer_is_armed(&sink->flush_timer))
        return;
    sink->is_flushed = true;
    sink->flush_timer.kind = KAB_TIMER_FLUSH;
    kab_timers_arm(&engine->timers, &sink->flush_timer,
                   engine->now + FLUSH_AGAIN_US);
    joint->port->flush(joint->user);
}
