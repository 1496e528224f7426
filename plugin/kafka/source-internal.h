/* SPDX-License-Identifier: Apache-2.0 */
/* The source's own structures. Only plugin/kafka/source*.c includes this.
 *
 * Topics and partitions that were ever assigned stay known until the source is
 * freed: records borrow the topic's name, and the edge of an engine's
 * partition is its KabToppar. The flags say what is assigned now.
 */
#pragma once

#include "source.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "health.h"
#include "message.h"
#include "rdkafka-auto.h"

#define KAB_TAKE_MAX 1000
#define KAB_SERVE_MAX 100

typedef struct {
    char *name;
    GPtrArray *toppars; /* KabToppar by number; NULL: never assigned */
    bool is_output;     /* written by the binding: must not be an input */
    bool is_told;       /* the log has reported that it was created again */
} KabSourceTopic;

typedef enum {
    KAB_LOAD_NONE,
    KAB_LOAD_WANTED,
    KAB_LOAD_ASKED, /* part of the pending request */
} KabLoad;

/* A partition of a topic. */
typedef struct KabToppar KabToppar;
struct KabToppar {
    KabSourceTopic *topic;
    int32_t number;
    KabPartition *partition; /* the engine's, of this assignment; NULL */
    rd_kafka_queue_t *queue; /* its records while assigned; NULL otherwise */
    KabSource *source;       /* woken when records arrive */
    atomic_bool is_ready;    /* the queue may hold records */
    KabToppar *next;         /* of the ready ones: source-ready.c */
    size_t n_in_a_row;       /* records taken since its turn began */
    bool is_aside;           /* ready, and on no list */
    bool is_closed;          /* the valve: no records are taken */
    KabLoad load;
    bool waits_for_transaction; /* its load waits for a transaction to end */
    bool is_add_wanted;         /* add at offset once no event is pending */
    bool is_assigned;           /* in the client's assignment */
    bool needs_reassign; /* out of range: assigned anew at the beginning */
    bool is_awaited;     /* the current rebalance event waits for it */
    bool is_broken;      /* take nothing beyond its damaged record */
    bool is_suspect;     /* its topic may have been recreated */
    bool has_committed;  /* the group has an offset for it */
    int64_t offset;      /* where it was added */
    int64_t reset_from;  /* out-of-range offset of a reset under way; -1 */
    int64_t end;         /* the last end-of-partition's offset; -1 */
};

/* Leaving the group; what a state waits for is in source-leave.c. */
#define KAB_LEAVES(X)                                                          \
    X(STAYS, "stays")                                                          \
    X(PARTING, "parting")       /* draining; JoinGroup is cut if slow */       \
    X(CUTTING, "cutting")       /* draining; JoinGroup was cut */              \
    X(LEAVING, "leaving")       /* to close, after a pending join */           \
    X(ABANDONING, "abandoning") /* to close; JoinGroup was cut */              \
    X(CLOSING, "closing")       /* the client was told to close */             \
    X(REFUSED, "refused")       /* client unusable: nothing to close */

typedef enum {
#define X(NAME, text) KAB_LEAVE_##NAME,
    KAB_LEAVES(X)
#undef X
} KabLeave;

/* A rebalance event, until it is answered. */
typedef struct {
    rd_kafka_topic_partition_list_t *list;
    int64_t at_us;
    bool is_assign, is_lost, is_begun;
} KabRebalanceEvent;

/* Checks on a thread of its own whether input topics are missing. */
typedef struct KabTopicCheck KabTopicCheck;

struct KabSource {
    KabSourceSetup setup;
    rd_kafka_t *client;
    bool is_cooperative;
    KabHealth *health;
    rd_kafka_queue_t *main;     /* the consumer's own: rebalances, errors */
    rd_kafka_queue_t *outdated; /* records of revoked partitions */
    rd_kafka_queue_t *admin;    /* answers to loads */
    rd_kafka_queue_t *commits;
    rd_kafka_queue_t *closing;
    int64_t now; /* of the turn */
    bool has_moved;
    KabAllowance fault_lines, rebalance_lines;

    GHashTable *topics; /* name -> KabSourceTopic */
    GPtrArray *toppars; /* all partitions; borrowed from the topics */

    /* taking */
    rd_kafka_message_t *messages[KAB_TAKE_MAX];
    KabHeaderUse header_use;
    _Atomic(KabToppar *) arrived;    /* ready since the last look */
    KabToppar *ready;                /* in the order in which they arrived */
    size_t in_a_row;                 /* records in a partition's turn */
    size_t n_taken, bytes_taken;     /* since the fetchers were last woken */
    size_t wake_records;             /* wake them after so many */
    const char *username, *password; /* to wake fetchers with; NULL: no need */

    /* rebalances */
    GQueue events; /* KabRebalanceEvent; the head is being answered */
    bool is_member, was_assigned, is_joining;
    int32_t generation; /* of the group metadata; < 0: none */
    char *member_id;    /* of the group metadata; NULL: none */
    size_t n_awaited;   /* partitions of the head event */
    size_t n_add_wanted, n_reassign;
    uint64_t rebalances[KAB_N_REBALANCES];
    KabHistogram rebalance_us;
    uint64_t skipped_ranges;

    /* loading */
    size_t n_load_wanted;
    bool is_load_out;
    uint64_t load_serial;  /* of the latest request; older ones are forgotten */
    int64_t load_asked_us; /* when it was sent */
    int64_t load_missed_us;   /* when no broker answered last; 0: never */
    int64_t load_patience_us; /* until it is forgotten; doubles each time */
    bool is_probing;          /* the pending request is a probe */
    int64_t probed_us;
    int64_t load_due_us;

    /* committing */
    KabCommitItem *items; /* of the pending commit; NULL: none pending */
    size_t n_items;
    bool is_commit_held;    /* not sent yet */
    bool is_commit_refused; /* refused by the call: reported in the next turn */
    int64_t heartbeat_us;   /* heartbeat interval; 0: no holds */
    int64_t held_since_us;  /* begin of the current hold; 0: not held */
    int64_t held_until_us;  /* as of the turn */

    /* topics that are missing */
    int64_t missing_us; /* since when one is missing; 0: none */
    char missing[300];  /* sentence: which one is waited for */
    int64_t check_due_us;
    KabTopicCheck *check;
    size_t n_suspects;

    KabLeave leave;
    int64_t join_due_us;  /* when to stop waiting for a join */
    int64_t cut_due_us;   /* when to cut JoinGroup, or try again */
    int64_t leave_due_us; /* when to stop waiting for LeaveGroup */
    GMutex cut_lock;      /* orders closing a socket against is_ending */
    bool is_ending;       /* the client is destroyed next */
    bool has_failed;
};

/* source.c */
void kab_source_log(const KabSource *source,
                    KabLogLevel level,
                    KabPlace place,
                    const char *format,
                    ...) G_GNUC_PRINTF(4, 5);
/* The same for lines that an outage repeats: they share an allowance. */
void kab_source_log_fault(KabSource *source,
                          KabLogLevel level,
                          KabPlace place,
                          const char *format,
                          ...) G_GNUC_PRINTF(4, 5);
/* Stops the binding, with the first reason given. */
void kab_source_fail(KabSource *source, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* The same, for a binding that may begin again with new clients. */
void kab_source_expire(KabSource *source, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
KabPlace kab_toppar_place(const KabToppar *toppar, int64_t offset);

/* kab_source_port. user: the KabSource. */
void kab_source_load(void *user, KabPartition *partition);
void kab_source_add(void *user, KabPartition *partition, int64_t offset);
void kab_source_unassign(void *user, KabPartition *partition);
void kab_source_valve(void *user, KabPartition *partition, bool is_open);
void kab_source_commit(void *user, KabCommitItem *items, size_t n);

/* source-topics.c */
KabSourceTopic *kab_source_find_topic(const KabSource *source,
                                      const char *name);
/* NULL: it was never assigned. */
KabToppar *
kab_source_find(const KabSource *source, const char *name, int32_t number);
KabToppar *kab_source_intern(KabSource *source, const char *name, int32_t n);
void kab_source_clear_topics(KabSource *source);
/* Gives the partition a record queue of its own; call before it is assigned. */
void kab_source_open_queue(KabSource *source, KabToppar *toppar);
/* Closes the partition's queue and drops its records; no effect without one. */
void kab_source_close_queue(KabSource *source, KabToppar *toppar);
void kab_source_close_queues(KabSource *source);

/* source-ready.c */
/* The queue may hold records. True: that is new. Thread: any */
bool kab_source_note_records(KabSource *source, KabToppar *toppar);
/* Takes the next ready partition off its list; NULL: none. It has to be taken
 * from, or set aside. */
KabToppar *kab_source_pop_ready(KabSource *source);
/* The partition has given n records of those wanted. If it may hold more it is
 * the next one again, until it has given source->in_a_row of them. */
void kab_source_note_taken(KabSource *source,
                           KabToppar *toppar,
                           size_t n,
                           size_t want);
/* Nothing may be taken from the ready partition until it is resumed. */
void kab_source_set_aside(KabToppar *toppar);
void kab_source_resume(KabSource *source, KabToppar *toppar);

/* source-rebalance.c */
void kab_source_on_rebalance(rd_kafka_t *client,
                             rd_kafka_resp_err_t err,
                             rd_kafka_topic_partition_list_t *list,
                             void *user);
/* Begins and answers rebalance events; adds loaded partitions. */
void kab_source_rebalance(KabSource *source);
/* The member leaves: answers an ASSIGN event with the partitions added so
 * far. */
void kab_source_end_assign(KabSource *source);
void kab_source_clear_events(KabSource *source);

/* source-group.c */
/* Does the client have a member id? Asking is a round trip to the client's
 * main thread: whatever that thread was asked to do before is done on
 * return. */
bool kab_source_has_member_id(KabSource *source);
/* Takes new group metadata, at a rebalance event. */
void kab_source_renew_group(KabSource *source, bool is_lost);
void kab_source_clear_group(KabSource *source);
void kab_source_serve_group(KabSource *source);

/* source-leave.c */
/* Has the source been asked to leave? Then nothing new is assigned. */
bool kab_source_is_leaving(const KabSource *source);
/* Has the client been told to close? */
bool kab_source_is_closing(const KabSource *source);
/* The client's closesocket callback; closes the socket. */
int kab_source_on_close_socket(int fd, void *source);
void kab_source_serve_leaving(KabSource *source);
int64_t kab_source_leave_deadline(const KabSource *source);
/* Would destroying the client hang (KAB_QUIRK_DESTROY_UNASSIGNED)? */
bool kab_source_must_be_leaked(const KabSource *source);
void kab_source_leak(KabSource *source);
/* False: destroying does not end; the client lives on. */
bool kab_source_destroy_client(KabSource *source);

/* source-load.c */
void kab_source_serve_loads(KabSource *source);
/* The engine has released the partition: drops its load. */
void kab_source_forget_load(KabSource *source, KabToppar *toppar);
/* Asks whether the group still has an offset for a suspect partition. */
void
kab_source_load_suspect(KabSource *source, KabToppar *toppar, int64_t due_us);

/* source-commit.c */
/* Reads the client's heartbeat.interval.ms: see kab_health_held_until(). */
void kab_source_limit_hold(KabSource *source);
void kab_source_serve_commits(KabSource *source);
int64_t kab_source_commit_deadline(const KabSource *source);

/* source-take.c */
/* Returns a new string; see kab_properties_dup_grant(). */
char *kab_source_dup_grant(const KabSource *source);
/* After how many records fetchers have to be woken. */
size_t kab_source_wake_records(unsigned long queued_min_messages);
void kab_source_serve_main(KabSource *source);
void kab_source_take(KabSource *source);
void kab_source_on_error(rd_kafka_t *client,
                         int err,
                         const char *reason,
                         void *user);

/* source-missing.c */
/* The client reports that an input topic is missing. */
void kab_source_note_missing(KabSource *source, const char *topic);
/* An input topic may be missing: starts a check. librdkafka's reason may begin
 * with the partition's name. */
void kab_source_suspect_missing(KabSource *source, const char *reason);
/* The group has answered for a suspect partition: it goes on, or begins at the
 * beginning if its offset is gone. */
void
kab_source_clear_suspect(KabSource *source, KabToppar *toppar, bool has_offset);
/* The suspect partition was revoked meanwhile. */
void kab_source_forget_suspect(KabSource *source, KabToppar *toppar);
void kab_source_serve_missing(KabSource *source);
int64_t kab_source_missing_deadline(const KabSource *source);
/* Waits for the check's thread. */
void kab_source_clear_missing(KabSource *source);
