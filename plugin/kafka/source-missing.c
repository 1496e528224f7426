/* SPDX-License-Identifier: Apache-2.0 */
/* Input topics that do not exist.
 *
 * librdkafka reports a missing topic once and goes on looking; only the member
 * that gets its partitions learns that the topic exists now. So while one is
 * missing, a thread asks the brokers now and then (the call blocks). A topic
 * that is missing too long stops the binding.
 *
 * A topic that reappears may be a new one of the same name, with a new log; or
 * a broker merely did not know it for a moment. So the engine loses the
 * partitions of a missing topic: nothing is committed to what may be another
 * log. Once the topic exists, the group is asked for its offsets, which the
 * brokers drop with the topic. A partition that had an offset and has none now
 * begins at the beginning; any other goes on.
 */
#include "source-internal.h"

#include <stdatomic.h>
#include <string.h>

#define AGAIN_US (5 * INT64_C(1000000))
#define TIMEOUT_MS 5000
/* Brokers learn at different times that a topic was deleted. */
#define SETTLE_US G_USEC_PER_SEC

struct KabTopicCheck {
    rd_kafka_t *client;        /* borrowed */
    const char *const *topics; /* borrowed: input.topics */
    const KabEdge *edge;
    GThread *thread;
    atomic_bool is_done;
    /* The result, once is_done. */
    bool is_known;
    const char *missing; /* one of topics; NULL: all exist */
    GPtrArray *suspects; /* KabSourceTopic, borrowed; without missing ones */
};

/* --- On its thread ----------------------------------------------------- */

/* False: no broker answered. */
static bool
look_for_topic(const KabTopicCheck *check,
               const char *name,
               bool *ret_is_missing)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(check->client, name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err =
        rd_kafka_metadata(check->client, 0, topic, &metadata, TIMEOUT_MS);
    rd_kafka_topic_destroy(topic);
    if (err)
        return false;
    *ret_is_missing =
        metadata->topic_cnt != 1 ||
        metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static bool
is_there(const KabTopicCheck *check, const KabSourceTopic *topic)
{
    bool is_missing = false;
    return look_for_topic(check, topic->name, &is_missing) && !is_missing;
}

static void *
run_check(void *data)
{
    KabTopicCheck *check = data;
    check->is_known = true;
    const char *const *topic = check->topics;
    for (; *topic && check->is_known && !check->missing; topic++) {
        bool is_missing = false;
        if (**topic == '^')
            continue;
        check->is_known = look_for_topic(check, *topic, &is_missing);
        if (is_missing)
            check->missing = *topic;
    }
    for (guint i = check->suspects->len; i-- > 0;)
        if (!is_there(check, check->suspects->pdata[i]))
            g_ptr_array_remove_index_fast(check->suspects, i);
    atomic_store(&check->is_done, true);
    kab_edge_wake(check->edge);
    return NULL;
}

/* --- Suspects ---------------------------------------------------------- */

/* A partition that is being revoked is only lost: it does not become a
 * suspect. */
static void
suspect_toppar(KabSource *source, KabToppar *toppar)
{
    KabPartition *partition = toppar->partition;
    if (!partition)
        return;
    KabPartitionState state = kab_partition_state(partition);
    if (state < KAB_PARTITION_LOADED || state == KAB_PARTITION_GONE)
        return;
    bool is_revoked = state == KAB_PARTITION_DRAINING;
    kab_engine_lost(source->setup.engine, partition, source->now);
    source->has_moved = true;
    if (is_revoked)
        return;
    toppar->topic->is_told = false;
    toppar->is_suspect = true;
    source->n_suspects++;
    source->check_due_us = source->now + SETTLE_US;
}

void
kab_source_forget_suspect(KabSource *source, KabToppar *toppar)
{
    if (!toppar->is_suspect)
        return;
    toppar->is_suspect = false;
    source->n_suspects--;
    kab_source_forget_load(source, toppar);
}

static void
tell_recreated(KabSource *source, const KabToppar *toppar)
{
    KabSourceTopic *topic = toppar->topic;
    source->skipped_ranges++;
    if (!topic->is_told)
        kab_source_log(source, KAB_LOG_WARNING, kab_toppar_place(toppar, -1),
                       "topic %s was deleted and created again, the group's "
                       "offsets are gone: going on at its beginning",
                       topic->name);
    topic->is_told = true;
}

void
kab_source_clear_suspect(KabSource *source, KabToppar *toppar, bool has_offset)
{
    KabEngine *engine = source->setup.engine;
    const char *name = toppar->topic->name;
    kab_source_forget_suspect(source, toppar);
    toppar->reset_from = toppar->end = -1;
    source->has_moved = true;
    if (has_offset || !toppar->has_committed) {
        toppar->partition = kab_engine_assigned(engine, name, toppar->number,
                                                toppar, source->now);
        return;
    }
    tell_recreated(source, toppar);
    toppar->has_committed = false;
    toppar->partition = kab_engine_assigned_at_beginning(
        engine, name, toppar->number, toppar, source->now);
}

static GPtrArray *
list_suspects(const KabSource *source)
{
    GPtrArray *topics = g_ptr_array_new();
    for (guint i = 0; source->n_suspects && i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (toppar->is_suspect && toppar->load == KAB_LOAD_NONE &&
            !g_ptr_array_find(topics, toppar->topic, NULL))
            g_ptr_array_add(topics, toppar->topic);
    }
    return topics;
}

/* Loads the committed state of suspects whose topics exist. */
static void
load_suspects(KabSource *source, GPtrArray *topics)
{
    for (guint i = 0; topics->len && i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (toppar->is_suspect && !toppar->partition &&
            g_ptr_array_find(topics, toppar->topic, NULL))
            kab_source_load_suspect(source, toppar, source->now + SETTLE_US);
    }
}

/* --- On the loop ------------------------------------------------------- */

static void
start_check(KabSource *source)
{
    KabTopicCheck *check = g_new0(KabTopicCheck, 1);
    check->client = source->client;
    check->topics = source->setup.topics;
    check->edge = source->setup.edge;
    check->suspects = list_suspects(source);
    check->thread = g_thread_new("kab:topics", run_check, check);
    source->check = check;
}

void
kab_source_clear_missing(KabSource *source)
{
    if (!source->check)
        return;
    g_thread_join(source->check->thread);
    g_ptr_array_unref(source->check->suspects);
    g_clear_pointer(&source->check, g_free);
}

static void
name_missing(KabSource *source, const char *topic)
{
    g_snprintf(source->missing, sizeof source->missing,
               "input topic %s does not exist yet", topic);
}

static void
note_missing(KabSource *source)
{
    if (source->missing_us)
        return;
    source->missing_us = source->now;
    g_strlcpy(source->missing, "an input topic does not exist yet",
              sizeof source->missing);
    source->check_due_us =
        source->now + MIN(AGAIN_US, source->setup.missing_topic_us);
}

void
kab_source_note_missing(KabSource *source, const char *topic)
{
    kab_source_log(source, KAB_LOG_WARNING, (KabPlace){topic, -1, -1},
                   "input topic %s does not exist: waiting for it", topic);
    note_missing(source);
    name_missing(source, topic);
    KabSourceTopic *known = kab_source_find_topic(source, topic);
    for (guint i = 0; known && i < known->toppars->len; i++)
        if (known->toppars->pdata[i])
            suspect_toppar(source, known->toppars->pdata[i]);
}

static bool
names_toppar(const char *reason, const KabToppar *toppar)
{
    g_autofree char *name =
        g_strdup_printf("%s [%d]:", toppar->topic->name, (int)toppar->number);
    return g_str_has_prefix(reason, name);
}

void
kab_source_suspect_missing(KabSource *source, const char *reason)
{
    note_missing(source);
    for (guint i = 0; i < source->toppars->len; i++)
        if (names_toppar(reason, source->toppars->pdata[i]))
            suspect_toppar(source, source->toppars->pdata[i]);
}

static void
fail_missing(KabSource *source, const char *topic)
{
    const KabSourceSetup *setup = &source->setup;
    const char *servers =
        kab_properties_lookup(KAB_CLIENT_CONSUMER, setup->properties,
                              setup->n_properties, "bootstrap.servers");
    kab_source_fail(source,
                    "input topic %s does not exist; create it: "
                    "kafka-topics.sh --bootstrap-server %s --create --topic "
                    "%s --partitions N",
                    topic, servers ? servers : "BROKER:9092", topic);
}

static void
take_result(KabSource *source)
{
    bool is_known = source->check->is_known;
    const char *missing = source->check->missing;
    load_suspects(source, source->check->suspects);
    kab_source_clear_missing(source);
    int64_t since_us = source->now - source->missing_us;
    if (missing)
        name_missing(source, missing);
    if (is_known && !missing)
        source->missing_us = 0;
    else if (!source->missing_us)
        source->missing_us = missing ? source->now : 0;
    else if (missing && since_us >= source->setup.missing_topic_us)
        fail_missing(source, missing);
    source->check_due_us = source->now + AGAIN_US;
    source->has_moved = true;
}

void
kab_source_serve_missing(KabSource *source)
{
    /* An outstanding commit may name a suspect: wait for it to end. */
    if (source->check && atomic_load(&source->check->is_done) && !source->items)
        take_result(source);
    if ((source->missing_us || source->n_suspects) && !source->check &&
        !source->has_failed && !kab_source_is_leaving(source) &&
        source->now >= source->check_due_us)
        start_check(source);
}

int64_t
kab_source_missing_deadline(const KabSource *source)
{
    bool is_wanted = source->missing_us || source->n_suspects;
    if (!is_wanted || source->check || source->has_failed ||
        kab_source_is_leaving(source))
        return INT64_MAX;
    return source->check_due_us;
}
