/* SPDX-License-Identifier: Apache-2.0 */
/* Records as they stand in a fetch response, of this and the older format. */
#include "kab-test.h"

#include <glib.h>

#include "record-layout.h"

/* The end of a record, from the length of its key on. */
typedef struct {
    GByteArray *bytes;
    guint8 *block; /* a copy without slack: reads beyond it are noticed */
    rd_kafka_message_t message;
    size_t key_at, value_at;
} Laid;

static void
add_byte(Laid *laid, unsigned byte)
{
    guint8 one = (guint8)byte;
    g_byte_array_append(laid->bytes, &one, 1);
}

static void
add_varint(Laid *laid, int64_t number)
{
    uint64_t zigzag = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (; zigzag > 0x7F; zigzag >>= 7)
        add_byte(laid, (zigzag & 0x7F) | 0x80);
    add_byte(laid, (unsigned)zigzag);
}

static void
add_int32(Laid *laid, int64_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        add_byte(laid, (unsigned)(number >> shift) & 0xFF);
}

static size_t
add_bytes(Laid *laid, int64_t length)
{
    size_t at = laid->bytes->len;
    for (int64_t i = 0; i < length; i++)
        add_byte(laid, (unsigned)(i * 7) & 0xFF);
    return at;
}

/* As librdkafka points at what has been laid out; lengths of -1: null. */
static void
point(Laid *laid, int64_t key_length, int64_t length)
{
    laid->block = g_memdup2(laid->bytes->data, laid->bytes->len);
    guint8 *block = laid->block;
    laid->message = (rd_kafka_message_t){
        .key = key_length < 0 ? NULL : block + laid->key_at,
        .key_len = (size_t)MAX(key_length, 0),
        .payload = length < 0 ? NULL : block + laid->value_at,
        .len = (size_t)MAX(length, 0),
    };
}

static Laid
lay(int64_t key_length, int64_t length, unsigned headers)
{
    Laid laid = {.bytes = g_byte_array_new()};
    add_varint(&laid, key_length);
    laid.key_at = add_bytes(&laid, key_length);
    add_varint(&laid, length);
    laid.value_at = add_bytes(&laid, length);
    add_varint(&laid, headers);
    point(&laid, key_length, length);
    return laid;
}

static void
clear(Laid *laid)
{
    g_byte_array_unref(laid->bytes);
    g_free(laid->block);
}

static bool
lacks_headers(int64_t key_length, int64_t length, unsigned headers)
{
    Laid laid = lay(key_length, length, headers);
    bool lacks = kab_record_layout_lacks_headers(&laid.message);
    clear(&laid);
    return lacks;
}

/* Ends with the value, as the last message of an old message set does. */
static bool
old_lacks_headers(int64_t key_length, int64_t length)
{
    Laid laid = {.bytes = g_byte_array_new()};
    add_bytes(&laid, 8); /* the timestamp */
    add_int32(&laid, key_length);
    laid.key_at = add_bytes(&laid, key_length);
    add_int32(&laid, length);
    laid.value_at = add_bytes(&laid, length);
    point(&laid, key_length, length);
    bool lacks = kab_record_layout_lacks_headers(&laid.message);
    clear(&laid);
    return lacks;
}

static const int64_t lengths[] = {1,    2,     63,    64,      100,    8191,
                                  8192, 20000, 65536, 1048575, 1048576};
static const int64_t key_lengths[] = {-1, 1, 7, 64, 300};

TEST(a_record_without_headers_is_known_by_its_bytes)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(key_lengths); k++)
            assert_true(lacks_headers(key_lengths[k], lengths[i], 0));
}

TEST(a_record_with_headers_never_seems_to_lack_them)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(key_lengths); k++)
            for (unsigned n = 1; n < 200; n += 63)
                assert_false(lacks_headers(key_lengths[k], lengths[i], n));
}

TEST(nothing_is_read_behind_a_value_of_an_old_message_set)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(key_lengths); k++)
            assert_false(old_lacks_headers(key_lengths[k], lengths[i]));
}

TEST(a_length_with_any_bit_changed_is_not_believed)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        Laid laid = lay(7, lengths[i], 0);
        for (size_t at = laid.key_at + 7; at < laid.value_at; at++)
            for (unsigned bit = 1; bit <= 0x80; bit <<= 1) {
                laid.block[at] ^= bit;
                assert_false(kab_record_layout_lacks_headers(&laid.message));
                laid.block[at] ^= bit;
            }
        clear(&laid);
    }
}

/* librdkafka may give an empty value an address outside the response. */
TEST(what_is_null_or_empty_is_left_to_librdkafka)
{
    assert_false(lacks_headers(3, -1, 0));
    assert_false(lacks_headers(3, 0, 0));
    assert_false(lacks_headers(0, 3, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_without_headers_is_known_by_its_bytes),
        cmocka_unit_test(a_record_with_headers_never_seems_to_lack_them),
        cmocka_unit_test(nothing_is_read_behind_a_value_of_an_old_message_set),
        cmocka_unit_test(a_length_with_any_bit_changed_is_not_believed),
        cmocka_unit_test(what_is_null_or_empty_is_left_to_librdkafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
