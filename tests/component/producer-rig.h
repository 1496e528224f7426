/* SPDX-License-Identifier: Apache-2.0 */
/* A producer at work with a real engine, on one thread: records come from the
 * test, the function is a callback, the source is a fake. The broker is
 * librdkafka's mock cluster, or the one that KAB_BOOTSTRAP names.
 */
#pragma once

#include <pthread.h>

#include <glib.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "producer.h"

typedef struct Rig Rig;

/* An input. */
typedef struct {
    char *key, *value; /* key NULL: none */
    KabHeader headers[4];
    size_t n_headers;
} RigMessage;

/* The broker of a program's tests, made by its group set-up. Each rig has
 * topics of its own there. */
typedef struct {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *mock; /* NULL: a real broker */
    const char *bootstrap;
    unsigned n_rigs;
} RigBroker;

int rig_setup_broker(void **state);
int rig_teardown_broker(void **state);

struct Rig {
    KabEngineOptions options;
    KabProducerSetup setup;
    KabProperty properties[16];
    const char *bootstrap;
    rd_kafka_mock_cluster_t *mock; /* NULL: a real broker */
    char *in, *out, *dead;         /* topics: 1, 4 and 1 partitions;
                                      a mock's have 4 each */
    char *group_name;

    KabEngine *engine;
    KabProducer *producer;
    KabEdge edge;
    KabPartition *partition;
    /* What the function makes of a record; NULL: the same value. */
    void (*answer)(Rig *rig, const KabRecord *record, KabResult *result);
    GPtrArray *loads;  /* KabPartition, to be answered */
    GPtrArray *calls;  /* KabAttempt, to be answered */
    GPtrArray *arenas; /* g_malloc */
    rd_kafka_consumer_group_metadata_t *group; /* of the fake source */
    KabCommitItem *commit_items;
    size_t n_commit_items;

    int64_t patience_us; /* of rig_until() */
    int64_t next_offset, committed;
    size_t n_messages_out, n_attempts_out, n_called;
    bool is_stopped;
    KabStopReason stop_reason;
    char *stop_message;
    pthread_mutex_t log_lock; /* ThreadSanitizer sees no GMutex */
    GString *log;
};

/* A rig with defaults, not started; at least once. */
Rig *rig_new(void **state);
void rig_set(Rig *rig, const char *name, const char *value);
/* Makes engine and producer, and asks for the first client. */
void rig_start(Rig *rig);
/* Starts and waits until the sink is open. */
void rig_open(Rig *rig);
/* Closes, frees, and checks that everything was given back. */
void rig_free(Rig *rig);

RigMessage *rig_message(const char *key, const char *value);
/* Takes the message. */
void rig_take(Rig *rig, RigMessage *message);
/* Records with the values "FROM".."TO - 1" and a key. */
void rig_take_range(Rig *rig, int from, int to);
/* One more output of the record; topic NULL: the binding's. */
KabOutput *rig_output(Rig *rig, const KabRecord *record, KabResult *result);

/* Turns until it is true; fails the test after 20 s. */
void rig_until(Rig *rig, bool (*is_true)(Rig *rig));
/* Turns until every record is finished (committed). */
void rig_finish(Rig *rig);
/* For rig_until(). */
bool rig_has_acknowledged(Rig *rig);
void rig_turn(Rig *rig);
const KabCounters *rig_counters(Rig *rig);
KabProducerState rig_state(Rig *rig);

/* Reads the topic from its beginning until n records are there: "value"s in
 * the order of each partition, comma-separated. Free with g_free. */
char *rig_read(Rig *rig, const char *topic, int n_partitions, int n);

/* How many committed records there are from beginning to end. */
int rig_count(Rig *rig, const char *topic, int n_partitions);

/* A record that was read. */
typedef struct {
    char *key, *value; /* NULL: absent */
    int32_t partition;
    int64_t timestamp_ms;
    char *headers; /* "name=value;…" */
} RigRecord;

/* The first record of a topic. Free with rig_record_free. */
RigRecord *rig_read_one(Rig *rig, const char *topic, int n_partitions);
void rig_record_free(RigRecord *record);

/* A topic that is not there yet; config may be NULL. */
void rig_create_topic(Rig *rig,
                      const char *topic,
                      int n_partitions,
                      const char *config,
                      const char *value);
void rig_set_topic_config(Rig *rig,
                          const char *topic,
                          const char *config,
                          const char *value);
void rig_add_partitions(Rig *rig, const char *topic, int n_partitions);
/* The output topic is deleted as seen by the producer, which learns of it
 * while a request with record n is under way: that is refused afterwards. */
void rig_delete_output(Rig *rig, int n);
void rig_restore_output(Rig *rig);
/* What the group has committed for the input; -1: nothing. */
int64_t rig_read_committed(Rig *rig);
