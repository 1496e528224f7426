/* SPDX-License-Identifier: Apache-2.0 */
/* The source: a group consumer that gives its events to the engine.
 *
 * Flow of a partition: ASSIGN event -> kab_engine_assigned() and an empty
 * answer at once -> load effect (ListConsumerGroupOffsets) ->
 * kab_engine_loaded() -> add effect (incremental_assign with an offset) ->
 * records -> REVOKE event -> kab_engine_revoking() -> unassign effect; when
 * all partitions of the event are unassigned, incremental_unassign answers it.
 *
 * It makes no blocking client call. Records come only through one queue per
 * partition, and are taken only as far as kab_engine_want() says; the
 * consumer's own queue is always served, so that the member stays in its
 * group.
 *
 * Thread: the loop of the binding, for everything here.
 */
#pragma once

#include "edge.h"
#include "properties.h"

typedef struct KabSource KabSource;

/* Borrowed until the source is freed. */
typedef struct {
    const KabEdge *edge;
    KabEngine *engine;
    const char *group;
    const char *const *topics; /* NULL-terminated; "^…" is a pattern */
    /* Topics that must not be inputs: outputs and dead letters. A pattern
     * that matches one stops the binding at the assignment. */
    const char *const *outputs;
    const KabProperty *properties; /* [kafka], then consumer.* */
    size_t n_properties;
    bool passes_headers; /* output.headers: every record's headers are read */
    int64_t missing_topic_us; /* stop if one is missing this long (60 s) */
    int load_timeout_ms; /* of a request for committed offsets; 0: an hour */
} KabSourceSetup;

/* Creates the client and subscribes. Returns a new source. */
KabSource *kab_source_new(const KabSourceSetup *setup, GError **error);

/* Serves every queue and takes the records the engine wants. True: something
 * moved. */
bool kab_source_turn(KabSource *source, int64_t now);
/* When the next turn is due; INT64_MAX: no deadline. */
int64_t kab_source_deadline(const KabSource *source);

/* What the engine asks of a source. user: the KabSource. */
extern const KabSourcePort kab_source_port;

/* Group metadata for send_offsets, for partitions that the engine owns at this
 * moment. Returns new metadata; NULL: no offsets may be sent (not a member, or
 * a negative generation). source is a KabSource. */
rd_kafka_consumer_group_metadata_t *kab_source_dup_group(void *source);

/* No broker is silent, and one has answered in the last half minute. source is
 * a KabSource. */
bool kab_source_brokers_answer(void *source);

/* The binding drains and will leave the group: do not wait long for other
 * members to join. */
void kab_source_part(KabSource *source, int64_t now);
/* Begins leaving the group. Keep turning until kab_source_is_closed(). */
void kab_source_close(KabSource *source);
bool kab_source_is_closed(const KabSource *source);
/* Destroys the client, which must be closed and have every message released.
 * If closing did not end this would hang: exit the process without it. */
void kab_source_free(KabSource *source);

#define KAB_REBALANCES(X)                                                      \
    X(ASSIGNED, "assigned")                                                    \
    X(REVOKED, "revoked")                                                      \
    X(LOST, "lost")

typedef enum {
#define X(NAME, text) KAB_REBALANCE_##NAME,
    KAB_REBALANCES(X)
#undef X
} KabRebalance;
enum { KAB_N_REBALANCES = KAB_REBALANCE_LOST + 1 };

typedef struct {
    bool is_member;          /* in the group, even without partitions */
    bool is_rebalancing;     /* a rebalance event is not answered yet */
    bool is_joining;         /* the coordinator waits for other members */
    int64_t answered_us;     /* a broker's last response; 0: none yet */
    bool has_silent_broker;  /* a broker in use has not answered for 7 s */
    char silent_broker[128]; /* its name */
    const char *waits_for;   /* NULL: nothing; valid until the next turn */
    size_t n_waiting_for_transaction; /* partitions whose load waits for one */
    uint64_t rebalances[KAB_N_REBALANCES];
    KabHistogram rebalance_us; /* from event to answer: intake stands still */
    uint64_t skipped_ranges;   /* ranges of offsets skipped by resets */
} KabSourceState;

void kab_source_get_state(const KabSource *source,
                          int64_t now,
                          KabSourceState *ret_state);
/* End of the partition as last reported (the last stable offset under
 * read_committed); -1: unknown. Does not ask the broker. */
int64_t
kab_source_get_end(const KabSource *source, const char *topic, int32_t number);
