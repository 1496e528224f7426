/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the bridge sends, as pieces for sendmsg().
 *
 * Small bytes are copied one after another; a large key or value is borrowed
 * from the batch, which must therefore live until the frame is sent.
 */
#pragma once

#include <sys/uio.h>

#include <glib.h>

#include <kabridge/function.h>

#include "worker-frame.h"

/* One outgoing frame. Owned by the channel that sends it. */
typedef struct WorkerPacket WorkerPacket;
struct WorkerPacket {
    WorkerPacket *next;
    void *job; /* job that the frame belongs to; borrowed; NULL */
    uint8_t *bytes;
    struct iovec *pieces;
    size_t n_pieces, first; /* first: index of the first unfinished piece */
};

/* Returns a new packet: a frame whose payload is copied. */
WorkerPacket *worker_packet_new(WorkerFrameType type,
                                uint8_t flags,
                                uint64_t id,
                                const void *payload,
                                size_t len);
void worker_packet_free(WorkerPacket *packet);

/* Marks `sent` bytes as sent; true: the packet is finished. */
bool worker_packet_advance(WorkerPacket *packet, size_t sent);

/* Returns the number of a topic, which the session assigns on first use. */
typedef uint32_t (*WorkerTopicOf)(void *user, const char *topic);

/* The payload size of a BATCH with these records. */
size_t worker_batch_size(const KabBatch *batch);

/* Returns a new packet. Its payload must be at most UINT32_MAX bytes. */
WorkerPacket *worker_packet_new_batch(const KabBatch *batch,
                                      uint64_t id,
                                      uint32_t remaining_ms,
                                      WorkerTopicOf topic_of,
                                      void *user);
