/* SPDX-License-Identifier: Apache-2.0 */
/* Status: snapshots as JSON, with the names of the contract.
 *
 * Unknown numbers (below 0) and missing texts are null. If the loop has stopped
 * renewing a snapshot, its binding counts as not ready, whatever the snapshot
 * says.
 */
#include "status.h"

#include <stdlib.h>

#include <jansson.h>

#include "kabridge/version.h"

/* While its loop turns, the binding itself reports a fault sooner than this. */
static const int64_t stale_us = 10 * G_USEC_PER_SEC;

static const char *
partition_state_name(KabPartitionState state)
{
    switch (state) {
#define X(NAME, text, moves)                                                   \
    case KAB_PARTITION_##NAME:                                                 \
        return text;
        KAB_PARTITION_STATES(X)
#undef X
    }
    g_assert_not_reached();
}

/* Takes the value. */
static char *
dup_text(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII |
                                       JSON_REAL_PRECISION(15));
    json_decref(value);
    g_assert(text);
    char *copy = g_strconcat(text, "\n", NULL);
    free(text);
    return copy;
}

static json_t *
text_or_null(const char *text)
{
    if (!text)
        return json_null();
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

static json_t *
number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

/* 0: null, because there is nothing to measure. */
static json_t *
seconds_or_null(int64_t time_us)
{
    return time_us > 0 ? json_real((double)(time_us / 1000) / 1000)
                       : json_null();
}

/* Why a binding is not ready now; NULL: it is ready. Returns a new string. */
static char *
dup_reason(const KabBindingSnapshot *snapshot, int64_t now)
{
    int64_t age_us = snapshot->made_us ? now - snapshot->made_us : 0;
    if (snapshot->state != KAB_STATE_STOPPED && age_us > stale_us)
        return g_strdup_printf("its loop has not turned for %" G_GINT64_FORMAT
                               " s",
                               age_us / G_USEC_PER_SEC);
    return g_strdup(snapshot->reason);
}

static json_t *
partition_json(const KabPartitionSnapshot *partition)
{
    json_t *object = json_object();
    json_object_set_new(object, "topic", text_or_null(partition->topic));
    json_object_set_new(object, "partition", json_integer(partition->number));
    json_object_set_new(object, "state",
                        json_string(partition_state_name(partition->state)));
    json_object_set_new(object, "position",
                        number_or_null(partition->position));
    json_object_set_new(object, "committed",
                        number_or_null(partition->committed));
    json_object_set_new(object, "end", number_or_null(partition->end));
    json_object_set_new(object, "lag", number_or_null(partition->lag));
    json_object_set_new(object, "finished_beyond",
                        json_integer((json_int_t)partition->finished_beyond));
    json_object_set_new(object, "oldest_unfinished",
                        number_or_null(partition->oldest_unfinished));
    json_object_set_new(object, "oldest_unfinished_seconds",
                        seconds_or_null(partition->oldest_us));
    json_object_set_new(object, "waits_for",
                        text_or_null(partition->waits_for));
    return object;
}

/* null: every partition moves, or has nothing to deliver. */
static json_t *
stall_json(const KabStall *stall)
{
    if (!stall->topic)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "topic", text_or_null(stall->topic));
    json_object_set_new(object, "partition", json_integer(stall->number));
    json_object_set_new(object, "offset", number_or_null(stall->offset));
    json_object_set_new(object, "cause",
                        json_string(kab_stall_cause_name(stall->cause)));
    json_object_set_new(object, "waits_for", json_string(stall->waits_for));
    json_object_set_new(object, "seconds", seconds_or_null(stall->still_us));
    return object;
}

static json_t *
adaptive_json(const KabAdaptiveView *adaptive)
{
    if (!adaptive->phase)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "phase", json_string(adaptive->phase));
    json_object_set_new(object, "reason", json_string(adaptive->reason));
    json_object_set_new(object, "budget_seconds",
                        json_real((double)adaptive->budget_us / 1e6));
    json_object_set_new(object, "records_per_second",
                        json_real(adaptive->throughput));
    json_object_set_new(object, "violations",
                        json_integer((json_int_t)adaptive->violations));
    json_object_set_new(object, "epoch", json_integer(adaptive->epoch));
    return object;
}

static json_t *
binding_json(const KabBindingSnapshot *snapshot, int64_t now)
{
    const KabEngineState *engine = &snapshot->engine;
    g_autofree char *reason = dup_reason(snapshot, now);
    json_t *partitions = json_array();
    for (size_t i = 0; i < snapshot->n_partitions; i++)
        json_array_append_new(partitions,
                              partition_json(&snapshot->partitions[i]));
    json_t *object = json_object();
    json_object_set_new(object, "name", text_or_null(snapshot->name));
    json_object_set_new(object, "state",
                        json_string(kab_state_name(snapshot->state)));
    json_object_set_new(object, "reason", text_or_null(reason));
    json_object_set_new(object, "obstacle",
                        json_string(kab_obstacle_name(snapshot->obstacle)));
    json_object_set_new(object, "since_seconds",
                        snapshot->ready_since_us
                            ? seconds_or_null(now - snapshot->ready_since_us)
                            : json_null());
    json_object_set_new(object, "stall", stall_json(&snapshot->stall));
    json_object_set_new(object, "function_silent_seconds",
                        seconds_or_null(snapshot->function_silent_us));
    json_object_set_new(object, "partitions", partitions);
    json_object_set_new(object, "batch_limit",
                        json_integer((json_int_t)engine->batch_limit));
    json_object_set_new(object, "calls_in_flight",
                        json_integer(engine->calls_in_flight));
    json_object_set_new(object, "calls_in_flight_limit",
                        json_integer(engine->calls_limit));
    json_object_set_new(object, "adaptive", adaptive_json(&engine->adaptive));
    json_object_set_new(object, "buffer_records",
                        json_integer((json_int_t)engine->records));
    json_object_set_new(object, "buffer_bytes",
                        json_integer((json_int_t)engine->bytes));
    json_object_set_new(object, "last_error",
                        text_or_null(snapshot->last_error));
    return object;
}

char *
kab_status_dup_json(const GPtrArray *snapshots,
                    const char *instance,
                    const KabReloads *reloads,
                    int64_t now)
{
    json_t *bindings = json_array();
    for (unsigned i = 0; i < snapshots->len; i++)
        json_array_append_new(bindings, binding_json(snapshots->pdata[i], now));
    json_t *object = json_object();
    json_object_set_new(object, "version", json_string(KAB_VERSION));
    json_object_set_new(object, "instance", text_or_null(instance));
    json_object_set_new(object, "bindings", bindings);
    if (reloads->refusal)
        json_object_set_new(object, "reload_refused",
                            text_or_null(reloads->refusal));
    return dup_text(object);
}

char *
kab_status_dup_ready_json(const GPtrArray *snapshots,
                          int64_t now,
                          bool *ret_is_ready)
{
    json_t *reasons = json_array();
    for (unsigned i = 0; i < snapshots->len; i++) {
        const KabBindingSnapshot *snapshot = snapshots->pdata[i];
        g_autofree char *reason = dup_reason(snapshot, now);
        if (!reason)
            continue;
        json_t *object = json_object();
        json_object_set_new(object, "binding", text_or_null(snapshot->name));
        json_object_set_new(object, "reason", text_or_null(reason));
        json_array_append_new(reasons, object);
    }
    bool is_ready = json_array_size(reasons) == 0;
    json_t *object = json_object();
    json_object_set_new(object, "ready", json_boolean(is_ready));
    json_object_set_new(object, "reasons", reasons);
    *ret_is_ready = is_ready;
    return dup_text(object);
}

char *
kab_status_dup_live_json(bool is_live)
{
    json_t *object = json_object();
    json_object_set_new(object, "live", json_boolean(is_live));
    return dup_text(object);
}

/* Converts a monotonic time to a UTC date. */
static char *
dup_calendar(int64_t time_us, int64_t now, int64_t real_now)
{
    int64_t real_us = real_now - (now - time_us);
    g_autoptr(GDateTime) seconds =
        g_date_time_new_from_unix_utc(real_us / G_USEC_PER_SEC);
    g_autofree char *text = g_date_time_format(seconds, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%03dZ", text,
                           (int)(real_us % G_USEC_PER_SEC / 1000));
}

char *
kab_status_dup_record_json(const KabWhereabouts *whereabouts,
                           int64_t now,
                           int64_t real_now)
{
    g_autofree char *since = dup_calendar(whereabouts->since_us, now, real_now);
    json_t *object = json_object();
    json_object_set_new(object, "state",
                        json_string(kab_slot_state_name(whereabouts->state)));
    json_object_set_new(object, "waits_for",
                        text_or_null(whereabouts->waits_for));
    json_object_set_new(object, "since", json_string(since));
    return dup_text(object);
}

char *
kab_status_dup_error_json(const char *message)
{
    json_t *object = json_object();
    json_object_set_new(object, "error", text_or_null(message));
    return dup_text(object);
}
