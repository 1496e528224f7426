/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as the engine holds them: librdkafka's own, or, for a record that
 * is parked, a copy in one block. A held message keeps its whole fetch
 * response in memory; a block keeps only itself.
 *
 * Both are handed around as one pointer; that of a block has its lowest bit
 * set.
 */
#include "source-internal.h"

#include <pthread.h>
#include <string.h>

/* Headers, then key, value and the headers' bytes. */
typedef struct {
    size_t n_headers;
    KabHeader headers[];
} Block;

static bool
is_block(const void *message)
{
    return (uintptr_t)message & 1;
}

static Block *
to_block(void *message)
{
    return (void *)((char *)message - 1);
}

/* Reading the headers of a message parses them into it, at the first time:
 * an attempt that timed out may do so on its thread while the loop does, or
 * another attempt. */
static pthread_mutex_t parsing = PTHREAD_MUTEX_INITIALIZER;

static rd_kafka_headers_t *
parse_headers(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    pthread_mutex_lock(&parsing);
    rd_kafka_resp_err_t err = rd_kafka_message_headers(message, &headers);
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
    if (!is_block(message))
        return read_headers(parse_headers(message), ret, capacity);
    const Block *block = to_block(message);
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
    if (is_block(message))
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
    rd_kafka_message_destroy(message);
    return (char *)block + 1;
}

void
kab_source_release_message(KabSource *source, void *message)
{
    if (is_block(message))
        g_free(to_block(message));
    else
        rd_kafka_message_destroy(message);
}
