/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "api-keys.h"
#include "quirks.h"

/* Short enough to report an outage within 10 s. */
#define SILENCE_US (7 * G_USEC_PER_SEC)
#define N_BROKERS 256
/* librdkafka leaves at least this long between two JoinGroup requests. */
#define JOIN_INTERVAL_US G_USEC_PER_SEC
/* A rebalance event follows the SyncGroup response at once, and a JoinGroup
 * request the answer to a REVOKE. If it has not come after this long, it will
 * not come. */
#define PATIENCE_US (3 * G_USEC_PER_SEC)

/* A client whose work is overdue as long is revived, then at intervals that
 * double up to the longest. */
#define REVIVE_MAX_US (60 * G_USEC_PER_SEC)

enum { FREE = -1, CLAIMED = -2 };

/* A broker by id; several connections to it share the entry. The thread that
 * claims an entry writes the name before it publishes the id. */
typedef struct {
    atomic_int id;
    char name[128];
    atomic_llong asked_us; /* the oldest unanswered request; 0: none */
    atomic_llong down_us;  /* since when it is disconnected; 0: it is not */
    atomic_bool is_tried;  /* the client is trying to connect */
} Broker;

struct KabHealth {
    _Atomic(const KabEdge *) edge; /* NULL: detached */
    atomic_bool is_joining, has_joined, has_beaten;
    int64_t hold_us;             /* loop thread only */
    atomic_llong waits_since_us; /* see PATIENCE_US; 0: not waiting */
    atomic_llong told_us;        /* last answer that may demand a join */
    atomic_llong asked_us;       /* last JoinGroup request */
    atomic_llong answered_us;
    /* The connection to the coordinator, and a duplicate of its descriptor;
     * -1: none. Only while JoinGroup or SyncGroup is pending, unless the
     * client may have to be revived. */
    atomic_int group_socket, group_copy;
    atomic_bool is_pending, is_cut, has_left;
    char *servers;                     /* bootstrap.servers */
    bool can_be_stuck;                 /* KAB_QUIRK_STUCK_BROKER */
    int64_t revive_us, revive_wait_us; /* when it is next; loop thread only */
    Broker brokers[N_BROKERS];
};

KabHealth *
kab_health_new(const KabEdge *edge, const char *servers)
{
    KabHealth *health = g_new0(KabHealth, 1);
    atomic_init(&health->edge, edge);
    atomic_init(&health->group_socket, -1);
    atomic_init(&health->group_copy, -1);
    health->servers = g_strdup(servers);
    health->can_be_stuck = kab_quirk_applies(KAB_QUIRK_STUCK_BROKER);
    for (size_t i = 0; i < N_BROKERS; i++)
        atomic_init(&health->brokers[i].id, FREE);
    return health;
}

static void
drop_connection(KabHealth *health)
{
    int copy = atomic_exchange(&health->group_copy, -1);
    if (copy >= 0)
        close(copy);
}

void
kab_health_free(KabHealth *health)
{
    if (!health)
        return;
    drop_connection(health);
    g_free(health->servers);
    g_free(health);
}

void
kab_health_detach(KabHealth *health)
{
    atomic_store(&health->edge, NULL);
}

/* --- On librdkafka's threads ------------------------------------------- */

static bool
claim_place(Broker *broker, int32_t id, const char *name)
{
    int expected = FREE;
    if (!atomic_compare_exchange_strong(&broker->id, &expected, CLAIMED))
        return false;
    g_strlcpy(broker->name, name, sizeof broker->name);
    atomic_store_explicit(&broker->id, id, memory_order_release);
    return true;
}

/* NULL: a bootstrap connection (no id), or too many brokers. Two threads may
 * claim an entry each for the same broker; the entry that goes unused is never
 * silent. */
static Broker *
find_broker(KabHealth *health, int32_t id, const char *name)
{
    for (size_t i = 0; id >= 0 && i < N_BROKERS; i++) {
        Broker *broker = &health->brokers[i];
        int there = atomic_load_explicit(&broker->id, memory_order_acquire);
        if (there == id || (there == FREE && claim_place(broker, id, name)))
            return broker;
    }
    return NULL;
}

static void
wake_loop(KabHealth *health)
{
    const KabEdge *edge = atomic_load(&health->edge);
    if (edge)
        kab_edge_wake(edge);
}

static void
set_joining(KabHealth *health, int64_t waits_since_us)
{
    atomic_store(&health->waits_since_us, waits_since_us);
    if (!atomic_exchange(&health->is_joining, true))
        wake_loop(health);
}

/* Duplicate the descriptor: the client may close its socket at any time, and
 * the number may be reused. */
static void
hold_connection(KabHealth *health, int fd)
{
    if (atomic_load(&health->group_socket) == fd &&
        atomic_load(&health->group_copy) >= 0)
        return;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    atomic_store(&health->group_socket, fd);
    int old = atomic_exchange(&health->group_copy, copy);
    if (old >= 0)
        close(old);
}

/* Close our duplicate as well, or it would keep the connection open. */
bool
kab_health_note_closed(KabHealth *health, int fd)
{
    int socket = fd;
    if (!atomic_compare_exchange_strong(&health->group_socket, &socket, -1))
        return false;
    atomic_store(&health->is_pending, false);
    drop_connection(health);
    return atomic_exchange(&health->is_cut, false);
}

static rd_kafka_resp_err_t
on_request_sent(rd_kafka_t *rk,
                int fd,
                const char *name,
                int32_t id,
                int16_t key,
                int16_t version,
                int32_t correlation,
                size_t size,
                void *user)
{
    KabHealth *health = user;
    if (key == KAB_API_JOIN_GROUP) {
        atomic_store(&health->asked_us, g_get_monotonic_time());
        set_joining(health, 0);
    }
    /* The broker answers JoinGroup and SyncGroup only when all members have
     * joined, so they say nothing about its silence. */
    if (key == KAB_API_JOIN_GROUP || key == KAB_API_SYNC_GROUP) {
        hold_connection(health, fd);
        atomic_store(&health->is_pending, true);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (health->can_be_stuck && strstr(name, "Coordinator"))
        hold_connection(health, fd);
    if (key == KAB_API_LEAVE_GROUP && !atomic_exchange(&health->has_left, true))
        wake_loop(health);
    Broker *broker = find_broker(health, id, name);
    long long none = 0;
    if (broker)
        atomic_compare_exchange_strong(&broker->asked_us, &none,
                                       g_get_monotonic_time());
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void
note_beat(KabHealth *health)
{
    if (!atomic_exchange(&health->has_beaten, true))
        wake_loop(health);
}

static void
end_pending(KabHealth *health)
{
    atomic_store(&health->is_pending, false);
    if (!health->can_be_stuck)
        drop_connection(health);
}

static rd_kafka_resp_err_t
on_response_received(rd_kafka_t *rk,
                     int fd,
                     const char *name,
                     int32_t id,
                     int16_t key,
                     int16_t version,
                     int32_t correlation,
                     size_t size,
                     int64_t rtt,
                     rd_kafka_resp_err_t err,
                     void *user)
{
    KabHealth *health = user;
    int64_t now = g_get_monotonic_time();
    if (err < RD_KAFKA_RESP_ERR_NO_ERROR)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (key == KAB_API_JOIN_GROUP || key == KAB_API_SYNC_GROUP)
        end_pending(health);
    if (key == KAB_API_JOIN_GROUP)
        atomic_store(&health->has_joined, true);
    else if (key == KAB_API_SYNC_GROUP)
        set_joining(health, now);
    else if (key == KAB_API_HEARTBEAT || key == KAB_API_METADATA)
        atomic_store(&health->told_us, now);
    else if (key == KAB_API_CONSUMER_GROUP_HEARTBEAT)
        note_beat(health);
    atomic_store_explicit(&health->answered_us, now, memory_order_relaxed);
    Broker *broker = find_broker(health, id, name);
    if (broker)
        atomic_store(&broker->asked_us, 0);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
on_broker_state_change(rd_kafka_t *rk,
                       int32_t id,
                       const char *protocol,
                       const char *host,
                       int port,
                       const char *state,
                       void *user)
{
    char name[128];
    g_snprintf(name, sizeof name, "%s:%d/%d", host, port, (int)id);
    Broker *broker = find_broker(user, id, name);
    if (!broker)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    bool is_up = strcmp(state, "UP") == 0 || strcmp(state, "UPDATE") == 0;
    bool is_idle = strcmp(state, "INIT") == 0 || strcmp(state, "DOWN") == 0;
    long long none = 0;
    if (is_up)
        atomic_store(&broker->down_us, 0);
    else
        atomic_compare_exchange_strong(&broker->down_us, &none,
                                       g_get_monotonic_time());
    /* Requests of the old connection will not be answered. */
    atomic_store(&broker->asked_us, 0);
    atomic_store(&broker->is_tried, !is_up && !is_idle);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
on_new(rd_kafka_t *rk,
       const rd_kafka_conf_t *conf,
       void *user,
       char *reason,
       size_t reason_size)
{
    rd_kafka_interceptor_add_on_request_sent(rk, "kabridge", on_request_sent,
                                             user);
    rd_kafka_interceptor_add_on_response_received(rk, "kabridge",
                                                  on_response_received, user);
    rd_kafka_interceptor_add_on_broker_state_change(
        rk, "kabridge", on_broker_state_change, user);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void
kab_health_observe(KabHealth *health, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_interceptor_add_on_new(conf, "kabridge", on_new, health);
}

/* --- Read -------------------------------------------------------------- */

void
kab_health_expect_join(KabHealth *health)
{
    set_joining(health, g_get_monotonic_time());
}

void
kab_health_set_hold(KabHealth *health, int64_t hold_us)
{
    health->hold_us = hold_us;
}

void
kab_health_clear_joining(KabHealth *health)
{
    atomic_store(&health->is_joining, false);
}

int64_t
kab_health_joining_until(const KabHealth *health)
{
    int64_t since_us = atomic_load(&health->waits_since_us);
    return since_us ? since_us + PATIENCE_US : INT64_MAX;
}

bool
kab_health_is_joining(const KabHealth *health, int64_t now)
{
    return atomic_load(&health->is_joining) &&
           now < kab_health_joining_until(health);
}

/* The hold covers hold_us before and after the expected JoinGroup request. */
int64_t
kab_health_held_until(const KabHealth *health, int64_t now)
{
    int64_t told_us = atomic_load(&health->told_us);
    int64_t asked_us = atomic_load(&health->asked_us);
    int64_t due_us = MAX(told_us, asked_us + JOIN_INTERVAL_US);
    bool is_held =
        asked_us && told_us > asked_us && ABS(now - due_us) < health->hold_us;
    return is_held ? due_us + health->hold_us : 0;
}

/* False: there is no connection. */
static bool
cut_connection(KabHealth *health)
{
    int copy = atomic_exchange(&health->group_copy, -1);
    if (copy < 0)
        return false;
    shutdown(copy, SHUT_RDWR);
    close(copy);
    return true;
}

bool
kab_health_cut_group(KabHealth *health)
{
    atomic_store(&health->is_cut, true);
    bool is_cut = atomic_load(&health->is_pending) && cut_connection(health);
    if (!is_cut)
        atomic_store(&health->is_cut, false);
    return is_cut;
}

bool
kab_health_revive(KabHealth *health,
                  rd_kafka_t *client,
                  int64_t since_us,
                  int64_t now)
{
    if (!health->can_be_stuck)
        return false;
    if (!since_us || now - since_us < SILENCE_US) {
        health->revive_us = 0;
        health->revive_wait_us = SILENCE_US;
        return false;
    }
    if (now < health->revive_us)
        return false;
    health->revive_us = now + health->revive_wait_us;
    health->revive_wait_us = MIN(2 * health->revive_wait_us, REVIVE_MAX_US);
    rd_kafka_brokers_add(client, health->servers);
    cut_connection(health);
    return true;
}

bool
kab_health_has_left(const KabHealth *health)
{
    return atomic_load(&health->has_left);
}

bool
kab_health_has_joined(const KabHealth *health)
{
    return atomic_load(&health->has_joined);
}

bool
kab_health_take_beat(KabHealth *health)
{
    return atomic_exchange(&health->has_beaten, false);
}

int64_t
kab_health_answered_us(const KabHealth *health)
{
    return atomic_load_explicit(&health->answered_us, memory_order_relaxed);
}

bool
kab_health_is_cut_off(const KabHealth *health)
{
    int64_t answered_us = kab_health_answered_us(health);
    bool has_lost = false;
    for (size_t i = 0; i < N_BROKERS; i++) {
        const Broker *broker = &health->brokers[i];
        if (atomic_load_explicit(&broker->id, memory_order_acquire) < 0)
            continue;
        int64_t down_us = atomic_load(&broker->down_us);
        if (!down_us || down_us < answered_us)
            return false;
        has_lost = true;
    }
    return has_lost;
}

static bool
is_silent(const Broker *broker, int64_t now)
{
    int64_t asked_us = atomic_load(&broker->asked_us);
    int64_t down_us = atomic_load(&broker->down_us);
    return (asked_us && now - asked_us > SILENCE_US) ||
           (down_us && now - down_us > SILENCE_US &&
            atomic_load(&broker->is_tried));
}

bool
kab_health_find_silent(const KabHealth *health,
                       int64_t now,
                       char *ret_name,
                       size_t size)
{
    for (size_t i = 0; i < N_BROKERS; i++) {
        const Broker *broker = &health->brokers[i];
        if (atomic_load_explicit(&broker->id, memory_order_acquire) < 0)
            continue;
        if (is_silent(broker, now)) {
            g_strlcpy(ret_name, broker->name, size);
            return true;
        }
    }
    return false;
}
