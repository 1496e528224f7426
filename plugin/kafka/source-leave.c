/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving the group, and the end of the client.
 *
 *   STAYS -> PARTING -> LEAVING -> CLOSING
 *               |          |          ^
 *               v          v          |
 *            CUTTING -> ABANDONING ---+-> REFUSED
 *
 * The broker serves a connection in order, and answers JoinGroup when all
 * members have joined. With a dead member that takes until its session ends.
 * Our last commits and LeaveGroup queue behind JoinGroup, longer than the
 * client waits when it leaves: we would be the next dead member. So a
 * JoinGroup that is not answered soon is given up: its connection is cut, and
 * the client unsubscribes before it sees JoinGroup fail, or it would rejoin.
 */
#include "source-internal.h"

#include <unistd.h>

#include "quirks.h"

/* A group without a dead member has finished joining by then. */
#define JOIN_PATIENCE_US G_USEC_PER_SEC
/* Retry interval: there may be no JoinGroup pending to cut. */
#define CUT_AGAIN_US (G_USEC_PER_SEC / 10)
#define LEAVE_PATIENCE_US (3 * G_USEC_PER_SEC)
#define DESTROY_PATIENCE_US (3 * G_USEC_PER_SEC)

/* --- States ------------------------------------------------------------ */

static const char *const names[] = {
#define X(NAME, text) [KAB_LEAVE_##NAME] = text,
    KAB_LEAVES(X)
#undef X
};

#define TO(NAME) (1u << KAB_LEAVE_##NAME)
static const unsigned moves[] = {
    [KAB_LEAVE_STAYS] = TO(PARTING),
    [KAB_LEAVE_PARTING] = TO(CUTTING) | TO(LEAVING),
    [KAB_LEAVE_CUTTING] = TO(ABANDONING),
    [KAB_LEAVE_LEAVING] = TO(ABANDONING) | TO(CLOSING) | TO(REFUSED),
    [KAB_LEAVE_ABANDONING] = TO(CLOSING) | TO(REFUSED),
    [KAB_LEAVE_CLOSING] = 0,
    [KAB_LEAVE_REFUSED] = 0,
};
#undef TO

static void
set_leave(KabSource *source, KabLeave leave)
{
    g_assert(moves[source->leave] & (1u << leave));
    kab_source_log(source, KAB_LOG_DEBUG, KAB_NOWHERE, "group: %s -> %s",
                   names[source->leave], names[leave]);
    source->leave = leave;
    source->has_moved = true;
}

bool
kab_source_is_leaving(const KabSource *source)
{
    return source->leave >= KAB_LEAVE_LEAVING;
}

bool
kab_source_is_closing(const KabSource *source)
{
    return source->leave >= KAB_LEAVE_CLOSING;
}

/* --- A join that is given up ------------------------------------------- */

/* Thread: librdkafka's for that broker, which holds no lock here. unsubscribe
 * is answered by the client's main thread, which does not wait for this thread
 * before end_cutting() has taken the lock. */
int
kab_source_on_close_socket(int fd, void *user)
{
    KabSource *source = user;
    g_mutex_lock(&source->cut_lock);
    if (kab_health_note_closed(source->health, fd) && !source->is_ending)
        rd_kafka_unsubscribe(source->client);
    g_mutex_unlock(&source->cut_lock);
    return close(fd);
}

/* Ends the cutting of connections, before the client is destroyed. */
static void
end_cutting(KabSource *source)
{
    g_mutex_lock(&source->cut_lock);
    source->is_ending = true;
    g_mutex_unlock(&source->cut_lock);
}

static bool
may_cut(const KabSource *source)
{
    return source->is_joining && (source->leave == KAB_LEAVE_PARTING ||
                                  source->leave == KAB_LEAVE_LEAVING);
}

static void
serve_cutting(KabSource *source)
{
    if (!may_cut(source) || source->now < source->cut_due_us)
        return;
    source->cut_due_us = source->now + CUT_AGAIN_US;
    if (!kab_health_cut_group(source->health))
        return;
    set_leave(source, source->leave == KAB_LEAVE_PARTING
                          ? KAB_LEAVE_CUTTING
                          : KAB_LEAVE_ABANDONING);
}

/* --- Closing ----------------------------------------------------------- */

static bool
owns_nothing(const KabSource *source)
{
    for (guint i = 0; i < source->toppars->len; i++)
        if (((KabToppar *)source->toppars->pdata[i])->partition)
            return false;
    return true;
}

/* A member without partitions sends LeaveGroup only when it unsubscribes
 * (KAB_QUIRK_SILENT_CLOSE). */
static void
close_client(KabSource *source)
{
    if (owns_nothing(source))
        rd_kafka_unsubscribe(source->client);
    g_autoptr(rd_kafka_error_t) error =
        rd_kafka_consumer_close_queue(source->client, source->closing);
    set_leave(source, error ? KAB_LEAVE_REFUSED : KAB_LEAVE_CLOSING);
    if (error)
        kab_source_log(source, KAB_LOG_WARNING, KAB_NOWHERE,
                       "leaving the group: %s", rd_kafka_error_string(error));
}

/* A client that is closed before it has found its coordinator again would not
 * send LeaveGroup. */
static bool
waits_for_group(const KabSource *source)
{
    if (source->leave == KAB_LEAVE_ABANDONING)
        return !kab_health_has_left(source->health) &&
               source->now < source->leave_due_us;
    return source->is_joining && source->now < source->join_due_us;
}

static bool
is_to_close(const KabSource *source)
{
    return kab_source_is_leaving(source) && !kab_source_is_closing(source);
}

void
kab_source_serve_leaving(KabSource *source)
{
    serve_cutting(source);
    if (is_to_close(source) && !waits_for_group(source))
        close_client(source);
}

int64_t
kab_source_leave_deadline(const KabSource *source)
{
    int64_t due = may_cut(source) ? source->cut_due_us : INT64_MAX;
    if (!is_to_close(source))
        return due;
    return waits_for_group(source) ? MIN(due, source->leave_due_us) : 0;
}

void
kab_source_part(KabSource *source, int64_t now)
{
    if (source->leave != KAB_LEAVE_STAYS)
        return;
    set_leave(source, KAB_LEAVE_PARTING);
    source->join_due_us = source->cut_due_us = now + JOIN_PATIENCE_US;
}

void
kab_source_close(KabSource *source)
{
    int64_t now = g_get_monotonic_time();
    kab_source_part(source, now);
    if (kab_source_is_leaving(source))
        return;
    set_leave(source, source->leave == KAB_LEAVE_CUTTING ? KAB_LEAVE_ABANDONING
                                                         : KAB_LEAVE_LEAVING);
    source->leave_due_us = now + LEAVE_PATIENCE_US;
    kab_source_end_assign(source);
}

bool
kab_source_is_closed(const KabSource *source)
{
    return source->leave == KAB_LEAVE_REFUSED ||
           (source->leave == KAB_LEAVE_CLOSING && !source->events.length &&
            rd_kafka_consumer_closed(source->client));
}

/* --- The end of the client --------------------------------------------- */

bool
kab_source_must_be_leaked(const KabSource *source)
{
    return source->client && kab_quirk_applies(KAB_QUIRK_DESTROY_UNASSIGNED) &&
           !source->was_assigned && kab_health_has_joined(source->health);
}

/* The leaked client keeps what its threads use, but leaves its group. */
void
kab_source_leak(KabSource *source)
{
    if (!kab_source_is_closing(source))
        rd_kafka_unsubscribe(source->client);
    rd_kafka_set_log_level(source->client, 0);
    kab_health_detach(source->health);
}

/* A client being destroyed on a thread of its own. Freed by that thread when
 * it is done, or never. */
typedef struct {
    rd_kafka_t *client;
    int flags;
    GAsyncQueue *done;
} Destruction;

static void *
destroy_client(void *data)
{
    Destruction *destruction = data;
    rd_kafka_destroy_flags(destruction->client, destruction->flags);
    g_async_queue_push(destruction->done, destruction->done);
    g_async_queue_unref(destruction->done);
    g_free(destruction);
    return NULL;
}

/* KAB_QUIRK_DESTROY_DELETED: destroying may never end. */
bool
kab_source_destroy_client(KabSource *source)
{
    end_cutting(source);
    bool is_closed = source->leave == KAB_LEAVE_CLOSING;
    Destruction *destruction = g_new0(Destruction, 1);
    g_autoptr(GAsyncQueue) done = g_async_queue_new();
    *destruction = (Destruction){
        .client = g_steal_pointer(&source->client),
        .flags = is_closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
        .done = g_async_queue_ref(done),
    };
    rd_kafka_set_log_level(destruction->client, 0);
    kab_health_detach(source->health);
    GThread *thread = g_thread_new("destroy", destroy_client, destruction);
    bool is_done = g_async_queue_timeout_pop(done, DESTROY_PATIENCE_US) != NULL;
    if (is_done)
        g_thread_join(thread);
    else
        g_thread_unref(thread);
    return is_done;
}
