/* SPDX-License-Identifier: Apache-2.0 */
/* See worker-channel.h. */
#include "worker-channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 256 << 10,
    READ_AT_ONCE = 8 << 20,
    PIECES_AT_ONCE = 256,
};

void
worker_channel_open(WorkerChannel *channel,
                    int fd,
                    const WorkerChannelEvents *events,
                    void *user)
{
    *channel = (WorkerChannel){.fd = fd,
                               .events = events,
                               .user = user,
                               .max_frame = WORKER_MAX_FRAME,
                               .buffer = g_malloc(BUFFER_SIZE)};
}

void
worker_channel_close(WorkerChannel *channel)
{
    if (channel->fd < 0)
        return;
    close(channel->fd);
    while (channel->first) {
        WorkerPacket *packet = channel->first;
        channel->first = packet->next;
        worker_packet_free(packet);
    }
    g_free(channel->buffer);
    *channel = (WorkerChannel){.fd = -1};
}

/* --- Sending ----------------------------------------------------------- */

void
worker_channel_push(WorkerChannel *channel, WorkerPacket *packet)
{
    if (channel->last)
        channel->last->next = packet;
    else
        channel->first = packet;
    channel->last = packet;
}

bool
worker_channel_has_unsent(const WorkerChannel *channel)
{
    return channel->first != NULL;
}

static void
pop_packet(WorkerChannel *channel)
{
    WorkerPacket *packet = channel->first;
    channel->first = packet->next;
    if (!channel->first)
        channel->last = NULL;
    channel->events->on_sent(channel->user, packet);
    worker_packet_free(packet);
}

static bool
is_for_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

WorkerChannelStatus
worker_channel_send(WorkerChannel *channel)
{
    while (channel->first) {
        WorkerPacket *packet = channel->first;
        size_t n = packet->n_pieces - packet->first;
        struct msghdr message = {.msg_iov = packet->pieces + packet->first,
                                 .msg_iovlen = MIN(n, PIECES_AT_ONCE)};
        ssize_t sent =
            sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return is_for_later(errno) ? WORKER_CHANNEL_OPEN
                                       : WORKER_CHANNEL_CLOSED;
        if (worker_packet_advance(packet, (size_t)sent))
            pop_packet(channel);
    }
    return WORKER_CHANNEL_OPEN;
}

/* --- Receiving --------------------------------------------------------- */

static bool
refuse_frame(WorkerChannel *channel, const char *fault)
{
    channel->fault = fault;
    return false;
}

static bool
check_length(WorkerChannel *channel, const WorkerFrame *frame)
{
    if (frame->type == WORKER_FRAME_RESULT) {
        if (frame->length > channel->max_frame)
            return refuse_frame(channel,
                                "found a RESULT longer than max_frame; "
                                "wanted several frames");
    } else if (frame->length > WORKER_MAX_SMALL) {
        return refuse_frame(channel, "found a frame of more than 64 KiB that "
                                     "is not a RESULT; wanted a shorter one");
    }
    return true;
}

/* Begins the payload of a large frame with the bytes that were read along with
 * its header. */
static void
begin_large(WorkerChannel *channel, const WorkerFrame *frame)
{
    size_t some = channel->end - channel->begin;
    channel->is_large = true;
    channel->frame = *frame;
    channel->payload = channel->events->place(channel->user, frame);
    channel->n_payload = some;
    if (channel->payload)
        memcpy(channel->payload, channel->buffer + channel->begin, some);
    channel->begin = channel->end = 0;
}

/* Hands over the complete frames. False: the channel is finished. */
static bool
take_frames(WorkerChannel *channel)
{
    while (channel->end - channel->begin >= WORKER_HEADER_SIZE) {
        WorkerFrame frame;
        const uint8_t *head = channel->buffer + channel->begin;
        const char *fault = worker_frame_read(head, &frame);
        if (fault)
            return refuse_frame(channel, fault);
        if (!check_length(channel, &frame))
            return false;
        size_t size = WORKER_HEADER_SIZE + (size_t)frame.length;
        if (channel->end - channel->begin < size) {
            if (size <= BUFFER_SIZE)
                return true;
            channel->begin += WORKER_HEADER_SIZE;
            begin_large(channel, &frame);
            return true;
        }
        channel->begin += size;
        if (!channel->events->on_frame(channel->user, &frame,
                                       head + WORKER_HEADER_SIZE))
            return false;
    }
    return true;
}

static ssize_t
receive_some(WorkerChannel *channel, void *to, size_t size)
{
    ssize_t got;
    do
        got = recv(channel->fd, to, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Receives the payload of a large frame directly. */
static ssize_t
receive_large(WorkerChannel *channel)
{
    size_t missing = channel->frame.length - channel->n_payload;
    bool is_skipped = !channel->payload;
    uint8_t *to =
        is_skipped ? channel->buffer : channel->payload + channel->n_payload;
    size_t size = is_skipped ? MIN(missing, BUFFER_SIZE) : missing;
    ssize_t got = receive_some(channel, to, size);
    if (got > 0)
        channel->n_payload += (size_t)got;
    return got;
}

static ssize_t
receive_frames(WorkerChannel *channel)
{
    size_t some = channel->end - channel->begin;
    if (channel->begin) {
        memmove(channel->buffer, channel->buffer + channel->begin, some);
        channel->begin = 0;
        channel->end = some;
    }
    ssize_t got = receive_some(channel, channel->buffer + channel->end,
                               BUFFER_SIZE - channel->end);
    if (got > 0)
        channel->end += (size_t)got;
    return got;
}

static bool
use_received(WorkerChannel *channel)
{
    if (!channel->is_large)
        return take_frames(channel);
    if (channel->n_payload < channel->frame.length)
        return true;
    channel->is_large = false;
    return channel->events->on_frame(channel->user, &channel->frame,
                                     channel->payload);
}

WorkerChannelStatus
worker_channel_receive(WorkerChannel *channel)
{
    size_t total = 0;
    while (total < READ_AT_ONCE) {
        ssize_t got = channel->is_large ? receive_large(channel)
                                        : receive_frames(channel);
        if (got < 0)
            return is_for_later(errno) ? WORKER_CHANNEL_OPEN
                                       : WORKER_CHANNEL_CLOSED;
        if (got == 0)
            return WORKER_CHANNEL_CLOSED;
        total += (size_t)got;
        if (!use_received(channel))
            return WORKER_CHANNEL_FAULT;
    }
    return WORKER_CHANNEL_OPEN;
}
