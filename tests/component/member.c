/* SPDX-License-Identifier: Apache-2.0 */
#include "member.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

/* --- Effects ----------------------------------------------------------- */

static void
invoke(void *user, KabAttempt *attempt)
{
    g_ptr_array_add(((Member *)user)->calls, attempt);
}

static void
ignore_attempt(void *user, KabAttempt *attempt)
{
    (void)user;
    (void)attempt;
}

static void
ignore_epoch(void *user, uint32_t epoch)
{
    (void)user;
    (void)epoch;
}

static void
end_transaction(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    (void)user;
    (void)epoch;
    (void)items;
    (void)n;
}

static void
stop(void *user, KabStopReason reason, const char *message)
{
    Member *member = user;
    (void)reason;
    member->is_stopped = true;
    member->stop_message = g_strdup(message);
}

static const KabCallPort call_port = {
    .invoke = invoke,
    .cancel = ignore_attempt,
    .release_attempt = ignore_attempt,
};

static const KabSinkPort sink_port = {
    .replace = ignore_epoch,
    .begin = ignore_epoch,
    .end = end_transaction,
    .abort = ignore_epoch,
};

static const KabOwnerPort owner_port = {.stop = stop};

static void
connect_ports(Member *member)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = member,
        .source = &kab_source_port,
        .source_user = member->source,
        .sinks = {{&sink_port, member}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = member,
    };
    kab_engine_connect(member->engine, &ports);
}

/* --- Made -------------------------------------------------------------- */

static void
log_line(void *user, KabLogLevel level, KabPlace place, const char *message)
{
    Member *member = user;
    (void)place;
    pthread_mutex_lock(member->mutex);
    g_string_append_printf(member->log, "%d %s\n", (int)level, message);
    pthread_mutex_unlock(member->mutex);
    if (g_getenv("KAB_TEST_LOG"))
        g_printerr("%.3f %p %d %s\n", (double)g_get_monotonic_time() / 1e6,
                   (void *)member, (int)level, message);
}

static void
make_engine(Member *member)
{
    const MemberSetup *setup = &member->setup;
    member->options = (KabEngineOptions){
        .start_latest = setup->start_latest,
        .batch_count = setup->batch_count ? setup->batch_count : 64,
        .batch_bytes = 1 << 20,
        .max_in_flight = 2,
        .threads = 2,
        .buffer_bytes = setup->buffer_bytes ? setup->buffer_bytes : 64 << 20,
        .commit_interval_us = setup->commit_interval_us,
        .transaction_interval_us = 100000,
        .retry_max_attempts = 3,
        .retry_backoff_us = 100000,
        .retry_backoff_max_us = 100000,
        .rebalance_drain_timeout_us = 10000000,
        .shutdown_timeout_us = 25000000,
        .stall_timeout_us = 60000000,
        .metadata_cap = 3000,
    };
    member->engine = kab_engine_new(&member->options);
}

/* fetch.wait.max.ms is kept short: the mock cluster answers an idle fetch only
 * after it. */
static void
make_source(Member *member)
{
    const MemberSetup *setup = &member->setup;
    KabProperty *properties = member->properties;
    size_t n = 0;
    properties[n++] = (KabProperty){"bootstrap.servers", setup->bootstrap};
    properties[n++] = (KabProperty){"fetch.wait.max.ms", "10"};
    properties[n++] = (KabProperty){"heartbeat.interval.ms", "200"};
    if (g_getenv("KAB_TEST_DEBUG"))
        properties[n++] = (KabProperty){"debug", g_getenv("KAB_TEST_DEBUG")};
    for (const KabProperty *p = setup->properties; p->name; p++)
        properties[n++] = *p;
    KabSourceSetup source = {
        .edge = &member->edge,
        .engine = member->engine,
        .group = setup->group,
        .topics = setup->topics,
        .outputs = setup->outputs,
        .properties = properties,
        .passes_headers = true,
        .n_properties = n,
        .load_timeout_ms = setup->load_timeout_ms,
        .missing_topic_us =
            setup->missing_topic_us ? setup->missing_topic_us : 60000000,
    };
    g_autoptr(GError) error = NULL;
    member->source = kab_source_new(&source, &error);
    g_assert_no_error(error);
}

Member *
member_new(const MemberSetup *setup)
{
    Member *member = g_new0(Member, 1);
    member->setup = *setup;
    member->calls = g_ptr_array_new();
    member->seen = g_array_new(FALSE, FALSE, sizeof(Seen));
    member->log = g_string_new(NULL);
    member->mutex = g_new0(pthread_mutex_t, 1);
    pthread_mutex_init(member->mutex, NULL);
    member->edge = (KabEdge){
        .user = member,
        .binding = "test",
        .log = log_line,
        .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
    };
    make_engine(member);
    make_source(member);
    connect_ports(member);
    kab_engine_advance(member->engine, g_get_monotonic_time());
    kab_engine_sink_ready(member->engine, 1, g_get_monotonic_time());
    return member;
}

void
member_free(Member *member)
{
    kab_engine_free(member->engine);
    kab_source_free(member->source);
    close(member->edge.wake_fd);
    g_ptr_array_unref(member->calls);
    g_array_unref(member->seen);
    g_string_free(member->log, TRUE);
    pthread_mutex_destroy(member->mutex);
    g_free(member->mutex);
    g_free(member->stop_message);
    g_free(member);
}

/* --- Turned ------------------------------------------------------------ */

static void
answer(Member *member, KabAttempt *attempt)
{
    if (member->look)
        member->look(member, attempt);
    for (size_t i = 0; i < attempt->n; i++) {
        Seen seen = {attempt->records[i].partition, attempt->records[i].offset};
        g_array_append_val(member->seen, seen);
        attempt->results[i].outcome = KAB_OUTCOME_DONE;
    }
    int64_t now = g_get_monotonic_time();
    KabAnswer done = {.retry_after_ms = -1};
    kab_engine_answered(member->engine, attempt, attempt->serial, &done, now);
}

static bool
turn(Member *member)
{
    int64_t now = g_get_monotonic_time();
    bool was_full = kab_engine_want(member->engine) == 0;
    bool has_moved = kab_source_turn(member->source, now);
    while (!member->holds_calls && member->calls->len) {
        answer(member, g_ptr_array_steal_index(member->calls, 0));
        has_moved = true;
    }
    kab_engine_advance(member->engine, now);
    return has_moved || (was_full && kab_engine_want(member->engine) > 0);
}

static int64_t
deadline(const Member *member)
{
    return MIN(kab_source_deadline(member->source),
               kab_engine_next_deadline(member->engine));
}

static void
sleep_until(Member **members, size_t n, int64_t until)
{
    struct pollfd fds[16];
    nfds_t n_fds = 0;
    for (size_t i = 0; i < n; i++) {
        if (!members[i])
            continue;
        until = MIN(until, deadline(members[i]));
        fds[n_fds++] = (struct pollfd){members[i]->edge.wake_fd, POLLIN, 0};
    }
    int64_t wait_us = MAX(until - g_get_monotonic_time(), 0);
    poll(fds, n_fds, (int)((wait_us + 999) / 1000));
    for (nfds_t i = 0; i < n_fds; i++) {
        uint64_t count;
        ssize_t got = read(fds[i].fd, &count, sizeof count);
        (void)got;
    }
}

bool
members_run(
    Member **members, size_t n, Condition condition, void *data, int timeout_ms)
{
    int64_t end = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
    while (!condition(data)) {
        bool has_moved = false;
        for (size_t i = 0; i < n; i++)
            has_moved |= members[i] && turn(members[i]);
        if (g_get_monotonic_time() >= end)
            return condition(data);
        if (!has_moved)
            sleep_until(members, n, end);
    }
    return true;
}

static bool
is_drained(void *data)
{
    return kab_engine_is_drained(((Member *)data)->engine);
}

static bool
is_closed(void *data)
{
    return kab_source_is_closed(((Member *)data)->source);
}

void
member_drain(Member *member, Member **all, size_t n)
{
    kab_engine_drain(member->engine, g_get_monotonic_time());
    g_assert_true(members_run(all, n, is_drained, member, 30000));
}

void
member_leave(Member *member, Member **all, size_t n)
{
    member_drain(member, all, n);
    kab_source_close(member->source);
    g_assert_true(members_run(all, n, is_closed, member, 10000));
    for (size_t i = 0; i < n; i++)
        if (all[i] == member)
            all[i] = NULL;
    member_free(member);
}

/* --- Looked at --------------------------------------------------------- */

typedef struct {
    int32_t number;
    size_t n;
    KabPartitionInfo info;
} Find;

static void
find(void *data, const KabPartitionInfo *info)
{
    Find *wanted = data;
    wanted->n++;
    if (info->number == wanted->number)
        wanted->info = *info;
}

KabPartitionInfo
member_partition(const Member *member, int32_t number)
{
    Find wanted = {.number = number, .info = {.committed = -1}};
    kab_engine_foreach_partition(member->engine, g_get_monotonic_time(), find,
                                 &wanted);
    return wanted.info;
}

bool
member_has_committed(void *data)
{
    const Member *member = data;
    return member_partition(member, 0).committed == member->awaited;
}

size_t
member_n_partitions(const Member *member)
{
    Find wanted = {.number = -1};
    kab_engine_foreach_partition(member->engine, g_get_monotonic_time(), find,
                                 &wanted);
    return wanted.n;
}

bool
member_has_logged(const Member *member, const char *text)
{
    pthread_mutex_lock(member->mutex);
    bool has = strstr(member->log->str, text) != NULL;
    pthread_mutex_unlock(member->mutex);
    return has;
}

/* --- Clients of the test's own ----------------------------------------- */

void
commit_alone(const char *bootstrap,
             const char *group,
             const char *topic,
             int64_t offset,
             const char *metadata)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, topic, 0);
    element->offset = offset;
    element->metadata = metadata ? strdup(metadata) : NULL;
    element->metadata_size = metadata ? strlen(metadata) : 0;
    g_assert_cmpint(rd_kafka_commit(client, list, 0), ==, 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
}

void
produce(const char *bootstrap,
        const char *topic,
        int32_t partition,
        int from,
        int to)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    for (int i = from; i < to; i++) {
        char value[16];
        g_snprintf(value, sizeof value, "%d", i);
        rd_kafka_resp_err_t err = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_VALUE(value, strlen(value)),
            RD_KAFKA_V_HEADER("h", value, (ssize_t)strlen(value)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        g_assert_cmpint(err, ==, 0);
    }
    g_assert_cmpint(rd_kafka_flush(producer, 10000), ==, 0);
    rd_kafka_destroy(producer);
}
