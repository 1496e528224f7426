/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's edge: a producer that writes outputs and dead letters, and its
 * transactions.
 *
 * Every client call that may block (init, transactions, send_offsets,
 * destroy, metadata) runs on the producer's own thread, one command at a
 * time; its result comes back to the loop by the edge's wake_fd and is given
 * to the engine by kab_producer_turn(). A watchdog counts a transaction whose
 * call does not return, or whose outputs are not reported, within its time-out
 * and a margin as a lost sink. A thread that does not return is abandoned with
 * its client; what a client does not report is given up when it is destroyed.
 *
 * Thread: the loop of the binding, for everything here.
 */
#pragma once

#include "edge.h"
#include "properties.h"
#include "source.h"

typedef struct KabProducer KabProducer;

/* Borrowed until the producer is freed. */
typedef struct {
    const KabEdge *edge;
    KabEngine *engine;
    KabSource *source; /* group metadata for transactions */
    KabDelivery delivery;
    const char *group;
    const char *output_topic;         /* NULL: none */
    const char *const *output_topics; /* further ones; NULL-terminated */
    const char *dead_letter_topic;    /* NULL: none */
    const char *const *input_topics;  /* for output.partition = same */
    bool partition_is_same;           /* output.partition */
    bool timestamp_is_now;            /* output.timestamp */
    bool passes_headers;              /* output.headers */
    const char *transactional_id;     /* exactly-once */
    const KabProperty *properties;    /* of the producer: [kafka], producer.* */
    size_t n_properties;
    int64_t missing_topic_us; /* a topic is missing this long: stop (60 s) */
} KabProducerSetup;

KabProducer *kab_producer_new(const KabProducerSetup *setup, GError **error);
/* Serves reports and the thread's results. True: something moved. */
bool kab_producer_turn(KabProducer *producer, int64_t now);
/* When it must turn at the latest; INT64_MAX. */
int64_t kab_producer_deadline(const KabProducer *producer);

/* The engine's effects. */
bool kab_producer_measure(KabProducer *producer,
                          const KabProduct *product,
                          const KabRecord *input,
                          void *message);
KabProduceStatus kab_producer_produce(KabProducer *producer,
                                      KabProduct *product,
                                      const KabRecord *input,
                                      void *message,
                                      const KabDeadLetter *letter);
const char *kab_producer_explain(const KabProducer *producer);
void kab_producer_flush(KabProducer *producer);
void kab_producer_replace(KabProducer *producer, uint32_t epoch);
void kab_producer_begin(KabProducer *producer, uint32_t epoch);
void kab_producer_end(KabProducer *producer,
                      uint32_t epoch,
                      KabCommitItem *items,
                      size_t n);
void kab_producer_abort(KabProducer *producer, uint32_t epoch);

/* Purges, serves every report, destroys the client on its thread. Go on
 * turning until kab_producer_is_closed(); before kab_producer_free(). */
void kab_producer_close(KabProducer *producer);
bool kab_producer_is_closed(const KabProducer *producer);
/* A client could not be closed in time: its thread and its outputs' memory
 * stay in use. Free no message and no attempt any more; leave the process. */
bool kab_producer_has_leaked(const KabProducer *producer);
void kab_producer_free(KabProducer *producer);

#define KAB_LOSSES(X)                                                          \
    X(FATAL, "fatal") /* librdkafka's fatal error */                           \
    X(FENCED, "fenced")                                                        \
    X(REFUSED, "refused")     /* an unlisted produce error */                  \
    X(TOO_LARGE, "too_large") /* a request of several was refused */           \
    X(TIMEOUT, "timeout")     /* a transaction outlived its time */            \
    X(WATCHDOG, "watchdog")   /* a call, or reports, did not come */           \
    X(UNKNOWN, "unknown")     /* the end of a transaction is unknown */

typedef enum {
#define X(NAME, text) KAB_LOSS_##NAME,
    KAB_LOSSES(X)
#undef X
} KabLoss;
enum { KAB_N_LOSSES = KAB_LOSS_UNKNOWN + 1 };

typedef struct {
    bool is_ready;         /* a client is there, its topics exist */
    const char *waits_for; /* what the opening waits for; until a turn; NULL */
    uint64_t losses[KAB_N_LOSSES]; /* sinks lost, by reason */
} KabProducerState;

void kab_producer_get_state(const KabProducer *producer,
                            KabProducerState *ret_state);
