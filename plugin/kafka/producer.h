/* SPDX-License-Identifier: Apache-2.0 */
/* The sink: a producer that writes outputs and dead letters, and its
 * transactions.
 *
 * Every client call that may block (init, transactions, send_offsets, destroy,
 * metadata) runs on the producer's own thread, one command at a time; the
 * result wakes the loop through the edge's wake_fd, and kab_producer_turn()
 * gives it to the engine. A watchdog declares the sink lost if a call does not
 * return, or a transaction's outputs are not reported, within their time-out
 * and a margin. A thread that does not return is abandoned with its client;
 * outputs that were never reported are given up when their client is
 * destroyed.
 *
 * Thread: the loop of the binding, for everything here.
 */
#pragma once

#include "edge.h"
#include "properties.h"

typedef struct KabProducer KabProducer;

/* Borrowed until the producer is freed. */
typedef struct {
    const KabEdge *edge;
    KabEngine *engine;
    /* Reads the headers of an input's message, see message.h. */
    size_t (*get_headers)(void *message, KabHeader *ret, size_t capacity);
    /* Moves all headers of a message out of it, if it can give them away; they
     * stay readable by get_headers. NULL: they are copied */
    rd_kafka_headers_t *(*move_headers)(void *message);
    /* Group metadata for a transaction's offsets. Returns new metadata; NULL:
     * no offsets may be sent. */
    rd_kafka_consumer_group_metadata_t *(*dup_group)(void *group_user);
    /* Do the brokers answer? Asked when reports are overdue. NULL: they do. */
    bool (*brokers_answer)(void *group_user);
    void *group_user; /* of both */
    KabDelivery delivery;
    const char *group;
    const char *output_topic;         /* NULL: none */
    const char *const *output_topics; /* further outputs; NULL-terminated */
    const char *dead_letter_topic;    /* NULL: none */
    const char *const *input_topics;  /* for output.partition = same */
    bool partition_is_same;           /* output.partition */
    bool timestamp_is_now;            /* output.timestamp */
    bool passes_headers;              /* output.headers */
    const char *transactional_id;     /* exactly-once */
    const KabProperty *properties;    /* [kafka], then producer.* */
    size_t n_properties;
    int64_t missing_topic_us; /* stop if one is missing this long (60 s) */
    int64_t report_us; /* at least once: how long brokers may answer, and no
                        * output be reported (60 s) */
} KabProducerSetup;

KabProducer *kab_producer_new(const KabProducerSetup *setup, GError **error);
/* Serves delivery reports and the thread's results. True: something moved. */
bool kab_producer_turn(KabProducer *producer, int64_t now);
/* When the next turn is due; INT64_MAX: no deadline. */
int64_t kab_producer_deadline(const KabProducer *producer);

/* What the engine asks of a producer. user: the KabProducer. */
extern const KabSinkPort kab_producer_port;

/* Begins closing: purges, serves every report, destroys the client on its
 * thread. Keep turning until kab_producer_is_closed(), before
 * kab_producer_free(). */
void kab_producer_close(KabProducer *producer);
bool kab_producer_is_closed(const KabProducer *producer);
/* A client could not be closed in time: its thread still runs and the memory
 * of its outputs stays in use. Free no message and no attempt any more; exit
 * the process. */
bool kab_producer_has_leaked(const KabProducer *producer);
void kab_producer_free(KabProducer *producer);

#define KAB_LOSSES(X)                                                          \
    X(FATAL, "fatal") /* librdkafka's fatal error */                           \
    X(FENCED, "fenced")                                                        \
    X(REFUSED, "refused")     /* produce error not in the table */             \
    X(TOO_LARGE, "too_large") /* a request of several was refused */           \
    X(TIMEOUT, "timeout")     /* transaction.timeout.ms exceeded */            \
    X(WATCHDOG, "watchdog")   /* a call or reports overdue */                  \
    X(UNKNOWN, "unknown")     /* outcome of a commit unknown */

typedef enum {
#define X(NAME, text) KAB_LOSS_##NAME,
    KAB_LOSSES(X)
#undef X
} KabLoss;
enum { KAB_N_LOSSES = KAB_LOSS_UNKNOWN + 1 };

typedef struct {
    bool is_ready;         /* the client is open, its topics exist */
    const char *waits_for; /* NULL: nothing; valid until the next turn */
    uint64_t losses[KAB_N_LOSSES]; /* sinks lost, by reason */
} KabProducerState;

void kab_producer_get_state(const KabProducer *producer,
                            KabProducerState *ret_state);
