/* SPDX-License-Identifier: Apache-2.0 */
/* Intake: the position of each partition, and when it last changed. */
#include "intake.h"

/* Progress of one partition. */
typedef struct {
    int64_t position, moved_us, seen_us;
} Progress;

struct KabIntake {
    GHashTable *progress; /* "topic [number]" -> Progress */
    KabStall stall;
    char *topic; /* of the stalled partition; NULL: no stall */
    int64_t since_us;
};

KabIntake *
kab_intake_new(void)
{
    KabIntake *intake = g_new0(KabIntake, 1);
    intake->progress =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return intake;
}

void
kab_intake_free(KabIntake *intake)
{
    if (!intake)
        return;
    g_hash_table_unref(intake->progress);
    g_free(intake->topic);
    g_free(intake);
}

static Progress *
find_progress(KabIntake *intake,
              const KabPartitionSnapshot *partition,
              int64_t now)
{
    g_autofree char *name =
        g_strdup_printf("%s [%d]", partition->topic, (int)partition->number);
    Progress *progress = g_hash_table_lookup(intake->progress, name);
    if (!progress) {
        progress = g_new0(Progress, 1);
        progress->position = -1;
        progress->moved_us = now;
        g_hash_table_insert(intake->progress, g_steal_pointer(&name), progress);
    }
    progress->seen_us = now;
    return progress;
}

/* A partition that has nothing to deliver, or whose records the engine holds,
 * counts as moving. */
static bool
has_moved(const KabPartitionSnapshot *partition, const Progress *progress)
{
    return partition->state != KAB_PARTITION_OWNED ||
           partition->position != progress->position ||
           partition->oldest_unfinished >= 0 ||
           partition->end <= partition->position;
}

static gboolean
is_forgotten(gpointer name, gpointer progress, gpointer now)
{
    return ((Progress *)progress)->seen_us != *(int64_t *)now;
}

static KabStall
make_stall(const KabBindingSnapshot *snapshot,
           const KabPartitionSnapshot *partition)
{
    const KabSourceState *source = &snapshot->source;
    KabStall stall = {
        .number = partition->number,
        .offset = partition->position,
        .record_state = "not taken",
        .cause = KAB_STALL_BROKER,
        .waits_for = "its broker",
    };
    if (!partition->is_open) {
        stall.cause = KAB_STALL_BUDGET;
        stall.waits_for = "room within buffer.bytes";
    } else if (source->is_rebalancing || source->is_joining) {
        stall.cause = KAB_STALL_REBALANCE;
        stall.waits_for = "the end of the rebalance";
    }
    return stall;
}

void
kab_intake_look(KabIntake *intake,
                const KabBindingSnapshot *snapshot,
                int64_t timeout_us,
                int64_t now)
{
    g_clear_pointer(&intake->topic, g_free);
    for (size_t i = 0; i < snapshot->n_partitions; i++) {
        const KabPartitionSnapshot *partition = &snapshot->partitions[i];
        Progress *progress = find_progress(intake, partition, now);
        if (has_moved(partition, progress)) {
            progress->position = partition->position;
            progress->moved_us = now;
        } else if (!intake->topic && now - progress->moved_us >= timeout_us) {
            intake->stall = make_stall(snapshot, partition);
            intake->topic = g_strdup(partition->topic);
            intake->since_us = progress->moved_us;
        }
    }
    g_hash_table_foreach_remove(intake->progress, is_forgotten, &now);
}

bool
kab_intake_find_stall(const KabIntake *intake, int64_t now, KabStall *ret_stall)
{
    if (!intake->topic)
        return false;
    *ret_stall = intake->stall;
    ret_stall->topic = intake->topic;
    ret_stall->still_us = now - intake->since_us;
    return true;
}
