/* SPDX-License-Identifier: Apache-2.0 */
/* The lowest bits of the pointer say whether a message is librdkafka's or a
 * block, and what is known about its headers.
 */
#include "message.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "quirks.h"
#include "record-layout.h"

enum { IS_BLOCK = 1, HAS_HEADERS = 2, HAS_NO_HEADERS = 4, MARKS = 7 };

_Static_assert(_Alignof(rd_kafka_message_t) > MARKS, "three bits are free");

/* The headers are followed by key, value and the headers' bytes. */
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

/* librdkafka parses a message's headers into it on first access. Where the
 * headers of every record are read, kab_message_hold() triggers that, unless
 * the record's own bytes say that it has none.
 * Elsewhere the first reader does it under a lock: a timed-out attempt may
 * read them on its thread while the loop or another attempt does the same.
 * Threads that read different messages rarely share a lock. */
static pthread_mutex_t locks[] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER,
};

static pthread_mutex_t *
lock_of(const void *message)
{
    return &locks[((uintptr_t)message >> 6) % G_N_ELEMENTS(locks)];
}

KabHeaderUse
kab_message_header_use(bool reads_headers)
{
    if (!reads_headers)
        return KAB_HEADERS_LEFT;
    return kab_quirk_applies(KAB_QUIRK_HEADERS_PARSED) ? KAB_HEADERS_SEEN
                                                       : KAB_HEADERS_PARSED;
}

static G_NO_INLINE void *
hold_parsed(rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    bool has_headers = !rd_kafka_message_headers(message, &headers);
    return (char *)message + (has_headers ? HAS_HEADERS : HAS_NO_HEADERS);
}

void *
kab_message_hold(rd_kafka_message_t *message, KabHeaderUse use)
{
    if (use == KAB_HEADERS_LEFT)
        return message;
    if (use == KAB_HEADERS_SEEN && kab_record_layout_lacks_headers(message))
        return (char *)message + HAS_NO_HEADERS;
    return hold_parsed(message);
}

static rd_kafka_headers_t *
parse_headers(void *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (has_mark(message, HAS_NO_HEADERS))
        return NULL;
    bool is_parsed = has_mark(message, HAS_HEADERS);
    if (!is_parsed)
        pthread_mutex_lock(lock_of(message));
    rd_kafka_resp_err_t err =
        rd_kafka_message_headers(without_marks(message), &headers);
    if (!is_parsed)
        pthread_mutex_unlock(lock_of(message));
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

static G_NO_INLINE size_t
get_headers(void *message, KabHeader *ret, size_t capacity)
{
    if (!has_mark(message, IS_BLOCK))
        return read_headers(parse_headers(message), ret, capacity);
    const Block *block = without_marks(message);
    if (block->n_headers && capacity)
        memcpy(ret, block->headers,
               MIN(block->n_headers, capacity) * sizeof *ret);
    return block->n_headers;
}

size_t
kab_message_get_headers(void *message, KabHeader *ret, size_t capacity)
{
    if (has_mark(message, HAS_NO_HEADERS))
        return 0;
    return get_headers(message, ret, capacity);
}

/* A consumed message keeps the bytes from which they were parsed. */
rd_kafka_headers_t *
kab_message_move_headers(void *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (has_mark(message, HAS_NO_HEADERS | IS_BLOCK))
        return NULL;
    if (rd_kafka_message_detach_headers(without_marks(message), &headers))
        return NULL;
    return headers;
}

/* --- Copying ----------------------------------------------------------- */

static size_t
measure_block(const KabRecord *record,
              const KabHeader *headers,
              size_t n_headers)
{
    size_t size = sizeof(Block) + n_headers * sizeof *headers;
    size += record->key.len + record->value.len;
    for (size_t i = 0; i < n_headers; i++)
        size += strlen(headers[i].name) + 1 + headers[i].value.len;
    return size;
}

/* Empty bytes keep a non-NULL address: empty is not absent. */
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
kab_message_detach(void *message, KabRecord *record)
{
    if (has_mark(message, IS_BLOCK))
        return message;
    const rd_kafka_headers_t *parsed = parse_headers(message);
    size_t n_headers = read_headers(parsed, NULL, 0);
    g_autofree KabHeader *headers = g_new(KabHeader, n_headers + 1);
    read_headers(parsed, headers, n_headers);

    Block *block = g_malloc(measure_block(record, headers, n_headers));
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
kab_message_release(void *message)
{
    if (has_mark(message, IS_BLOCK))
        g_free(without_marks(message));
    else
        rd_kafka_message_destroy(without_marks(message));
}
