/* SPDX-License-Identifier: Apache-2.0 */
/* A scan of a topic: partitions assigned manually, each with its own end
 * offset.
 */
#include "dlq-scan.h"

#include "group.h"
#include "rdkafka-auto.h"

enum { TIMEOUT_MS = 15000 };

typedef struct {
    int64_t next, end; /* offsets */
    int64_t committed; /* by the replay group; -1: none */
    int64_t passed;    /* to be committed next; -1: nothing new */
} Toppar;

struct KabDlqScan {
    const char *topic;
    rd_kafka_t *client;
    GArray *toppars; /* Toppar, indexed by partition */
};

static Toppar *
toppar_of(const KabDlqScan *scan, int32_t number)
{
    g_assert(number >= 0 && (guint)number < scan->toppars->len);
    return &g_array_index(scan->toppars, Toppar, number);
}

static bool
set_fault(const KabDlqScan *scan,
          const char *what,
          const char *why,
          GError **error)
{
    g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE, "%s: %s: %s",
                scan->topic, what, why);
    return false;
}

/* --- Opened ------------------------------------------------------------ */

static bool
count_partitions(KabDlqScan *scan, GError **error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic =
        rd_kafka_topic_new(scan->client, scan->topic, NULL);
    rd_kafka_resp_err_t fault =
        rd_kafka_metadata(scan->client, 0, topic, &metadata, TIMEOUT_MS);
    if (!fault && metadata->topic_cnt == 1)
        fault = metadata->topics[0].err;
    if (!fault)
        g_array_set_size(scan->toppars,
                         (guint)metadata->topics[0].partition_cnt);
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return !fault ||
           set_fault(scan, "its partitions", rd_kafka_err2str(fault), error);
}

static rd_kafka_topic_partition_list_t *
new_list(const KabDlqScan *scan)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)scan->toppars->len);
    for (guint i = 0; i < scan->toppars->len; i++)
        rd_kafka_topic_partition_list_add(list, scan->topic, (int32_t)i);
    return list;
}

static bool
load_committed(KabDlqScan *scan, GError **error)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list = new_list(scan);
    rd_kafka_resp_err_t fault =
        rd_kafka_committed(scan->client, list, TIMEOUT_MS);
    if (fault)
        return set_fault(scan, "what was replayed", rd_kafka_err2str(fault),
                         error);
    for (int i = 0; i < list->cnt; i++)
        toppar_of(scan, i)->committed = MAX(list->elems[i].offset, -1);
    return true;
}

static bool
find_ends(KabDlqScan *scan, KabDlqStart start, GError **error)
{
    for (guint i = 0; i < scan->toppars->len; i++) {
        Toppar *toppar = toppar_of(scan, (int32_t)i);
        int64_t low, high;
        rd_kafka_resp_err_t fault = rd_kafka_query_watermark_offsets(
            scan->client, scan->topic, (int32_t)i, &low, &high, TIMEOUT_MS);
        if (fault)
            return set_fault(scan, "its end", rd_kafka_err2str(fault), error);
        toppar->passed = -1;
        toppar->end = high;
        toppar->next = low;
        if (start == KAB_DLQ_FROM_COMMITTED)
            toppar->next = MAX(low, toppar->committed);
    }
    return true;
}

static bool
assign_toppars(KabDlqScan *scan, GError **error)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list = new_list(scan);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = toppar_of(scan, i)->next;
    rd_kafka_resp_err_t fault = rd_kafka_assign(scan->client, list);
    return !fault ||
           set_fault(scan, "reading it", rd_kafka_err2str(fault), error);
}

KabDlqScan *
kab_dlq_scan_new(const KabBindingSettings *settings,
                 KabDlqStart start,
                 GError **error)
{
    g_autofree char *group = g_strconcat(settings->group, "-dlq", NULL);
    rd_kafka_t *client = kab_group_new_client(settings, group, error);
    if (!client)
        return NULL;
    rd_kafka_poll_set_consumer(client);
    g_autoptr(KabDlqScan) scan = g_new0(KabDlqScan, 1);
    scan->topic = settings->dead_letter_topic;
    scan->client = client;
    scan->toppars = g_array_new(FALSE, TRUE, sizeof(Toppar));
    if (!count_partitions(scan, error) || !load_committed(scan, error) ||
        !find_ends(scan, start, error) || !assign_toppars(scan, error))
        return NULL;
    return g_steal_pointer(&scan);
}

/* --- Read -------------------------------------------------------------- */

static bool
is_over(const KabDlqScan *scan)
{
    for (guint i = 0; i < scan->toppars->len; i++)
        if (toppar_of(scan, (int32_t)i)->next <
            toppar_of(scan, (int32_t)i)->end)
            return false;
    return true;
}

/* Updates the position from a message; true: it is a letter before the end. */
static bool
note_position(KabDlqScan *scan, const rd_kafka_message_t *message)
{
    Toppar *toppar = toppar_of(scan, message->partition);
    bool is_letter = !message->err && message->offset < toppar->end;
    toppar->next = message->offset + (message->err ? 0 : 1);
    return is_letter;
}

rd_kafka_message_t *
kab_dlq_scan_next(KabDlqScan *scan, GError **error)
{
    while (!is_over(scan)) {
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(scan->client, TIMEOUT_MS);
        if (!message) {
            set_fault(scan, "reading it", "the broker does not answer", error);
            return NULL;
        }
        bool is_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err && !is_end) {
            set_fault(scan, "reading it", rd_kafka_message_errstr(message),
                      error);
            rd_kafka_message_destroy(message);
            return NULL;
        }
        if (note_position(scan, message))
            return message;
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

bool
kab_dlq_scan_is_replayed(const KabDlqScan *scan,
                         const rd_kafka_message_t *letter)
{
    return letter->offset < toppar_of(scan, letter->partition)->committed;
}

/* --- Committed --------------------------------------------------------- */

void
kab_dlq_scan_pass(KabDlqScan *scan, const rd_kafka_message_t *letter)
{
    toppar_of(scan, letter->partition)->passed = letter->offset + 1;
}

bool
kab_dlq_scan_commit(KabDlqScan *scan, GError **error)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new((int)scan->toppars->len);
    for (guint i = 0; i < scan->toppars->len; i++) {
        int64_t passed = toppar_of(scan, (int32_t)i)->passed;
        if (passed >= 0)
            rd_kafka_topic_partition_list_add(list, scan->topic, (int32_t)i)
                ->offset = passed;
        toppar_of(scan, (int32_t)i)->passed = -1;
    }
    if (!list->cnt)
        return true;
    rd_kafka_resp_err_t fault = rd_kafka_commit(scan->client, list, 0);
    return !fault || set_fault(scan, "committing what was replayed",
                               rd_kafka_err2str(fault), error);
}

void
kab_dlq_scan_free(KabDlqScan *scan)
{
    if (!scan)
        return;
    rd_kafka_consumer_close(scan->client);
    rd_kafka_destroy(scan->client);
    g_array_unref(scan->toppars);
    g_free(scan);
}
