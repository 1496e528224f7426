/* SPDX-License-Identifier: Apache-2.0 */
/* What the producer's files share: its state on the loop.
 *
 * One client is current; its predecessors are retired: purged, served until
 * every report is in or none can come any more, then closed on their threads.
 * The engine hears of the current client (sink_ready) only when no retired one
 * can report anything, or still use an output's bytes.
 */
#pragma once

#include "producer-client.h"
#include "producer.h"

/* One topic that the binding writes to. */
typedef struct {
    const char *name;  /* the setup's */
    const char *alias; /* last other pointer seen for this name */
    int64_t asked_us;  /* last request for partitions and limits; 0: none */
} KabDestination;

/* The arguments of rd_kafka_produceva(). The table has a place of its own
 * because making it anew (500 bytes) costs more than filling it in. */
typedef enum {
    KAB_VALUE_TOPIC,
    KAB_VALUE_PARTITION,
    KAB_VALUE_VALUE,
    KAB_VALUE_KEY,
    KAB_VALUE_TIMESTAMP,
    KAB_VALUE_OPAQUE,
    KAB_VALUE_HEADERS, /* last: left out where there are none */
    KAB_N_VALUES
} KabValue;

struct KabProducer {
    KabProducerSetup setup;
    rd_kafka_vu_t values[KAB_N_VALUES];
    KabDestination *destinations; /* the order of KabClientPlan.topics */
    size_t n_destinations, n_outputs;
    size_t output, dead_letter; /* SIZE_MAX: none */
    bool is_compressed;
    int64_t transaction_us;
    int64_t report_us; /* setup.report_us, and linger.ms */

    KabAllowance loss_lines;
    KabClient *client;  /* NULL: none */
    GPtrArray *retired; /* KabClient */
    uint32_t epoch;     /* the engine's, of the last replacement */
    uint32_t transaction;
    bool is_owed_ready; /* sink_ready for this epoch is due */
    bool has_waiting;   /* a duty waits for the current one to end */
    KabDuty waiting;
    KabClientOffsets waiting_offsets;
    KabCommitItem *items; /* the engine's, of the transaction being ended */
    size_t n_items;

    bool is_full;       /* the engine waits for sink_has_room */
    bool is_doubtful;   /* the client may have raised a fatal error */
    size_t batch_bytes; /* upper limit of batch.size; halved by refusals */
    char refusal[256];  /* why the last record was refused */
    /* Products (KabProduct) of refused requests: each is produced alone, so
     * that the broker judges it alone. */
    GHashTable *suspects;
    bool is_alone; /* a suspect is unreported */
    bool has_transaction;
    char *stop; /* why the binding must stop; reported in the next turn */
    bool is_stopped;
    bool is_closing, has_leaked;
    int64_t close_us;
    int64_t now;
    KabProducerState state;
};

/* producer-setup.c. False: a property is invalid. */
bool kab_producer_prepare(KabProducer *producer, GError **error);
/* Fills in the plan of a new client. */
bool kab_producer_make_plan(const KabProducer *producer,
                            KabClientPlan *ret_plan,
                            GError **error);

/* producer-produce.c */
void kab_producer_prepare_values(KabProducer *producer);

/* kab_producer_port. user: the KabProducer. */
bool kab_producer_measure(void *user,
                          const KabProduct *product,
                          const KabRecord *input,
                          void *message);
KabProduceStatus kab_producer_produce(void *user,
                                      KabProduct *product,
                                      const KabRecord *input,
                                      void *message,
                                      const KabDeadLetter *letter);
const char *kab_producer_explain(void *user);
void kab_producer_flush(void *user);
void kab_producer_begin(void *user, uint32_t epoch);
void
kab_producer_end(void *user, uint32_t epoch, KabCommitItem *items, size_t n);
void kab_producer_abort(void *user, uint32_t epoch);

/* producer-duty.c. True: a duty of the client has ended, and the engine was
 * told. */
bool kab_producer_take_done(KabProducer *producer, KabClient *client);
/* Drops the waiting duty. */
void kab_producer_drop_waiting(KabProducer *producer);

/* Counts and logs the loss, once per client; true: the client was not lost
 * before. For callers that answer the engine themselves. */
bool kab_producer_note_loss(KabProducer *producer,
                            KabClient *client,
                            KabLoss loss,
                            const char *reason);
/* kab_producer_note_loss(), and tells the engine that the sink is lost. */
void kab_producer_lose(KabProducer *producer,
                       KabClient *client,
                       KabLoss loss,
                       const char *reason);
/* Stops the binding, in the next turn: an effect never calls the engine. Takes
 * message. */
void kab_producer_stop(KabProducer *producer, char *message);

/* producer-report.c. If the client has raised a fatal error, it is lost. */
void kab_producer_check_fatal(KabProducer *producer, KabClient *client);
/* Serves one event. Borrows event. */
void kab_producer_report(KabProducer *producer,
                         KabClient *client,
                         rd_kafka_event_t *event);
