/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a bridge: snapshots, finding a record, logging the state. */
#include "bridge-internal.h"

#include <inttypes.h>

/* A removed binding is not missed: it never makes the bridge not ready. */
static KabBindingSnapshot *
snapshot_of(KabMember *member)
{
    KabBindingSnapshot *snapshot = kab_binding_snapshot(member->binding);
    if (atomic_load(&member->is_removed))
        g_clear_pointer(&snapshot->reason, g_free);
    return snapshot;
}

GPtrArray *
kab_bridge_snapshots(KabBridge *bridge)
{
    g_autoptr(GPtrArray) members = kab_bridge_list_members(bridge);
    GPtrArray *snapshots = g_ptr_array_new_with_free_func(
        (GDestroyNotify)kab_binding_snapshot_free);
    for (guint i = 0; i < members->len; i++)
        g_ptr_array_add(snapshots, snapshot_of(members->pdata[i]));
    return snapshots;
}

KabReloads
kab_bridge_dup_reloads(KabBridge *bridge)
{
    pthread_mutex_lock(&bridge->mutex);
    KabReloads reloads = bridge->reloads;
    reloads.refusal = g_strdup(reloads.refusal);
    pthread_mutex_unlock(&bridge->mutex);
    return reloads;
}

bool
kab_bridge_find(KabBridge *bridge,
                const char *topic,
                int32_t number,
                int64_t offset,
                KabWhereabouts *ret_whereabouts)
{
    g_autoptr(GPtrArray) members = kab_bridge_list_members(bridge);
    for (guint i = 0; i < members->len; i++) {
        KabMember *member = members->pdata[i];
        if (kab_binding_find(member->binding, topic, number, offset,
                             ret_whereabouts))
            return true;
    }
    return false;
}

GPtrArray *
kab_bridge_read_tap(KabBridge *bridge,
                    const char *binding,
                    uint64_t after,
                    uint64_t *ret_next,
                    uint64_t *ret_missed)
{
    g_autoptr(GPtrArray) members = kab_bridge_list_members(bridge);
    for (guint i = 0; i < members->len; i++) {
        KabMember *member = members->pdata[i];
        if (!atomic_load(&member->is_removed) &&
            g_str_equal(member->settings->name, binding))
            return kab_tap_read(kab_binding_tap(member->binding), after,
                                g_get_monotonic_time(), ret_next, ret_missed);
    }
    return NULL;
}

static uint64_t
sum_counts(const uint64_t *counts, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += counts[i];
    return total;
}

static int64_t
lag_of(const KabBindingSnapshot *snapshot)
{
    int64_t lag = 0;
    for (size_t i = 0; i < snapshot->n_partitions; i++) {
        if (snapshot->partitions[i].lag < 0)
            return -1;
        lag += snapshot->partitions[i].lag;
    }
    return lag;
}

static void
take_numbers(KabBindingNumbers *numbers, KabBindingSnapshot *snapshot)
{
    const KabCounters *counters = &snapshot->counters;
    *numbers = (KabBindingNumbers){
        .name = g_steal_pointer(&snapshot->name),
        .state = kab_state_name(snapshot->state),
        .reason = g_steal_pointer(&snapshot->reason),
        .last_error = g_steal_pointer(&snapshot->last_error),
        .records_consumed = counters->records_consumed,
        .records_produced = counters->records_produced,
        .records_finished = sum_counts(counters->records_finished, KAB_N_ENDS),
        .records_retried = counters->records_retried,
        .dead_letters = sum_counts(counters->dead_letters, KAB_N_CLASSES),
        .batches = sum_counts(counters->batches, KAB_N_TRIGGERS),
        .calls = sum_counts(counters->calls, KAB_N_CALL_RESULTS),
        .commits = sum_counts(counters->commits, KAB_N_COMMIT_RESULTS),
        .buffer_records = snapshot->engine.records,
        .buffer_bytes = snapshot->engine.bytes,
        .calls_in_flight = snapshot->engine.calls_in_flight,
        .lag = lag_of(snapshot),
        .partitions = (unsigned)snapshot->n_partitions,
    };
}

KabSnapshot *
kab_bridge_snapshot(KabBridge *bridge)
{
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(bridge);
    KabSnapshot *snapshot = g_new0(KabSnapshot, 1);
    snapshot->struct_size = sizeof *snapshot;
    snapshot->n_bindings = snapshots->len;
    snapshot->bindings = g_new0(KabBindingNumbers *, snapshots->len);
    for (guint i = 0; i < snapshots->len; i++) {
        snapshot->bindings[i] = g_new0(KabBindingNumbers, 1);
        take_numbers(snapshot->bindings[i], snapshots->pdata[i]);
    }
    return snapshot;
}

void
kab_snapshot_free(KabSnapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        g_free(snapshot->bindings[i]->name);
        g_free(snapshot->bindings[i]->reason);
        g_free(snapshot->bindings[i]->last_error);
        g_free(snapshot->bindings[i]);
    }
    g_free(snapshot->bindings);
    g_free(snapshot);
}

static void
log_partition(const char *binding, const KabPartitionSnapshot *partition)
{
    char oldest[24] = "none";
    if (partition->oldest_unfinished >= 0)
        g_snprintf(oldest, sizeof oldest, "%" PRIi64,
                   partition->oldest_unfinished);
    kab_log(KAB_LOG_INFO, binding,
            "%s [%d]: position %" PRIi64 ", committed %" PRIi64 ", end %" PRIi64
            ", %" PRIu64 " finished beyond, oldest unfinished %s",
            partition->topic, (int)partition->number, partition->position,
            partition->committed, partition->end, partition->finished_beyond,
            oldest);
}

static void
log_binding(const KabBindingSnapshot *snapshot)
{
    const KabEngineState *engine = &snapshot->engine;
    kab_log(KAB_LOG_INFO, snapshot->name,
            "%s, %s; lag %" PRIi64 "; %zu records in hand (%zu waiting, %zu "
            "called, %zu resolved, %zu emitted), %zu bytes; %u calls in "
            "flight, %u abandoned, %zu sets wait for a retry; last error: %s",
            kab_state_name(snapshot->state),
            snapshot->reason ? snapshot->reason : "ready", lag_of(snapshot),
            engine->records, engine->waiting, engine->called, engine->resolved,
            engine->emitted, engine->bytes, engine->calls_in_flight,
            engine->calls_abandoned, engine->sets_waiting,
            snapshot->last_error ? snapshot->last_error : "none");
    for (size_t i = 0; i < snapshot->n_partitions; i++)
        log_partition(snapshot->name, &snapshot->partitions[i]);
}

void
kab_bridge_log_now(KabBridge *bridge)
{
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(bridge);
    for (guint i = 0; i < snapshots->len; i++)
        log_binding(snapshots->pdata[i]);
}
