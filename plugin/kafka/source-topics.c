/* SPDX-License-Identifier: Apache-2.0 */
/* Topics and partitions by name, and the partitions' record queues. */
#include "source-internal.h"

#include <string.h>

static bool
is_output(const KabSource *source, const char *name)
{
    const char *const *topic = source->setup.outputs;
    for (; topic && *topic; topic++)
        if (strcmp(*topic, name) == 0)
            return true;
    return false;
}

KabSourceTopic *
kab_source_find_topic(const KabSource *source, const char *name)
{
    return g_hash_table_lookup(source->topics, name);
}

static KabSourceTopic *
intern_topic(KabSource *source, const char *name)
{
    KabSourceTopic *topic = kab_source_find_topic(source, name);
    if (topic)
        return topic;
    topic = g_new0(KabSourceTopic, 1);
    topic->name = g_strdup(name);
    topic->toppars = g_ptr_array_new();
    topic->is_output = is_output(source, name);
    g_hash_table_insert(source->topics, topic->name, topic);
    return topic;
}

KabToppar *
kab_source_find(const KabSource *source, const char *name, int32_t number)
{
    KabSourceTopic *topic = kab_source_find_topic(source, name);
    if (!topic || number < 0 || (guint)number >= topic->toppars->len)
        return NULL;
    return topic->toppars->pdata[number];
}

KabToppar *
kab_source_intern(KabSource *source, const char *name, int32_t number)
{
    g_assert(number >= 0);
    KabSourceTopic *topic = intern_topic(source, name);
    if ((guint)number >= topic->toppars->len)
        g_ptr_array_set_size(topic->toppars, number + 1);
    KabToppar *toppar = topic->toppars->pdata[number];
    if (toppar)
        return toppar;
    toppar = g_new0(KabToppar, 1);
    toppar->topic = topic;
    toppar->number = number;
    toppar->reset_from = toppar->end = -1;
    toppar->source = source;
    topic->toppars->pdata[number] = toppar;
    g_ptr_array_add(source->toppars, toppar);
    return toppar;
}

void
kab_source_clear_topics(KabSource *source)
{
    for (guint i = 0; i < source->toppars->len; i++)
        g_free(source->toppars->pdata[i]);
    g_clear_pointer(&source->toppars, g_ptr_array_unref);
    GHashTableIter iterator;
    void *value;
    g_hash_table_iter_init(&iterator, source->topics);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        KabSourceTopic *topic = value;
        g_ptr_array_unref(topic->toppars);
        g_free(topic->name);
        g_free(topic);
    }
    g_clear_pointer(&source->topics, g_hash_table_unref);
}

/* The queue was empty and now holds records. Thread: rdkafka */
static void
on_records(rd_kafka_t *client, void *user)
{
    KabToppar *toppar = user;
    if (kab_source_note_records(toppar->source, toppar))
        kab_edge_wake(toppar->source->setup.edge);
}

/* Get the queue anew for each assignment: after a recreated topic of the same
 * name it may be a different one. */
void
kab_source_open_queue(KabSource *source, KabToppar *toppar)
{
    kab_source_close_queue(source, toppar);
    toppar->queue = rd_kafka_queue_get_partition(
        source->client, toppar->topic->name, toppar->number);
    toppar->is_closed = false;
    kab_source_note_records(source, toppar);
    kab_source_resume(source, toppar);
    if (!toppar->queue)
        return;
    rd_kafka_queue_forward(toppar->queue, NULL);
    rd_kafka_queue_cb_event_enable(toppar->queue, on_records, toppar);
}

/* Drop the queue's records: they would be kept until the next assignment. */
void
kab_source_close_queue(KabSource *source, KabToppar *toppar)
{
    if (!toppar->queue)
        return;
    rd_kafka_queue_cb_event_enable(toppar->queue, NULL, NULL);
    rd_kafka_queue_forward(toppar->queue, source->outdated);
    g_clear_pointer(&toppar->queue, rd_kafka_queue_destroy);
}

void
kab_source_close_queues(KabSource *source)
{
    for (guint i = 0; i < source->toppars->len; i++)
        kab_source_close_queue(source, source->toppars->pdata[i]);
}

void
kab_source_valve(void *user, KabPartition *partition, bool is_open)
{
    KabSource *source = user;
    KabToppar *toppar = kab_partition_edge(partition);
    toppar->is_closed = !is_open;
    if (!is_open || !toppar->is_aside)
        return;
    kab_source_resume(source, toppar);
    kab_edge_wake(source->setup.edge);
}

/* The client knows the end of the log, which lies beyond the last stable
 * offset while a transaction is open. If the last thing taken was an end of
 * partition, that is the end. */
int64_t
kab_source_get_end(const KabSource *source, const char *topic, int32_t number)
{
    const KabToppar *toppar = kab_source_find(source, topic, number);
    int64_t low, high;
    if (!toppar || !toppar->is_assigned)
        return -1;
    if (toppar->end >= 0 && !atomic_load(&toppar->is_ready))
        return toppar->end;
    rd_kafka_resp_err_t err = rd_kafka_get_watermark_offsets(
        source->client, topic, number, &low, &high);
    return err || high < 0 ? toppar->end : high;
}
