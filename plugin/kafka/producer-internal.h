/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the producer share: its state on the loop.
 *
 * One client is current; those before it are retired: purged, served until
 * every report is in or none comes any more, then closed on their threads. The
 * engine hears of the current one (sink_ready) only when no older one can
 * report anything, nor use the bytes of an output.
 */
#pragma once

#include "producer-client.h"
#include "producer.h"

/* One topic that is written to. */
typedef struct {
    const char *name;  /* the setup's */
    const char *alias; /* another pointer to the same name, seen last */
    int64_t asked_us;  /* when its partitions were last asked for */
} KabDestination;

struct KabProducer {
    KabProducerSetup setup;
    KabDestination *destinations; /* the order of KabClientPlan.topics */
    size_t n_destinations, n_outputs;
    size_t output, dead_letter; /* SIZE_MAX: none */
    bool is_compressed;
    int64_t transaction_us;

    KabClient *client;  /* NULL: none */
    GPtrArray *retired; /* KabClient */
    uint32_t epoch;     /* of the last replacement */
    uint32_t transaction;
    bool is_owed_ready; /* sink_ready of that epoch */
    bool has_waiting;   /* a duty, until another one is done */
    KabDuty waiting;
    KabClientOffsets waiting_offsets;
    KabCommitItem *items; /* the engine's, of the transaction that ends */
    size_t n_items;

    bool is_full;       /* the engine waits for sink_has_room */
    bool is_doubtful;   /* a fatal error may have been raised */
    size_t batch_bytes; /* batch.size at most; halved by refusals */
    char refusal[256];  /* why the last record was refused */
    /* Products of refused requests (KabProduct): each goes alone, so that
     * the broker judges it alone. */
    GHashTable *suspects;
    bool is_alone; /* one of them is out */
    bool has_transaction;
    char *stop; /* why the binding must stop; told at the next turn */
    bool is_stopped;
    bool is_closing, has_leaked;
    int64_t close_us;
    int64_t now;
    KabProducerState state;
};

/* producer-setup.c. False: a property is wrong. */
bool kab_producer_prepare(KabProducer *producer, GError **error);
/* For a new client. */
bool kab_producer_make_plan(const KabProducer *producer,
                            KabClientPlan *ret_plan,
                            GError **error);

/* producer-duty.c. True: a duty of the client has ended, and was told. */
bool kab_producer_take_done(KabProducer *producer, KabClient *client);
/* The one that waits is not wanted any more. */
void kab_producer_drop_waiting(KabProducer *producer);

/* Counts and tells the engine, once a client. */
void kab_producer_lose(KabProducer *producer,
                       KabClient *client,
                       KabLoss loss,
                       const char *reason);
/* The binding must stop: told by the next turn, since an effect never calls
 * the engine. Takes message. */
void kab_producer_stop(KabProducer *producer, char *message);

/* producer-report.c. Was a fatal error raised? Then the client is lost. */
void kab_producer_check_fatal(KabProducer *producer, KabClient *client);
/* Serves one event; the caller destroys it. */
void kab_producer_report(KabProducer *producer,
                         KabClient *client,
                         rd_kafka_event_t *event);
