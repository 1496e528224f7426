/* SPDX-License-Identifier: Apache-2.0 */
/* kab-kafka-tool: what the tests against a real broker need to make records
 * and to count what became of them.
 *
 * Every record follows from its number alone (record.c), so what a reader
 * finds is checked byte by byte without keeping what was written. A verb
 * takes words of the form name=value and prints one line of JSON.
 */
#pragma once

#include <glib.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* The words of the command line, checked against the names a verb takes. */
typedef struct {
    GHashTable *values;
} Words;

const char *
words_get(const Words *words, const char *name, const char *fallback);
const char *words_need(const Words *words, const char *name);
int64_t words_number(const Words *words, const char *name, int64_t fallback);
bool words_flag(const Words *words, const char *name);

/* Ends the program with status 1. */
void fail(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

/* A new client of brokers=; pairs of property and value up to a NULL. */
rd_kafka_t *client_new(const Words *words,
                       rd_kafka_type_t type,
                       const char *first,
                       ...) G_GNUC_NULL_TERMINATED;

/* Calls that meet a broker that has just started are repeated so often. */
enum { PATIENCE_TRIES = 100, PATIENCE_PAUSE_US = 200000, CALL_MS = 10000 };

/* How many partitions a topic has. */
int topic_partitions(rd_kafka_t *client, const char *topic);
/* Its first offset and its end. */
void topic_watermarks(rd_kafka_t *client,
                      const char *topic,
                      int32_t partition,
                      int64_t *ret_low,
                      int64_t *ret_high);

/* Returns a new list: what group= committed for each partition of topic=.
 * client was made with that group. */
rd_kafka_topic_partition_list_t *group_committed(const Words *words,
                                                 rd_kafka_t *client);

/* How the records of a topic are made. */
typedef struct {
    int64_t records;
    int64_t keys; /* record n has key n % keys; 0: null keys */
    size_t size;  /* bytes of a value */
    bool mixed;   /* null, empty, binary, large; see record_make() */
    char mark;    /* carried by every mark_every-th value; 0: by none */
    int64_t mark_every, mark_first;
} Pattern;

Pattern pattern_from_words(const Words *words);

enum { RECORD_HEADERS = 6, RECORD_VALUE_MAX = 1 << 20 };

/* A header of a made record; value NULL: a null value. */
typedef struct {
    const char *name;
    const void *value;
    size_t size;
} Header;

/* A made record; what it points to is its own. */
typedef struct {
    const void *key, *value; /* NULL: none */
    size_t key_size, value_size;
    int64_t timestamp_ms;
    Header headers[RECORD_HEADERS];
    size_t n_headers;
    char id[24], key_text[24];
    char value_text[RECORD_VALUE_MAX];
} Record;

/* Records of an aborted transaction have numbers from here. */
enum { RECORD_ABORTED = 900000000 };

char record_mark(const Pattern *pattern, int64_t number);
void record_make(const Pattern *pattern, int64_t number, Record *record);
/* The number of a consumed record; -1: none of ours. */
int64_t record_number(const rd_kafka_message_t *message);
/* Is it the same, byte by byte? */
bool record_equals(const Record *record, const rd_kafka_message_t *message);

/* Called for each record; false ends the reading. */
typedef bool (*ReadFunc)(const rd_kafka_message_t *message, void *data);

/* Reads a topic from its beginning up to where it ended at the call, or up
 * to ends[partition] where given. Committed transactions only.
 */
void read_topic(const Words *words,
                const char *topic,
                const int64_t *ends,
                ReadFunc read,
                void *data);

int verb_calls(const Words *words);
int verb_check(const Words *words);
int verb_commit(const Words *words);
int verb_commits(const Words *words);
int verb_create(const Words *words);
int verb_delete(const Words *words);
int verb_dump(const Words *words);
int verb_generate(const Words *words);
int verb_group(const Words *words);
int verb_wait(const Words *words);
