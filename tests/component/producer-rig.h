/* SPDX-License-Identifier: Apache-2.0 */
/* A real producer with a real engine, on one thread: records come from the
 * test, the function is a callback, the source is a fake. The broker is
 * librdkafka's mock cluster, or the one in KAB_BOOTSTRAP.
 */
#pragma once

#include <pthread.h>

#include <glib.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "producer.h"

typedef struct Rig Rig;

/* An input message. */
typedef struct {
    char *key, *value; /* key NULL: none */
    KabHeader headers[4];
    size_t n_headers;
} RigMessage;

/* The broker of a test program, created by its group set-up. Each rig has its
 * own topics there. */
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
    /* The function's result for a record; NULL: one output with the same
     * value. */
    void (*answer)(Rig *rig, const KabRecord *record, KabResult *result);
    GPtrArray *loads;  /* KabPartition whose load is to be answered */
    GPtrArray *calls;  /* KabAttempt to be answered */
    GPtrArray *arenas; /* g_malloc */
    rd_kafka_consumer_group_metadata_t *group; /* returned by the fake source */
    KabCommitItem *commit_items;
    size_t n_commit_items;

    int64_t patience_us; /* time-out of rig_until() */
    int64_t next_offset, committed;
    size_t n_messages_out, n_attempts_out, n_called;
    bool is_stopped;
    KabStopReason stop_reason;
    char *stop_message;
    pthread_mutex_t log_lock; /* pthread: TSan cannot see into GMutex */
    GString *log;
};

/* Returns a new rig with defaults, not started; delivery is at least once. */
Rig *rig_new(void **state);
void rig_set(Rig *rig, const char *name, const char *value);
/* Creates engine and producer, and asks for the first client. */
void rig_start(Rig *rig);
/* Starts the rig and waits until the sink is open. */
void rig_open(Rig *rig);
/* Closes and frees everything, and asserts that all records were released. */
void rig_free(Rig *rig);

RigMessage *rig_message(const char *key, const char *value);
/* Gives a message to the engine. Takes message. */
void rig_take(Rig *rig, RigMessage *message);
/* Takes records with the values "FROM".."TO - 1" and a key. */
void rig_take_range(Rig *rig, int from, int to);
/* Adds an output to the record's result; topic NULL: the binding's. */
KabOutput *rig_output(Rig *rig, const KabRecord *record, KabResult *result);

/* Turns until the condition holds; fails the test after 20 s. */
void rig_until(Rig *rig, bool (*is_true)(Rig *rig));
/* Turns until every record is committed. */
void rig_finish(Rig *rig);
/* A condition for rig_until(). */
bool rig_has_acknowledged(Rig *rig);
void rig_turn(Rig *rig);
const KabCounters *rig_counters(Rig *rig);
/* How many records have ended so. */
uint64_t rig_count_ended(Rig *rig, KabEnd end);
KabProducerState rig_state(Rig *rig);

/* Reads the topic from its beginning until n records have arrived. Returns
 * their values, each partition's in order, comma-separated. Free with
 * g_free. */
char *rig_read(Rig *rig, const char *topic, int n_partitions, int n);

/* Number of committed records in the whole topic. */
int rig_count(Rig *rig, const char *topic, int n_partitions);

/* A record read back from a topic. */
typedef struct {
    char *key, *value; /* NULL: absent */
    int32_t partition;
    int64_t timestamp_ms;
    char *headers; /* "name=value;…" */
} RigRecord;

/* The first record of a topic. Free with rig_record_free. */
RigRecord *rig_read_one(Rig *rig, const char *topic, int n_partitions);
void rig_record_free(RigRecord *record);

/* Creates a topic that does not exist yet; config may be NULL. */
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
/* Makes the producer see its output topic deleted: it learns of that while a
 * request with record n is in flight, which is then refused. */
void rig_delete_output(Rig *rig, int n);
void rig_restore_output(Rig *rig);
/* The group's committed offset for the input; -1: none. */
int64_t rig_read_committed(Rig *rig);
