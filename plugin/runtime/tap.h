/* SPDX-License-Identifier: Apache-2.0 */
/* A sample of the records that pass through a binding, for a human reader.
 *
 * Records are kept only if somebody has read within the last seconds. Then a
 * few records of each batch are copied, with their bytes truncated, into a ring
 * of bounded size. The loop never waits for a reader: a batch that arrives
 * while a reader copies is not sampled.
 *
 * This is the only place that shows payloads; they are never logged.
 */
#pragma once

#include <stdatomic.h>

#include <glib.h>

#include "types.h"

enum {
    KAB_TAP_BYTES = 1024, /* limit for a key or a value */
    KAB_TAP_OUTPUTS = 4,  /* limit per record */
};

/* The first bytes of a key or value that was `len` bytes long. */
typedef struct {
    void *data; /* owned; NULL: absent */
    size_t n, len;
} KabTapBytes;

typedef struct {
    char *topic; /* NULL: the binding's output topic */
    int32_t partition;
    KabTapBytes key, value;
} KabTapOutput;

/* One sampled record. Shared by the ring and its readers; constant. */
typedef struct {
    atomic_uint references;
    uint64_t number; /* increases with every sampled record */
    int64_t real_us; /* when it was answered; wall clock */
    char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    KabTapBytes key, value;
    unsigned attempt;
    size_t batch_records;
    int64_t call_us;     /* from entering the function to the answer */
    const char *outcome; /* static */
    char *reason;        /* NULL: none */
    size_t n_outputs;    /* the real count; at most KAB_TAP_OUTPUTS are kept */
    KabTapOutput outputs[KAB_TAP_OUTPUTS];
} KabTapRecord;

typedef struct KabTap KabTap;

KabTap *kab_tap_new(void);
void kab_tap_free(KabTap *tap);

/* Does anybody read? All that an untapped batch costs is this check. */
bool kab_tap_is_on(const KabTap *tap);
/* Notes an answered call. entered_us 0: unknown. Thread: the loop */
void kab_tap_note(KabTap *tap,
                  const KabAttempt *attempt,
                  const KabAnswer *answer,
                  int64_t entered_us,
                  int64_t now);
/* Returns the records with number `after` or higher and sets the number to
 * continue with; keeps the tap open for some seconds. *ret_missed: records that
 * were overwritten before this reader came. Returns a new array of
 * KabTapRecord. Thread: any */
GPtrArray *kab_tap_read(KabTap *tap,
                        uint64_t after,
                        int64_t now,
                        uint64_t *ret_next,
                        uint64_t *ret_missed);
