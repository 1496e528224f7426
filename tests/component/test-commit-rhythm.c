/* SPDX-License-Identifier: Apache-2.0 */
/* How long a finished record waits for its commit, and a partition for its
 * start offset: members with heartbeat and commit intervals of many sizes,
 * side by side in groups of their own, under a steady stream of records.
 */
#include "kab-test.h"

#include <librdkafka/rdkafka.h>

#include "member.h"
#include "mock.h"
#include "quirks.h"

#define N_PARTITIONS 2
#define N_RECORDS 4096
/* Twice the longest interval, plus the join. */
#define SPAN_US (12 * G_USEC_PER_SEC)
/* A commit's round trip to the broker. */
#define ROUND_TRIP_US INT64_C(100000)

static const int heartbeats_ms[] = {200, 500, 3000};
static const int intervals_ms[] = {0, 10, 1000, 5000};

enum {
    N_HEARTBEATS = G_N_ELEMENTS(heartbeats_ms),
    N_INTERVALS = G_N_ELEMENTS(intervals_ms),
    N_MEMBERS = N_HEARTBEATS * N_INTERVALS,
};

typedef struct {
    char name[32], heartbeat[16];
    int64_t finished_us[N_PARTITIONS][N_RECORDS];
    int64_t committed[N_PARTITIONS];
    int64_t longest_us; /* from finished to committed */
    int64_t known_us;   /* both starts are known; 0: not yet */
    int64_t pinned_us;  /* both start offsets are committed; 0: not yet */
} Watch;

typedef struct {
    KabMock *mock;
    rd_kafka_t *producer;
    Member *members[N_MEMBERS];
    Watch watches[N_MEMBERS];
    int64_t next_us, end_us;
    int64_t looked_us, gap_us; /* the longest time without a look */
} Fixture;

static int
heartbeat_ms(size_t i)
{
    return heartbeats_ms[i / N_INTERVALS];
}

static int64_t
interval_us(size_t i)
{
    return intervals_ms[i % N_INTERVALS] * INT64_C(1000);
}

/* --- Watching ---------------------------------------------------------- */

static void
note_finished(Member *member, const KabAttempt *attempt)
{
    Watch *watch = member->data;
    for (size_t i = 0; i < attempt->n; i++) {
        const KabRecord *record = &attempt->records[i];
        if (record->offset < N_RECORDS)
            watch->finished_us[record->partition][record->offset] =
                g_get_monotonic_time();
    }
}

/* Of every record that was committed since the last look, and of the oldest
 * that waits. */
static void
note_ages(Watch *watch, int32_t number, int64_t committed, int64_t now)
{
    int64_t *last = &watch->committed[number];
    for (; *last < committed; ++*last)
        watch->longest_us =
            MAX(watch->longest_us, now - watch->finished_us[number][*last]);
    int64_t waits_since_us =
        committed < 0 ? 0 : watch->finished_us[number][committed];
    if (waits_since_us)
        watch->longest_us = MAX(watch->longest_us, now - waits_since_us);
}

static void
look_at(Member *member, int64_t now)
{
    Watch *watch = member->data;
    bool is_known = member_n_partitions(member) == N_PARTITIONS;
    bool is_pinned = is_known;
    for (int32_t number = 0; number < N_PARTITIONS; number++) {
        KabPartitionInfo info = member_partition(member, number);
        note_ages(watch, number, info.committed, now);
        is_known &= info.position >= 0;
        is_pinned &= info.committed >= 0;
    }
    if (!watch->known_us && is_known)
        watch->known_us = now;
    if (!watch->pinned_us && is_pinned)
        watch->pinned_us = now;
}

static void
trickle(Fixture *fixture, int64_t now)
{
    if (now < fixture->next_us)
        return;
    fixture->next_us = now + 20000;
    for (size_t i = 0; i < N_MEMBERS; i++)
        for (int32_t number = 0; number < N_PARTITIONS; number++)
            rd_kafka_producev(fixture->producer,
                              RD_KAFKA_V_TOPIC(fixture->watches[i].name),
                              RD_KAFKA_V_PARTITION(number),
                              RD_KAFKA_V_VALUE(NULL, 0), RD_KAFKA_V_END);
    rd_kafka_poll(fixture->producer, 0);
}

static bool
is_over(void *data)
{
    Fixture *fixture = data;
    int64_t now = g_get_monotonic_time();
    bool are_known = true;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        are_known &= fixture->watches[i].known_us > 0;
        look_at(fixture->members[i], now);
    }
    if (are_known)
        fixture->gap_us = MAX(fixture->gap_us, now - fixture->looked_us);
    fixture->looked_us = now;
    trickle(fixture, now);
    return now >= fixture->end_us;
}

/* --- Set-up ------------------------------------------------------------ */

static Member *
make_member(Fixture *fixture, size_t i)
{
    Watch *watch = &fixture->watches[i];
    g_snprintf(watch->name, sizeof watch->name, "h%d-c%d", heartbeat_ms(i),
               (int)(interval_us(i) / 1000));
    g_snprintf(watch->heartbeat, sizeof watch->heartbeat, "%d",
               heartbeat_ms(i));
    kab_mock_create_topic(fixture->mock, watch->name, N_PARTITIONS, NULL);
    MemberSetup setup = {
        .bootstrap = kab_mock_bootstrap(fixture->mock),
        .group = watch->name,
        .topics = {watch->name},
        .properties = {{"heartbeat.interval.ms", watch->heartbeat}},
        .commit_interval_us = interval_us(i),
    };
    Member *member = member_new(&setup);
    member->look = note_finished;
    member->data = watch;
    return member;
}

static int
make(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers",
                      kab_mock_bootstrap(fixture->mock), NULL, 0);
    fixture->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    for (size_t i = 0; i < N_MEMBERS; i++)
        fixture->members[i] = make_member(fixture, i);
    fixture->end_us = g_get_monotonic_time() + SPAN_US;
    members_run(fixture->members, N_MEMBERS, is_over, fixture,
                SPAN_US / 1000 + 1000);
    return 0;
}

static int
unmake(void **state)
{
    Fixture *fixture = *state;
    for (size_t i = 0; i < N_MEMBERS; i++)
        member_leave(fixture->members[i], fixture->members, N_MEMBERS);
    rd_kafka_destroy(fixture->producer);
    kab_mock_free(fixture->mock);
    g_free(fixture);
    return 0;
}

/* --- Tests ------------------------------------------------------------- */

static int64_t
window_us(size_t i)
{
    if (!kab_quirk_applies(KAB_QUIRK_COMMIT_BEHIND_JOIN))
        return 0;
    return MIN(heartbeat_ms(i) * INT64_C(100), 50000);
}

static size_t
count_above(const Fixture *fixture,
            size_t i,
            const char *what,
            int64_t us,
            int64_t limit_us)
{
    limit_us += window_us(i) + ROUND_TRIP_US + fixture->gap_us;
    print_message("%s %s: %d ms, limit %d ms\n", fixture->watches[i].name, what,
                  (int)(us / 1000), (int)(limit_us / 1000));
    return us > limit_us;
}

TEST(a_finished_record_waits_no_longer_than_the_interval_for_its_commit)
{
    const Fixture *fixture = *state;
    size_t n_above = 0;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const Watch *watch = &fixture->watches[i];
        n_above += watch->committed[0] <= 0 || watch->committed[1] <= 0;
        n_above += count_above(fixture, i, "a commit", watch->longest_us,
                               interval_us(i));
    }
    assert_int_equal(n_above, 0);
}

TEST(a_start_offset_is_committed_at_once)
{
    const Fixture *fixture = *state;
    size_t n_above = 0;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const Watch *watch = &fixture->watches[i];
        int64_t pinned_us =
            watch->pinned_us ? watch->pinned_us : fixture->end_us;
        n_above += count_above(fixture, i, "two start offsets",
                               pinned_us - watch->known_us, 0);
    }
    assert_int_equal(n_above, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_finished_record_waits_no_longer_than_the_interval_for_its_commit),
        cmocka_unit_test(a_start_offset_is_committed_at_once),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
