/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's reader: reads the results back from the broker.
 *
 * It does not rely on the bridge: results are counted by the number in them,
 * and the committed offsets come from the broker.
 */
#include "demo.h"

#include <inttypes.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>

#include "bridge.h"

enum {
    N_SAMPLES = 12,
    BAR_CELLS = 24,
    POLL_MS = 100,
    QUIET_POLLS = 5,
    BROKER_TIMEOUT_MS = 10000,
};
static const int64_t patience_us = 30 * G_USEC_PER_SEC;

struct KabDemoReader {
    KabBridge *bridge;
    rd_kafka_t *consumer;
    unsigned n;
    uint8_t *seen; /* n counters: results per comment, at most 255 */
    KabDemoResult result;
    int64_t begun_us; /* when the bridge first took records; 0: not yet */
    int64_t last_us;  /* time of the last result; 0: none yet */
    KabTerminal out, progress;
    atomic_bool is_stopped;
    GThread *thread;
};

/* --- Shown ------------------------------------------------------------- */

static KabStyle
style_of(const char *mood)
{
    if (g_str_equal(mood, "happy"))
        return KAB_STYLE_GREEN;
    return g_str_equal(mood, "unhappy") ? KAB_STYLE_RED : KAB_STYLE_YELLOW;
}

static void
show_sample(const KabDemoReader *reader,
            int number,
            const char *text,
            const char *mood)
{
    const KabTerminal *out = &reader->out;
    kab_terminal_progress(&reader->progress, "");
    fprintf(out->stream, "  #%-6d %-36s %s──▶%s %s%s%s\n", number, text,
            kab_terminal_style(out, KAB_STYLE_SOFT),
            kab_terminal_style(out, KAB_STYLE_PLAIN),
            kab_terminal_style(out, style_of(mood)), mood,
            kab_terminal_style(out, KAB_STYLE_PLAIN));
    fflush(out->stream);
}

static void
show_progress(const KabDemoReader *reader, const KabBindingSnapshot *snapshot)
{
    const KabHistogram *sizes = &snapshot->counters.batch_records;
    g_autofree char *bar = kab_terminal_dup_bar(
        (double)reader->result.n_arrived / reader->n, BAR_CELLS);
    g_autofree char *line = g_strdup_printf(
        "  %s %u of %u; %" PRIu64
        " batches, %.1f records each; %zu in hand%s%s",
        bar, reader->result.n_arrived, reader->n, sizes->count,
        sizes->count ? (double)sizes->sum / (double)sizes->count : 0,
        snapshot->engine.records, snapshot->reason ? "; " : "",
        snapshot->reason ? snapshot->reason : "");
    kab_terminal_progress(&reader->progress, line);
}

/* The time needed to join the group is not counted against the function. */
static void
look_at_bridge(KabDemoReader *reader, int64_t now)
{
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(reader->bridge);
    if (snapshots->len == 0)
        return;
    const KabBindingSnapshot *snapshot = snapshots->pdata[0];
    if (!reader->begun_us && snapshot->counters.records_consumed)
        reader->begun_us = now;
    if (reader->progress.is_terminal)
        show_progress(reader, snapshot);
}

/* --- Read -------------------------------------------------------------- */

static void
count_result(KabDemoReader *reader, unsigned number, const json_t *result)
{
    if (reader->seen[number] < UINT8_MAX)
        reader->seen[number]++;
    if (reader->seen[number] > 1) {
        reader->result.n_repeated++;
        return;
    }
    unsigned step = MAX(reader->n / N_SAMPLES, 1);
    if (reader->result.n_arrived++ % step == 0)
        show_sample(reader, (int)number,
                    json_string_value(json_object_get(result, "text")),
                    json_string_value(json_object_get(result, "mood")));
}

static void
take_record(KabDemoReader *reader, const rd_kafka_message_t *message)
{
    json_t *result = json_loadb(message->payload, message->len, 0, NULL);
    json_int_t number = json_integer_value(json_object_get(result, "id"));
    if (json_string_value(json_object_get(result, "text")) &&
        json_string_value(json_object_get(result, "mood")) && number >= 0 &&
        number < reader->n)
        count_result(reader, (unsigned)number, result);
    json_decref(result);
    reader->last_us = g_get_monotonic_time();
}

/* Takes the next result if one arrives soon. */
static bool
take_next(KabDemoReader *reader)
{
    rd_kafka_message_t *message =
        rd_kafka_consumer_poll(reader->consumer, POLL_MS);
    if (!message)
        return false;
    if (!message->err)
        take_record(reader, message);
    rd_kafka_message_destroy(message);
    return true;
}

static gpointer
run_reader(gpointer user)
{
    KabDemoReader *reader = user;
    int64_t start_us = g_get_monotonic_time(), looked_us = 0;
    unsigned n_quiet = 0; /* empty polls in a row, once no more can come */
    while (reader->result.n_arrived < reader->n && n_quiet < QUIET_POLLS) {
        bool has_taken = take_next(reader);
        bool is_stopped = atomic_load(&reader->is_stopped);
        n_quiet = is_stopped && !has_taken ? n_quiet + 1 : 0;
        int64_t now = g_get_monotonic_time();
        if (now - MAX(start_us, reader->last_us) > patience_us)
            break;
        if (!is_stopped && now - looked_us > POLL_MS * 1000) {
            look_at_bridge(reader, now);
            looked_us = now;
        }
    }
    kab_terminal_progress(&reader->progress, "");
    if (!atomic_load(&reader->is_stopped))
        kab_bridge_stop(reader->bridge);
    return NULL;
}

/* --- Made and ended ---------------------------------------------------- */

static rd_kafka_topic_partition_list_t *
partitions_of(const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(KAB_DEMO_PARTITIONS);
    for (int i = 0; i < KAB_DEMO_PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = offset;
    return list;
}

static rd_kafka_t *
new_consumer(const char *brokers, GError **error)
{
    char message[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "client.id", "kabridge-demo-reader", NULL, 0);
    rd_kafka_conf_set(conf, "group.id", KAB_DEMO_GROUP, NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "50", NULL, 0);
    rd_kafka_t *consumer =
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, message, sizeof message);
    if (!consumer) {
        rd_kafka_conf_destroy(conf);
        g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL, "the reader: %s",
                    message);
        return NULL;
    }
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list =
        partitions_of(KAB_DEMO_OUTPUT, RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return consumer;
}

KabDemoReader *
kab_demo_reader_new(const char *brokers,
                    unsigned n,
                    KabBridge *bridge,
                    GError **error)
{
    rd_kafka_t *consumer = new_consumer(brokers, error);
    if (!consumer)
        return NULL;
    KabDemoReader *reader = g_new0(KabDemoReader, 1);
    reader->consumer = consumer;
    reader->bridge = bridge;
    reader->n = n;
    reader->seen = g_new0(uint8_t, n);
    reader->out = kab_terminal_of(stdout);
    reader->progress = kab_terminal_of(stderr);
    reader->thread = g_thread_new("reader", run_reader, reader);
    return reader;
}

/* The committed offsets on the broker; -1: the broker did not say. */
static int64_t
sum_committed(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *list =
        partitions_of(KAB_DEMO_INPUT, RD_KAFKA_OFFSET_INVALID);
    int64_t sum = 0;
    if (rd_kafka_committed(consumer, list, BROKER_TIMEOUT_MS))
        sum = -1;
    for (int i = 0; sum >= 0 && i < list->cnt; i++)
        sum += MAX(list->elems[i].offset, 0);
    rd_kafka_topic_partition_list_destroy(list);
    return sum;
}

static void
join_group(KabDemoReader *reader)
{
    atomic_store(&reader->is_stopped, true);
    if (reader->thread)
        g_thread_join(g_steal_pointer(&reader->thread));
}

void
kab_demo_reader_end(KabDemoReader *reader, KabDemoResult *ret_result)
{
    join_group(reader);
    *ret_result = reader->result;
    if (reader->begun_us && reader->last_us)
        ret_result->took_us = reader->last_us - reader->begun_us;
    ret_result->n_committed = sum_committed(reader->consumer);
}

void
kab_demo_reader_free(KabDemoReader *reader)
{
    if (!reader)
        return;
    join_group(reader);
    rd_kafka_consumer_close(reader->consumer);
    rd_kafka_destroy(reader->consumer);
    g_free(reader->seen);
    g_free(reader);
}
