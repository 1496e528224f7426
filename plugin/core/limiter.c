/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a call may be made now: overload pause, rate limit, back-off.
 *
 * Overload never counts against a record: new calls pause for as long as the
 * service asked, or an exponential back-off, and then one call at a time
 * tries until one succeeds. Calls that were out before the pause are no
 * tries: a slow one does not put the next try off.
 */
#include "internal.h"

/* splitmix64: the jitter is part of the deterministic run. */
static double
next_random(KabEngine *engine)
{
    uint64_t z = engine->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

/* Doubling from retry.backoff, at most retry.backoff.max, jittered. */
int64_t
kab_engine_backoff(KabEngine *engine, unsigned step)
{
    const KabEngineOptions *options = &engine->options;
    int64_t delay = options->retry_backoff_us;
    for (unsigned i = 0; i < step && delay < options->retry_backoff_max_us; i++)
        delay *= 2;
    delay = MIN(delay, options->retry_backoff_max_us);
    double spread = (next_random(engine) * 2 - 1) * options->retry_jitter;
    return delay + (int64_t)((double)delay * spread);
}

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
    /* A hair below one: rounding must not put the token off for ever. */
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

void
kab_limiter_pause(KabEngine *engine, int64_t retry_after_us)
{
    KabLimiter *limiter = &engine->limiter;
    int64_t delay = retry_after_us;
    if (delay < 0)
        delay = kab_engine_backoff(engine, limiter->step);
    int64_t until = engine->now + delay;
    /* Calls that were out together say it together: one step, not many. */
    if (limiter->paused_until == 0)
        limiter->step = MIN(limiter->step + 1, 30);
    limiter->is_probing = true;
    limiter->paused_at = engine->serials;
    limiter->tries_out = 0;
    if (until <= limiter->paused_until)
        return;
    limiter->paused_until = MAX(until, 1);
    limiter->pause_timer.kind = KAB_TIMER_PAUSE;
    kab_timers_arm(&engine->timers, &limiter->pause_timer, until);
}

void
kab_limiter_succeeded(KabEngine *engine)
{
    KabLimiter *limiter = &engine->limiter;
    limiter->paused_until = 0;
    limiter->step = 0;
    limiter->is_probing = false;
    kab_timers_disarm(&engine->timers, &limiter->pause_timer);
}
