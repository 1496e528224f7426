/* SPDX-License-Identifier: Apache-2.0 */
/* One life of a producer: a librdkafka client and the thread for its calls
 * that block.
 *
 * The loop makes it, gives it one duty at a time, and takes the result of
 * each; the thread does nothing else. The first duty, given by
 * kab_client_new(), is to open; the last one, to close, ends the thread.
 * Between two duties the loop uses the client for what does not block:
 * producing, serving reports, purging.
 *
 * Nothing borrowed is used by the thread except the edge, and that only
 * under the lock and as long as the client is not abandoned: a thread whose
 * call never returns must not touch what is freed by then.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <glib.h>

#include "edge.h"
#include "limits-topic.h"

typedef enum {
    KAB_DUTY_OPEN,
    KAB_DUTY_REFRESH, /* ask for partitions again */
    KAB_DUTY_BEGIN,
    KAB_DUTY_FLUSH, /* what lingers is sent at once */
    KAB_DUTY_END,
    KAB_DUTY_ABORT,
    KAB_DUTY_CLOSE,
} KabDuty;

/* How a duty ended. */
typedef enum {
    KAB_DONE,
    KAB_DONE_CANCELLED,
    KAB_DONE_STOP,      /* the binding must stop; message says why. A
                         * transaction is aborted, too */
    KAB_DONE_ABORTED,   /* the transaction is aborted; message says why */
    KAB_DONE_TOO_LARGE, /* the same: its offsets' metadata was refused */
    KAB_DONE_TIMED_OUT, /* it outlived its time; the client is lost */
    KAB_DONE_FENCED,    /* the client is lost */
    KAB_DONE_UNKNOWN,   /* the same; the commit was asked for */
    KAB_DONE_FATAL,     /* the same; it was not */
} KabDone;

/* What the thread works with; all of it is the client's own. */
typedef struct {
    rd_kafka_conf_t *conf;      /* the template: each handle gets a copy */
    char **topics;              /* destinations */
    char **awaited;             /* of each: that it is waited for */
    size_t n_topics, n_outputs; /* outputs first, then dead letters */
    char **inputs;              /* output.partition = same; else NULL */
    char *bootstrap;            /* for messages */
    char *grant, *group;        /* the same */
    char *transactional_id;     /* the same; NULL */
    bool is_transactional;
    bool is_size_given; /* message.max.bytes is the user's */
    size_t batch_bytes; /* batch.size at most */
    int64_t missing_topic_us;
    int64_t transaction_us; /* transaction.timeout.ms */
} KabClientPlan;

/* Offsets of a transaction. */
typedef struct {
    rd_kafka_topic_partition_list_t *offsets;
    rd_kafka_consumer_group_metadata_t *group; /* NULL: there is none */
} KabClientOffsets;

typedef struct {
    const KabEdge *edge;
    KabClientPlan plan;
    pthread_t thread;

    /* Made and unmade by the thread while it opens and closes; of both
     * otherwise. */
    rd_kafka_t *handle;
    rd_kafka_topic_t **topics; /* plan.n_topics */
    KabTopicLimits *limits;    /* plan.n_topics */
    size_t batch_bytes;        /* batch.size in force */
    int64_t begun_us;          /* the transaction */

    /* Between the two, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    KabDuty duty;
    KabClientOffsets offsets; /* of KAB_DUTY_END */
    bool has_duty, has_done, is_abandoned;
    KabDone done;
    char message[1024];
    rd_kafka_resp_err_t error; /* of the transaction's last call */

    atomic_bool is_cancelled;        /* opening is not wanted any more */
    _Atomic int64_t call_us;         /* since when in one call; 0: none */
    _Atomic(const char *) waits_for; /* static or the plan's; NULL */

    /* The loop's alone. */
    rd_kafka_queue_t *queue; /* its reports; NULL: not open */
    size_t n_unreported;
    bool is_busy; /* has a duty whose result was not taken */
    bool is_open, is_lost, is_closing;
    int64_t retired_us, purge_us; /* since when; when again */
    int64_t heard_us; /* a report, or the purge of all, last; 0: not yet */
} KabClient;

/* Takes the plan; starts to open. Returns a new client. */
KabClient *kab_client_new(const KabEdge *edge, KabClientPlan *plan);
/* Not while it is busy. Takes what offsets points to; NULL: none. */
void kab_client_give(KabClient *client,
                     KabDuty duty,
                     const KabClientOffsets *offsets);
/* True if a duty has ended: the message is valid until the next one. */
bool kab_client_take_done(KabClient *client, KabDuty *ret_duty, KabDone *ret);
/* An opening ends soon, with KAB_DONE_CANCELLED. */
void kab_client_cancel(KabClient *client);
/* After KAB_DUTY_CLOSE. */
void kab_client_free(KabClient *client);
/* Lets go of one whose thread does not return; never freed. */
void kab_client_abandon(KabClient *client);

/* Why it is lost to another producer, and what to do. Thread: any */
void kab_client_describe_fencing(const KabClient *client,
                                 const char *error,
                                 char *ret,
                                 size_t size);

/* What to do about an error that stops; topic NULL: any of its.
 * Returns a new string, which begins with "; " unless it is empty.
 * Thread: any */
char *kab_client_dup_advice(const KabClient *client,
                            rd_kafka_resp_err_t error,
                            const char *topic);

/* --- For the duties, on the client's thread ---------------------------- */

/* Marks one client call, for the watchdog. Thread: the client's */
void kab_client_enter(KabClient *client);
void kab_client_leave(KabClient *client);
/* Waits, but not when it is cancelled. Thread: the client's */
void kab_client_pause(KabClient *client, int64_t us);
/* Thread: the client's */
KabDone kab_client_say(KabClient *client, KabDone done, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* producer-open.c. Thread: the client's */
KabDone kab_client_open(KabClient *client);
KabDone kab_client_refresh(KabClient *client);
void kab_client_close(KabClient *client);
