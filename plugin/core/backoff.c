/* SPDX-License-Identifier: Apache-2.0 */
/* How long a retry waits. */
#include "ground.h"

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
kab_backoff_us(KabEngine *engine, unsigned step)
{
    const KabEngineOptions *options = &engine->options;
    int64_t delay = options->retry_backoff_us;
    for (unsigned i = 0; i < step && delay < options->retry_backoff_max_us; i++)
        delay *= 2;
    delay = MIN(delay, options->retry_backoff_max_us);
    double spread = (next_random(engine) * 2 - 1) * options->retry_jitter;
    return delay + (int64_t)((double)delay * spread);
}
