/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata as bytes, before base64:
 *
 *   version (1) | base offset (varint) | varints: see intervals.h | CRC-32C (4)
 *
 * A reader takes nothing on trust: the field may hold another program's
 * text, a version to come, or half of ours.
 */
#include "committed.h"

#include <string.h>

#include "intervals.h"

#define PREFIX "kab1:"
#define PREFIX_LEN 5
#define FORMAT 1
#define CRC_SIZE 4
#define VARINT_MAX 10
/* base64 turns three bytes into four characters. */
#define MAX_BYTES ((4096 - PREFIX_LEN) / 4 * 3)

G_STATIC_ASSERT(1 + VARINT_MAX + KAB_COMMITTED_MAX_BYTES + CRC_SIZE <=
                MAX_BYTES);

/* CRC-32C (Castagnoli), four bits at a time. */
static uint32_t
crc32c(const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

/* --- Encoding ---------------------------------------------------------- */

typedef struct {
    uint8_t data[MAX_BYTES];
    size_t len;
} Writer;

static void
write_varint(Writer *writer, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        writer->data[writer->len++] = (uint8_t)(value | 0x80);
    writer->data[writer->len++] = (uint8_t)value;
}

static void
write_crc(Writer *writer)
{
    uint32_t crc = GUINT32_TO_LE(crc32c(writer->data, writer->len));
    memcpy(writer->data + writer->len, &crc, CRC_SIZE);
    writer->len += CRC_SIZE;
}

char *
kab_committed_encode(int64_t offset,
                     const KabInterval *intervals,
                     size_t n_intervals)
{
    if (!n_intervals)
        return NULL;
    Writer writer = {.data = {FORMAT}, .len = 1};
    write_varint(&writer, (uint64_t)offset);
    int64_t last = offset;
    for (size_t i = 0; i < n_intervals; i++) {
        if (writer.len + kab_interval_size(last, intervals[i]) + CRC_SIZE >
            MAX_BYTES)
            break;
        write_varint(&writer, (uint64_t)(intervals[i].from - last));
        write_varint(&writer, (uint64_t)(intervals[i].to - intervals[i].from));
        last = intervals[i].to;
    }
    write_crc(&writer);
    g_autofree char *text = g_base64_encode(writer.data, writer.len);
    return g_strconcat(PREFIX, text, NULL);
}

/* --- Decoding ---------------------------------------------------------- */

typedef struct {
    const uint8_t *at, *end;
} Reader;

static bool
read_varint(Reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end;
         shift += 7) {
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        *ret_value = value;
        return true;
    }
    return false;
}

static bool
read_interval(Reader *reader, int64_t last, KabInterval *ret_interval)
{
    uint64_t distance, len;
    if (!read_varint(reader, &distance) || !read_varint(reader, &len) || !len)
        return false;
    uint64_t room = (uint64_t)(INT64_MAX - last);
    if (distance > room || len > room - distance)
        return false;
    ret_interval->from = last + (int64_t)distance;
    ret_interval->to = ret_interval->from + (int64_t)len;
    return true;
}

static const char *
read_intervals(Reader *reader, int64_t offset, GArray *ret_intervals)
{
    uint64_t base;
    if (!read_varint(reader, &base))
        return "its base offset is damaged";
    if (base != (uint64_t)offset)
        return "it belongs to another offset: the group was reset";
    for (int64_t last = offset; reader->at < reader->end;) {
        KabInterval interval;
        if (!read_interval(reader, last, &interval))
            return "its intervals are damaged";
        g_array_append_val(ret_intervals, interval);
        last = interval.to;
    }
    return NULL;
}

static bool
is_base64(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!g_ascii_isalnum(text[i]) && !strchr("+/=", text[i]))
            return false;
    return len > 0 && len % 4 == 0;
}

static const char *
decode_text(const char *text, size_t len, int64_t offset, GArray *ret_intervals)
{
    if (len < PREFIX_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0)
        return "another program wrote it";
    text += PREFIX_LEN;
    len -= PREFIX_LEN;
    if (len > MAX_BYTES / 3 * 4 || memchr(text, '\0', len) ||
        !is_base64(text, len))
        return "it is not base64";

    uint8_t data[MAX_BYTES + 3];
    int state = 0;
    guint save = 0;
    size_t n = g_base64_decode_step(text, len, data, &state, &save);
    if (n < 1 + CRC_SIZE)
        return "it is cut off";
    if (data[0] != FORMAT)
        return "a newer kabridge wrote it";
    uint32_t crc;
    n -= CRC_SIZE;
    memcpy(&crc, data + n, CRC_SIZE);
    if (GUINT32_FROM_LE(crc) != crc32c(data, n))
        return "its checksum is wrong";
    Reader reader = {data + 1, data + n};
    return read_intervals(&reader, offset, ret_intervals);
}

bool
kab_committed_decode(const char *metadata,
                     size_t len,
                     int64_t offset,
                     GArray *ret_intervals,
                     const char **ret_problem)
{
    if (!metadata || !len)
        return true;
    guint before = ret_intervals->len;
    const char *problem = decode_text(metadata, len, offset, ret_intervals);
    if (!problem)
        return true;
    g_array_set_size(ret_intervals, before);
    *ret_problem = problem;
    return false;
}
