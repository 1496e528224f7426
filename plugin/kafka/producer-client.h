/* SPDX-License-Identifier: Apache-2.0 */
/* One incarnation of a producer: a librdkafka client and the thread for its
 * calls that block.
 *
 * The loop creates the client, gives it one duty at a time, and takes the
 * result of each; the thread does nothing but duties. The first duty,
 * KAB_DUTY_OPEN, is given by kab_client_new(); the last one, KAB_DUTY_CLOSE,
 * ends the thread. Between two duties the loop uses the client for what does
 * not block: producing, serving reports, purging.
 *
 * The thread uses nothing borrowed except the edge, and the edge only under
 * the lock and while the client is not abandoned: a thread whose call never
 * returns must not touch freed memory.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <glib.h>

#include "edge.h"
#include "health.h"
#include "topic-limits.h"

typedef enum {
    KAB_DUTY_OPEN,
    KAB_DUTY_REFRESH, /* ask for partitions and limits again */
    KAB_DUTY_BEGIN,
    KAB_DUTY_FLUSH, /* send lingering messages at once */
    KAB_DUTY_END,
    KAB_DUTY_ABORT,
    KAB_DUTY_CLOSE,
} KabDuty;

/* How a duty ended. */
typedef enum {
    KAB_DONE,
    KAB_DONE_CANCELLED,
    KAB_DONE_STOP,      /* the binding must stop; message says why. An open
                         * transaction was aborted */
    KAB_DONE_ABORTED,   /* the transaction is aborted; message says why */
    KAB_DONE_TOO_LARGE, /* aborted: the metadata of its offsets was refused */
    KAB_DONE_TIMED_OUT, /* it outlived its timeout; client lost */
    KAB_DONE_FENCED,    /* fenced by another producer; client lost */
    KAB_DONE_UNKNOWN,   /* commit sent, outcome unknown; client lost */
    KAB_DONE_FATAL,     /* no commit was sent; client lost */
} KabDone;

/* The settings the thread works with; the client owns all of them. */
typedef struct {
    rd_kafka_conf_t *conf;      /* the template: each handle gets a copy */
    char **topics;              /* destinations */
    char **awaited;             /* per topic: the text to show while it is
                                 * missing */
    size_t n_topics, n_outputs; /* outputs first, then dead letters */
    char **inputs;              /* output.partition = same; NULL: not set */
    char *bootstrap;            /* for messages */
    char *grant, *group;        /* for messages */
    char *transactional_id;     /* for messages; NULL: none */
    char *warning;              /* kab_properties_dup_warning(); NULL: none */
    bool is_transactional;
    bool is_size_given; /* the user has set message.max.bytes */
    size_t batch_bytes; /* upper limit of batch.size */
    int64_t missing_topic_us;
    int64_t transaction_us; /* transaction.timeout.ms */
} KabClientPlan;

/* Consumer offsets to commit in a transaction. */
typedef struct {
    rd_kafka_topic_partition_list_t *offsets;
    rd_kafka_consumer_group_metadata_t *group; /* NULL: no metadata */
} KabClientOffsets;

typedef struct {
    const KabEdge *edge;
    KabClientPlan plan;
    KabHealth *health; /* NULL: this librdkafka needs no reviving */
    pthread_t thread;

    /* Written only by the thread, while it opens and closes; otherwise
     * shared. */
    rd_kafka_t *handle;
    rd_kafka_topic_t **topics; /* plan.n_topics */
    KabTopicLimits *limits;    /* plan.n_topics */
    size_t batch_bytes;        /* batch.size in force */
    int64_t begun_us;          /* when the transaction began */

    /* Exchanged between loop and thread, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    KabDuty duty;
    KabClientOffsets offsets; /* for KAB_DUTY_END */
    bool has_duty, has_done, is_abandoned;
    KabDone done;
    char message[1024];
    rd_kafka_resp_err_t error; /* of the last transaction call */

    atomic_bool is_cancelled;        /* give up opening */
    _Atomic int64_t call_us;         /* start of the call under way; 0: none */
    _Atomic(const char *) waits_for; /* static or the plan's; NULL: nothing */

    /* Used by the loop only. */
    rd_kafka_queue_t *queue; /* delivery reports; NULL: not open */
    size_t n_unreported;
    int64_t quiet_us; /* at least once: since when outputs have been out
                       * without any report, brokers answering */
    bool is_busy;     /* a duty's result has not been taken yet */
    bool is_open, is_lost, is_closing;
    int64_t retired_us, purge_us; /* when it was retired; when to purge again */
    int64_t heard_us; /* last report since the purge; 0: not purged */
} KabClient;

/* Takes the plan; begins with KAB_DUTY_OPEN. Returns a new client. */
KabClient *kab_client_new(const KabEdge *edge, KabClientPlan *plan);
/* Gives the next duty; the client must not be busy. Takes what offsets points
 * to; NULL: none. */
void kab_client_give(KabClient *client,
                     KabDuty duty,
                     const KabClientOffsets *offsets);
/* True: a duty has ended. client->message is valid until the next duty. */
bool kab_client_take_done(KabClient *client, KabDuty *ret_duty, KabDone *ret);
/* Makes an opening end soon, with KAB_DONE_CANCELLED. */
void kab_client_cancel(KabClient *client);
/* Only after KAB_DUTY_CLOSE has ended. */
void kab_client_free(KabClient *client);
/* Abandons a client whose thread does not return; it is never freed. */
void kab_client_abandon(KabClient *client);

/* Writes to ret that another producer has fenced this one. Thread: any */
void kab_client_describe_fencing(const KabClient *client,
                                 const char *error,
                                 char *ret,
                                 size_t size);

/* Advice on an error that stops the binding; topic NULL: any of the plan's
 * topics. Returns a new string, which begins with "; " unless it is empty.
 * Thread: any */
char *kab_client_dup_advice(const KabClient *client,
                            rd_kafka_resp_err_t error,
                            const char *topic);

/* --- For the duties, on the client's thread ---------------------------- */

/* Mark the begin and the end of one client call, for the watchdog. Thread: the
 * client's */
void kab_client_enter(KabClient *client);
void kab_client_leave(KabClient *client);
/* Waits, returning early when cancelled. Thread: the client's */
void kab_client_pause(KabClient *client, int64_t us);
/* Thread: the client's */
KabDone kab_client_say(KabClient *client, KabDone done, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* producer-open.c. Thread: the client's */
KabDone kab_client_open(KabClient *client);
KabDone kab_client_refresh(KabClient *client);
void kab_client_close(KabClient *client);
