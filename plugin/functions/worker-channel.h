/* SPDX-License-Identifier: Apache-2.0 */
/* A stream socket that carries frames and never blocks in either direction.
 *
 * Outgoing frames queue as packets. Incoming data goes through a buffer or, for
 * the payload of a large frame, straight to where the reader wants it. Owned by
 * the I/O thread.
 */
#pragma once

#include "worker-encode.h"

typedef enum {
    WORKER_CHANNEL_OPEN,   /* nothing more to do for now */
    WORKER_CHANNEL_CLOSED, /* closed by the other side */
    WORKER_CHANNEL_FAULT,  /* invalid data received; `fault` says why */
} WorkerChannelStatus;

/* Callbacks of the channel's reader. */
typedef struct {
    /* A complete frame. Its payload is borrowed; it lies where place() said if
     * that was called. False: read no further; on_frame has recorded why. */
    bool (*on_frame)(void *user,
                     const WorkerFrame *frame,
                     const uint8_t *payload);
    /* Returns where a large payload goes; NULL: it is skipped. */
    uint8_t *(*place)(void *user, const WorkerFrame *frame);
    /* A packet was sent completely; it is freed after this call. */
    void (*on_sent)(void *user, WorkerPacket *packet);
} WorkerChannelEvents;

typedef struct {
    int fd; /* -1: closed */
    const WorkerChannelEvents *events;
    void *user;
    uint32_t max_frame; /* limit for a RESULT */
    const char *fault;
    WorkerPacket *first, *last; /* packets to be sent */
    uint8_t *buffer;
    size_t begin, end; /* unread part of the buffer */
    bool is_large;     /* receiving the payload of `frame` */
    WorkerFrame frame;
    uint8_t *payload; /* NULL: skipped */
    size_t n_payload; /* bytes of it received so far */
} WorkerChannel;

/* Takes fd, which must be non-blocking. */
void worker_channel_open(WorkerChannel *channel,
                         int fd,
                         const WorkerChannelEvents *events,
                         void *user);
/* Closes the socket and frees unsent packets. */
void worker_channel_close(WorkerChannel *channel);

/* Takes the packet. */
void worker_channel_push(WorkerChannel *channel, WorkerPacket *packet);
bool worker_channel_has_unsent(const WorkerChannel *channel);
WorkerChannelStatus worker_channel_send(WorkerChannel *channel);
/* Reads a few MiB at most, so that other channels get their turn. */
WorkerChannelStatus worker_channel_receive(WorkerChannel *channel);
