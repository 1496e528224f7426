/* SPDX-License-Identifier: Apache-2.0 */
/* A member of a consumer group for tests of the source: a real engine, a
 * real source, a function that drops every record, no producer.
 *
 * Everything runs on the test's thread: members_run() turns all of them
 * until a condition holds.
 */
#pragma once

#include <pthread.h>

#include <glib.h>

#include "source.h"

typedef struct {
    int32_t partition;
    int64_t offset;
} Seen;

typedef struct {
    const char *bootstrap;
    const char *group;
    const char *topics[4]; /* NULL-terminated */
    const char *outputs[2];
    KabProperty properties[8]; /* added; ends with a NULL name */
    bool start_latest;
    size_t batch_count;       /* 0: 64 */
    size_t buffer_bytes;      /* 0: 64 MiB */
    int64_t missing_topic_us; /* 0: a minute */
} MemberSetup;

typedef struct Member Member;

struct Member {
    MemberSetup setup;
    KabProperty properties[16]; /* the source's */
    KabEdge edge;
    KabEngine *engine;
    KabEngineOptions options;
    KabSource *source;
    GPtrArray *calls; /* KabAttempt: invoked, not answered */
    GArray *seen;     /* Seen: finished, in the order of calls */
    GString *log;
    pthread_mutex_t *mutex; /* of log */
    bool holds_calls;       /* calls are not answered */
    bool is_stopped;
    char *stop_message;
    size_t n_commits, n_refused; /* the effect; answered false */
    size_t n_unassigned, n_valves;
    /* Looks at a call before it is answered. */
    void (*look)(Member *member, const KabAttempt *attempt);
};

Member *member_new(const MemberSetup *setup);
/* No more records; what is called is finished and committed. */
void member_drain(Member *member, Member **all, size_t n);
/* Drains, leaves the group, frees. */
void member_leave(Member *member, Member **all, size_t n);
/* Frees it where it stands, as a crash would. */
void member_free(Member *member);

typedef bool (*Condition)(void *data);
/* Turns all until the condition holds; false after the time-out. NULLs in
 * the list are skipped. */
bool members_run(Member **members,
                 size_t n,
                 Condition condition,
                 void *data,
                 int timeout_ms);
KabPartitionInfo member_partition(const Member *member, int32_t number);
size_t member_n_partitions(const Member *member);

/* Has a line of the log this text? */
bool member_has_logged(const Member *member, const char *text);

/* Commits for a group that has no members; metadata NULL: none. */
void commit_alone(const char *bootstrap,
                  const char *group,
                  const char *topic,
                  int64_t offset,
                  const char *metadata);
/* Produces values "<from>" … to a partition and waits for them. */
void produce(const char *bootstrap,
             const char *topic,
             int32_t partition,
             int from,
             int to);
