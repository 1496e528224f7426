/* SPDX-License-Identifier: Apache-2.0 */
/* The source's life and its turns. A turn serves, in this order: the
 * consumer's own queue (rebalances, errors), answers to commits and loads,
 * assignments that those allow, then records.
 */
#include "source-internal.h"

#include <stdarg.h>

#include "internal-topics.h"
#include "kabridge/error.h"
#include "message.h"
#include "quirks.h"

/* A consumer hears from a broker at each fetch and each heartbeat. */
#define ANSWER_US (30 * G_USEC_PER_SEC)

void
kab_source_log(const KabSource *source,
               KabLogLevel level,
               KabPlace place,
               const char *format,
               ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    const KabEdge *edge = source->setup.edge;
    edge->log(edge->user, level, place, message);
}

void
kab_source_log_fault(KabSource *source,
                     KabLogLevel level,
                     KabPlace place,
                     const char *format,
                     ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    kab_edge_log_some(source->setup.edge, &source->fault_lines, level, place,
                      message, source->now);
}

static void G_GNUC_PRINTF(3, 0) fail_source(KabSource *source,
                                            KabStopReason reason,
                                            const char *format,
                                            va_list arguments)
{
    if (source->has_failed)
        return;
    source->has_failed = true;
    source->has_moved = true;
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    kab_engine_fail(source->setup.engine, reason, message, source->now);
}

void
kab_source_fail(KabSource *source, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_source(source, KAB_STOP_SOURCE, format, arguments);
    va_end(arguments);
}

void
kab_source_expire(KabSource *source, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_source(source, KAB_STOP_EXPIRED, format, arguments);
    va_end(arguments);
}

KabPlace
kab_toppar_place(const KabToppar *toppar, int64_t offset)
{
    return (KabPlace){toppar->topic->name, toppar->number, offset};
}

/* --- Made -------------------------------------------------------------- */

/* Thread: rdkafka */
static void
on_log(const rd_kafka_t *client,
       int level,
       const char *facility,
       const char *text)
{
    const KabSource *source = rd_kafka_opaque(client);
    kab_source_log(source, kab_edge_client_level(level, facility), KAB_NOWHERE,
                   "consumer: %s: %s", facility, text);
}

static rd_kafka_conf_t *
make_conf(KabSource *source, GError **error)
{
    const KabSourceSetup *setup = &source->setup;
    rd_kafka_conf_t *conf = kab_properties_new_conf(
        KAB_CLIENT_CONSUMER, setup->properties, setup->n_properties, error);
    if (!conf)
        return NULL;
    rd_kafka_conf_set(conf, "group.id", setup->group, NULL, 0);
    kab_internal_topics_hide(conf, setup->topics);
    rd_kafka_conf_set_opaque(conf, source);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, kab_source_on_error);
    rd_kafka_conf_set_rebalance_cb(conf, kab_source_on_rebalance);
    rd_kafka_conf_set_closesocket_cb(conf, kab_source_on_close_socket);
    kab_health_observe(source->health, conf);
    return conf;
}

static bool
is_possible(const KabSource *source, GError **error)
{
    g_autofree char *sentence = NULL;
    if (kab_properties_try(KAB_CLIENT_CONSUMER, source->setup.properties,
                           source->setup.n_properties, &sentence))
        return true;
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG, "consumer: %s", sentence);
    return false;
}

static const char *
get_property(const KabSource *source, const char *name)
{
    const char *value =
        kab_properties_lookup(KAB_CLIENT_CONSUMER, source->setup.properties,
                              source->setup.n_properties, name);
    return value ? value : "";
}

/* KAB_QUIRK_INTERCEPTORS_FREED_TWICE: try the configuration without
 * interceptors first; if it is refused with them all the same, leak it. */
static bool
make_client(KabSource *source, GError **error)
{
    rd_kafka_conf_t *conf =
        is_possible(source, error) ? make_conf(source, error) : NULL;
    if (!conf)
        return false;
    char reason[512];
    source->client =
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (source->client)
        return true;
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG, "consumer: %s", reason);
    return false;
}

static rd_kafka_queue_t *
watch_queue(KabSource *source, rd_kafka_queue_t *queue)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, source->setup.edge->wake_fd, &one,
                                   sizeof one);
    return queue;
}

static void
make_queues(KabSource *source)
{
    rd_kafka_t *client = source->client;
    rd_kafka_poll_set_consumer(client);
    source->main = watch_queue(source, rd_kafka_queue_get_consumer(client));
    source->outdated = watch_queue(source, rd_kafka_queue_new(client));
    source->admin = watch_queue(source, rd_kafka_queue_new(client));
    source->commits = watch_queue(source, rd_kafka_queue_new(client));
    source->closing = watch_queue(source, rd_kafka_queue_new(client));
}

static bool
subscribe_topics(KabSource *source, GError **error)
{
    g_autoptr(rd_kafka_topic_partition_list_t) list =
        rd_kafka_topic_partition_list_new(4);
    for (const char *const *topic = source->setup.topics; *topic; topic++)
        rd_kafka_topic_partition_list_add(list, *topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(source->client, list);
    if (err)
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "input.topics: librdkafka refuses them: %s",
                    rd_kafka_err2str(err));
    return !err;
}

static void
warn_of_properties(const KabSource *source)
{
    const KabSourceSetup *setup = &source->setup;
    g_autofree char *warning = kab_properties_dup_warning(
        KAB_CLIENT_CONSUMER, setup->properties, setup->n_properties);
    if (warning)
        kab_source_log(source, KAB_LOG_WARNING, KAB_NOWHERE, "%s", warning);
}

KabSource *
kab_source_new(const KabSourceSetup *setup, GError **error)
{
    KabSource *source = g_new0(KabSource, 1);
    source->setup = *setup;
    source->header_use = kab_message_header_use(setup->passes_headers);
    g_mutex_init(&source->cut_lock);
    source->topics = g_hash_table_new(g_str_hash, g_str_equal);
    source->toppars = g_ptr_array_new();
    source->generation = -1;
    source->health =
        kab_health_new(setup->edge, get_property(source, "bootstrap.servers"));
    g_queue_init(&source->events);
    if (kab_quirk_applies(KAB_QUIRK_SLEEPING_FETCHER)) {
        source->username = get_property(source, "sasl.username");
        source->password = get_property(source, "sasl.password");
        source->wake_records = kab_source_wake_records(
            strtoul(get_property(source, "queued.min.messages"), NULL, 10));
    }
    if (!make_client(source, error)) {
        kab_source_free(source);
        return NULL;
    }
    make_queues(source);
    kab_source_limit_hold(source);
    warn_of_properties(source);
    if (!subscribe_topics(source, error)) {
        kab_source_free(source);
        return NULL;
    }
    return source;
}

static void
release_message(void *user, void *message)
{
    kab_message_release(message);
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    return kab_message_detach(message, record);
}

const KabSourcePort kab_source_port = {
    .load = kab_source_load,
    .add = kab_source_add,
    .unassign = kab_source_unassign,
    .valve = kab_source_valve,
    .commit = kab_source_commit,
    .release_message = release_message,
    .detach_message = detach_message,
};

/* --- Turned ------------------------------------------------------------ */

static void
serve_joining(KabSource *source)
{
    bool is_joining = kab_health_is_joining(source->health, source->now);
    if (is_joining == source->is_joining)
        return;
    source->is_joining = is_joining;
    source->has_moved = true;
    kab_engine_set_joining(source->setup.engine, is_joining);
}

/* A load that is not answered, or silence of all brokers: must_probe() in
 * source-load.c asks them meanwhile. */
static void
serve_stuck(KabSource *source)
{
    int64_t since_us = kab_health_answered_us(source->health);
    if (kab_source_is_closing(source))
        return;
    if (source->is_load_out)
        since_us = MIN(since_us, source->load_asked_us);
    if (kab_health_revive(source->health, source->client, since_us,
                          source->now))
        kab_source_log(source, KAB_LOG_DEBUG, KAB_NOWHERE,
                       "consumer: given its brokers again");
}

bool
kab_source_turn(KabSource *source, int64_t now)
{
    source->now = now;
    source->has_moved = false;
    kab_source_serve_main(source);
    serve_joining(source);
    kab_source_serve_commits(source);
    kab_source_serve_loads(source);
    serve_stuck(source);
    kab_source_rebalance(source);
    kab_source_serve_group(source);
    kab_source_serve_missing(source);
    kab_source_serve_leaving(source);
    kab_source_take(source);
    return source->has_moved;
}

int64_t
kab_source_deadline(const KabSource *source)
{
    int64_t due = MIN(kab_source_missing_deadline(source),
                      kab_source_commit_deadline(source));
    bool has_event = source->events.length > 0;
    if (source->n_reassign ||
        (has_event ? !source->n_awaited : source->n_add_wanted > 0))
        return 0;
    if (source->is_joining)
        due = MIN(due, kab_health_joining_until(source->health));
    due = MIN(due, kab_source_leave_deadline(source));
    if (source->n_load_wanted && !source->is_load_out)
        due = MIN(due, source->load_due_us);
    return due;
}

/* --- Ended ------------------------------------------------------------- */

static void
free_queues(KabSource *source)
{
    kab_source_close_queues(source);
    g_clear_pointer(&source->main, rd_kafka_queue_destroy);
    g_clear_pointer(&source->outdated, rd_kafka_queue_destroy);
    g_clear_pointer(&source->admin, rd_kafka_queue_destroy);
    g_clear_pointer(&source->commits, rd_kafka_queue_destroy);
    g_clear_pointer(&source->closing, rd_kafka_queue_destroy);
}

void
kab_source_free(KabSource *source)
{
    if (!source)
        return;
    kab_source_clear_missing(source);
    kab_source_clear_events(source);
    if (kab_source_must_be_leaked(source)) {
        kab_source_close_queues(source);
        kab_source_leak(source);
        return;
    }
    kab_source_clear_group(source);
    free_queues(source);
    if (source->client && !kab_source_destroy_client(source))
        return;
    kab_health_free(source->health);
    kab_source_clear_topics(source);
    g_mutex_clear(&source->cut_lock);
    g_free(source);
}

/* --- Looked at --------------------------------------------------------- */

static size_t
count_waiting_for_transaction(const KabSource *source)
{
    size_t n = 0;
    for (guint i = 0; source->n_load_wanted && i < source->toppars->len; i++)
        n += ((KabToppar *)source->toppars->pdata[i])->waits_for_transaction;
    return n;
}

bool
kab_source_brokers_answer(void *user)
{
    const KabSource *source = user;
    char name[1];
    return source->now - kab_health_answered_us(source->health) < ANSWER_US &&
           !kab_health_find_silent(source->health, source->now, name,
                                   sizeof name);
}

void
kab_source_get_state(const KabSource *source,
                     int64_t now,
                     KabSourceState *ret_state)
{
    *ret_state = (KabSourceState){
        .is_member = source->is_member && !kab_source_is_leaving(source),
        .is_rebalancing = source->events.length > 0,
        .is_joining = source->is_joining,
        .answered_us = kab_health_answered_us(source->health),
        .waits_for = source->missing_us ? source->missing : NULL,
        .n_waiting_for_transaction = count_waiting_for_transaction(source),
        .rebalance_us = source->rebalance_us,
        .skipped_ranges = source->skipped_ranges,
    };
    ret_state->has_silent_broker =
        kab_health_find_silent(source->health, now, ret_state->silent_broker,
                               sizeof ret_state->silent_broker);
    for (size_t i = 0; i < KAB_N_REBALANCES; i++)
        ret_state->rebalances[i] = source->rebalances[i];
}
