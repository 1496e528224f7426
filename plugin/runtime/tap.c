/* SPDX-License-Identifier: Apache-2.0 */
/* The tap: a ring of copied records. The loop only ever tries to take its
 * lock. */
#include "tap.h"

#include <pthread.h>

#include <glib.h>

#define OPEN_US (3 * G_USEC_PER_SEC)
enum {
    RING = 256,
    OF_A_BATCH = 4,   /* maximum of samples per batch */
    OF_A_SECOND = 100 /* maximum of samples per second */
};

struct KabTap {
    atomic_int_fast64_t open_until_us; /* 0: no reader */
    /* used by the loop */
    int64_t second_us;
    unsigned n_of_second;
    /* guarded by the mutex */
    pthread_mutex_t mutex;
    KabTapRecord *ring[RING];
    uint64_t next;
};

KabTap *
kab_tap_new(void)
{
    KabTap *tap = g_new0(KabTap, 1);
    pthread_mutex_init(&tap->mutex, NULL);
    return tap;
}

static void
clear_bytes(KabTapBytes *bytes)
{
    g_clear_pointer(&bytes->data, g_free);
}

static void
unref_record(void *data)
{
    KabTapRecord *record = data;
    if (!record || atomic_fetch_sub(&record->references, 1) > 1)
        return;
    clear_bytes(&record->key);
    clear_bytes(&record->value);
    for (size_t i = 0; i < G_N_ELEMENTS(record->outputs); i++) {
        g_free(record->outputs[i].topic);
        clear_bytes(&record->outputs[i].key);
        clear_bytes(&record->outputs[i].value);
    }
    g_free(record->topic);
    g_free(record->reason);
    g_free(record);
}

static void
clear_ring(KabTap *tap)
{
    for (size_t i = 0; i < RING; i++) {
        unref_record(tap->ring[i]);
        tap->ring[i] = NULL;
    }
}

void
kab_tap_free(KabTap *tap)
{
    if (!tap)
        return;
    clear_ring(tap);
    pthread_mutex_destroy(&tap->mutex);
    g_free(tap);
}

bool
kab_tap_is_on(const KabTap *tap)
{
    return atomic_load_explicit(&tap->open_until_us, memory_order_relaxed) != 0;
}

/* --- On the loop ------------------------------------------------------- */

static KabTapBytes
copy_bytes(KabBytes bytes)
{
    KabTapBytes copy = {.len = bytes.len, .n = MIN(bytes.len, KAB_TAP_BYTES)};
    if (bytes.data)
        copy.data = bytes.len ? g_memdup2(bytes.data, copy.n) : g_malloc0(1);
    return copy;
}

static const char *
name_outcome(const KabResult *result, const KabAnswer *answer)
{
    switch (result->outcome) {
    case KAB_OUTCOME_NONE:
        return answer->failed ? "failed" : "no answer";
    case KAB_OUTCOME_DONE:
        return result->first ? "done" : "dropped";
    case KAB_OUTCOME_RETRY:
        return "retry";
    case KAB_OUTCOME_REJECT:
    case KAB_OUTCOME_REJECT_INPUT:
        return "rejected";
    case KAB_OUTCOME_INVALID:
        return "invalid";
    case KAB_OUTCOME_PASS:
        return "passed";
    }
    return "unknown";
}

static void
copy_outputs(KabTapRecord *record, const KabResult *result)
{
    for (const KabProduct *p = result->first; p; p = p->next) {
        size_t i = record->n_outputs++;
        if (i >= KAB_TAP_OUTPUTS)
            continue;
        record->outputs[i] = (KabTapOutput){
            .topic = g_strdup(p->output.topic),
            .partition = p->output.partition,
            .key = copy_bytes(p->output.key),
            .value = copy_bytes(p->output.value),
        };
    }
}

static KabTapRecord *
copy_record(const KabAttempt *attempt, size_t i, const KabAnswer *answer)
{
    const KabRecord *input = &attempt->records[i];
    const KabResult *result = &attempt->results[i];
    KabTapRecord *record = g_new0(KabTapRecord, 1);
    atomic_init(&record->references, 1);
    record->real_us = g_get_real_time();
    record->topic = g_strdup(input->topic);
    record->partition = input->partition;
    record->offset = input->offset;
    record->timestamp_ms = input->timestamp_ms;
    record->key = copy_bytes(input->key);
    record->value = copy_bytes(input->value);
    record->attempt = attempt->number;
    record->batch_records = attempt->n;
    record->outcome = name_outcome(result, answer);
    record->reason = g_strdup(result->reason ? result->reason : answer->reason);
    if (result->outcome == KAB_OUTCOME_DONE)
        copy_outputs(record, result);
    return record;
}

/* How many more records may be sampled in this second. */
static size_t
take_allowance(KabTap *tap, size_t wanted, int64_t now)
{
    if (now - tap->second_us >= G_USEC_PER_SEC) {
        tap->second_us = now;
        tap->n_of_second = 0;
    }
    size_t n = MIN(wanted, OF_A_SECOND - tap->n_of_second);
    tap->n_of_second += (unsigned)n;
    return n;
}

static void
keep_record(KabTap *tap, KabTapRecord *record)
{
    KabTapRecord **place = &tap->ring[tap->next % RING];
    unref_record(*place);
    record->number = tap->next++;
    *place = record;
}

void
kab_tap_note(KabTap *tap,
             const KabAttempt *attempt,
             const KabAnswer *answer,
             int64_t entered_us,
             int64_t now)
{
    if (pthread_mutex_trylock(&tap->mutex))
        return;
    if (now > atomic_load(&tap->open_until_us)) {
        atomic_store(&tap->open_until_us, 0);
        clear_ring(tap);
    } else {
        size_t n = take_allowance(tap, MIN(attempt->n, OF_A_BATCH), now);
        for (size_t k = 0; k < n; k++) {
            size_t i = k * attempt->n / n;
            KabTapRecord *record = copy_record(attempt, i, answer);
            record->call_us = entered_us ? now - entered_us : 0;
            keep_record(tap, record);
        }
    }
    pthread_mutex_unlock(&tap->mutex);
}

/* --- Readers ----------------------------------------------------------- */

GPtrArray *
kab_tap_read(KabTap *tap,
             uint64_t after,
             int64_t now,
             uint64_t *ret_next,
             uint64_t *ret_missed)
{
    GPtrArray *records = g_ptr_array_new_with_free_func(unref_record);
    pthread_mutex_lock(&tap->mutex);
    atomic_store(&tap->open_until_us, now + OPEN_US);
    uint64_t first = tap->next > RING ? tap->next - RING : 0;
    /* The number is from an earlier run of this process: start over. */
    if (after > tap->next)
        after = tap->next;
    *ret_missed = after < first ? first - after : 0;
    for (uint64_t i = MAX(after, first); i < tap->next; i++) {
        KabTapRecord *record = tap->ring[i % RING];
        if (!record)
            continue;
        atomic_fetch_add(&record->references, 1);
        g_ptr_array_add(records, record);
    }
    *ret_next = tap->next;
    pthread_mutex_unlock(&tap->mutex);
    return records;
}
