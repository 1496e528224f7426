/* SPDX-License-Identifier: Apache-2.0 */
/* Tracing: one span per call of the function, linked to its records' traces.
 *
 *   loop: note -> queue (bounded) -> exporter's thread: OTLP/HTTP JSON
 *
 * A batch has as many parents as records, so its span is the root of its own
 * trace and links to the `traceparent` of each record (W3C). The loop never
 * waits for the collector: spans that find the queue full, or are refused, are
 * lost and counted.
 */
#pragma once

#include "types.h"

/* Borrowed until the trace is freed. */
typedef struct {
    const char *endpoint; /* URL; /v1/traces is added if it has no path */
    const char *binding, *group, *function;
    const char *instance; /* of the process */
    size_t (*get_headers)(void *message, KabHeader *ret, size_t capacity);
} KabTraceSetup;

typedef struct KabTrace KabTrace;

/* Starts the exporter's thread. */
KabTrace *kab_trace_new(const KabTraceSetup *setup);
/* Notes an answered call. entered_us: monotonic, 0: unknown. */
void kab_trace_note(KabTrace *trace,
                    const KabAttempt *attempt,
                    const KabAnswer *answer,
                    int64_t entered_us,
                    int64_t now);
/* Thread: any. */
uint64_t kab_trace_n_sent(const KabTrace *trace);
uint64_t kab_trace_n_lost(const KabTrace *trace);
/* Sends the queued spans, for at most two seconds, and frees the trace. */
void kab_trace_free(KabTrace *trace);
