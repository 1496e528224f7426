/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's feed: comments generated from their number, the same in every
 * run. */
#include "demo.h"

#include <string.h>

#include <librdkafka/rdkafka.h>

enum { FLUSH_MS = 10000, N_GUESTS = 40 };

struct KabDemoFeed {
    rd_kafka_t *producer;
    unsigned n, rate;
    atomic_bool is_stopped;
    GThread *thread;
};

static char *
dup_comment(unsigned number)
{
    static const char *const things[] = {"coffee", "room",      "staff", "view",
                                         "bed",    "breakfast", "pool"};
    static const char *const words[] = {"lovely", "slow",  "great",
                                        "cold",   "fine",  "friendly",
                                        "rude",   "broken"};
    const char *thing = things[number % G_N_ELEMENTS(things)];
    const char *word = words[number / 3 % G_N_ELEMENTS(words)];
    const char *other = things[(number / 5 + 1) % G_N_ELEMENTS(things)];
    const char *its_word = words[(number / 7 + 3) % G_N_ELEMENTS(words)];
    if (number % 3 == 0 || thing == other)
        return g_strdup_printf("{\"id\":%u,\"text\":\"%s %s\"}", number, word,
                               thing);
    return g_strdup_printf("{\"id\":%u,\"text\":\"%s %s, %s %s\"}", number,
                           word, thing, its_word, other);
}

/* Produces one comment; waits while the client's queue is full. False: it
 * cannot be produced. */
static bool
produce_comment(KabDemoFeed *feed, unsigned number)
{
    g_autofree char *comment = dup_comment(number);
    g_autofree char *guest = g_strdup_printf("guest-%u", number % N_GUESTS);
    for (;;) {
        rd_kafka_resp_err_t err = rd_kafka_producev(
            feed->producer, RD_KAFKA_V_TOPIC(KAB_DEMO_INPUT),
            RD_KAFKA_V_KEY(guest, strlen(guest)),
            RD_KAFKA_V_VALUE(comment, strlen(comment)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return !err;
        rd_kafka_poll(feed->producer, 50);
        if (atomic_load(&feed->is_stopped))
            return false;
    }
}

static void
wait_until(KabDemoFeed *feed, int64_t due_us)
{
    for (;;) {
        int64_t left_us = due_us - g_get_monotonic_time();
        if (left_us <= 0 || atomic_load(&feed->is_stopped))
            return;
        rd_kafka_poll(feed->producer, (int)MIN(left_us / 1000 + 1, 100));
    }
}

static gpointer
run_feed(gpointer user)
{
    KabDemoFeed *feed = user;
    int64_t start_us = g_get_monotonic_time();
    for (unsigned i = 0; i < feed->n; i++) {
        if (feed->rate)
            wait_until(feed,
                       start_us + (int64_t)i * G_USEC_PER_SEC / feed->rate);
        if (atomic_load(&feed->is_stopped) || !produce_comment(feed, i))
            break;
    }
    if (!atomic_load(&feed->is_stopped))
        rd_kafka_flush(feed->producer, FLUSH_MS);
    return NULL;
}

KabDemoFeed *
kab_demo_feed_new(const char *brokers,
                  unsigned n,
                  unsigned rate,
                  GError **error)
{
    char message[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "client.id", "kabridge-demo-feed", NULL, 0);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", NULL, 0);
    /* KAB_QUIRK_FIRST_BATCH */
    rd_kafka_conf_set(conf, "max.in.flight.requests.per.connection", "1", NULL,
                      0);
    rd_kafka_conf_set(conf, "partitioner", "murmur2_random", NULL, 0);
    rd_kafka_t *producer =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof message);
    if (!producer) {
        rd_kafka_conf_destroy(conf);
        g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL, "the feed: %s",
                    message);
        return NULL;
    }
    KabDemoFeed *feed = g_new0(KabDemoFeed, 1);
    feed->producer = producer;
    feed->n = n;
    feed->rate = rate;
    feed->thread = g_thread_new("feed", run_feed, feed);
    return feed;
}

void
kab_demo_feed_free(KabDemoFeed *feed)
{
    if (!feed)
        return;
    atomic_store(&feed->is_stopped, true);
    g_thread_join(feed->thread);
    rd_kafka_purge(feed->producer,
                   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(feed->producer, 0);
    rd_kafka_destroy(feed->producer);
    g_free(feed);
}
