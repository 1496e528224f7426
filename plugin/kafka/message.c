/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as the engine holds them: librdkafka's own, or, for a record that
 * is parked, a copy in one block. A held message keeps its whole fetch
 * response in memory; a block keeps only itself.
 *
 * Both are handed around as one pointer, whose lowest bits say which it is
 * and what is known of its headers.
 */
#include "source-internal.h"

#include <pthread.h>
#include <string.h>

enum { IS_BLOCK = 1, HAS_HEADERS = 2, HAS_NO_HEADERS = 4, MARKS = 7 };

_Static_assert(_Alignof(rd_kafka_message_t) > MARKS, "three bits are free");

/* Headers, then key, value and the headers' bytes. */
typedef struct {
    size_t n_headers;
    KabHeader headers[];
} Block;

static bool
has_mark(const void *message, unsigned mark)
{
    return (uintptr_t)message & mark;
}

static void *
without_marks(void *message)
{
    return (char *)message - ((uintptr_t)message & MARKS);
}

/* Reading the headers of a message parses them into it, at the first time.
 * Where every output needs them, that is done here, so that all threads may
 * read them; elsewhere whoever asks first does it, and an attempt that timed
 * out may ask on its thread while the loop does, or another attempt. */
static pthread_mutex_t parsing = PTHREAD_MUTEX_INITIALIZER;

void *
kab_source_hold_message(const KabSource *source, rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    if (!source->setup.passes_headers)
        return message;
    bool has_headers = !rd_kafka_message_headers(message, &headers);
    return (char *)message + (has_headers ? HAS_HEADERS : HAS_NO_HEADERS);
}

static rd_kafka_headers_t *
parse_headers(void *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (has_mark(message, HAS_NO_HEADERS))
        return NULL;
    bool is_parsed = has_mark(message, HAS_HEADERS);
    if (!is_parsed)
        pthread_mutex_lock(&parsing);
    rd_kafka_resp_err_t err =
        rd_kafka_message_headers(without_marks(message), &headers);
    if (!is_parsed)
        pthread_mutex_unlock(&parsing);
    return err ? NULL : headers;
}

static size_t
read_headers(const rd_kafka_headers_t *headers, KabHeader *ret, size_t capacity)
{
    size_t n = headers ? rd_kafka_header_cnt(headers) : 0;
    for (size_t i = 0; i < MIN(n, capacity); i++)
        rd_kafka_header_get_all(headers, i, &ret[i].name, &ret[i].value.data,
                                &ret[i].value.len);
    return n;
}

size_t
kab_source_get_headers(void *message, KabHeader *ret, size_t capacity)
{
    if (!has_mark(message, IS_BLOCK))
        return read_headers(parse_headers(message), ret, capacity);
    const Block *block = without_marks(message);
    if (block->n_headers && capacity)
        memcpy(ret, block->headers,
               MIN(block->n_headers, capacity) * sizeof *ret);
    return block->n_headers;
}

/* --- Copying ----------------------------------------------------------- */

static size_t
measure(const KabRecord *record, const KabHeader *headers, size_t n_headers)
{
    size_t size = sizeof(Block) + n_headers * sizeof *headers;
    size += record->key.len + record->value.len;
    for (size_t i = 0; i < n_headers; i++)
        size += strlen(headers[i].name) + 1 + headers[i].value.len;
    return size;
}

/* Empty bytes keep an address: they are not absent. */
static void
copy_bytes(char **at, KabBytes *bytes)
{
    if (!bytes->data)
        return;
    if (bytes->len)
        memcpy(*at, bytes->data, bytes->len);
    bytes->data = *at;
    *at += bytes->len;
}

static void
copy_header(char **at, KabHeader *header)
{
    size_t len = strlen(header->name) + 1;
    memcpy(*at, header->name, len);
    header->name = *at;
    *at += len;
    copy_bytes(at, &header->value);
}

void *
kab_source_detach_message(KabSource *source, void *message, KabRecord *record)
{
    if (has_mark(message, IS_BLOCK))
        return message;
    const rd_kafka_headers_t *parsed = parse_headers(message);
    size_t n_headers = read_headers(parsed, NULL, 0);
    g_autofree KabHeader *headers = g_new(KabHeader, n_headers + 1);
    read_headers(parsed, headers, n_headers);

    Block *block = g_malloc(measure(record, headers, n_headers));
    block->n_headers = n_headers;
    char *at = (char *)(block->headers + n_headers);
    copy_bytes(&at, &record->key);
    copy_bytes(&at, &record->value);
    for (size_t i = 0; i < n_headers; i++) {
        block->headers[i] = headers[i];
        copy_header(&at, &block->headers[i]);
    }
    rd_kafka_message_destroy(without_marks(message));
    return (char *)block + IS_BLOCK;
}

void
kab_source_release_message(KabSource *source, void *message)
{
    if (has_mark(message, IS_BLOCK))
        g_free(without_marks(message));
    else
        rd_kafka_message_destroy(without_marks(message));
}
