/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction whose end is unknown: the commit was asked for and not
 * answered. The next producer with the same id makes the broker end it; then
 * the committed state of the partitions says which way it went.
 */
#include "internal.h"

/* Items of the unknown transaction stay the reference until all are in. */
bool
kab_unknown_ask(KabEngine *engine)
{
    KabCommit *commit = &engine->transaction;
    for (size_t i = 0; i < commit->n; i++) {
        KabPartition *partition = commit->items[i].partition;
        commit->items[i].result = KAB_COMMIT_FAILED;
        if (!partition || partition->is_checked)
            continue;
        partition->is_checked = true;
        engine->sink.unchecked++;
        engine->effects.load(engine->user, partition);
    }
    return engine->sink.unchecked > 0;
}

static bool
is_same(const KabCommitItem *item, const KabCommitted *committed)
{
    if (!committed->has_offset || committed->offset != item->offset ||
        committed->n_intervals != item->n_intervals)
        return false;
    return !item->n_intervals ||
           memcmp(committed->intervals, item->intervals,
                  item->n_intervals * sizeof *item->intervals) == 0;
}

void
kab_partition_checked(KabEngine *engine,
                      KabPartition *partition,
                      const KabCommitted *committed)
{
    KabCommit *commit = &engine->transaction;
    partition->is_checked = false;
    engine->sink.unchecked--;
    for (size_t i = 0; i < commit->n; i++)
        if (commit->items[i].partition == partition &&
            is_same(&commit->items[i], committed))
            commit->items[i].result = KAB_COMMIT_OK;
}

/* A transaction is one: what holds for one partition holds for all. */
void
kab_unknown_decide(KabEngine *engine)
{
    KabCommit *commit = &engine->transaction;
    bool was_committed = false;
    for (size_t i = 0; i < commit->n; i++)
        was_committed |= commit->items[i].result == KAB_COMMIT_OK;
    for (size_t i = 0; i < commit->n; i++)
        commit->items[i].result =
            was_committed ? KAB_COMMIT_OK : KAB_COMMIT_FAILED;
    engine->sink.is_unknown = false;
    if (was_committed)
        kab_emission_commit(engine);
    kab_commit_apply(engine, commit);
}
