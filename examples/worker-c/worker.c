/* SPDX-License-Identifier: Apache-2.0 */
/* A worker in C, by doc/worker-protocol.md: answers each record with its
 * value in capitals. A start for a worker in any language; in C, a function
 * is better a module (see function-upper.c).
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 16, DESCRIPTOR = 44, ENTRY = 7, OUTPUT = 28 };
enum { HELLO = 1, READY = 2, BATCH = 3, RESULT = 4, DRAIN = 9, BYE = 10 };
enum { LAST = 1, OK = 0, DROP = 1 };

static int channel;

/* --- Numbers, little-endian whatever the machine is --------------------- */

static uint32_t
get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

static uint8_t *
put(uint8_t *at, int64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)((uint64_t)number >> (8 * i));
    return at;
}

/* --- The channel -------------------------------------------------------- */

static void *
allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

static void
read_all(uint8_t *to, size_t size)
{
    while (size) {
        ssize_t got = read(channel, to, size);
        if (got <= 0)
            exit(0); /* the bridge is gone */
        to += got;
        size -= (size_t)got;
    }
}

static void
write_all(const uint8_t *from, size_t size)
{
    while (size) {
        ssize_t written = write(channel, from, size);
        if (written <= 0)
            exit(0);
        from += written;
        size -= (size_t)written;
    }
}

static void
send_frame(int type, int flags, int64_t batch, const void *payload, size_t size)
{
    uint8_t header[HEADER];
    uint8_t *at = put(header, (int64_t)size, 4);
    at = put(at, type, 1);
    at = put(at, flags, 1);
    at = put(at, 0, 2);
    put(at, batch, 8);
    write_all(header, sizeof header);
    write_all(payload, size);
}

/* --- The function ------------------------------------------------------- */

/* One entry of a RESULT: one output, with the input's key. */
static uint8_t *
put_capitals(uint8_t *at, uint32_t index, const uint8_t *value, uint32_t len)
{
    at = put(at, index, 4);
    at = put(at, OK, 1);
    at = put(at, 1, 2);
    at = put(at, -1, 4); /* the binding's topic */
    at = put(at, -1, 4); /* and partition */
    at = put(at, -1, 8); /* and timestamp */
    at = put(at, -2, 4); /* the input's key */
    at = put(at, len, 4);
    at = put(at, 0, 4); /* no headers */
    for (uint32_t i = 0; i < len; i++)
        *at++ = (uint8_t)toupper(value[i]);
    return at;
}

static uint8_t *
put_drop(uint8_t *at, uint32_t index)
{
    at = put(at, index, 4);
    at = put(at, DROP, 1);
    return put(at, 0, 2);
}

static void
answer_batch(int64_t batch, const uint8_t *payload, uint32_t size)
{
    uint32_t n = get32(payload);
    const uint8_t *bytes = payload + 8 + (size_t)n * DESCRIPTOR;
    uint8_t *result = allocate(size + (size_t)n * (ENTRY + OUTPUT));
    uint8_t *at = result;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *descriptor = payload + 8 + (size_t)i * DESCRIPTOR;
        int32_t key_len = (int32_t)get32(descriptor + 28);
        int32_t value_len = (int32_t)get32(descriptor + 32);
        bytes += key_len > 0 ? key_len : 0;
        if (value_len < 0) { /* a tombstone */
            at = put_drop(at, i);
        } else {
            at = put_capitals(at, i, bytes, (uint32_t)value_len);
            bytes += value_len;
        }
        bytes += get32(descriptor + 36); /* headers */
    }
    send_frame(RESULT, LAST, batch, result, (size_t)(at - result));
    free(result);
}

int
main(void)
{
    static const char ready[] = "{\"proto\":1,\"minor\":0,\"name\":\"upper\","
                                "\"sdk\":\"c\",\"concurrency\":1}";
    const char *number = getenv("KABRIDGE_WORKER_FD");
    if (!number) {
        fputs("worker: found no KABRIDGE_WORKER_FD; wanted to be started by "
              "kabridge\n",
              stderr);
        return 64;
    }
    channel = atoi(number);
    for (;;) {
        uint8_t header[HEADER];
        read_all(header, sizeof header);
        uint32_t size = get32(header);
        int64_t batch = (int64_t)((uint64_t)get32(header + 8) |
                                  (uint64_t)get32(header + 12) << 32);
        uint8_t *payload = allocate(size);
        read_all(payload, size);
        if (header[4] == HELLO)
            send_frame(READY, 0, 0, ready, sizeof ready - 1);
        else if (header[4] == BATCH)
            answer_batch(batch, payload, size);
        free(payload);
        if (header[4] == DRAIN) {
            send_frame(BYE, 0, 0, NULL, 0);
            return 0;
        }
    }
}
