/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping: a drain, with or without a flush, and the reason why the binding
 * stops because of an error.
 */
#include "work.h"

/* Lanes that are busy now are not served again; a flush calls what is ready. */
void
kab_engine_drain(KabEngine *engine, int64_t now)
{
    kab_engine_set_now(engine, now);
    if (engine->is_draining)
        return;
    engine->is_draining = true;
    engine->is_flushing =
        !engine->is_stopping && !kab_limiter_is_paused(engine);
    engine->drain_timer.kind = KAB_TIMER_DRAIN;
    kab_timers_arm(&engine->timers, &engine->drain_timer,
                   engine->now + engine->options.shutdown_timeout_us);
}

void
kab_engine_stop(KabEngine *engine, KabStopReason reason, const char *message)
{
    if (engine->is_stopping)
        return;
    engine->is_stopping = true;
    engine->is_flushing = false;
    engine->stop_reason = reason;
    engine->stop_message = g_strdup(message);
    kab_engine_drain(engine, engine->now);
}
