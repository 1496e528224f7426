/* SPDX-License-Identifier: Apache-2.0 */
#include "try-calls.h"

#include "try-lines.h"

/* One attempt, from its call until the engine releases it. */
typedef struct {
    KabRecord *records; /* NULL: the engine's own records are used */
    int64_t entered_us; /* 0: not entered yet, or answered */
} Call;

static void
call_free(gpointer data)
{
    Call *call = data;
    g_free(call->records);
    g_free(call);
}

void
kab_try_calls_init(KabTryCalls *calls)
{
    *calls = (KabTryCalls){
        .open = g_hash_table_new_full(NULL, NULL, NULL, call_free),
    };
}

void
kab_try_calls_clear(KabTryCalls *calls)
{
    g_hash_table_unref(calls->open);
}

/* The engine numbers the lines; the function sees topic, offset and so on as
 * given in the lines. */
static KabRecord *
dup_records(const KabAttempt *attempt)
{
    KabRecord *records =
        g_memdup2(attempt->records, attempt->n * sizeof *records);
    for (size_t i = 0; i < attempt->n; i++) {
        const KabLine *line = attempt->messages[i];
        const KabRecord *said = &line->record.record;
        if (said->topic)
            records[i].topic = said->topic;
        records[i].partition = said->partition;
        if (said->offset >= 0)
            records[i].offset = said->offset;
        records[i].timestamp_ms = said->timestamp_ms;
    }
    return records;
}

void
kab_try_calls_begin(KabTryCalls *calls, KabAttempt *attempt, bool has_places)
{
    Call *call = g_new0(Call, 1);
    if (has_places) {
        call->records = dup_records(attempt);
        attempt->records = call->records;
    }
    calls->max_records = MAX(calls->max_records, attempt->n);
    g_hash_table_insert(calls->open, attempt, call);
}

void
kab_try_calls_entered(KabTryCalls *calls,
                      KabAttempt *attempt,
                      int64_t entered_us)
{
    Call *call = g_hash_table_lookup(calls->open, attempt);
    if (call)
        call->entered_us = entered_us;
}

void
kab_try_calls_answered(KabTryCalls *calls, KabAttempt *attempt, int64_t now_us)
{
    Call *call = g_hash_table_lookup(calls->open, attempt);
    if (!call || !call->entered_us)
        return;
    int64_t took_us = now_us - call->entered_us;
    call->entered_us = 0;
    calls->n++;
    calls->sum_us += took_us;
    calls->longest_us = MAX(calls->longest_us, took_us);
}

void
kab_try_calls_end(KabTryCalls *calls, KabAttempt *attempt)
{
    g_hash_table_remove(calls->open, attempt);
}
