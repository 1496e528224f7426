/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the committed state: one request at a time, for all partitions that
 * need it then. A partition whose load fails, or waits for a transaction of
 * its previous owner, is asked for again.
 */
#include "source-internal.h"

#include "committed.h"
#include "refusal.h"

#define AGAIN_US INT64_C(100000)
#define AGAIN_AFTER_ERROR_US INT64_C(500000)
/* The maximum, because of KAB_QUIRK_ADMIN_TIMEOUT: a request that is pending
 * when the coordinator is found is then sent to it. As an outage may last
 * longer, none is begun during one. */
#define REQUEST_TIMEOUT_MS 3600000
/* A request is forgotten, and the next one sent, when it has had no answer for
 * this long and brokers have answered others (KAB_QUIRK_STUCK_BROKER). */
#define PATIENCE_US INT64_C(20000000)
#define PATIENCE_MAX_US INT64_C(600000000)
/* Send a probe when no broker has answered for this long. */
#define PROBE_US INT64_C(4000000)

static void
want_load(KabSource *source, KabToppar *toppar, int64_t due_us)
{
    toppar->load = KAB_LOAD_WANTED;
    if (!source->n_load_wanted++)
        source->load_due_us = due_us;
    else
        source->load_due_us = MIN(source->load_due_us, due_us);
}

void
kab_source_load(void *user, KabPartition *partition)
{
    KabSource *source = user;
    KabToppar *toppar = kab_partition_edge(partition);
    if (toppar->load == KAB_LOAD_NONE)
        want_load(source, toppar, 0);
}

void
kab_source_load_suspect(KabSource *source, KabToppar *toppar, int64_t due_us)
{
    if (toppar->load == KAB_LOAD_NONE)
        want_load(source, toppar, due_us);
}

void
kab_source_forget_load(KabSource *source, KabToppar *toppar)
{
    source->n_load_wanted -= toppar->load == KAB_LOAD_WANTED;
    toppar->load = KAB_LOAD_NONE;
    toppar->waits_for_transaction = false;
}

/* --- Asking ------------------------------------------------------------ */

static rd_kafka_topic_partition_list_t *
take_wanted(KabSource *source)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)source->n_load_wanted);
    for (guint i = 0; i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (toppar->load != KAB_LOAD_WANTED)
            continue;
        toppar->load = KAB_LOAD_ASKED;
        rd_kafka_topic_partition_list_add(list, toppar->topic->name,
                                          toppar->number);
    }
    source->n_load_wanted = 0;
    return list;
}

static void
ask_offsets(KabSource *source, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(
        source->client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_error_t *error =
        rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    g_assert(!error);
    int timeout_ms = source->setup.load_timeout_ms;
    rd_kafka_AdminOptions_set_request_timeout(
        options, timeout_ms ? timeout_ms : REQUEST_TIMEOUT_MS, NULL, 0);
    rd_kafka_AdminOptions_set_opaque(
        options, GSIZE_TO_POINTER((gsize)++source->load_serial));
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(source->setup.group, list);
    rd_kafka_ListConsumerGroupOffsets(source->client, &request, 1, options,
                                      source->admin);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_AdminOptions_destroy(options);
    source->is_load_out = true;
    source->load_asked_us = source->now;
}

/* While JoinGroup waits for other members, or a topic for its creation, the
 * client may send no request for minutes. A probe shows whether a broker is
 * there; its answer is ignored. */
static bool
must_probe(const KabSource *source)
{
    int64_t heard_us = kab_health_answered_us(source->health);
    return heard_us &&
           source->now - MAX(heard_us, source->probed_us) > PROBE_US;
}

static void
probe_coordinator(KabSource *source)
{
    const char *topic = source->setup.topics[0];
    source->probed_us = source->now;
    if (*topic == '^')
        return;
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    ask_offsets(source, list);
    source->is_probing = true;
}

/* --- The answer -------------------------------------------------------- */

static void
note_error(KabSource *source,
           KabPlace place,
           rd_kafka_resp_err_t err,
           const char *reason)
{
    if (err == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT)
        return;
    g_autofree char *grant = kab_source_dup_grant(source);
    if (kab_refusal_is_authorisation(err))
        kab_source_fail(source,
                        "the committed offsets of group %s may not be read: "
                        "%s. Grant Read on the group and on its topics: %s "
                        "--operation Read --group %s --topic %s",
                        source->setup.group, reason, grant, source->setup.group,
                        place.topic ? place.topic : source->setup.topics[0]);
    else
        kab_source_log_fault(
            source, KAB_LOG_WARNING, place,
            "the committed offset cannot be read, asking again: %s", reason);
}

/* Requests again every partition that was asked for and not answered. */
static void
ask_again(KabSource *source, int64_t delay_us)
{
    for (guint i = 0; i < source->toppars->len; i++) {
        KabToppar *toppar = source->toppars->pdata[i];
        if (toppar->load == KAB_LOAD_ASKED)
            want_load(source, toppar, source->now + delay_us);
    }
}

static void
decode_metadata(KabSource *source,
                const KabToppar *toppar,
                const rd_kafka_topic_partition_t *element,
                GArray *intervals)
{
    const char *problem;
    if (kab_committed_decode(element->metadata, element->metadata_size,
                             element->offset, intervals, &problem))
        return;
    kab_source_log(source, KAB_LOG_WARNING,
                   kab_toppar_place(toppar, element->offset),
                   "the metadata of the committed offset is not used, %s: "
                   "records finished beyond it are delivered again",
                   problem);
}

static void
give_loaded(KabSource *source,
            KabToppar *toppar,
            const rd_kafka_topic_partition_t *element)
{
    g_autoptr(GArray) intervals =
        g_array_new(false, false, sizeof(KabInterval));
    bool has_offset = element->offset >= 0;
    if (toppar->is_suspect) {
        kab_source_forget_load(source, toppar);
        kab_source_clear_suspect(source, toppar, has_offset);
        return;
    }
    toppar->has_committed |= has_offset;
    if (has_offset)
        decode_metadata(source, toppar, element, intervals);
    KabCommitted committed = {
        .has_offset = has_offset,
        .offset = element->offset,
        .intervals = (void *)intervals->data,
        .n_intervals = intervals->len,
    };
    kab_source_forget_load(source, toppar);
    kab_engine_loaded(source->setup.engine, toppar->partition, &committed,
                      source->now);
}

/* Check an element's error before its offset: an unstable one shows -1001 too,
 * and that is not "none committed". */
static void
take_element(KabSource *source, const rd_kafka_topic_partition_t *element)
{
    KabToppar *toppar =
        kab_source_find(source, element->topic, element->partition);
    if (!toppar || toppar->load != KAB_LOAD_ASKED)
        return;
    rd_kafka_resp_err_t err = element->err;
    if (!err) {
        give_loaded(source, toppar, element);
        return;
    }
    bool is_unstable = err == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
    toppar->waits_for_transaction = is_unstable;
    want_load(source, toppar,
              source->now + (is_unstable ? AGAIN_US : AGAIN_AFTER_ERROR_US));
    note_error(source, kab_toppar_place(toppar, -1), err,
               rd_kafka_err2str(err));
}

static void
take_groups(KabSource *source, rd_kafka_event_t *event)
{
    size_t n;
    const rd_kafka_group_result_t **groups =
        rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
    if (!n)
        return;
    const rd_kafka_error_t *error = rd_kafka_group_result_error(groups[0]);
    if (error) {
        note_error(source, KAB_NOWHERE, rd_kafka_error_code(error),
                   rd_kafka_error_string(error));
        return;
    }
    const rd_kafka_topic_partition_list_t *list =
        rd_kafka_group_result_partitions(groups[0]);
    for (int i = 0; list && i < list->cnt; i++)
        take_element(source, &list->elems[i]);
}

static void
take_answer(KabSource *source, rd_kafka_event_t *event)
{
    if (GPOINTER_TO_SIZE(rd_kafka_event_opaque(event)) != source->load_serial)
        return; /* forgotten */
    source->is_load_out = false;
    source->load_patience_us = 0;
    if (source->is_probing) {
        source->is_probing = false;
        return;
    }
    source->has_moved = true;
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (err)
        note_error(source, KAB_NOWHERE, err,
                   rd_kafka_event_error_string(event));
    else
        take_groups(source, event);
    ask_again(source, AGAIN_AFTER_ERROR_US);
}

/* Brokers that do not answer anything owe no answer to this request: its time
 * counts from their return. */
static bool
is_overdue(KabSource *source)
{
    int64_t patience_us = MAX(source->load_patience_us, PATIENCE_US);
    if (source->now - kab_health_answered_us(source->health) > PROBE_US)
        source->load_missed_us = source->now;
    return source->is_load_out &&
           source->now - MAX(source->load_asked_us, source->load_missed_us) >
               patience_us;
}

static void
forget_request(KabSource *source)
{
    source->load_patience_us =
        MIN(2 * MAX(source->load_patience_us, PATIENCE_US), PATIENCE_MAX_US);
    kab_source_log_fault(source, KAB_LOG_WARNING, KAB_NOWHERE,
                         "the request for the committed offsets has had no "
                         "answer for %d s, though brokers answer others: "
                         "asking again",
                         (int)((source->now - MAX(source->load_asked_us,
                                                  source->load_missed_us)) /
                               (int64_t)G_USEC_PER_SEC));
    source->is_load_out = source->is_probing = false;
    ask_again(source, 0);
}

void
kab_source_serve_loads(KabSource *source)
{
    g_autoptr(rd_kafka_event_t) event = rd_kafka_queue_poll(source->admin, 0);
    if (event)
        take_answer(source, event);
    if (is_overdue(source))
        forget_request(source);
    if (source->is_load_out || kab_source_is_leaving(source))
        return;
    if (kab_health_is_cut_off(source->health)) {
        source->load_due_us =
            MAX(source->load_due_us, source->now + AGAIN_AFTER_ERROR_US);
        return;
    }
    if (source->n_load_wanted && source->now >= source->load_due_us) {
        g_autoptr(rd_kafka_topic_partition_list_t) list = take_wanted(source);
        ask_offsets(source, list);
    } else if (must_probe(source)) {
        probe_coordinator(source);
    }
}
