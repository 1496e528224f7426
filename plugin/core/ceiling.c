/* SPDX-License-Identifier: Apache-2.0 */
/* The learned ceiling: the batch size that the function was seen to take.
 *
 * It is learned only from a too-large set both of whose halves then succeed:
 * a single record may be too large by itself. It is probed upward again:
 * after some successful batches of that size it doubles, until it reaches the
 * limit and is dropped. Each time that it is learned again, more successful
 * batches are required.
 */
#include "ground.h"

enum { PATIENCE = 16, PATIENCE_MAX = 4096 };

static void
learn_ceiling(KabEngine *engine, size_t records)
{
    if (engine->ceiling && records >= engine->ceiling)
        return;
    unsigned patience = engine->ceiling_patience * 2;
    engine->ceiling = records;
    engine->ceiling_successes = 0;
    engine->ceiling_patience = CLAMP(patience, PATIENCE, PATIENCE_MAX);
}

static void
probe_upward(KabEngine *engine)
{
    engine->ceiling_successes = 0;
    engine->ceiling *= 2;
    if (engine->ceiling >= engine->limits.records)
        engine->ceiling = 0;
}

void
kab_ceiling_note_success(KabEngine *engine, const KabSet *set, size_t n)
{
    if (set->cut && ++set->cut->successes == 2)
        learn_ceiling(engine, set->cut->records);
    else if (engine->ceiling && n >= engine->ceiling &&
             ++engine->ceiling_successes >= engine->ceiling_patience)
        probe_upward(engine);
}
