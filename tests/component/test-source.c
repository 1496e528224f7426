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
    member->awaited = N;
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
    run(fixture, member_has_committed, member);
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
    run(fixture, member_has_committed, member);
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
    run(fixture, member_has_committed, member);
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
    run(fixture, member_has_committed, member);
    assert_int_equal(member->seen->len, 0);
}

TEST(what_was_finished_beyond_the_offset_is_not_called_again)
{
    Fixture *fixture = *state;
    Member *member = fixture->members[BEYOND];
    run(fixture, member_has_committed, member);
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
    run(fixture, member_has_committed, member);
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
    run(fixture, member_has_committed, member);
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
        cmocka_unit_test(a_consumer_that_cannot_be_made_is_an_error),
        cmocka_unit_test(a_member_that_is_fenced_stops_the_binding),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
