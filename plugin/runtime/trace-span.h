/* SPDX-License-Identifier: Apache-2.0 */
/* A span of one call, and spans as OTLP JSON. Pure. Thread: any. */
#pragma once

#include "trace.h"

enum {
    KAB_TRACE_ID_BYTES = 16,
    KAB_SPAN_ID_BYTES = 8,
    KAB_SPAN_LINKS = 128 /* the limit that OpenTelemetry sets */
};

typedef struct {
    uint8_t trace_id[KAB_TRACE_ID_BYTES], span_id[KAB_SPAN_ID_BYTES];
} KabSpanContext;

/* Made on the loop, freed by the exporter. Owns everything it points to. */
typedef struct {
    KabSpanContext context;
    int64_t start_us, end_us; /* wall clock */
    char *topic;              /* NULL: several topics */
    int32_t partition;        /* -1: several partitions */
    size_t n_records;
    unsigned attempt;
    bool is_tombstone;      /* its only record has no value */
    const char *error_type; /* static; NULL: the call did not fail */
    char *reason;
    size_t n_links, n_links_left_out;
    KabSpanContext *links;
} KabSpan;

/* Parses a `traceparent`: 00-<trace id>-<span id>-<flags>. False: invalid. */
bool kab_span_parse_parent(KabBytes text, KabSpanContext *ret_context);

/* Makes the span of a call, with the ids of `context`. real_us: now by the wall
 * clock. */
KabSpan *kab_span_new(const KabTraceSetup *setup,
                      const KabSpanContext *context,
                      const KabAttempt *attempt,
                      const KabAnswer *answer,
                      int64_t took_us,
                      int64_t real_us);
void kab_span_free(KabSpan *span);

/* The body of an export request. spans: KabSpan. Returns a new string. */
char *kab_spans_dup_json(const KabTraceSetup *setup,
                         KabSpan *const *spans,
                         size_t n_spans);
