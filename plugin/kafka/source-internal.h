/* SPDX-License-Identifier: Apache-2.0 */
/* The source's own structures. Only plugin/kafka/source*.c includes this.
 *
 * Topics and partitions that were ever assigned stay known until the source
 * is freed: records borrow the topic's name, and the edge of an engine's
 * partition is its KabToppar. What is assigned now is in the flags.
 */
#pragma once

#include "source.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "health.h"
#include "rdkafka-auto.h"

#define KAB_TAKE_MAX 1000
#define KAB_SERVE_MAX 100

typedef struct {
    char *name;
    GPtrArray *toppars; /* KabToppar by number; NULL: never assigned */
    bool is_output;     /* must not be an input */
    bool is_told;       /* the log says that it was created again */
} KabSourceTopic;

typedef enum {
    KAB_LOAD_NONE,
    KAB_LOAD_WANTED,
    KAB_LOAD_ASKED, /* part of the request that is out */
} KabLoad;

/* A partition of a topic. */
typedef struct {
    KabSourceTopic *topic;
    int32_t number;
    KabPartition *partition; /* the engine's, of this assignment; NULL */
    rd_kafka_queue_t *queue; /* its records, while it is assigned; NULL */
    const KabEdge *edge;     /* of the source, woken when there are some */
    atomic_bool is_ready;    /* there may be some */
    bool is_closed;          /* the valve: none are taken */
    KabLoad load;
    bool waits_for_transaction; /* its load does */
    bool is_add_wanted;         /* at offset, when no event hinders it */
    bool is_assigned;           /* of the client's assignment */
    bool is_again;              /* reset: goes to the engine once more */
    bool is_awaited;            /* by the event that is being answered */
    bool is_broken;             /* nothing behind its error may be taken */
    bool is_suspect;            /* its topic is perhaps another one now */
    bool has_committed;         /* the group has an offset for it */
    int64_t offset;             /* where it was added */
    int64_t reset_from;         /* out of range there, not landed yet; -1 */
    int64_t end;                /* as of its last end-of-partition; -1 */
} KabToppar;

/* A rebalance event, until it is answered. */
typedef struct {
    rd_kafka_topic_partition_list_t *list;
    int64_t at_us;
    bool is_assign, is_lost, is_begun;
} KabRebalanceEvent;

/* Looks in a thread of its own whether input topics are missing. */
typedef struct KabTopicCheck KabTopicCheck;

struct KabSource {
    KabSourceSetup setup;
    rd_kafka_t *client;
    bool is_cooperative;
    KabHealth *health;
    rd_kafka_queue_t *main;     /* the consumer's own: rebalances, errors */
    rd_kafka_queue_t *outdated; /* records of partitions that were revoked */
    rd_kafka_queue_t *admin;    /* what was loaded */
    rd_kafka_queue_t *commits;
    rd_kafka_queue_t *closing;
    int64_t now; /* of the turn */
    bool has_moved;

    GHashTable *topics; /* name -> KabSourceTopic */
    GPtrArray *toppars; /* all; borrowed from the topics */

    /* taking */
    rd_kafka_message_t *messages[KAB_TAKE_MAX];
    guint turn;                      /* the toppar that is taken from next */
    size_t n_taken, bytes_taken;     /* since fetchers were woken */
    const char *username, *password; /* to wake them with; NULL: no need */

    /* rebalances */
    GQueue events; /* KabRebalanceEvent; the head is being answered */
    bool is_member, was_assigned, is_joining;
    rd_kafka_consumer_group_metadata_t *group;
    size_t n_awaited; /* partitions of the head event */
    size_t n_add_wanted, n_again;
    uint64_t rebalances[KAB_N_REBALANCES];
    KabHistogram rebalance_us;
    uint64_t skipped_ranges;

    /* loading */
    size_t n_load_wanted;
    bool is_load_out;
    bool is_probing; /* what is out is a probe */
    int64_t probed_us;
    int64_t load_due_us;

    /* committing */
    KabCommitItem *items; /* of the commit that is out; NULL */
    size_t n_items;
    bool is_commit_refused; /* by the call itself: told in the next turn */

    /* topics that are missing */
    int64_t missing_us; /* since when one is; 0 */
    char missing[300];  /* that it is waited for */
    int64_t check_due_us;
    KabTopicCheck *check;
    size_t n_suspects;

    bool is_parting;       /* the binding drains */
    bool has_waited;       /* long enough for the others to join */
    GMutex parting_lock;   /* for what closes a socket */
    atomic_bool is_ending; /* the client is destroyed next */
    bool is_cutting;       /* a request that waits for others is given up */
    bool is_leaving;       /* asked to; nothing new is assigned */
    bool is_closing;       /* the client has been told */
    bool is_close_refused; /* it is beyond use: nothing is left to close */
    bool has_failed;
    int64_t part_due_us, leave_due_us;
};

/* source.c */
void kab_source_log(const KabSource *source,
                    KabLogLevel level,
                    KabPlace place,
                    const char *format,
                    ...) G_GNUC_PRINTF(4, 5);
/* The binding stops, with the first reason that is given. */
void kab_source_fail(KabSource *source, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
KabPlace kab_toppar_place(const KabToppar *toppar, int64_t offset);

/* message.c: as the engine holds it. Takes the message. */
void *kab_source_hold_message(const KabSource *source,
                              rd_kafka_message_t *message);

/* source-topics.c */
KabSourceTopic *kab_source_find_topic(const KabSource *source,
                                      const char *name);
/* NULL: it was never assigned. */
KabToppar *
kab_source_find(const KabSource *source, const char *name, int32_t number);
KabToppar *kab_source_intern(KabSource *source, const char *name, int32_t n);
void kab_source_clear_topics(KabSource *source);
/* Before it is assigned: its records wait in a queue of its own. */
void kab_source_open_queue(KabSource *source, KabToppar *toppar);
/* What is in it is outdated; no effect if there is none. */
void kab_source_close_queue(KabSource *source, KabToppar *toppar);
void kab_source_close_queues(KabSource *source);

/* source-rebalance.c */
void kab_source_on_rebalance(rd_kafka_t *client,
                             rd_kafka_resp_err_t err,
                             rd_kafka_topic_partition_list_t *list,
                             void *user);
/* Begins and answers events; adds what is loaded. */
void kab_source_rebalance(KabSource *source);
/* It leaves: an ASSIGN event is answered with what was added. */
void kab_source_end_assign(KabSource *source);
void kab_source_clear_events(KabSource *source);

/* source-group.c */
/* Asks the client's main thread, which has done by then what it was asked to
 * do before. */
bool kab_source_has_member_id(KabSource *source);
/* At a rebalance event. */
void kab_source_renew_group(KabSource *source, bool is_lost);
void kab_source_clear_group(KabSource *source);
void kab_source_serve_group(KabSource *source);

/* source-load.c */
void kab_source_serve_loads(KabSource *source);
/* It is not the engine's any more: its load is of no use. */
void kab_source_forget_load(KabSource *source, KabToppar *toppar);
/* Asks whether the group still has an offset for a suspect. */
void
kab_source_load_suspect(KabSource *source, KabToppar *toppar, int64_t due_us);

/* source-commit.c */
void kab_source_serve_commits(KabSource *source);

/* source-take.c */
/* Returns a new string; see kab_properties_dup_grant(). */
char *kab_source_dup_grant(const KabSource *source);
void kab_source_serve_main(KabSource *source);
void kab_source_take(KabSource *source);
void kab_source_on_error(rd_kafka_t *client,
                         int err,
                         const char *reason,
                         void *user);

/* source-missing.c */
/* An input topic is missing, says the client. */
void kab_source_note_missing(KabSource *source, const char *topic);
/* Perhaps one is: asks. The reason, as librdkafka writes it, may begin with
 * the partition. */
void kab_source_suspect_missing(KabSource *source, const char *reason);
/* What the group says of a suspect: it goes on. */
void
kab_source_clear_suspect(KabSource *source, KabToppar *toppar, bool has_offset);
/* It was revoked meanwhile. */
void kab_source_forget_suspect(KabSource *source, KabToppar *toppar);
void kab_source_serve_missing(KabSource *source);
int64_t kab_source_missing_deadline(const KabSource *source);
/* Waits for its thread. */
void kab_source_clear_missing(KabSource *source);
