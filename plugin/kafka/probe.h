/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the cluster before anything runs: `kabridge check --connect`.
 *
 * It connects as the binding would and asks questions; it writes nothing,
 * joins no group and takes no transactional id, so it may run beside a running
 * bridge. The right to read is tried out; the right to write cannot be checked
 * without writing, and shows at start.
 *
 * Thread: any; it blocks, for a few times timeout_ms at most.
 */
#pragma once

#include "edge.h"
#include "properties.h"

/* Borrowed for the call. */
typedef struct {
    const KabProperty *consumer, *producer; /* [kafka], then the binding's */
    size_t n_consumer, n_producer;
    const char *group;
    const char *const *input_topics;  /* NULL-terminated; "^…" is a pattern */
    const char *output_topic;         /* NULL: none */
    const char *const *output_topics; /* NULL-terminated, or NULL */
    const char *dead_letter_topic;    /* NULL: none */
    bool partition_is_same;
    int timeout_ms; /* for each question */
} KabProbeSetup;

/* The result of one check. */
typedef struct {
    bool is_ok;
    char *sentence; /* what was found and, if not ok, what to do */
} KabProbeFinding;

/* Returns a new array of KabProbeFinding, in the order of the checks; stops at
 * the first check that no broker answers. Free with g_array_unref. */
GArray *kab_probe(const KabProbeSetup *setup);

/* Does a broker answer this client (muted, with error events enabled)? NULL:
 * yes; otherwise a new string: who does not answer, and why. */
char *
kab_probe_dup_silence(rd_kafka_t *client, const char *servers, int timeout_ms);
