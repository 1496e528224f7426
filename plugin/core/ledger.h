/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger floor: partitions, the batch buffer, commits, failures.
 */
#pragma once

#include "work.h"

/* partition.c */
int64_t kab_partition_frontier(const KabPartition *partition);
/* Finishes a slot that has left emission. */
void kab_partition_finish(KabEngine *engine, KabSlot *slot, KabEnd end);
/* Exactly-once: the slot's offset is to be committed in the transaction. */
void kab_partition_note_emitted(KabEngine *engine, const KabSlot *slot);
/* Drops a slot that has left its lane, set, group and emission queue. */
void kab_partition_drop(KabEngine *engine, KabSlot *slot);
/* End offset of the slot and of the finished records right after it. */
int64_t kab_slot_finished_to(const KabSlot *slot);
void kab_partition_mark_dirty(KabEngine *engine, KabPartition *partition);
/* The partition ends: takes it out of the lists of what changed. */
void kab_partition_forget_changes(KabEngine *engine, KabPartition *partition);
/* The only writer of is_closed. */
void kab_partition_set_closed(KabEngine *engine,
                              KabPartition *partition,
                              bool is_closed);
/* The part of the budget, and of the records that may wait, that one partition
 * may hold: a quarter, or more when there are few partitions. */
double kab_partition_share(const KabEngine *engine);
void kab_partition_progress(KabEngine *engine, KabPartition *partition);
/* The partition is new, or its state changed: the turn looks at it. */
void kab_partition_note_change(KabEngine *engine, KabPartition *partition);
void kab_partition_set_state(KabEngine *engine,
                             KabPartition *partition,
                             KabPartitionState state);
/* The partition's start offset is committed: its records may be called. */
void kab_partition_pin(KabEngine *engine, KabPartition *partition);

/* buffer.c */
/* Whether a batch should leave now, and why. */
bool kab_buffer_is_triggered(KabEngine *engine, KabTrigger *ret_trigger);
KabSet *kab_buffer_form(KabEngine *engine, KabTrigger trigger);
void kab_buffer_arm_period(KabEngine *engine);
bool kab_buffer_is_full(const KabEngine *engine);

/* commit.c */
void kab_commit_advance(KabEngine *engine);
void kab_commit_clear(KabCommit *commit);
void
kab_commit_compose(KabEngine *engine, KabCommit *commit, bool in_transaction);
void kab_commit_forget(KabEngine *engine, KabPartition *partition);
/* Whether anything but a start offset is to be committed. */
bool kab_commit_is_wanted(const KabEngine *engine);
/* Only the commit is left to do: it does not wait for its interval. */
bool kab_commit_is_urgent(const KabEngine *engine);
/* Applies the items' results: committed, or dirty again. */
void kab_commit_apply(KabEngine *engine, KabCommit *commit);

/* metadata-cap.c */
/* Exactly once: would emitting the slot overflow the commit metadata? */
bool kab_metadata_cap_holds(KabEngine *engine, KabSlot *slot);
/* The first slot that is not emitted; NULL: all are. */
KabSlot *kab_metadata_cap_first_open(KabPartition *partition);

/* failure.c */
/* Applies on.failure to a slot that is in no set, call or emission queue. */
void kab_failure_apply(KabEngine *engine,
                       KabSlot *slot,
                       KabStage stage,
                       KabClass class_,
                       const char *reason);
/* The function asked for the input to be passed on unchanged. */
void kab_failure_pass(KabEngine *engine, KabSlot *slot, const char *reason);
KabDeadLetter kab_failure_letter(const KabSlot *slot);
