/* SPDX-License-Identifier: Apache-2.0 */
/* Members of one group come and go under a steady stream of records: no record
 * may be lost or done twice, and no assignment lost.
 *
 *     churn BOOTSTRAP|mock [SECONDS [SEED [STRATEGY [KILLS]]]]
 *
 * With KILLS, members also vanish without leaving; then records may be done
 * twice, and only loss is a failure. Exit status 0: all is well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "member.h"
#include "mock.h"

#define PARTITIONS 8
#define MEMBERS 3
#define SETTLE_MS 60000

typedef struct {
    const char *bootstrap, *strategy;
    char topic[64];
    KabMock *mock;
    rd_kafka_t *producer;
    Member *members[MEMBERS];
    GArray *seen; /* records seen by members that have left */
    int64_t produced[PARTITIONS];
    int64_t next_us, end_us;
    uint64_t rebalances[KAB_N_REBALANCES], commits;
    unsigned n_moves;
    bool kills;
    GRand *random;
} Churn;

/* --- Records ----------------------------------------------------------- */

static void
on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *user)
{
    Churn *churn = user;
    g_assert_cmpint(message->err, ==, 0);
    int64_t *produced = &churn->produced[message->partition];
    *produced = MAX(*produced, message->offset + 1);
}

static void
make_producer(Churn *churn)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", churn->bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "1", NULL, 0);
    rd_kafka_conf_set_opaque(conf, churn);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    churn->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
}

static void
create_topic(Churn *churn)
{
    char reason[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(churn->producer);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        churn->topic, PARTITIONS, 1, reason, sizeof reason);
    rd_kafka_CreateTopics(churn->producer, &topic, 1, NULL, queue);
    rd_kafka_event_destroy(rd_kafka_queue_poll(queue, 15000));
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
}

/* Produces some records to each partition, every two milliseconds. */
static void
trickle(Churn *churn)
{
    int64_t now = g_get_monotonic_time();
    if (now < churn->next_us)
        return;
    churn->next_us = now + 2000;
    for (int32_t i = 0; i < PARTITIONS; i++)
        for (int j = 0; j < 3; j++)
            rd_kafka_producev(churn->producer, RD_KAFKA_V_TOPIC(churn->topic),
                              RD_KAFKA_V_PARTITION(i),
                              RD_KAFKA_V_VALUE(NULL, 0), RD_KAFKA_V_END);
    rd_kafka_poll(churn->producer, 0);
}

/* --- Members ----------------------------------------------------------- */

static bool
is_time(void *data)
{
    Churn *churn = data;
    trickle(churn);
    return g_get_monotonic_time() >= churn->end_us;
}

static void
run_for(Churn *churn, int ms)
{
    churn->end_us = g_get_monotonic_time() + ms * INT64_C(1000);
    members_run(churn->members, MEMBERS, is_time, churn, ms + 1000);
}

static void
join(Churn *churn, size_t i)
{
    MemberSetup setup = {
        .bootstrap = churn->bootstrap,
        .group = churn->topic,
        .topics = {churn->topic},
        .properties = {{"session.timeout.ms", "6000"},
                       {"partition.assignment.strategy", churn->strategy}},
        .commit_interval_us = 10000,
    };
    churn->members[i] = member_new(&setup);
}

static void
leave(Churn *churn, size_t i)
{
    Member *member = churn->members[i];
    KabSourceState state;
    kab_source_get_state(member->source, 0, &state);
    for (size_t kind = 0; kind < KAB_N_REBALANCES; kind++)
        churn->rebalances[kind] += state.rebalances[kind];
    const KabCounters *counters = kab_engine_counters(member->engine);
    for (size_t result = 0; result < KAB_N_COMMIT_RESULTS; result++)
        churn->commits += counters->commits[result];
    /* Kill only members that have been assigned: one that never was might have
     * to be leaked, and would go on running. */
    bool dies = churn->kills && state.rebalances[KAB_REBALANCE_ASSIGNED] &&
                g_rand_int_range(churn->random, 0, 3) == 0;
    if (!dies)
        member_drain(member, churn->members, MEMBERS);
    g_array_append_vals(churn->seen, member->seen->data, member->seen->len);
    if (dies) {
        churn->members[i] = NULL;
        member_free(member);
    } else {
        member_leave(member, churn->members, MEMBERS);
    }
}

static void
move(Churn *churn)
{
    size_t n = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        n += churn->members[i] != NULL;
    size_t i = (size_t)g_rand_int_range(churn->random, 0, MEMBERS);
    churn->n_moves++;
    if (!churn->members[i])
        join(churn, i);
    else if (n > 1)
        leave(churn, i);
}

/* --- Judged ------------------------------------------------------------ */

static bool
is_caught_up(void *data)
{
    Churn *churn = data;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        int64_t committed = -1;
        for (size_t i = 0; i < MEMBERS; i++)
            if (churn->members[i])
                committed =
                    MAX(committed,
                        member_partition(churn->members[i], p).committed);
        if (committed != churn->produced[p])
            return false;
    }
    return true;
}

static bool
judge(const Churn *churn)
{
    size_t n = 0, missing = 0, doubled = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        g_autofree uint8_t *times = g_malloc0((size_t)churn->produced[p]);
        for (guint i = 0; i < churn->seen->len; i++) {
            Seen seen = g_array_index(churn->seen, Seen, i);
            if (seen.partition == p)
                times[seen.offset]++;
        }
        for (int64_t i = 0; i < churn->produced[p]; i++) {
            missing += times[i] == 0;
            doubled += times[i] > 1;
            bool begins = i == 0 || (times[i] == 1) != (times[i - 1] == 1);
            if (begins && times[i] != 1)
                printf("[%d] from %" PRIi64 ": %d times\n", (int)p, i,
                       times[i]);
        }
        n += (size_t)churn->produced[p];
    }
    printf("librdkafka %s, %s: %u moves, %" PRIu64 " events, %" PRIu64
           " lost, %" PRIu64
           " commits; %zu records, %zu missing, %zu doubled\n",
           rd_kafka_version_str(), churn->strategy, churn->n_moves,
           churn->rebalances[0] + churn->rebalances[1] + churn->rebalances[2],
           churn->rebalances[KAB_REBALANCE_LOST], churn->commits, n, missing,
           doubled);
    return n && !missing &&
           (churn->kills ||
            (!doubled && !churn->rebalances[KAB_REBALANCE_LOST]));
}

static void
start(Churn *churn, const char *bootstrap)
{
    g_snprintf(churn->topic, sizeof churn->topic, "churn-%" PRIi64,
               g_get_real_time());
    churn->bootstrap = bootstrap;
    if (strcmp(bootstrap, "mock") == 0) {
        churn->mock = kab_mock_new(1, NULL);
        churn->bootstrap = kab_mock_bootstrap(churn->mock);
        kab_mock_create_topic(churn->mock, churn->topic, PARTITIONS, NULL);
    }
    make_producer(churn);
    if (!churn->mock)
        create_topic(churn);
    churn->seen = g_array_new(FALSE, FALSE, sizeof(Seen));
}

static bool
settle(Churn *churn)
{
    rd_kafka_flush(churn->producer, 10000);
    bool ok =
        members_run(churn->members, MEMBERS, is_caught_up, churn, SETTLE_MS);
    if (!ok)
        printf("not everything was committed in the end\n");
    churn->kills = churn->kills && !ok;
    for (size_t i = 0; i < MEMBERS; i++)
        if (churn->members[i])
            leave(churn, i);
    return ok;
}

static void
stop(Churn *churn)
{
    rd_kafka_destroy(churn->producer);
    g_array_unref(churn->seen);
    g_rand_free(churn->random);
    kab_mock_free(churn->mock);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: churn BOOTSTRAP|mock [SECONDS [SEED [STRATEGY "
                        "[KILLS]]]]\n");
        return 64;
    }
    int64_t seconds = argc > 2 ? atoi(argv[2]) : 30;
    Churn churn = {
        .strategy = argc > 4 ? argv[4] : "cooperative-sticky",
        .kills = argc > 5,
        .random = g_rand_new_with_seed(argc > 3 ? (guint32)atoi(argv[3]) : 1),
    };
    start(&churn, argv[1]);
    join(&churn, 0);
    run_for(&churn, 4000);
    int64_t end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    while (g_get_monotonic_time() < end) {
        move(&churn);
        run_for(&churn, g_rand_int_range(churn.random, 200, 4000));
    }
    bool kills = churn.kills;
    bool ok = settle(&churn);
    churn.kills = kills;
    ok &= judge(&churn);
    stop(&churn);
    return ok ? 0 : 1;
}
