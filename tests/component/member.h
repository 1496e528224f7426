/* SPDX-License-Identifier: Apache-2.0 */
/* A group member for tests of the source: a real engine, a real source, a
 * function that drops every record, no producer.
 *
 * Everything runs on the test's thread: members_run() turns all members until
 * a condition holds.
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
    KabProperty properties[8]; /* extra properties; ends with a NULL name */
    bool start_latest;
    size_t batch_count;  /* 0: 64 */
    size_t buffer_bytes; /* 0: 64 MiB */
    int64_t commit_interval_us;
    int64_t missing_topic_us; /* 0: a minute */
    int load_timeout_ms;      /* 0: an hour */
} MemberSetup;

typedef struct Member Member;

struct Member {
    MemberSetup setup;
    KabProperty properties[16]; /* given to the source */
    KabEdge edge;
    KabEngine *engine;
    KabEngineOptions options;
    KabSource *source;
    GPtrArray *calls; /* KabAttempt: called, not answered */
    GArray *seen;     /* Seen: finished records, in the order of calls */
    GString *log;
    pthread_mutex_t *mutex; /* protects log */
    bool holds_calls;       /* calls are not answered */
    bool is_stopped;
    char *stop_message;
    /* Called with each call before it is answered. */
    void (*look)(Member *member, const KabAttempt *attempt);
    void *data;      /* for the test */
    int64_t awaited; /* offset, of member_has_committed() */
};

Member *member_new(const MemberSetup *setup);
/* Takes no more records; finishes and commits what was called. */
void member_drain(Member *member, Member **all, size_t n);
/* Drains, leaves the group, frees. */
void member_leave(Member *member, Member **all, size_t n);
/* Frees the member as it is, like a crash. */
void member_free(Member *member);

typedef bool (*Condition)(void *data);
/* Turns all members until the condition holds; false after the time-out. NULLs
 * in the list are skipped. */
bool members_run(Member **members,
                 size_t n,
                 Condition condition,
                 void *data,
                 int timeout_ms);
/* A condition: the committed offset of its partition 0 is the awaited one. */
bool member_has_committed(void *data);
KabPartitionInfo member_partition(const Member *member, int32_t number);
size_t member_n_partitions(const Member *member);

/* Does a line of the log contain this text? */
bool member_has_logged(const Member *member, const char *text);

/* Commits an offset for a group without members; metadata NULL: none. */
void commit_alone(const char *bootstrap,
                  const char *group,
                  const char *topic,
                  int64_t offset,
                  const char *metadata);
/* Produces values "<from>" … to a partition and waits for the delivery
 * reports. */
void produce(const char *bootstrap,
             const char *topic,
             int32_t partition,
             int from,
             int to);
