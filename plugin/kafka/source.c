/* SPDX-License-Identifier: Apache-2.0 */
/* The source's life and its turns. What a turn serves, in this order: the
 * consumer's own queue (rebalances, errors), answers of commits and loads,
 * what they allow to be assigned, then records.
 */
#include "source-internal.h"

#include <stdarg.h>
#include <unistd.h>

#include "kabridge/error.h"

/* A group without a dead member has joined by then. */
#define PARTING_PATIENCE_US G_USEC_PER_SEC
#define DESTROY_PATIENCE_US (3 * G_USEC_PER_SEC)
#define LEAVE_PATIENCE_US (3 * G_USEC_PER_SEC)
/* Between two requests to join there may be none to give up. */
#define PARTING_RETRY_US (G_USEC_PER_SEC / 10)

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
kab_source_fail(KabSource *source, const char *format, ...)
{
    if (source->has_failed)
        return;
    source->has_failed = true;
    source->has_moved = true;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    kab_engine_fail(source->setup.engine, KAB_STOP_SOURCE, message,
                    source->now);
}

KabPlace
kab_toppar_place(const KabToppar *toppar, int64_t offset)
{
    return (KabPlace){toppar->topic->name, toppar->number, offset};
}

/* --- Made -------------------------------------------------------------- */

/* syslog's levels. An unreachable broker is an error to librdkafka, and
 * something to be waited for to us. Thread: rdkafka */
static void
on_log(const rd_kafka_t *client,
       int level,
       const char *facility,
       const char *text)
{
    const KabSource *source = rd_kafka_opaque(client);
    KabLogLevel ours = level <= 2   ? KAB_LOG_ERROR
                       : level <= 4 ? KAB_LOG_WARNING
                       : level <= 6 ? KAB_LOG_INFO
                                    : KAB_LOG_DEBUG;
    kab_source_log(source, ours, KAB_NOWHERE, "consumer: %s: %s", facility,
                   text);
}

/* What waits for the other members is given up: see serve_parting(). The
 * client must forget its subscription before it sees the request fail, or it
 * would join again. Thread: rdkafka's for that broker, which holds no lock
 * here. The client's main thread answers, and does not wait for this one
 * before the lock has been taken by end_parting(). */
static int
on_close_socket(int fd, void *user)
{
    KabSource *source = user;
    g_mutex_lock(&source->parting_lock);
    if (kab_health_note_closed(source->health, fd) && !source->is_ending)
        rd_kafka_unsubscribe(source->client);
    g_mutex_unlock(&source->parting_lock);
    return close(fd);
}

/* Before the client is destroyed. */
static void
end_parting(KabSource *source)
{
    g_mutex_lock(&source->parting_lock);
    source->is_ending = true;
    g_mutex_unlock(&source->parting_lock);
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
    rd_kafka_conf_set_opaque(conf, source);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, kab_source_on_error);
    rd_kafka_conf_set_rebalance_cb(conf, kab_source_on_rebalance);
    rd_kafka_conf_set_closesocket_cb(conf, on_close_socket);
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

/* librdkafka 2.0 frees the interceptors of a configuration that it refuses
 * late, and would free them again with it: so it is tried without them, and
 * leaked if it is refused all the same. */
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
watch(KabSource *source, rd_kafka_queue_t *queue)
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
    source->main = watch(source, rd_kafka_queue_get_consumer(client));
    source->outdated = watch(source, rd_kafka_queue_new(client));
    source->admin = watch(source, rd_kafka_queue_new(client));
    source->commits = watch(source, rd_kafka_queue_new(client));
    source->closing = watch(source, rd_kafka_queue_new(client));
}

static bool
subscribe(KabSource *source, GError **error)
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

KabSource *
kab_source_new(const KabSourceSetup *setup, GError **error)
{
    KabSource *source = g_new0(KabSource, 1);
    source->setup = *setup;
    g_mutex_init(&source->parting_lock);
    source->topics = g_hash_table_new(g_str_hash, g_str_equal);
    source->toppars = g_ptr_array_new();
    source->health = kab_health_new(setup->edge);
    g_queue_init(&source->events);
    if (rd_kafka_version() < 0x02020000) {
        source->username = get_property(source, "sasl.username");
        source->password = get_property(source, "sasl.password");
    }
    if (!make_client(source, error)) {
        kab_source_free(source);
        return NULL;
    }
    make_queues(source);
    if (!subscribe(source, error)) {
        kab_source_free(source);
        return NULL;
    }
    return source;
}

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

static bool
has_events(const KabSource *source)
{
    return source->events.length > 0;
}

static bool
owns_nothing(const KabSource *source)
{
    for (guint i = 0; i < source->toppars->len; i++)
        if (((KabToppar *)source->toppars->pdata[i])->partition)
            return false;
    return true;
}

/* A cooperative member without partitions that is closed does not tell the
 * group, in librdkafka 2.0 and in later sources alike: each rebalance would
 * wait for it until its session.timeout.ms is over. Without a subscription it
 * does. */
static void
leave_group(KabSource *source)
{
    if (owns_nothing(source))
        rd_kafka_unsubscribe(source->client);
    g_autoptr(rd_kafka_error_t) error =
        rd_kafka_consumer_close_queue(source->client, source->closing);
    source->is_close_refused = error != NULL;
    if (error)
        kab_source_log(source, KAB_LOG_WARNING, KAB_NOWHERE,
                       "leaving the group: %s", rd_kafka_error_string(error));
}

/* Behind a JoinGroup request the last commits, and the word that it leaves,
 * would reach the broker when the other members have joined: if one of them
 * is dead, when its session is over. The client would not wait so long, and
 * be another dead member. So the request is given up. */
static void
serve_parting(KabSource *source)
{
    if (!source->is_parting || !source->is_joining || source->is_cutting ||
        source->is_closing || source->now < source->part_due_us)
        return;
    source->has_waited = true;
    source->is_cutting = kab_health_cut_group(source->health);
    source->part_due_us = source->now + PARTING_RETRY_US;
}

/* Closed before it has found its coordinator again, the client would not say
 * that it leaves. */
static bool
waits_for_group(const KabSource *source)
{
    if (source->is_cutting)
        return !kab_health_has_left(source->health) &&
               source->now < source->leave_due_us;
    return source->is_joining && !source->has_waited;
}

static void
serve_leaving(KabSource *source)
{
    if (!source->is_leaving || source->is_closing || waits_for_group(source))
        return;
    source->is_closing = source->has_moved = true;
    leave_group(source);
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
    kab_source_rebalance(source);
    kab_source_serve_group(source);
    kab_source_serve_missing(source);
    serve_parting(source);
    serve_leaving(source);
    kab_source_take(source);
    return source->has_moved;
}

int64_t
kab_source_deadline(const KabSource *source)
{
    int64_t due = kab_source_missing_deadline(source);
    bool has_event = has_events(source);
    if (source->is_commit_refused || source->n_again ||
        (has_event ? !source->n_awaited : source->n_add_wanted > 0))
        return 0;
    if (source->is_parting && source->is_joining && !source->is_cutting &&
        !source->is_closing)
        due = MIN(due, source->part_due_us);
    if (source->is_leaving && !source->is_closing)
        due = waits_for_group(source) ? MIN(due, source->leave_due_us) : 0;
    if (source->n_load_wanted && !source->is_load_out)
        due = MIN(due, source->load_due_us);
    return due;
}

/* --- Ended ------------------------------------------------------------- */

void
kab_source_part(KabSource *source, int64_t now)
{
    if (source->is_parting)
        return;
    source->is_parting = true;
    source->part_due_us = now + PARTING_PATIENCE_US;
}

void
kab_source_close(KabSource *source)
{
    int64_t now = g_get_monotonic_time();
    kab_source_part(source, now);
    source->is_leaving = true;
    source->leave_due_us = now + LEAVE_PATIENCE_US;
    kab_source_end_assign(source);
}

bool
kab_source_is_closed(const KabSource *source)
{
    return source->is_close_refused ||
           (source->is_closing && !has_events(source) &&
            rd_kafka_consumer_closed(source->client));
}

/* librdkafka before 2.3 aborts when it destroys a client with a sticky
 * assignor that was answered to JoinGroup and never assigned anything. */
static bool
must_be_leaked(const KabSource *source)
{
    return source->client && rd_kafka_version() < 0x02030000 &&
           !source->was_assigned && kab_health_has_joined(source->health);
}

/* It keeps what its threads use, and no place in its group. */
static void
leak(KabSource *source)
{
    if (!source->is_closing)
        rd_kafka_unsubscribe(source->client);
    rd_kafka_set_log_level(source->client, 0);
    kab_health_detach(source->health);
}

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

/* A client that is being destroyed, by a thread of its own. Freed by that
 * thread when it is done, or never. */
typedef struct {
    rd_kafka_t *client;
    int flags;
    GAsyncQueue *done;
} Destruction;

static void *
destroy(void *data)
{
    Destruction *destruction = data;
    rd_kafka_destroy_flags(destruction->client, destruction->flags);
    g_async_queue_push(destruction->done, destruction->done);
    g_async_queue_unref(destruction->done);
    g_free(destruction);
    return NULL;
}

/* librdkafka 2.0 (not 2.16) never ends to destroy a client of which an
 * assigned topic was deleted: a broker's thread keeps its partitions. False:
 * the client lives on. */
static bool
destroy_client(KabSource *source)
{
    end_parting(source);
    bool is_closed = source->is_closing && !source->is_close_refused;
    Destruction *destruction = g_new0(Destruction, 1);
    g_autoptr(GAsyncQueue) done = g_async_queue_new();
    *destruction = (Destruction){
        .client = g_steal_pointer(&source->client),
        .flags = is_closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
        .done = g_async_queue_ref(done),
    };
    rd_kafka_set_log_level(destruction->client, 0);
    kab_health_detach(source->health);
    GThread *thread = g_thread_new("destroy", destroy, destruction);
    bool is_done = g_async_queue_timeout_pop(done, DESTROY_PATIENCE_US) != NULL;
    if (is_done)
        g_thread_join(thread);
    else
        g_thread_unref(thread);
    return is_done;
}

void
kab_source_free(KabSource *source)
{
    if (!source)
        return;
    kab_source_clear_missing(source);
    kab_source_clear_events(source);
    if (must_be_leaked(source)) {
        kab_source_close_queues(source);
        leak(source);
        return;
    }
    kab_source_clear_group(source);
    free_queues(source);
    if (source->client && !destroy_client(source))
        return;
    kab_health_free(source->health);
    kab_source_clear_topics(source);
    g_mutex_clear(&source->parting_lock);
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

void
kab_source_get_state(const KabSource *source,
                     int64_t now,
                     KabSourceState *ret_state)
{
    *ret_state = (KabSourceState){
        .is_member = source->is_member && !source->is_leaving,
        .is_rebalancing = has_events(source),
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
