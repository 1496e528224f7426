/* SPDX-License-Identifier: Apache-2.0 */
/* `kabridge dlq` on the embedded broker: what it lists and what it sends back;
 * and `kabridge skip` of a record that does not exist. */
#include "kab-test.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>

#include "child.h"
#include "mock-client.h"
#include "mock.h"

enum { TIMEOUT_MS = 20000, WATCHDOG_S = 180 };
/* A replay commits every ROUND letters. Of MANY letters it prints a good two
 * rounds until the pipe is full that nobody reads, and stands there. */
enum { ROUND = 500, MANY = 2000 };

typedef struct {
    KabMock *mock;
    char *config;
    rd_kafka_t *producer;
} Fixture;

/* headers: "name=value", NULL-terminated. */
static void
write_letter_to(Fixture *fixture,
                const char *topic,
                const char *value,
                const char *const *headers)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(8);
    for (const char *const *header = headers; *header; header++) {
        const char *equals = strchr(*header, '=');
        rd_kafka_header_add(list, *header, equals - *header, equals + 1, -1);
    }
    rd_kafka_resp_err_t fault = rd_kafka_producev(
        fixture->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_KEY((void *)(uintptr_t) "k", 1),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value ? strlen(value) : 0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(list),
        RD_KAFKA_V_END);
    g_assert(!fault);
}

#define LETTER(value, ...)                                                     \
    write_letter_to(fixture, "letters", value,                                 \
                    (const char *const[]){__VA_ARGS__, NULL})
#define ERRORS(name, value) "__kabridge.errors." name "=" value

static void
write_letters(Fixture *fixture)
{
    LETTER("first", "own=1", ERRORS("topic", "in"), ERRORS("partition", "1"),
           ERRORS("offset", "41"), ERRORS("timestamp", "1700000000000"),
           ERRORS("binding", "a"), ERRORS("class", "rejected"),
           ERRORS("stage", "decode"), ERRORS("attempts", "1"),
           ERRORS("message", "not\na number"));
    LETTER("other", ERRORS("topic", "in"), ERRORS("partition", "0"),
           ERRORS("offset", "1"), ERRORS("binding", "b"));
    LETTER(NULL, ERRORS("topic", "in"), ERRORS("partition", "0"),
           ERRORS("offset", "2"), ERRORS("binding", "a"),
           ERRORS("truncated", "true"));
    LETTER("stray", "own=2");
    LETTER("again", "__kabridge.replays=2", ERRORS("topic", "in"),
           ERRORS("partition", "7"), ERRORS("offset", "43"),
           ERRORS("binding", "a"));
}

/* The input is `topic`; the letters are in `topic`-letters. */
static void
write_many(Fixture *fixture, const char *binding, const char *topic)
{
    g_autofree char *letters = g_strconcat(topic, "-letters", NULL);
    g_autofree char *of_topic = g_strconcat(ERRORS("topic", ""), topic, NULL);
    g_autofree char *of_binding =
        g_strconcat(ERRORS("binding", ""), binding, NULL);
    for (int i = 0; i < MANY; i++) {
        char value[16], offset[64];
        g_snprintf(value, sizeof value, "%d", i);
        g_snprintf(offset, sizeof offset, ERRORS("offset", "%d"), i);
        write_letter_to(fixture, letters, value,
                        (const char *const[]){
                            of_topic, ERRORS("partition", "0"), offset,
                            of_binding,
                            ERRORS("message", "some twenty letters"), NULL});
    }
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    if (!kab_mock_create_topic(fixture->mock, "letters", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "in", 2, NULL) ||
        !kab_mock_create_topic(fixture->mock, "many", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "more", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "many-letters", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "more-letters", 1, NULL))
        return -1;
    fixture->producer = mock_client_new_producer(fixture->mock);
    write_letters(fixture);
    write_many(fixture, "c", "many");
    write_many(fixture, "d", "more");
    int fd = g_file_open_tmp("kabridge-test-XXXXXX", &fixture->config, NULL);
    close(fd);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n[binding a]\ninput.topics = in\n"
        "function = identity\noutput.topic = out\n"
        "dead.letter.topic = letters\n[binding b]\ninput.topics = b\n"
        "function = identity\noutput.topic = out\n"
        "[binding c]\ninput.topics = many\nfunction = identity\n"
        "output.topic = out\ndead.letter.topic = many-letters\n"
        "[binding d]\ninput.topics = more\nfunction = identity\n"
        "output.topic = out\ndead.letter.topic = more-letters\n",
        kab_mock_bootstrap(fixture->mock));
    g_assert(g_file_set_contents(fixture->config, text, -1, NULL));
    return rd_kafka_flush(fixture->producer, TIMEOUT_MS) ? -1 : 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    rd_kafka_destroy(fixture->producer);
    kab_mock_free(fixture->mock);
    g_unlink(fixture->config);
    g_free(fixture->config);
    g_free(fixture);
    return 0;
}

/* --- Read back --------------------------------------------------------- */

static rd_kafka_message_t *
next_of(rd_kafka_t *consumer)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, TIMEOUT_MS);
    assert_non_null(message);
    assert_int_equal(message->err, 0);
    return message;
}

static rd_kafka_t *
read_inputs(const Fixture *fixture)
{
    rd_kafka_t *consumer =
        mock_client_new_consumer(fixture->mock, "test-reader");
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(2);
    for (int i = 0; i < 2; i++)
        rd_kafka_topic_partition_list_add(list, "in", i)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return consumer;
}

static void
assert_value(const rd_kafka_message_t *message, const char *value)
{
    assert_int_equal(message->len, strlen(value));
    assert_memory_equal(message->payload, value, message->len);
}

static void
assert_headers(const rd_kafka_message_t *message, const char *expected)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_headers(message, &headers);
    g_autoptr(GString) found = g_string_new(NULL);
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0;
         !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
        g_string_append_printf(found, "%s=%.*s ", name, (int)len,
                               (const char *)value);
    assert_string_equal(found->str, expected);
}

/* --- Tests ------------------------------------------------------------- */

TEST(a_list_shows_letters_of_this_binding_and_names_invalid_ones)
{
    Fixture *fixture = *state;
    g_auto(Child) child =
        COMMAND("dlq", "list", fixture->config, "--binding=a");
    child_assert_exit(&child, EX_DATAERR);
    assert_string_equal(
        child.output, "letter\tstate\tinput\tclass\tstage\tattempts\tmessage\n"
                      "0:0\tnew\tin [1] 41\trejected\tdecode\t1\tnot a number\n"
                      "0:2\ttruncated\tin [0] 2\t-\t-\t-1\t\n"
                      "0:4\tnew\tin [7] 43\t-\t-\t-1\t\n");
    child_assert_said(&child, "letters [0] 3: found no right header");
}

TEST(a_limit_ends_a_list)
{
    Fixture *fixture = *state;
    g_auto(Child) child =
        COMMAND("dlq", "list", fixture->config, "--binding=a", "--limit=1");
    child_assert_exit(&child, EX_OK);
    child_assert_said(&child, "1 letters of binding a");
}

TEST(a_dry_run_sends_nothing)
{
    Fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        g_auto(Child) child = COMMAND("dlq", "replay", fixture->config,
                                      "--binding=a", "--dry-run");
        child_assert_exit(&child, EX_DATAERR);
        child_assert_said(&child, "2 letters would go back");
    }
}

TEST(a_replay_restores_the_records_once)
{
    Fixture *fixture = *state;
    g_auto(Child) child =
        COMMAND("dlq", "replay", fixture->config, "--binding=a");
    child_assert_exit(&child, EX_DATAERR);
    child_assert_said(&child, "every group that reads");
    child_assert_said(&child, "2 letters went back; 1 of other bindings and 2 "
                              "that cannot go back");
    g_auto(Child) again =
        COMMAND("dlq", "replay", fixture->config, "--binding=a");
    child_assert_exit(&again, EX_OK);
    child_assert_said(&again, "0 letters went back");

    rd_kafka_t *consumer = read_inputs(fixture);
    rd_kafka_message_t *messages[] = {next_of(consumer), next_of(consumer)};
    unsigned first =
        messages[0]->len == 5 && memcmp(messages[0]->payload, "first", 5) == 0
            ? 0
            : 1;
    assert_value(messages[first], "first");
    assert_int_equal(messages[first]->partition, 1);
    assert_int_equal(messages[first]->key_len, 1);
    assert_int_equal(rd_kafka_message_timestamp(messages[first], NULL),
                     1700000000000);
    assert_headers(messages[first], "own=1 __kabridge.replays=1 ");
    assert_value(messages[!first], "again");
    assert_headers(messages[!first], "__kabridge.replays=3 ");
    rd_kafka_message_destroy(messages[0]);
    rd_kafka_message_destroy(messages[1]);
    rd_kafka_destroy(consumer);
}

TEST(a_list_says_what_was_replayed)
{
    Fixture *fixture = *state;
    g_auto(Child) child =
        COMMAND("dlq", "list", fixture->config, "--binding=a", "--limit=1");
    child_assert_exit(&child, EX_OK);
    assert_non_null(strstr(child.output, "0:0\treplayed\t"));
}

TEST(a_list_as_json_has_an_object_per_line)
{
    Fixture *fixture = *state;
    g_auto(Child) child = COMMAND("dlq", "list", fixture->config, "--binding=a",
                                  "--format=json", "--class=rejected");
    child_assert_exit(&child, EX_DATAERR);
    assert_string_equal(
        child.output,
        "{\"topic\":\"in\",\"partition\":1,\"offset\":41,"
        "\"timestamp\":1700000000000,\"class\":\"rejected\","
        "\"stage\":\"decode\",\"attempts\":1,\"message\":\"not\\na number\","
        "\"replays\":0,\"binding\":\"a\",\"group\":null,"
        "\"letter_partition\":0,\"letter_offset\":0,\"state\":\"replayed\"}\n");
    g_auto(Child) summary =
        COMMAND("dlq", "list", fixture->config, "--binding=a", "--format=json",
                "--class=rejected", "--summary");
    child_assert_exit(&summary, EX_DATAERR);
    assert_string_equal(summary.output,
                        "{\"letters\":1,\"class\":\"rejected\","
                        "\"stage\":\"decode\",\"topic\":\"in\","
                        "\"oldest\":\"2023-11-14T22:13:20Z\","
                        "\"newest\":\"2023-11-14T22:13:20Z\"}\n");
}

/* --- Replays that end early -------------------------------------------- */

static int64_t
committed_of(rd_kafka_t *consumer, const char *letters)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, letters, 0);
    assert_int_equal(rd_kafka_committed(consumer, list, TIMEOUT_MS), 0);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

/* A commit in another process cannot wake the test; each look is an answer of
 * the broker. */
static void
wait_until_committed(const Fixture *fixture,
                     const char *group,
                     const char *letters,
                     int64_t wanted)
{
    rd_kafka_t *consumer = mock_client_new_consumer(fixture->mock, group);
    int64_t committed;
    do
        committed = committed_of(consumer, letters);
    while (committed < wanted);
    assert_int_equal(committed, wanted);
    rd_kafka_destroy(consumer);
}

/* How many letters went back by the child's own count. */
static int64_t
count_told(const Child *child)
{
    const char *end = strstr(child->log->str, " letters went back");
    assert_non_null(end);
    const char *begin = end;
    while (begin > child->log->str && g_ascii_isdigit(begin[-1]))
        begin--;
    return g_ascii_strtoll(begin, NULL, 10);
}

/* How many records the topic has, of which each letter's must be one. */
static int64_t
count_input(const Fixture *fixture, const char *topic)
{
    rd_kafka_t *consumer = mock_client_new_reader(fixture->mock, topic);
    int64_t low, n = 0;
    assert_int_equal(rd_kafka_query_watermark_offsets(consumer, topic, 0, &low,
                                                      &n, TIMEOUT_MS),
                     0);
    bool is_there[MANY] = {false};
    for (int64_t i = 0; i < n; i++) {
        rd_kafka_message_t *message = next_of(consumer);
        g_autofree char *value = g_strndup(message->payload, message->len);
        is_there[g_ascii_strtoll(value, NULL, 10)] = true;
        rd_kafka_message_destroy(message);
    }
    for (int i = 0; i < MANY; i++)
        assert_true(is_there[i]);
    rd_kafka_destroy(consumer);
    return n;
}

TEST(a_replay_that_was_killed_is_resumed)
{
    Fixture *fixture = *state;
    Child killed = COMMAND("dlq", "replay", fixture->config, "--binding=c");
    wait_until_committed(fixture, "kabridge-c-dlq", "many-letters", 2 * ROUND);
    child_clear(&killed);
    g_auto(Child) child =
        COMMAND("dlq", "replay", fixture->config, "--binding=c");
    g_free(child_dup_results(&child));
    child_assert_exit(&child, EX_OK);
    assert_int_equal(count_told(&child), MANY - 2 * ROUND);
    /* The round in which it was killed may have been sent twice. */
    assert_in_range(count_input(fixture, "many"), MANY, MANY + ROUND);
}

TEST(a_replay_that_is_stopped_counts_and_repeats_nothing)
{
    Fixture *fixture = *state;
    g_auto(Child) stopped =
        COMMAND("dlq", "replay", fixture->config, "--binding=d");
    wait_until_committed(fixture, "kabridge-d-dlq", "more-letters", 2 * ROUND);
    child_signal(&stopped, SIGTERM);
    g_free(child_dup_results(&stopped));
    child_assert_exit(&stopped, EX_TEMPFAIL);
    child_assert_said(&stopped, "another replay goes on from here");
    int64_t n = count_told(&stopped);
    assert_in_range(n, 2 * ROUND, MANY - 1);
    g_auto(Child) child =
        COMMAND("dlq", "replay", fixture->config, "--binding=d");
    g_free(child_dup_results(&child));
    child_assert_exit(&child, EX_OK);
    assert_int_equal(count_told(&child), MANY - n);
    assert_int_equal(count_input(fixture, "more"), MANY);
}

/* --- Usage ------------------------------------------------------------- */

TEST(a_skip_of_an_unknown_partition_names_the_known_ones)
{
    Fixture *fixture = *state;
    g_auto(Child) partition =
        COMMAND("skip", fixture->config, "--binding=a", "--topic=in",
                "--partition=2", "--offset=0");
    child_assert_exit(&partition, EX_DATAERR);
    child_assert_said(&partition, "--partition: found 2; wanted one of topic "
                                  "in, from 0 to 1");
}

TEST(wrong_usage_of_dlq_and_skip_ends_with_64)
{
    Fixture *fixture = *state;
    g_auto(Child) verb = COMMAND("dlq", "purge", fixture->config);
    child_assert_exit(&verb, EX_USAGE);
    g_auto(Child) binding = COMMAND("dlq", "list", fixture->config);
    child_assert_exit(&binding, EX_USAGE);
    child_assert_said(&binding, "wanted one of a, b");
    g_auto(Child) topic =
        COMMAND("dlq", "list", fixture->config, "--binding=b");
    child_assert_exit(&topic, EX_USAGE);
    child_assert_said(&topic, "no dead.letter.topic");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_list_shows_letters_of_this_binding_and_names_invalid_ones),
        cmocka_unit_test(a_limit_ends_a_list),
        cmocka_unit_test(a_dry_run_sends_nothing),
        cmocka_unit_test(a_replay_restores_the_records_once),
        cmocka_unit_test(a_list_says_what_was_replayed),
        cmocka_unit_test(a_list_as_json_has_an_object_per_line),
        cmocka_unit_test(a_replay_that_was_killed_is_resumed),
        cmocka_unit_test(a_replay_that_is_stopped_counts_and_repeats_nothing),
        cmocka_unit_test(a_skip_of_an_unknown_partition_names_the_known_ones),
        cmocka_unit_test(wrong_usage_of_dlq_and_skip_ends_with_64),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
