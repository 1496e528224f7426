/* SPDX-License-Identifier: Apache-2.0 */
/* The source: a group consumer that gives its events to the engine.
 *
 * Flow of a partition: ASSIGN event -> kab_engine_assigned() and an empty
 * answer at once -> load effect (ListConsumerGroupOffsets) ->
 * kab_engine_loaded() -> add effect (incremental_assign with an offset) ->
 * records -> REVOKE event -> kab_engine_revoking() -> unassign effect; when
 * all of the event are unassigned, incremental_unassign answers it.
 *
 * It makes no blocking client call. Records come only through queues of its
 * own, one a partition, and are taken only as far as kab_engine_want() says;
 * the consumer's own queue is always served, so that the member stays in its
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
    const KabProperty *properties; /* of the consumer: [kafka], consumer.* */
    size_t n_properties;
    bool passes_headers; /* output.headers: those of every record are read */
    int64_t missing_topic_us; /* an input is missing this long: stop (60 s) */
} KabSourceSetup;

/* Makes the client and subscribes. */
KabSource *kab_source_new(const KabSourceSetup *setup, GError **error);

/* Serves every queue, takes what the engine wants. True: something moved. */
bool kab_source_turn(KabSource *source, int64_t now);
/* When it must turn at the latest; INT64_MAX. */
int64_t kab_source_deadline(const KabSource *source);

/* The engine's effects. */
void kab_source_load(KabSource *source, KabPartition *partition);
void kab_source_add(KabSource *source, KabPartition *partition, int64_t offset);
void kab_source_unassign(KabSource *source, KabPartition *partition);
void kab_source_valve(KabSource *source, KabPartition *partition, bool is_open);
bool kab_source_commit(KabSource *source, KabCommitItem *items, size_t n);
void kab_source_release_message(KabSource *source, void *message);
void *
kab_source_detach_message(KabSource *source, void *message, KabRecord *record);

/* All headers of a message in order: how many there are; fills in the first
 * `capacity`. Also of a detached one. Thread: any that may read the message */
size_t kab_source_get_headers(void *message, KabHeader *ret, size_t capacity);

/* For send_offsets, with offsets of partitions that the engine owns at this
 * moment. NULL: none may be sent (not a member, or a negative generation).
 * Borrowed until the next turn. */
rd_kafka_consumer_group_metadata_t *kab_source_get_group(KabSource *source);

/* The binding drains: it will leave the group, and does not wait for long
 * until others have joined. */
void kab_source_part(KabSource *source, int64_t now);
/* Leave the group. Go on turning until kab_source_is_closed(). */
void kab_source_close(KabSource *source);
bool kab_source_is_closed(const KabSource *source);
/* Destroys the client: closed, and every message released. With a close that
 * did not end this would hang: leave the process without it. */
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
    bool is_member;          /* in the group, be it with nothing to do */
    bool is_rebalancing;     /* an event is not answered yet */
    bool is_joining;         /* the coordinator waits for other members */
    int64_t answered_us;     /* a broker's last response; 0: none yet */
    bool has_silent_broker;  /* one it talks to has not answered for 10 s */
    char silent_broker[128]; /* its name */
    const char *waits_for;   /* what it lacks to go on; until a turn; NULL */
    size_t n_waiting_for_transaction; /* partitions whose load waits */
    uint64_t rebalances[KAB_N_REBALANCES];
    KabHistogram rebalance_us; /* event to answer: the intake pause */
    uint64_t skipped_ranges;   /* out of range, by offsets */
} KabSourceState;

void kab_source_get_state(const KabSource *source,
                          int64_t now,
                          KabSourceState *ret_state);
/* End of the partition as last heard of (the last stable offset under
 * read_committed); -1: unknown. Does not ask the broker. */
int64_t
kab_source_get_end(const KabSource *source, const char *topic, int32_t number);
