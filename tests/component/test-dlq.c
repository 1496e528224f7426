/* SPDX-License-Identifier: Apache-2.0 */
/* `kabridge dlq` on the embedded broker: what is listed, what goes back; and
 * `kabridge skip` of what is not there. */
#include "kab-test.h"

#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <librdkafka/rdkafka.h>

#include "child.h"
#include "mock.h"

enum { TIMEOUT_MS = 20000, WATCHDOG_S = 60 };

typedef struct {
    KabMock *mock;
    char *config;
    rd_kafka_t *producer;
} Fixture;

static rd_kafka_t *
new_client(rd_kafka_type_t type, const Fixture *fixture)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers",
                      kab_mock_bootstrap(fixture->mock), NULL, 0);
    if (type == RD_KAFKA_CONSUMER)
        rd_kafka_conf_set(conf, "group.id", "test-reader", NULL, 0);
    rd_kafka_t *client = rd_kafka_new(type, conf, NULL, 0);
    g_assert(client);
    return client;
}

/* headers: "name=value", NULL-terminated. */
static void
write_letter(Fixture *fixture, const char *value, const char *const *headers)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(8);
    for (const char *const *header = headers; *header; header++) {
        const char *equals = strchr(*header, '=');
        rd_kafka_header_add(list, *header, equals - *header, equals + 1, -1);
    }
    rd_kafka_resp_err_t fault = rd_kafka_producev(
        fixture->producer, RD_KAFKA_V_TOPIC("letters"), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_KEY((void *)(uintptr_t) "k", 1),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value ? strlen(value) : 0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(list),
        RD_KAFKA_V_END);
    g_assert(!fault);
}

#define LETTER(value, ...)                                                     \
    write_letter(fixture, value, (const char *const[]){__VA_ARGS__, NULL})
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

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    if (!kab_mock_create_topic(fixture->mock, "letters", 1, NULL) ||
        !kab_mock_create_topic(fixture->mock, "in", 2, NULL))
        return -1;
    fixture->producer = new_client(RD_KAFKA_PRODUCER, fixture);
    write_letters(fixture);
    int fd = g_file_open_tmp("kabridge-test-XXXXXX", &fixture->config, NULL);
    close(fd);
    g_autofree char *text = g_strdup_printf(
        "[kafka]\nbootstrap.servers = %s\n[binding a]\ninput.topics = in\n"
        "function = identity\noutput.topic = out\n"
        "dead.letter.topic = letters\n[binding b]\ninput.topics = b\n"
        "function = identity\noutput.topic = out\n",
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
    rd_kafka_t *consumer = new_client(RD_KAFKA_CONSUMER, fixture);
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

TEST(a_list_shows_own_letters_and_names_those_that_are_none)
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

TEST(a_skip_of_what_is_not_there_says_what_is)
{
    Fixture *fixture = *state;
    g_auto(Child) partition =
        COMMAND("skip", fixture->config, "--binding=a", "--topic=in",
                "--partition=2", "--offset=0");
    child_assert_exit(&partition, EX_DATAERR);
    child_assert_said(&partition, "--partition: found 2; wanted one of topic "
                                  "in, from 0 to 1");
}

TEST(wrong_words_end_with_64)
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
            a_list_shows_own_letters_and_names_those_that_are_none),
        cmocka_unit_test(a_limit_ends_a_list),
        cmocka_unit_test(a_dry_run_sends_nothing),
        cmocka_unit_test(a_replay_restores_the_records_once),
        cmocka_unit_test(a_list_says_what_was_replayed),
        cmocka_unit_test(a_skip_of_what_is_not_there_says_what_is),
        cmocka_unit_test(wrong_words_end_with_64),
    };
    alarm(WATCHDOG_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
