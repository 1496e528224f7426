/* SPDX-License-Identifier: Apache-2.0 */
/* Replays in rounds: produce, wait for every acknowledgement, commit.
 *
 * A letter goes to the partition it came from, so that the records of a key
 * stay together whatever partitioner wrote them; if that partition no longer
 * exists, the partitioner chooses one. A crash between acknowledgement and
 * commit sends a round again: at least once, like everything here.
 */
#include "dlq-replay.h"

enum { ROUND = 500, TIMEOUT_MS = 60000, METADATA_TIMEOUT_MS = 10000 };

/* One letter of the round. */
typedef struct {
    rd_kafka_message_t *letter;
    bool is_sent; /* produced, or tried to */
    bool is_done; /* acknowledged, or only to be skipped */
    rd_kafka_resp_err_t fault;
} Item;

struct KabDlqReplay {
    KabDlqScan *scan;
    rd_kafka_t *producer;
    GHashTable *n_partitions; /* topic -> number of partitions plus one */
    GPtrArray *round;         /* Item, in the order of the scan */
    uint64_t n_acknowledged;
};

static void
free_item(void *data)
{
    Item *item = data;
    rd_kafka_message_destroy(item->letter);
    g_free(item);
}

static void
on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *user)
{
    Item *item = message->_private;
    item->fault = message->err;
    item->is_done = !message->err;
}

KabDlqReplay *
kab_dlq_replay_new(const KabBindingSettings *settings,
                   KabDlqScan *scan,
                   GError **error)
{
    char message[512];
    const GArray *properties = settings->producer;
    rd_kafka_conf_t *conf = kab_properties_new_conf(
        KAB_CLIENT_PRODUCER, (const KabProperty *)(void *)properties->data,
        properties->len, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set(conf, "message.timeout.ms", "30000", NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "5", NULL, 0);
    kab_properties_mute(conf);
    rd_kafka_t *producer =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof message);
    if (!producer) {
        rd_kafka_conf_destroy(conf);
        g_set_error_literal(error, KAB_ERROR, KAB_ERROR_CONFIG, message);
        return NULL;
    }
    KabDlqReplay *replay = g_new0(KabDlqReplay, 1);
    replay->scan = scan;
    replay->producer = producer;
    replay->n_partitions =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    replay->round = g_ptr_array_new_with_free_func(free_item);
    return replay;
}

/* 0: the broker did not say; producing will show whether the topic exists. */
static int
ask_n_partitions(KabDlqReplay *replay, const char *topic)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle =
        rd_kafka_topic_new(replay->producer, topic, NULL);
    int n = 0;
    if (!rd_kafka_metadata(replay->producer, 0, handle, &metadata,
                           METADATA_TIMEOUT_MS)) {
        n = metadata->topic_cnt ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(handle);
    return n;
}

static int32_t
choose_partition(KabDlqReplay *replay, const KabLetterView *view)
{
    gpointer found = g_hash_table_lookup(replay->n_partitions, view->topic);
    if (!found) {
        int n = ask_n_partitions(replay, view->topic);
        found = GINT_TO_POINTER(n + 1);
        g_hash_table_insert(replay->n_partitions, g_strdup(view->topic), found);
    }
    int n = GPOINTER_TO_INT(found) - 1;
    return n && view->partition >= n ? RD_KAFKA_PARTITION_UA : view->partition;
}

static void
send_back(KabDlqReplay *replay, Item *item, const KabLetterView *view)
{
    const rd_kafka_message_t *letter = item->letter;
    rd_kafka_headers_t *headers = kab_letter_view_new_headers(view, letter);
    const rd_kafka_vu_t units[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = view->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION,
         .u.i32 = choose_partition(replay, view)},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {letter->key, letter->key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {letter->payload, letter->len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP,
         .u.i64 = MAX(view->timestamp_ms, 0)},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = item},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(replay->producer, units, G_N_ELEMENTS(units));
    item->fault = rd_kafka_error_code(error);
    if (item->fault)
        rd_kafka_headers_destroy(headers);
    rd_kafka_error_destroy(error);
}

bool
kab_dlq_replay_add(KabDlqReplay *replay,
                   rd_kafka_message_t *letter,
                   const KabLetterView *view,
                   GError **error)
{
    Item *item = g_new0(Item, 1);
    item->letter = letter;
    item->is_sent = view != NULL;
    item->is_done = !item->is_sent;
    g_ptr_array_add(replay->round, item);
    if (view)
        send_back(replay, item, view);
    return replay->round->len < ROUND || kab_dlq_replay_flush(replay, error);
}

/* Passes each partition's letters up to its first one that is not done. */
static const Item *
pass_done(KabDlqReplay *replay)
{
    const Item *failed = NULL;
    g_autoptr(GHashTable) stopped = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < replay->round->len; i++) {
        const Item *item = replay->round->pdata[i];
        gpointer number = GINT_TO_POINTER(item->letter->partition);
        if (!item->is_done) {
            g_hash_table_add(stopped, number);
            failed = failed ? failed : item;
        } else if (!g_hash_table_contains(stopped, number)) {
            kab_dlq_scan_pass(replay->scan, item->letter);
        }
    }
    return failed;
}

bool
kab_dlq_replay_flush(KabDlqReplay *replay, GError **error)
{
    rd_kafka_flush(replay->producer, TIMEOUT_MS);
    for (guint i = 0; i < replay->round->len; i++) {
        const Item *item = replay->round->pdata[i];
        replay->n_acknowledged += item->is_sent && item->is_done;
    }
    const Item *failed = pass_done(replay);
    g_autoptr(GError) fault = NULL;
    if (failed)
        g_set_error(&fault, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "letter %d:%" G_GINT64_FORMAT " could not be sent back: %s",
                    failed->letter->partition, failed->letter->offset,
                    failed->fault ? rd_kafka_err2str(failed->fault)
                                  : "it was not acknowledged");
    bool is_committed = kab_dlq_scan_commit(replay->scan, fault ? NULL : error);
    if (fault) {
        /* Delivery reports may still come for unacknowledged letters. */
        rd_kafka_purge(replay->producer,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(replay->producer, TIMEOUT_MS);
        g_propagate_error(error, g_steal_pointer(&fault));
        is_committed = false;
    }
    g_ptr_array_set_size(replay->round, 0);
    return is_committed;
}

uint64_t
kab_dlq_replay_count(const KabDlqReplay *replay)
{
    return replay->n_acknowledged;
}

void
kab_dlq_replay_free(KabDlqReplay *replay)
{
    if (!replay)
        return;
    rd_kafka_destroy(replay->producer);
    g_hash_table_unref(replay->n_partitions);
    g_ptr_array_unref(replay->round);
    g_free(replay);
}
