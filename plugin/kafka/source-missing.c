/* SPDX-License-Identifier: Apache-2.0 */
/* Input topics that do not exist.
 *
 * librdkafka says so once and goes on looking; that one came into being it
 * tells only to the member who gets its partitions. So while one is missing,
 * a thread asks the brokers now and then (the call blocks). One that is
 * missing too long stops the binding.
 */
#include "source-internal.h"

#include <stdatomic.h>
#include <string.h>

#define AGAIN_US (5 * INT64_C(1000000))
#define TIMEOUT_MS 5000

struct KabTopicCheck {
    rd_kafka_t *client;        /* borrowed */
    const char *const *topics; /* borrowed: input.topics */
    const KabEdge *edge;
    GThread *thread;
    atomic_bool is_done;
    /* Its result, when done. */
    bool is_known;
    const char *missing; /* one of topics; NULL: all are there */
};

/* --- On its thread ----------------------------------------------------- */

/* False: nobody answered. */
static bool
look(const KabTopicCheck *check, const char *name, bool *ret_is_missing)
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

static void *
run(void *data)
{
    KabTopicCheck *check = data;
    check->is_known = true;
    const char *const *topic = check->topics;
    for (; *topic && check->is_known && !check->missing; topic++) {
        bool is_missing = false;
        if (**topic == '^')
            continue;
        check->is_known = look(check, *topic, &is_missing);
        if (is_missing)
            check->missing = *topic;
    }
    atomic_store(&check->is_done, true);
    kab_edge_wake(check->edge);
    return NULL;
}

/* --- On the loop ------------------------------------------------------- */

static void
start(KabSource *source)
{
    KabTopicCheck *check = g_new0(KabTopicCheck, 1);
    check->client = source->client;
    check->topics = source->setup.topics;
    check->edge = source->setup.edge;
    check->thread = g_thread_new("kab:topics", run, check);
    source->check = check;
}

void
kab_source_clear_missing(KabSource *source)
{
    if (!source->check)
        return;
    g_thread_join(source->check->thread);
    g_clear_pointer(&source->check, g_free);
}

static void
name_missing(KabSource *source, const char *topic)
{
    g_snprintf(source->missing, sizeof source->missing,
               "input topic %s does not exist yet", topic);
}

void
kab_source_note_missing(KabSource *source, const char *topic)
{
    kab_source_log(source, KAB_LOG_WARNING, (KabPlace){topic, -1, -1},
                   "input topic %s does not exist: waiting for it", topic);
    kab_source_suspect_missing(source);
    name_missing(source, topic);
}

void
kab_source_suspect_missing(KabSource *source)
{
    if (source->missing_us)
        return;
    source->missing_us = source->now;
    g_strlcpy(source->missing, "an input topic does not exist yet",
              sizeof source->missing);
    source->check_due_us =
        source->now + MIN(AGAIN_US, source->setup.missing_topic_us);
}

static void
take_result(KabSource *source)
{
    bool is_known = source->check->is_known;
    const char *missing = source->check->missing;
    kab_source_clear_missing(source);
    int64_t since_us = source->now - source->missing_us;
    if (missing)
        name_missing(source, missing);
    if (is_known && !missing)
        source->missing_us = 0;
    else if (missing && since_us >= source->setup.missing_topic_us)
        kab_source_fail(source,
                        "input topic %s does not exist. Create it: "
                        "kafka-topics.sh --create --topic %s "
                        "--bootstrap-server …",
                        missing, missing);
    source->check_due_us = source->now + AGAIN_US;
    source->has_moved = true;
}

void
kab_source_serve_missing(KabSource *source)
{
    if (source->check && atomic_load(&source->check->is_done))
        take_result(source);
    if (source->missing_us && !source->check && !source->has_failed &&
        !source->is_leaving && source->now >= source->check_due_us)
        start(source);
}

int64_t
kab_source_missing_deadline(const KabSource *source)
{
    if (!source->missing_us || source->check || source->has_failed)
        return INT64_MAX;
    return source->check_due_us;
}
