/* SPDX-License-Identifier: Apache-2.0 */
/* Members with one partition each, each in a group of its own, on one mock
 * cluster. They join side by side: a join takes the mock three seconds.
 */
#include "kab-test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "api-keys.h"
#include "committed.h"
#include "member.h"
#include "message.h"
#include "mock.h"
#include "source-internal.h"

#define N 500
#define TIMEOUT 20000

#define MEMBERS(X)                                                             \
    X(PLAIN, "plain")       /* N records from start to commit */               \
    X(EAGER, "eager")       /* range assignor; offset out of range */          \
    X(OUTSIDE, "outside")   /* cooperative; offset out of range */             \
    X(LATEST, "latest")     /* begins at the end */                            \
    X(BEYOND, "beyond")     /* records finished beyond the offset */           \
    X(FOREIGN, "foreign")   /* metadata written by another program */          \
    X(NARROW, "narrow")     /* a small buffer; calls are held */               \
    X(MISSING, "missing")   /* its topic does not exist */                     \
    X(PATTERN, "pattern")   /* its pattern matches its output */               \
    X(INTERNAL, "internal") /* its pattern matches an internal topic */        \
    X(NAMED, "named")       /* the same, but the topic is named */

enum {
#define X(NAME, text) NAME,
    MEMBERS(X)
#undef X
        N_MEMBERS
};

static const char *const names[] = {
#define X(NAME, text) text,
    MEMBERS(X)
#undef X
};

/* NULL: subscribes to the topic by name. */
static const char *const patterns[N_MEMBERS] = {
    [PATTERN] = "^patter.",
    [INTERNAL] = "^(internal|__.*)$",
    [NAMED] = "^(named|__.*)$",
};

typedef struct {
    KabMock *mock;
    Member *members[N_MEMBERS];
} Fixture;

/* --- Conditions -------------------------------------------------------- */

static bool
has_joined(void *data)
{
    const Fixture *fixture = data;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        KabSourceState state;
        kab_source_get_state(fixture->members[i]->source, 0, &state);
        if (i != MISSING && !state.is_member)
            return false;
    }
    return true;
}

static bool
has_committed_all(void *data)
{
    return member_partition(data, 0).committed == N;
}

static bool
has_committed_all_twice(void *data)
{
    return member_partition(data, 0).committed == 2 * N;
}

static bool
is_stopped(void *data)
{
    return ((Member *)data)->is_stopped;
}

static void
run(Fixture *fixture, Condition condition, Member *member)
{
    assert_true(
        members_run(fixture->members, N_MEMBERS, condition, member, TIMEOUT));
}

/* --- Set-up ------------------------------------------------------------ */

static char *
dup_metadata(void)
{
    return kab_committed_encode(100, (KabInterval[]){{101, 200}, {300, 499}},
                                2);
}

static void
make_topics(KabMock *mock)
{
    const char *bootstrap = kab_mock_bootstrap(mock);
    g_autofree char *metadata = dup_metadata();
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if (i == MISSING)
            continue;
        kab_mock_create_topic(mock, names[i], 1, NULL);
        if (i != PATTERN)
            produce(bootstrap, names[i], 0, 0, N);
    }
    kab_mock_create_topic(mock, "__consumer_offsets", 1, NULL);
    kab_mock_create_topic(mock, "__transaction_state", 1, NULL);
    commit_alone(bootstrap, "eager", "eager", 100000, NULL);
    commit_alone(bootstrap, "outside", "outside", 100000, NULL);
    commit_alone(bootstrap, "beyond", "beyond", 100, metadata);
    commit_alone(bootstrap, "foreign", "foreign", 490, "instance-7");
    rd_kafka_mock_topic_set_error(kab_mock_cluster(mock), "missing",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static Member *
make_member(KabMock *mock, size_t i)
{
    MemberSetup setup = {
        .bootstrap = kab_mock_bootstrap(mock),
        .group = i == LATEST ? "the gr\xc3\xb6up" : names[i],
        .topics = {patterns[i] ? patterns[i] : names[i],
                   i == NAMED ? "__consumer_offsets" : NULL},
        .outputs = {i == PATTERN ? "pattern" : NULL},
        .start_latest = i == LATEST,
        .batch_count = i == NARROW ? 10 : 0,
        .buffer_bytes = i == NARROW ? 20 * 512 : 0,
        .missing_topic_us = i == MISSING ? 1000000 : 0,
        .commit_interval_us = 10000,
    };
    if (i == EAGER)
        setup.properties[0] =
            (KabProperty){"partition.assignment.strategy", "range"};
    Member *member = member_new(&setup);
    member->holds_calls = i == NARROW;
    return member;
}

static int
make(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    make_topics(fixture->mock);
    for (size_t i = 0; i < N_MEMBERS; i++)
        fixture->members[i] = make_member(fixture->mock, i);
    return members_run(fixture->members, N_MEMBERS, has_joined, fixture,
                       TIMEOUT)
               ? 0
               : -1;
}

static int
unmake(void **state)
{
    Fixture *fixture = *state;
    for (size_t i = 0; i < N_MEMBERS; i++)
        if (fixture->members[i])
            member_leave(fixture->members[i], fixture->members, N_MEMBERS);
    kab_mock_free(fixture->mock);
    g_free(fixture);
    return 0;
}

/* --- Tests ------------------------------------------------------------- */

static void
look_at_messages(Member *member, const KabAttempt *attempt)
{
    for (size_t i = 0; i < attempt->n; i++) {
        const KabRecord *record = &attempt->records[i];
        char value[16];
        g_snprintf(value, sizeof value, "%d", (int)record->offset);
        assert_string_equal(record->topic, member->setup.topics[0]);
        assert_null(record->key.data);
        assert_int_equal(record->value.len, strlen(value));
        assert_memory_equal(record->value.data, value, record->value.len);
        assert_true(record->timestamp_ms > 0);
        KabHeader headers[4];
        assert_int_equal(kab_message_get_headers(attempt->messages[i], headers,
                                                 G_N_ELEMENTS(headers)),
                         1);
        assert_string_equal(headers[0].name, "h");
        assert_memory_equal(headers[0].value.data, value, strlen(value));
    }
}

TEST(what_is_taken_is_finished_and_committed)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[PLAIN];
    member->look = look_at_messages;
    run(fixture, has_committed_all, member);
    assert_int_equal(member->seen->len, N);
    for (guint i = 0; i < N; i++)
        assert_int_equal(g_array_index(member->seen, Seen, i).offset, i);
    assert_int_equal(kab_source_get_end(member->source, "plain", 0), N);
    assert_int_equal(kab_source_get_end(member->source, "plain", 7), -1);
    KabSourceState source;
    kab_source_get_state(member->source, g_get_monotonic_time(), &source);
    assert_true(source.answered_us > 0);
    assert_false(source.has_silent_broker);
    assert_false(source.is_rebalancing);
    assert_int_equal(source.rebalances[KAB_REBALANCE_ASSIGNED], 1);
}

static void
assert_has_group(const Member *member)
{
    rd_kafka_consumer_group_metadata_t *group =
        kab_source_dup_group(member->source);
    assert_non_null(group);
    rd_kafka_consumer_group_metadata_destroy(group);
}

TEST(a_group_beyond_ascii_has_metadata_for_transactions)
{
    Fixture *fixture = *state;
    assert_has_group(fixture->members[PLAIN]);
    assert_has_group(fixture->members[LATEST]);
    assert_false(fixture->members[LATEST]->is_stopped);
}

TEST(a_pattern_leaves_internal_topics_out)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[INTERNAL];
    run(fixture, has_committed_all, member);
    assert_int_equal(member_n_partitions(member), 1);
}

TEST(an_internal_topic_that_is_named_is_read)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[NAMED];
    assert_int_equal(member_n_partitions(member), 2);
}

static void
assert_went_on_at_the_beginning(Fixture *fixture, size_t i)
{
    Member *member = fixture->members[i];
    run(fixture, has_committed_all, member);
    assert_int_equal(member->seen->len, N);
    assert_true(member_has_logged(member, "offset 100000 is not in its log"));
    assert_true(member_has_logged(member, "went on from offset 100000 at 0"));
    assert_int_equal(kab_engine_counters(member->engine)
                         ->records_skipped[KAB_SKIP_OUT_OF_RANGE],
                     1);
}

TEST(an_offset_out_of_range_goes_on_at_the_beginning)
{
    assert_went_on_at_the_beginning(*state, OUTSIDE);
}

TEST(an_offset_out_of_range_under_an_eager_assignor_goes_on_at_the_beginning)
{
    assert_went_on_at_the_beginning(*state, EAGER);
}

TEST(a_start_at_the_end_is_committed_before_a_record_is_called)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[LATEST];
    run(fixture, has_committed_all, member);
    assert_int_equal(member->seen->len, 0);
}

TEST(what_was_finished_beyond_the_offset_is_not_called_again)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[BEYOND];
    run(fixture, has_committed_all, member);
    /* 100, 200 to 299, 499. */
    assert_int_equal(member->seen->len, 102);
    assert_int_equal(g_array_index(member->seen, Seen, 0).offset, 100);
    assert_int_equal(g_array_index(member->seen, Seen, 1).offset, 200);
    assert_int_equal(g_array_index(member->seen, Seen, 101).offset, 499);
}

TEST(metadata_of_another_program_is_named_and_not_used)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[FOREIGN];
    run(fixture, has_committed_all, member);
    assert_int_equal(member->seen->len, 10);
    assert_true(member_has_logged(member, "another program wrote it"));
}

static bool
is_full(void *data)
{
    return kab_engine_want(((Member *)data)->engine) == 0;
}

TEST(no_more_is_taken_than_is_wanted_and_all_comes_in_the_end)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[NARROW];
    run(fixture, is_full, member);
    KabEngineState engine;
    kab_engine_get_state(member->engine, g_get_monotonic_time(), &engine);
    assert_in_range(engine.records, 1, 21);
    member->holds_calls = false;
    run(fixture, has_committed_all, member);
    assert_int_equal(member->seen->len, N);
    for (guint i = 0; i < N; i++)
        assert_int_equal(g_array_index(member->seen, Seen, i).offset, i);
}

TEST(a_topic_that_stays_missing_stops_the_binding)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[MISSING];
    run(fixture, is_stopped, member);
    g_autofree char *command = g_strdup_printf(
        "create it: kafka-topics.sh --bootstrap-server %s --create --topic "
        "missing --partitions N",
        kab_mock_bootstrap(fixture->mock));
    assert_non_null(strstr(member->stop_message, command));
}

TEST(a_pattern_that_matches_an_output_stops_the_binding)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[PATTERN];
    run(fixture, is_stopped, member);
    assert_non_null(strstr(member->stop_message, "topic pattern matches"));
}

static bool
is_any_fenced(void *data)
{
    const Fixture *fixture = data;
    for (size_t i = 0; i < N_MEMBERS; i++)
        if (fixture->members[i]->is_stopped &&
            strstr(fixture->members[i]->stop_message, "beyond use"))
            return true;
    return false;
}

/* Any member may be the next to send a heartbeat, even one that another test
 * has stopped, where the error shows nothing: so inject one error per member.
 */
TEST(a_member_that_is_fenced_stops_the_binding)
{
    Fixture *fixture = *state;
    for (size_t i = 0; i < N_MEMBERS; i++)
        rd_kafka_mock_push_request_errors(kab_mock_cluster(fixture->mock),
                                          KAB_API_HEARTBEAT, 1,
                                          RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    assert_true(members_run(fixture->members, N_MEMBERS, is_any_fenced, fixture,
                            TIMEOUT));
}

static void
ignore_log(void *user, KabLogLevel level, KabPlace place, const char *message)
{
}

/* librdkafka detects this error only after it has run the interceptors. */
TEST(a_consumer_that_cannot_be_made_is_an_error)
{
    const KabEdge edge = {.log = ignore_log, .wake_fd = -1};
    const KabProperty properties[] = {
        {"bootstrap.servers", "127.0.0.1:1"},
        {"partition.assignment.strategy", "nobody's"},
    };
    const KabSourceSetup setup = {
        .edge = &edge,
        .group = "g",
        .properties = properties,
        .n_properties = G_N_ELEMENTS(properties),
    };
    g_autoptr(GError) error = NULL;
    assert_null(kab_source_new(&setup, &error));
    assert_non_null(strstr(error->message, "nobody's"));
}

/* --- An outage --------------------------------------------------------- */

static bool
has_time_passed(void *data)
{
    return g_get_monotonic_time() > *(const int64_t *)data;
}

/* The only member of a group, with N records on a mock cluster of its own. */
static Member *
alone_member(const char *name, KabMock **ret_mock, int load_timeout_ms)
{
    KabMock *mock = *ret_mock = kab_mock_new(1, NULL);
    kab_mock_create_topic(mock, name, 1, NULL);
    produce(kab_mock_bootstrap(mock), name, 0, 0, N);
    return member_new(&(MemberSetup){
        .bootstrap = kab_mock_bootstrap(mock),
        .group = name,
        .topics = {name},
        .load_timeout_ms = load_timeout_ms,
    });
}

static bool
has_refusals(void *data)
{
    const KabCounters *counters = kab_engine_counters(((Member *)data)->engine);
    return counters->commits[KAB_COMMIT_TOO_LARGE] &&
           counters->commits[KAB_COMMIT_FAILED];
}

TEST(a_refused_commit_is_classified_and_repeated)
{
    KabMock *mock;
    Member *member = alone_member("refused", &mock, 0);
    assert_true(members_run(&member, 1, has_committed_all, member, TIMEOUT));
    rd_kafka_mock_push_request_errors(
        kab_mock_cluster(mock), KAB_API_OFFSET_COMMIT, 2,
        RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE);
    produce(kab_mock_bootstrap(mock), "refused", 0, N, 2 * N);
    assert_true(
        members_run(&member, 1, has_committed_all_twice, member, TIMEOUT));
    assert_true(has_refusals(member));
    member_leave(member, &member, 1);
    kab_mock_free(mock);
}

static bool
is_cut_off(void *data)
{
    return kab_health_is_cut_off(((const Member *)data)->source->health);
}

static bool
is_loading(void *data)
{
    return ((const Member *)data)->source->is_load_out;
}

static bool
has_committed_and_asks_nothing(void *data)
{
    return has_committed_all(data) && !is_loading(data);
}

/* KAB_QUIRK_ADMIN_TIMEOUT: the client would abort the process when the broker
 * is back, if a request had begun and timed out meanwhile. With the time-out of
 * users this takes an outage of an hour. */
TEST(an_outage_may_be_longer_than_the_time_out_of_a_load)
{
    enum { LOAD_MS = 1000, OUTAGE_US = 9000000, TURN_MS = 100 };
    KabMock *mock;
    Member *member = alone_member("dark", &mock, LOAD_MS);
    assert_true(members_run(&member, 1, has_committed_and_asks_nothing, member,
                            TIMEOUT));
    rd_kafka_mock_broker_set_down(kab_mock_cluster(mock), 1);
    while (!is_cut_off(member)) /* its thread tells; no turn meanwhile */
        g_usleep(1000);
    int64_t end_us = g_get_monotonic_time() + OUTAGE_US;
    while (!has_time_passed(&end_us)) /* the owner's turns, by its clock */
        members_run(&member, 1, has_time_passed, &end_us, TURN_MS);
    rd_kafka_mock_broker_set_up(kab_mock_cluster(mock), 1);
    produce(kab_mock_bootstrap(mock), "dark", 0, N, 2 * N);
    assert_true(
        members_run(&member, 1, has_committed_all_twice, member, TIMEOUT));
    member_leave(member, &member, 1);
    kab_mock_free(mock);
}

/* KAB_QUIRK_STUCK_BROKER: the answer is lost, and made to look as if it had
 * been waited for long. */
TEST(a_load_that_is_never_answered_is_asked_for_again)
{
    KabMock *mock;
    Member *member = alone_member("mute", &mock, 0);
    assert_true(members_run(&member, 1, is_loading, member, TIMEOUT));
    rd_kafka_event_t *answer =
        rd_kafka_queue_poll(member->source->admin, TIMEOUT);
    assert_non_null(answer);
    rd_kafka_event_destroy(answer);
    assert_false(members_run(&member, 1, has_committed_all, member, 500));
    member->source->load_asked_us = 1;
    member->source->load_missed_us = 0;
    assert_true(members_run(&member, 1, has_committed_all, member, TIMEOUT));
    member_leave(member, &member, 1);
    kab_mock_free(mock);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_finished_and_committed),
        cmocka_unit_test(a_group_beyond_ascii_has_metadata_for_transactions),
        cmocka_unit_test(a_pattern_leaves_internal_topics_out),
        cmocka_unit_test(an_internal_topic_that_is_named_is_read),
        cmocka_unit_test(an_offset_out_of_range_goes_on_at_the_beginning),
        cmocka_unit_test(
            an_offset_out_of_range_under_an_eager_assignor_goes_on_at_the_beginning),
        cmocka_unit_test(
            a_start_at_the_end_is_committed_before_a_record_is_called),
        cmocka_unit_test(
            what_was_finished_beyond_the_offset_is_not_called_again),
        cmocka_unit_test(metadata_of_another_program_is_named_and_not_used),
        cmocka_unit_test(
            no_more_is_taken_than_is_wanted_and_all_comes_in_the_end),
        cmocka_unit_test(a_topic_that_stays_missing_stops_the_binding),
        cmocka_unit_test(a_pattern_that_matches_an_output_stops_the_binding),
        cmocka_unit_test(a_refused_commit_is_classified_and_repeated),
        cmocka_unit_test(a_consumer_that_cannot_be_made_is_an_error),
        cmocka_unit_test(a_member_that_is_fenced_stops_the_binding),
        cmocka_unit_test(a_load_that_is_never_answered_is_asked_for_again),
        cmocka_unit_test(an_outage_may_be_longer_than_the_time_out_of_a_load),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
