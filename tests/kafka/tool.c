/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of kab-kafka-tool, and what they share. */
#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN " records keys size pattern headers mark mark.every mark.first"

typedef struct {
    const char *name;
    int (*run)(const Words *words);
    const char *takes; /* besides brokers= */
    const char *help;
} Verb;

static const Verb verbs[] = {
    {"create", verb_create, "topic partitions config",
     "make a topic; config is property:value, comma between"},
    {"alter", verb_alter, "topic property value",
     "set a property of a topic, and all others to their defaults"},
    {"delete", verb_delete, "topic", "delete a topic"},
    {"generate", verb_generate,
     "topic rate seconds spread transaction abort.every end from id" PATTERN,
     "write records, at once or at a rate, plain or in transactions"},
    {"check", verb_check, "topic also order dropped bytes pauses" PATTERN,
     "count lost, doubled, foreign, different and disordered records"},
    {"group", verb_group, "group topic", "committed offsets, lag, members"},
    {"commit", verb_commit, "group topic partition offset metadata",
     "commit an offset for a group without members"},
    {"commits", verb_commits, "group topic output also dropped" PATTERN,
     "count records before the committed offset that have no result"},
    {"wait", verb_wait, "topic group committed end lag seconds",
     "until so much is committed or written, or the lag is so small"},
    {"calls", verb_calls, "file records", "count calls in a call log"},
    {"dump", verb_dump, "topic limit", "every record as a line of JSON"},
};

void
fail(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    fputs("kab-kafka-tool: ", stderr);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    va_end(words);
    exit(1);
}

const char *
words_get(const Words *words, const char *name, const char *fallback)
{
    const char *value = g_hash_table_lookup(words->values, name);
    return value ? value : fallback;
}

const char *
words_need(const Words *words, const char *name)
{
    const char *value = words_get(words, name, NULL);
    if (!value)
        fail("%s= is needed", name);
    return value;
}

int64_t
words_number(const Words *words, const char *name, int64_t fallback)
{
    const char *text = words_get(words, name, NULL);
    if (!text)
        return fallback;
    char *end = NULL;
    int64_t value = g_ascii_strtoll(text, &end, 10);
    if (end == text || *end)
        fail("%s=%s: found no number", name, text);
    return value;
}

bool
words_flag(const Words *words, const char *name)
{
    return strcmp(words_get(words, name, "false"), "true") == 0;
}

static bool
takes(const Verb *verb, const char *name)
{
    g_autofree char *all = g_strconcat("brokers ", verb->takes, NULL);
    g_auto(GStrv) names = g_strsplit(all, " ", -1);
    return g_strv_contains((const char *const *)names, name);
}

static Words
words_parse(const Verb *verb, char **list)
{
    Words words = {
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    for (; *list; list++) {
        char *equals = strchr(*list, '=');
        char *name = equals ? g_strndup(*list, (gsize)(equals - *list)) : NULL;
        if (!name || !takes(verb, name))
            fail("%s: found %s; wanted name=value with one of: brokers %s",
                 verb->name, *list, verb->takes);
        g_hash_table_insert(words.values, name, g_strdup(equals + 1));
    }
    return words;
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) !=
        RD_KAFKA_CONF_OK)
        fail("%s", reason);
}

rd_kafka_t *
client_new(const Words *words, rd_kafka_type_t type, const char *first, ...)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", words_need(words, "brokers"));
    set(conf, "socket.nagle.disable", "true");
    set(conf, "log_level", "0");
    va_list more;
    va_start(more, first);
    for (const char *name = first; name; name = va_arg(more, const char *))
        set(conf, name, va_arg(more, const char *));
    va_end(more);
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (!client)
        fail("%s", reason);
    return client;
}

/* Repeats the request: not every broker knows at once a topic that was just
 * created, or a broker that was just started. */
int
topic_partitions(rd_kafka_t *client, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    int count = 0;
    for (int try = 0; try < PATIENCE_TRIES && count == 0; try++) {
        const rd_kafka_metadata_t *metadata = NULL;
        if (rd_kafka_metadata(client, 0, handle, &metadata, CALL_MS)) {
            g_usleep(PATIENCE_PAUSE_US);
            continue;
        }
        if (metadata->topic_cnt == 1)
            count = metadata->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(metadata);
        if (count == 0)
            g_usleep(PATIENCE_PAUSE_US);
    }
    if (count == 0)
        fail("%s: found no such topic", topic);
    rd_kafka_topic_destroy(handle);
    return count;
}

void
topic_watermarks(rd_kafka_t *client,
                 const char *topic,
                 int32_t partition,
                 int64_t *ret_low,
                 int64_t *ret_high)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int try = 0; try < PATIENCE_TRIES; try++) {
        err = rd_kafka_query_watermark_offsets(client, topic, partition,
                                               ret_low, ret_high, CALL_MS);
        if (!err)
            return;
        g_usleep(PATIENCE_PAUSE_US);
    }
    fail("%s/%d: %s", topic, partition, rd_kafka_err2str(err));
}

static int
usage(void)
{
    fputs("kab-kafka-tool VERB brokers=HOST:PORT [name=value]...\n", stderr);
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        fprintf(stderr, "  %-9s %s (%s)\n", verbs[i].name, verbs[i].help,
                verbs[i].takes);
    return 64;
}

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        Words words = words_parse(&verbs[i], argv + 2);
        int status = verbs[i].run(&words);
        g_hash_table_unref(words.values);
        return status;
    }
    return usage();
}
