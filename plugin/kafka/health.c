/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#define SILENCE_US (10 * G_USEC_PER_SEC)
#define N_BROKERS 256
#define METADATA 3
#define JOIN_GROUP 11
#define HEARTBEAT 12
#define LEAVE_GROUP 13
#define SYNC_GROUP 14
#define CONSUMER_GROUP_HEARTBEAT 68
/* From what makes the member join to its request: less than a millisecond,
 * but on a machine under load. As long before it a commit is not begun. */
#define QUIET_US INT64_C(250000)
/* Between two of its requests, at least. */
#define JOIN_INTERVAL_US G_USEC_PER_SEC
/* An event follows SyncGroup's answer, a JoinGroup request a REVOKE's, at
 * once; if not, there will be none. */
#define PATIENCE_US (3 * G_USEC_PER_SEC)

enum { FREE = -1, CLAIMED = -2 };

/* Named by its id; several connections to one broker share it. The name is
 * written by who claims it, before the id is. */
typedef struct {
    atomic_int id;
    char name[128];
    atomic_llong asked_us; /* the first request without an answer; 0 */
    atomic_llong down_us;  /* since when it is not connected; 0 */
    atomic_bool is_tried;  /* the client tries to connect */
} Broker;

struct KabHealth {
    _Atomic(const KabEdge *) edge; /* NULL: detached */
    atomic_bool is_joining, has_joined, has_beaten;
    atomic_llong waits_since_us; /* for an event or a request to follow; 0 */
    atomic_llong told_us;        /* perhaps, that it has to join */
    atomic_llong asked_us;       /* to join again, the last time */
    atomic_llong answered_us;
    /* where a request waits for the other members, and a copy of it; -1 */
    atomic_int group_socket, group_copy;
    atomic_bool is_cut, has_left;
    Broker brokers[N_BROKERS];
};

KabHealth *
kab_health_new(const KabEdge *edge)
{
    KabHealth *health = g_new0(KabHealth, 1);
    atomic_init(&health->edge, edge);
    atomic_init(&health->group_socket, -1);
    atomic_init(&health->group_copy, -1);
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
    if (health)
        drop_connection(health);
    g_free(health);
}

void
kab_health_detach(KabHealth *health)
{
    atomic_store(&health->edge, NULL);
}

/* --- On librdkafka's threads ------------------------------------------- */

static bool
claim(Broker *broker, int32_t id, const char *name)
{
    int expected = FREE;
    if (!atomic_compare_exchange_strong(&broker->id, &expected, CLAIMED))
        return false;
    g_strlcpy(broker->name, name, sizeof broker->name);
    atomic_store_explicit(&broker->id, id, memory_order_release);
    return true;
}

/* NULL: bootstrap connections have no id; or there are too many. Two threads
 * may claim a place each for the same broker: then one is never silent. */
static Broker *
find_broker(KabHealth *health, int32_t id, const char *name)
{
    for (size_t i = 0; id >= 0 && i < N_BROKERS; i++) {
        Broker *broker = &health->brokers[i];
        int there = atomic_load_explicit(&broker->id, memory_order_acquire);
        if (there == id || (there == FREE && claim(broker, id, name)))
            return broker;
    }
    return NULL;
}

static void
wake(KabHealth *health)
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
        wake(health);
}

/* The client may close its own at any time, and the number be another's. */
static void
hold_connection(KabHealth *health, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    atomic_store(&health->group_socket, fd);
    int old = atomic_exchange(&health->group_copy, copy);
    if (old >= 0)
        close(old);
}

/* While there is a copy the connection would stay. */
bool
kab_health_note_closed(KabHealth *health, int fd)
{
    int socket = fd;
    if (!atomic_compare_exchange_strong(&health->group_socket, &socket, -1))
        return false;
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
    if (key == JOIN_GROUP) {
        atomic_store(&health->asked_us, g_get_monotonic_time());
        set_joining(health, 0);
    }
    /* These are answered when all members have come. */
    if (key == JOIN_GROUP || key == SYNC_GROUP) {
        hold_connection(health, fd);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (key == LEAVE_GROUP && !atomic_exchange(&health->has_left, true))
        wake(health);
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
        wake(health);
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
    if (key == JOIN_GROUP || key == SYNC_GROUP)
        drop_connection(health);
    if (key == JOIN_GROUP)
        atomic_store(&health->has_joined, true);
    else if (key == SYNC_GROUP)
        set_joining(health, now);
    else if (key == HEARTBEAT || key == METADATA)
        atomic_store(&health->told_us, now);
    else if (key == CONSUMER_GROUP_HEARTBEAT)
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
    /* What was asked before went down with the connection. */
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
kab_health_clear_joining(KabHealth *health)
{
    atomic_store(&health->is_joining, false);
}

bool
kab_health_is_joining(const KabHealth *health, int64_t now)
{
    int64_t since_us = atomic_load(&health->waits_since_us);
    return atomic_load(&health->is_joining) &&
           (!since_us || now - since_us < PATIENCE_US);
}

bool
kab_health_may_join(const KabHealth *health, int64_t now)
{
    int64_t told_us = atomic_load(&health->told_us);
    int64_t asked_us = atomic_load(&health->asked_us);
    int64_t due_us = MAX(told_us, asked_us + JOIN_INTERVAL_US);
    return kab_health_is_joining(health, now) ||
           (told_us > asked_us && ABS(now - due_us) < QUIET_US);
}

bool
kab_health_cut_group(KabHealth *health)
{
    atomic_store(&health->is_cut, true);
    int copy = atomic_exchange(&health->group_copy, -1);
    if (copy < 0) {
        atomic_store(&health->is_cut, false);
        return false;
    }
    shutdown(copy, SHUT_RDWR);
    close(copy);
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
