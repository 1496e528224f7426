/* SPDX-License-Identifier: Apache-2.0 */
/* See worker-frame.h. */
#include "worker-frame.h"

#include <endian.h>
#include <string.h>

void
worker_put16(uint8_t *bytes, uint16_t number)
{
    number = htole16(number);
    memcpy(bytes, &number, sizeof number);
}

void
worker_put32(uint8_t *bytes, uint32_t number)
{
    number = htole32(number);
    memcpy(bytes, &number, sizeof number);
}

void
worker_put64(uint8_t *bytes, uint64_t number)
{
    number = htole64(number);
    memcpy(bytes, &number, sizeof number);
}

uint16_t
worker_get16(const uint8_t *bytes)
{
    uint16_t number;
    memcpy(&number, bytes, sizeof number);
    return le16toh(number);
}

uint32_t
worker_get32(const uint8_t *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return le32toh(number);
}

uint64_t
worker_get64(const uint8_t *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return le64toh(number);
}

void
worker_frame_write(uint8_t *bytes, const WorkerFrame *frame)
{
    worker_put32(bytes, frame->length);
    bytes[4] = frame->type;
    bytes[5] = frame->flags;
    worker_put16(bytes + 6, 0);
    worker_put64(bytes + 8, frame->id);
}

const char *
worker_frame_read(const uint8_t *bytes, WorkerFrame *ret_frame)
{
    if (worker_get16(bytes + 6) != 0)
        return "found a frame whose reserved bytes are not 0; wanted a frame "
               "of kabridge-worker/1";
    *ret_frame = (WorkerFrame){.length = worker_get32(bytes),
                               .type = bytes[4],
                               .flags = bytes[5],
                               .id = worker_get64(bytes + 8)};
    return NULL;
}

const char *
worker_frame_name(uint8_t type)
{
    switch (type) {
#define X(NAME, number)                                                        \
    case number:                                                               \
        return #NAME;
        WORKER_FRAMES(X)
#undef X
    }
    return "unknown";
}
