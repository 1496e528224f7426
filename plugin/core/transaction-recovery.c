/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction whose end is unknown: its commit was requested and not
 * answered. InitProducerId of the next producer with the same transactional.id
 * makes the broker end the transaction; then the committed state of its
 * partitions shows whether it was committed.
 */
#include "outlet.h"

/* The transaction's items are kept for comparison until all are loaded. */
void
kab_recovery_ask(KabEngine *engine)
{
    KabCommit *commit = &engine->transaction;
    for (size_t i = 0; i < commit->n; i++) {
        KabPartition *partition = commit->items[i].partition;
        commit->items[i].result = KAB_COMMIT_FAILED;
        if (!partition || partition->is_checked)
            continue;
        partition->is_checked = true;
        engine->sink.unchecked++;
        engine->ports.source->load(engine->ports.source_user, partition);
    }
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
kab_recovery_note_loaded(KabEngine *engine,
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

/* A transaction is atomic: what holds for one partition holds for all. */
void
kab_recovery_decide(KabEngine *engine)
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
