/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a call may be made now: overload pause, illness, rate limit,
 * back-off.
 *
 * After an overload new calls pause for as long as the service asked, or an
 * exponential back-off, and then one call at a time probes until one
 * succeeds. The function is ill when two different sets failed, transiently
 * or by overload, with no success between: then it is an outage and no fault
 * of a record, and one call at a time probes as well. Calls made before the
 * pause are no probes: a slow one does not delay the next probe, and its
 * success does not end the probing.
 */
#include "work.h"

bool
kab_limiter_is_paused(const KabEngine *engine)
{
    return engine->limiter.paused_until != 0 || engine->limiter.is_probing;
}

static bool
has_token(KabEngine *engine)
{
    KabLimiter *limiter = &engine->limiter;
    unsigned calls = engine->options.rate_limit_calls;
    if (!calls)
        return true;
    double per_us =
        (double)calls / (double)engine->options.rate_limit_interval_us;
    double gained = (double)(engine->now - limiter->refilled_us) * per_us;
    limiter->tokens = MIN(limiter->tokens + gained, MAX(1.0, calls / 10.0));
    limiter->refilled_us = engine->now;
    /* Slightly below one, so that rounding cannot delay the token forever. */
    if (limiter->tokens >= 1 - 1e-6)
        return true;
    limiter->rate_timer.kind = KAB_TIMER_RATE;
    int64_t wait = (int64_t)((1 - limiter->tokens) / per_us) + 1;
    kab_timers_arm(&engine->timers, &limiter->rate_timer, engine->now + wait);
    return false;
}

bool
kab_limiter_allows(KabEngine *engine)
{
    if (engine->limiter.paused_until)
        return false;
    if (engine->limiter.is_probing && engine->limiter.tries_out)
        return false;
    return has_token(engine);
}

void
kab_limiter_take(KabEngine *engine)
{
    engine->limiter.tries_out++;
    if (engine->options.rate_limit_calls)
        engine->limiter.tokens -= 1;
}

void
kab_limiter_give_back(KabEngine *engine, uint64_t serial)
{
    engine->limiter.tries_out -= serial > engine->limiter.paused_at;
}

static void
begin_probing(KabEngine *engine)
{
    KabLimiter *limiter = &engine->limiter;
    limiter->is_probing = true;
    limiter->paused_at = engine->serials;
    limiter->tries_out = 0;
}

void
kab_limiter_pause(KabEngine *engine, int64_t retry_after_us)
{
    KabLimiter *limiter = &engine->limiter;
    int64_t delay = retry_after_us;
    if (delay < 0)
        delay = kab_backoff_us(engine, limiter->step);
    int64_t until = engine->now + delay;
    /* Calls in flight together report one overload: one step, not many. */
    if (limiter->paused_until == 0)
        limiter->step = MIN(limiter->step + 1, 30);
    begin_probing(engine);
    if (until <= limiter->paused_until)
        return;
    limiter->paused_until = MAX(until, 1);
    limiter->pause_timer.kind = KAB_TIMER_PAUSE;
    kab_timers_arm(&engine->timers, &limiter->pause_timer, until);
}

/* No call is made during a pause, so no success can end the pause early. */
void
kab_limiter_note_success(KabEngine *engine, uint64_t serial)
{
    KabLimiter *limiter = &engine->limiter;
    if (limiter->is_probing && serial <= limiter->paused_at)
        return;
    limiter->step = 0;
    limiter->is_probing = limiter->is_ill = false;
    limiter->failed_family = 0;
}

void
kab_limiter_note_failure(KabEngine *engine, uint64_t family)
{
    KabLimiter *limiter = &engine->limiter;
    bool is_other = limiter->failed_family && limiter->failed_family != family;
    limiter->failed_family = family;
    if (!is_other || limiter->is_ill || engine->options.is_trial)
        return;
    limiter->is_ill = true;
    begin_probing(engine);
}

bool
kab_limiter_is_ill(const KabEngine *engine)
{
    return engine->limiter.is_ill;
}
