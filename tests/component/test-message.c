/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as librdkafka delivers them, and copied out of their fetch
 * response. */
#include "kab-test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "message.h"
#include "mock.h"
#include "record-layout.h"

typedef struct {
    KabMock *mock;
    rd_kafka_t *consumer;
} Fixture;

static void
produce_one(rd_kafka_t *producer,
            const char *key,
            const char *value,
            rd_kafka_headers_t *headers)
{
    rd_kafka_resp_err_t err = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key, key ? strlen(key) : 0),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value ? strlen(value) : 0),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_TIMESTAMP(12345),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    assert_int_equal(err, 0);
}

static void
produce_all(const char *bootstrap)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(3);
    rd_kafka_header_add(headers, "first", -1, "1", 1);
    rd_kafka_header_add(headers, "null", -1, NULL, 0);
    rd_kafka_header_add(headers, "first", -1, "", 0);
    produce_one(producer, "key", "value", headers);
    produce_one(producer, NULL, NULL, NULL);
    produce_one(producer, "", "", NULL);
    produce_one(producer, "key", "value", NULL);
    produce_one(producer, NULL, "value", NULL);
    assert_int_equal(rd_kafka_flush(producer, 10000), 0);
    rd_kafka_destroy(producer);
}

static int
make(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    fixture->mock = kab_mock_new(1, NULL);
    const char *bootstrap = kab_mock_bootstrap(fixture->mock);
    kab_mock_create_topic(fixture->mock, "t", 1, NULL);
    produce_all(bootstrap);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "g", NULL, 0);
    fixture->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    return 0;
}

static int
unmake(void **state)
{
    Fixture *fixture = *state;
    rd_kafka_destroy(fixture->consumer);
    kab_mock_free(fixture->mock);
    g_free(fixture);
    return 0;
}

/* Reads the record at an offset, as the source would give it to the engine. */
static void *
consume(Fixture *fixture, int64_t offset, KabRecord *ret_record)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "t", 0)->offset = offset;
    rd_kafka_assign(fixture->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_message_t *message =
        rd_kafka_consumer_poll(fixture->consumer, 10000);
    rd_kafka_assign(fixture->consumer, NULL);
    assert_non_null(message);
    assert_int_equal(message->err, 0);
    assert_int_equal(message->offset, offset);
    *ret_record = (KabRecord){
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
        .topic = "t",
        .offset = offset,
    };
    return message;
}

static void
assert_bytes(KabBytes bytes, const char *expected)
{
    assert_int_equal(bytes.data != NULL, expected != NULL);
    assert_int_equal(bytes.len, expected ? strlen(expected) : 0);
    if (expected)
        assert_memory_equal(bytes.data, expected, bytes.len);
}

static void
assert_headers(void *message)
{
    KabHeader headers[3];
    assert_int_equal(kab_message_get_headers(message, NULL, 0), 3);
    assert_int_equal(kab_message_get_headers(message, headers, 3), 3);
    assert_string_equal(headers[0].name, "first");
    assert_bytes(headers[0].value, "1");
    assert_string_equal(headers[1].name, "null");
    assert_bytes(headers[1].value, NULL);
    assert_string_equal(headers[2].name, "first");
    assert_int_equal(headers[2].value.len, 0);
}

TEST(headers_are_read_in_order_of_both_kinds)
{
    KabRecord record;
    void *message = consume(*state, 0, &record);
    assert_headers(message);
    message = kab_message_detach(message, &record);
    assert_headers(message);
    KabHeader first;
    assert_int_equal(kab_message_get_headers(message, &first, 1), 3);
    assert_string_equal(first.name, "first");
    kab_message_release(message);
}

/* A message as the source gives it to the engine. */
static void *
hold(Fixture *fixture, int64_t offset, bool passes_headers, KabRecord *ret)
{
    return kab_message_hold(consume(fixture, offset, ret),
                            kab_message_header_use(passes_headers));
}

TEST(a_held_message_says_the_same_whether_its_headers_are_passed_or_not)
{
    for (int passes_headers = 0; passes_headers < 2; passes_headers++) {
        KabRecord record;
        void *message = hold(*state, 0, passes_headers, &record);
        assert_headers(message);
        message = kab_message_detach(message, &record);
        assert_headers(message);
        assert_bytes(record.value, "value");
        kab_message_release(message);

        message = hold(*state, 2, passes_headers, &record);
        assert_int_equal(kab_message_get_headers(message, NULL, 0), 0);
        message = kab_message_detach(message, &record);
        assert_int_equal(kab_message_get_headers(message, NULL, 0), 0);
        assert_bytes(record.value, "");
        kab_message_release(message);

        kab_message_release(hold(*state, 0, passes_headers, &record));
    }
}

TEST(headers_that_were_moved_out_can_be_moved_and_read_again)
{
    for (int passes_headers = 0; passes_headers < 2; passes_headers++) {
        KabRecord record;
        void *message = hold(*state, 0, passes_headers, &record);
        for (int i = 0; i < 2; i++) {
            rd_kafka_headers_t *moved = kab_message_move_headers(message);
            assert_int_equal(rd_kafka_header_cnt(moved), 3);
            assert_headers(message);
            rd_kafka_headers_destroy(moved);
        }
        message = kab_message_detach(message, &record);
        assert_headers(message);
        assert_null(kab_message_move_headers(message));
        kab_message_release(message);
    }
}

TEST(a_message_without_headers_has_none_to_move)
{
    for (int passes_headers = 0; passes_headers < 2; passes_headers++) {
        KabRecord record;
        void *message = hold(*state, 2, passes_headers, &record);
        assert_null(kab_message_move_headers(message));
        kab_message_release(message);
    }
}

TEST(a_detached_record_keeps_key_and_value)
{
    KabRecord record;
    void *message = consume(*state, 0, &record);
    KabRecord before = record;
    message = kab_message_detach(message, &record);
    assert_bytes(record.key, "key");
    assert_bytes(record.value, "value");
    assert_ptr_not_equal(record.value.data, before.value.data);
    assert_ptr_equal(kab_message_detach(message, &record), message);
    kab_message_release(message);
}

TEST(a_null_and_an_empty_value_stay_different)
{
    KabRecord record;
    void *message = consume(*state, 1, &record);
    assert_bytes(record.key, NULL);
    assert_bytes(record.value, NULL);
    assert_int_equal(kab_message_get_headers(message, NULL, 0), 0);
    message = kab_message_detach(message, &record);
    assert_bytes(record.key, NULL);
    assert_bytes(record.value, NULL);
    assert_int_equal(kab_message_get_headers(message, NULL, 0), 0);
    kab_message_release(message);

    message = consume(*state, 2, &record);
    assert_bytes(record.value, "");
    message = kab_message_detach(message, &record);
    assert_bytes(record.value, "");
    kab_message_release(message);
}

/* Otherwise each of them costs an allocation and a parse. */
TEST(records_without_headers_are_known_without_parsing)
{
    KabRecord record;
    for (int64_t offset = 3; offset < 5; offset++) {
        rd_kafka_message_t *message = consume(*state, offset, &record);
        assert_true(kab_record_layout_lacks_headers(message));
        rd_kafka_message_destroy(message);
    }
    rd_kafka_message_t *message = consume(*state, 0, &record);
    assert_false(kab_record_layout_lacks_headers(message));
    rd_kafka_message_destroy(message);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_in_order_of_both_kinds),
        cmocka_unit_test(
            a_held_message_says_the_same_whether_its_headers_are_passed_or_not),
        cmocka_unit_test(
            headers_that_were_moved_out_can_be_moved_and_read_again),
        cmocka_unit_test(a_message_without_headers_has_none_to_move),
        cmocka_unit_test(a_detached_record_keeps_key_and_value),
        cmocka_unit_test(a_null_and_an_empty_value_stay_different),
        cmocka_unit_test(records_without_headers_are_known_without_parsing),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
