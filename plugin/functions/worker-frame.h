/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the protocol kabridge-worker/1 as bytes: no I/O, no clock.
 *
 * doc/worker-protocol.md is the specification. All numbers are little-endian; a
 * frame is a header of 16 bytes plus its payload.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, number */
#define WORKER_FRAMES(X)                                                       \
    X(HELLO, 1)                                                                \
    X(READY, 2)                                                                \
    X(BATCH, 3)                                                                \
    X(RESULT, 4)                                                               \
    X(LOG, 5)                                                                  \
    X(PING, 6)                                                                 \
    X(PONG, 7)                                                                 \
    X(CANCEL, 8)                                                               \
    X(DRAIN, 9)                                                                \
    X(BYE, 10)                                                                 \
    X(FATAL, 11)                                                               \
    X(TOPIC, 12)

typedef enum {
#define X(NAME, number) WORKER_FRAME_##NAME = number,
    WORKER_FRAMES(X)
#undef X
} WorkerFrameType;

enum {
    WORKER_FLAG_LAST = 1 << 0,      /* RESULT: the last one of its batch */
    WORKER_FLAG_FAILED = 1 << 1,    /* RESULT: a failure, no entries */
    WORKER_FLAG_IGNORABLE = 1 << 7, /* skip the frame if its type is unknown */
};

enum {
    WORKER_PROTO = 1,
    WORKER_MINOR = 0,
    WORKER_HEADER_SIZE = 16,
    WORKER_BATCH_HEAD_SIZE = 8,
    WORKER_RECORD_SIZE = 44,
    WORKER_MAX_FRAME = 64 << 20,
    WORKER_MAX_SMALL = 64 << 10, /* for every type except BATCH and RESULT */
};

/* Special lengths: the bytes are null, or those of the input. */
enum { WORKER_LENGTH_NULL = -1, WORKER_LENGTH_INPUT = -2 };

static const uint32_t worker_no_topic = UINT32_MAX;

/* The header of a frame. */
typedef struct {
    uint32_t length; /* of the payload */
    uint8_t type, flags;
    uint64_t id; /* of the batch; 0: no batch */
} WorkerFrame;

/* Writes WORKER_HEADER_SIZE bytes. */
void worker_frame_write(uint8_t *bytes, const WorkerFrame *frame);
/* Reads WORKER_HEADER_SIZE bytes. Returns NULL, or what is wrong with them. */
const char *worker_frame_read(const uint8_t *bytes, WorkerFrame *ret_frame);
/* "RESULT", or "unknown". */
const char *worker_frame_name(uint8_t type);

/* Read and write numbers at an unaligned address. */
void worker_put16(uint8_t *bytes, uint16_t number);
void worker_put32(uint8_t *bytes, uint32_t number);
void worker_put64(uint8_t *bytes, uint64_t number);
uint16_t worker_get16(const uint8_t *bytes);
uint32_t worker_get32(const uint8_t *bytes);
uint64_t worker_get64(const uint8_t *bytes);
