/* SPDX-License-Identifier: Apache-2.0 */
/* Records derived from their number.
 *
 * A plain value is "NUMBER:KEY:SEQUENCE:MARK:", padded to its size. A mixed
 * topic repeats eight shapes instead; as some of those have no value, every
 * record of it carries its number in the header "id".
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_TIMESTAMP_MS_HIGH = 1700000, LARGE_BYTES = 20000 };

Pattern
pattern_from_words(const Words *words)
{
    return (Pattern){
        .records = words_number(words, "records", 0),
        .keys = words_number(words, "keys", 1000),
        .size = (size_t)CLAMP(words_number(words, "size", 100), 40,
                              RECORD_VALUE_MAX - 1),
        .mixed = strcmp(words_get(words, "pattern", "plain"), "mixed") == 0,
        .mark = words_get(words, "mark", "")[0],
        .mark_every = words_number(words, "mark.every", 1),
        .mark_first = words_number(words, "mark.first", 0),
        .headers =
            (size_t)CLAMP(words_number(words, "headers", 0), 0, RECORD_HEADERS),
    };
}

char
record_mark(const Pattern *pattern, int64_t number)
{
    if (!pattern->mark || number < pattern->mark_first ||
        (number - pattern->mark_first) % pattern->mark_every != 0)
        return '.';
    return pattern->mark;
}

/* A small pseudo-random generator, so that neighbouring bytes differ. */
static void
fill(char *bytes, size_t from, size_t to, int64_t number, bool binary)
{
    uint64_t state = (uint64_t)number * 2862933555777941757u + 3037000493u;
    for (size_t i = from; i < to; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned byte = (unsigned)(state >> 56);
        bytes[i] = (char)(binary ? byte : 'a' + byte % 26);
    }
}

static void
make_plain(const Pattern *pattern, int64_t number, Record *record)
{
    int64_t keys = MAX(pattern->keys, 1);
    int n =
        snprintf(record->value_text, sizeof(record->value_text),
                 "%012" PRId64 ":%06" PRId64 ":%010" PRId64 ":%c:", number,
                 number % keys, number / keys, record_mark(pattern, number));
    fill(record->value_text, (size_t)n, pattern->size, number, false);
    record->value = record->value_text;
    record->value_size = pattern->size;
    record->timestamp_ms =
        (int64_t)FIRST_TIMESTAMP_MS_HIGH * 1000000 + number * 3;
    if (pattern->keys == 0)
        return;
    n = snprintf(record->key_text, sizeof(record->key_text), "k%06" PRId64,
                 number % keys);
    record->key = record->key_text;
    record->key_size = (size_t)n;
}

static void
add_header(Record *record, const char *name, const void *value, size_t size)
{
    record->headers[record->n_headers++] = (Header){name, value, size};
}

static void
make_mixed(int64_t number, Record *record)
{
    switch (number % 8) {
    case 0:
        record->key = NULL;
        record->key_size = 0;
        break;
    case 1:
        record->value = NULL;
        record->value_size = 0;
        break;
    case 2:
        record->value_size = 0;
        break;
    case 3:
        record->key_size = 0;
        break;
    case 4:
        add_header(record, "a", "1", 1);
        add_header(record, "a", "2", 1);
        add_header(record, "b", "", 0);
        add_header(record, "a", NULL, 0);
        add_header(record, "a", "\0\377\n", 3);
        break;
    case 5:
        fill(record->key_text, 0, 16, number + 1, true);
        record->key_size = 16;
        fill(record->value_text, 0, record->value_size, number, true);
        break;
    case 6:
        fill(record->value_text, record->value_size, LARGE_BYTES, number, true);
        record->value_size = LARGE_BYTES;
        break;
    default:
        add_header(record, "traceparent", "00-0123-4567-01", 15);
        break;
    }
}

void
record_make(const Pattern *pattern, int64_t number, Record *record)
{
    record->key = record->value = NULL;
    record->key_size = record->value_size = record->n_headers = 0;
    make_plain(pattern, number, record);
    for (size_t i = 0; i < pattern->headers; i++)
        add_header(record, "a-header", "0123456789abcdef", 16);
    if (!pattern->mixed)
        return;
    int n = snprintf(record->id, sizeof(record->id), "%012" PRId64, number);
    add_header(record, "id", record->id, (size_t)n);
    make_mixed(number, record);
}

static int64_t
parse(const void *text, size_t size)
{
    char digits[13] = {0};
    if (!text || size < 12)
        return -1;
    memcpy(digits, text, 12);
    char *end = NULL;
    int64_t number = g_ascii_strtoll(digits, &end, 10);
    return end == digits + 12 ? number : -1;
}

int64_t
record_number(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t size = 0;
    if (!rd_kafka_message_headers(message, &headers) &&
        !rd_kafka_header_get_last(headers, "id", &value, &size))
        return parse(value, size);
    return parse(message->payload, message->len);
}

static bool
bytes_equal(const void *a, size_t a_size, const void *b, size_t b_size)
{
    if (!a || !b)
        return !a && !b;
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static bool
headers_equal(const Record *record, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers))
        return record->n_headers == 0;
    size_t count = rd_kafka_header_cnt(headers);
    for (size_t i = 0; i < count && count == record->n_headers; i++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t size = 0;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        const Header *wanted = &record->headers[i];
        if (strcmp(name, wanted->name) != 0 ||
            !bytes_equal(value, size, wanted->value, wanted->size))
            return false;
    }
    return count == record->n_headers;
}

bool
record_equals(const Record *record, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    return rd_kafka_message_timestamp(message, &type) == record->timestamp_ms &&
           bytes_equal(record->key, record->key_size, message->key,
                       message->key_len) &&
           bytes_equal(record->value, record->value_size, message->payload,
                       message->len) &&
           headers_equal(record, message);
}
