/* SPDX-License-Identifier: Apache-2.0 */
/* See worker-encode.h.
 *
 * A packet's bytes and pieces are measured before they are written, so that
 * nothing moves while pieces point into it.
 */
#include "worker-encode.h"

#include <string.h>

/* Bytes of this size or more are borrowed: a piece is then cheaper than a
 * copy. */
enum { BORROW_FROM = 8 << 10 };

WorkerPacket *
worker_packet_new(WorkerFrameType type,
                  uint8_t flags,
                  uint64_t id,
                  const void *payload,
                  size_t len)
{
    WorkerPacket *packet = g_new0(WorkerPacket, 1);
    WorkerFrame frame = {.length = (uint32_t)len,
                         .type = (uint8_t)type,
                         .flags = flags,
                         .id = id};
    packet->bytes = g_malloc(WORKER_HEADER_SIZE + len);
    packet->pieces = g_new(struct iovec, 1);
    packet->n_pieces = 1;
    packet->pieces[0] = (struct iovec){packet->bytes, WORKER_HEADER_SIZE + len};
    worker_frame_write(packet->bytes, &frame);
    if (len)
        memcpy(packet->bytes + WORKER_HEADER_SIZE, payload, len);
    return packet;
}

void
worker_packet_free(WorkerPacket *packet)
{
    if (!packet)
        return;
    g_free(packet->bytes);
    g_free(packet->pieces);
    g_free(packet);
}

bool
worker_packet_advance(WorkerPacket *packet, size_t sent)
{
    while (packet->first < packet->n_pieces) {
        struct iovec *piece = &packet->pieces[packet->first];
        if (sent < piece->iov_len) {
            piece->iov_base = (uint8_t *)piece->iov_base + sent;
            piece->iov_len -= sent;
            return false;
        }
        sent -= piece->iov_len;
        packet->first++;
    }
    return true;
}

/* --- BATCH ------------------------------------------------------------- */

static size_t
name_length(const KabHeader *header)
{
    return MIN(strlen(header->name), UINT16_MAX);
}

static size_t
headers_size(const KabBatch *batch, size_t i)
{
    size_t n, size = 0;
    const KabHeader *headers = kab_batch_headers(batch, i, &n);
    for (size_t h = 0; h < n; h++)
        size += 6 + name_length(&headers[h]) + headers[h].value.len;
    return size;
}

size_t
worker_batch_size(const KabBatch *batch)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    size_t size = WORKER_BATCH_HEAD_SIZE + n * WORKER_RECORD_SIZE;
    for (size_t i = 0; i < n; i++)
        size +=
            records[i].key.len + records[i].value.len + headers_size(batch, i);
    return size;
}

/* Where the next bytes go, and the piece that they belong to. */
typedef struct {
    WorkerPacket *packet;
    uint8_t *at;
} Writer;

static void
note_copied(Writer *writer, size_t len)
{
    WorkerPacket *packet = writer->packet;
    struct iovec *last =
        packet->n_pieces ? &packet->pieces[packet->n_pieces - 1] : NULL;
    if (last && (uint8_t *)last->iov_base + last->iov_len == writer->at)
        last->iov_len += len;
    else
        packet->pieces[packet->n_pieces++] = (struct iovec){writer->at, len};
    writer->at += len;
}

static void
write_bytes(Writer *writer, const KabBytes *bytes)
{
    if (!bytes->len)
        return;
    if (bytes->len < BORROW_FROM) {
        memcpy(writer->at, bytes->data, bytes->len);
        note_copied(writer, bytes->len);
        return;
    }
    WorkerPacket *packet = writer->packet;
    packet->pieces[packet->n_pieces++] =
        (struct iovec){(void *)(uintptr_t)bytes->data, bytes->len};
}

static int32_t
length_of(const KabBytes *bytes)
{
    return bytes->data ? (int32_t)bytes->len : WORKER_LENGTH_NULL;
}

static void
write_headers(Writer *writer, const KabBatch *batch, size_t i)
{
    size_t n;
    const KabHeader *headers = kab_batch_headers(batch, i, &n);
    for (size_t h = 0; h < n; h++) {
        const KabHeader *header = &headers[h];
        size_t name_len = name_length(header);
        worker_put16(writer->at, (uint16_t)name_len);
        worker_put32(writer->at + 2, (uint32_t)length_of(&header->value));
        memcpy(writer->at + 6, header->name, name_len);
        note_copied(writer, 6 + name_len);
        write_bytes(writer, &header->value);
    }
}

/* FNV-1a hash, equal for records with the same key in the same partition. A
 * record without a key gets a group of its own. */
static uint32_t
group_of(const KabRecord *record, uint32_t topic)
{
    uint32_t hash = 2166136261u ^ topic;
    hash = (hash ^ (uint32_t)record->partition) * 16777619u;
    if (!record->key.data)
        return (hash ^ (uint32_t)record->offset) * 16777619u;
    const uint8_t *key = record->key.data;
    for (size_t i = 0; i < record->key.len; i++)
        hash = (hash ^ key[i]) * 16777619u;
    return hash;
}

static void
write_record(uint8_t *at,
             const KabRecord *record,
             uint32_t topic,
             unsigned attempt,
             size_t headers_len)
{
    worker_put32(at, (uint32_t)record->partition);
    worker_put64(at + 4, (uint64_t)record->offset);
    worker_put64(at + 12, (uint64_t)record->timestamp_ms);
    worker_put16(at + 20, (uint16_t)MIN(attempt, UINT16_MAX));
    worker_put16(at + 22, 0);
    worker_put32(at + 24, topic);
    worker_put32(at + 28, (uint32_t)length_of(&record->key));
    worker_put32(at + 32, (uint32_t)length_of(&record->value));
    worker_put32(at + 36, (uint32_t)headers_len);
    worker_put32(at + 40, group_of(record, topic));
}

/* How many bytes of the batch are copied, and the maximum number of pieces. */
static void
measure_batch(const KabBatch *batch, size_t *ret_copied, size_t *ret_pieces)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    size_t copied =
        WORKER_HEADER_SIZE + WORKER_BATCH_HEAD_SIZE + n * WORKER_RECORD_SIZE;
    size_t pieces = 1;
    for (size_t i = 0; i < n; i++) {
        const size_t sizes[] = {records[i].key.len, records[i].value.len};
        for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
            bool is_borrowed = sizes[s] >= BORROW_FROM;
            copied += is_borrowed ? 0 : sizes[s];
            pieces += is_borrowed ? 2 : 0;
        }
        size_t n_headers;
        kab_batch_headers(batch, i, &n_headers);
        pieces += 2 * n_headers;
        copied += headers_size(batch, i);
    }
    *ret_copied = copied;
    *ret_pieces = pieces;
}

static void
write_batch(Writer *writer,
            const KabBatch *batch,
            WorkerTopicOf topic_of,
            void *user)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    unsigned attempt = kab_batch_attempt(batch);
    uint8_t *descriptor = writer->at;
    note_copied(writer, n * WORKER_RECORD_SIZE);
    for (size_t i = 0; i < n; i++) {
        write_record(descriptor, &records[i], topic_of(user, records[i].topic),
                     attempt, headers_size(batch, i));
        descriptor += WORKER_RECORD_SIZE;
        write_bytes(writer, &records[i].key);
        write_bytes(writer, &records[i].value);
        write_headers(writer, batch, i);
    }
}

WorkerPacket *
worker_packet_new_batch(const KabBatch *batch,
                        uint64_t id,
                        uint32_t remaining_ms,
                        WorkerTopicOf topic_of,
                        void *user)
{
    size_t copied, pieces;
    measure_batch(batch, &copied, &pieces);
    WorkerFrame frame = {.length = (uint32_t)worker_batch_size(batch),
                         .type = WORKER_FRAME_BATCH,
                         .id = id};
    WorkerPacket *packet = g_new0(WorkerPacket, 1);
    packet->bytes = g_malloc(copied);
    packet->pieces = g_new(struct iovec, pieces);
    Writer writer = {.packet = packet, .at = packet->bytes};
    worker_frame_write(writer.at, &frame);
    note_copied(&writer, WORKER_HEADER_SIZE);
    worker_put32(writer.at, (uint32_t)kab_batch_count(batch));
    worker_put32(writer.at + 4, remaining_ms);
    note_copied(&writer, WORKER_BATCH_HEAD_SIZE);
    write_batch(&writer, batch, topic_of, user);
    return packet;
}
