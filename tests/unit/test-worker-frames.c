/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of kabridge-worker/1, compared with those of the conformance
 * kit. */
#include "kab-test.h"

#include <glib.h>

#include "worker-encode.h"
#include "worker-result.h"

/* --- A batch as the bridge would give it -------------------------------- */

static const KabHeader header = {"h", {"xy", 2}};
static const KabRecord records[] = {
    {{"k", 1}, {"v1", 2}, "in", 3, 42, 1000},
    {{NULL, 0}, {NULL, 0}, "in", 3, 43, -1},
};

size_t
kab_batch_count(const KabBatch *batch)
{
    return G_N_ELEMENTS(records);
}

const KabRecord *
kab_batch_records(const KabBatch *batch)
{
    return records;
}

const KabHeader *
kab_batch_headers(const KabBatch *batch, size_t i, size_t *ret_n)
{
    *ret_n = i == 0;
    return i == 0 ? &header : NULL;
}

unsigned
kab_batch_attempt(const KabBatch *batch)
{
    return 1;
}

/* --- The kit ------------------------------------------------------------ */

static void
append_bytes(GByteArray *bytes, const char *line)
{
    for (; *line && *line != ';'; line++) {
        if (!g_ascii_isxdigit(line[0]))
            continue;
        uint8_t byte = (uint8_t)(g_ascii_xdigit_value(line[0]) * 16 +
                                 g_ascii_xdigit_value(line[1]));
        g_byte_array_append(bytes, &byte, 1);
        line++;
    }
}

/* Reads the bytes of a frame from the kit. */
static GByteArray *
read_frame(const char *name)
{
    char *path = g_build_filename(g_getenv("top_srcdir"), "tests", "worker",
                                  "frames.txt", NULL);
    char *text;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    char **lines = g_strsplit(text, "\n", -1);
    GByteArray *bytes = g_byte_array_new();
    bool is_in = false;
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "    ") && is_in)
            append_bytes(bytes, *line);
        else if (**line && **line != ' ')
            is_in = strcmp(*line, name) == 0;
    }
    assert_true(bytes->len >= WORKER_HEADER_SIZE);
    g_strfreev(lines);
    g_free(text);
    g_free(path);
    return bytes;
}

static GByteArray *
join_packet(const WorkerPacket *packet)
{
    GByteArray *bytes = g_byte_array_new();
    for (size_t i = 0; i < packet->n_pieces; i++)
        g_byte_array_append(bytes, packet->pieces[i].iov_base,
                            (unsigned)packet->pieces[i].iov_len);
    return bytes;
}

static void
is_frame(WorkerPacket *packet, const char *name)
{
    GByteArray *wanted = read_frame(name);
    GByteArray *found = join_packet(packet);
    assert_int_equal(found->len, wanted->len);
    assert_memory_equal(found->data, wanted->data, wanted->len);
    g_byte_array_unref(found);
    g_byte_array_unref(wanted);
    worker_packet_free(packet);
}

static uint32_t
topic_of(void *user, const char *topic)
{
    return 0;
}

TEST(a_batch_is_the_kits)
{
    is_frame(worker_packet_new_batch(NULL, 7, 1000, topic_of, NULL),
             "BATCH from the bridge");
}

TEST(frames_without_payload_are_the_kits)
{
    is_frame(worker_packet_new(WORKER_FRAME_CANCEL, 0, 7, NULL, 0),
             "CANCEL from the bridge");
    is_frame(worker_packet_new(WORKER_FRAME_DRAIN, 0, 0, NULL, 0),
             "DRAIN from the bridge");
    is_frame(worker_packet_new(WORKER_FRAME_PING, 0, 1, NULL, 0),
             "PING from the bridge");
    is_frame(worker_packet_new(WORKER_FRAME_TOPIC, WORKER_FLAG_IGNORABLE, 0,
                               "\0\0\0\0in", 6),
             "TOPIC from the bridge");
}

TEST(a_packet_that_is_sent_in_small_steps_is_whole)
{
    WorkerPacket *packet =
        worker_packet_new_batch(NULL, 7, 1000, topic_of, NULL);
    GByteArray *wanted = join_packet(packet);
    for (unsigned sent = 0; sent < wanted->len; sent++) {
        const uint8_t *next = packet->pieces[packet->first].iov_base;
        assert_int_equal(*next, wanted->data[sent]);
        bool is_last = worker_packet_advance(packet, 1);
        assert_int_equal(is_last, sent + 1 == wanted->len);
    }
    g_byte_array_unref(wanted);
    worker_packet_free(packet);
}

/* --- Results ------------------------------------------------------------ */

static const char *
check_frame(GByteArray *frame, size_t len, size_t n_records)
{
    bool is_answered[8] = {false};
    WorkerAnswers answers = {
        .n_records = n_records, .is_answered = is_answered, .n_topics = 1};
    return worker_result_check(frame->data + WORKER_HEADER_SIZE, len, &answers);
}

TEST(the_kits_results_are_right)
{
    GByteArray *few = read_frame("RESULT from the worker");
    GByteArray *all = read_frame("RESULT from the worker with every status");
    assert_null(check_frame(few, few->len - WORKER_HEADER_SIZE, 2));
    assert_null(check_frame(all, all->len - WORKER_HEADER_SIZE, 4));
    g_byte_array_unref(few);
    g_byte_array_unref(all);
}

TEST(a_result_that_is_cut_is_wrong)
{
    GByteArray *all = read_frame("RESULT from the worker with every status");
    /* Entries end at these lengths: a frame cut there is still a valid
     * result. */
    static const size_t whole[] = {0, 71, 90, 108};
    size_t n_whole = 0;
    for (size_t len = 0; len < all->len - WORKER_HEADER_SIZE; len++) {
        bool is_right = !check_frame(all, len, 4);
        bool is_whole = n_whole < G_N_ELEMENTS(whole) && whole[n_whole] == len;
        n_whole += is_whole;
        assert_int_equal(is_right, is_whole);
    }
    assert_int_equal(n_whole, G_N_ELEMENTS(whole));
    g_byte_array_unref(all);
}

TEST(a_result_for_fewer_records_is_wrong)
{
    GByteArray *few = read_frame("RESULT from the worker");
    const char *fault = check_frame(few, few->len - WORKER_HEADER_SIZE, 1);
    assert_non_null(strstr(fault, "a record that the batch does not have"));
    g_byte_array_unref(few);
}

TEST(every_part_of_an_output_is_read)
{
    GByteArray *all = read_frame("RESULT from the worker with every status");
    WorkerCursor cursor = {.at = all->data + WORKER_HEADER_SIZE,
                           .end = all->data + all->len};
    WorkerEntry entry;
    WorkerOutput output;
    assert_true(worker_cursor_entry(&cursor, &entry));
    assert_int_equal(entry.n_outputs, 2);
    assert_true(worker_cursor_output(&cursor, &output));
    assert_int_equal(output.topic, 0);
    assert_int_equal(output.partition, 5);
    assert_int_equal(output.timestamp_ms, 2000);
    assert_memory_equal(output.key.data, "K", 1);
    assert_null(output.value.data);
    assert_int_equal(output.headers_len, 7);
    assert_true(worker_cursor_output(&cursor, &output));
    assert_int_equal(output.topic, worker_no_topic);
    assert_non_null(output.value.data);
    assert_int_equal(output.value.len, 0);
    assert_true(worker_cursor_entry(&cursor, &entry));
    assert_int_equal(entry.status, WORKER_STATUS_RETRY);
    assert_int_equal(entry.delay_ms, 1500);
    assert_memory_equal(entry.text, "busy", 4);
    g_byte_array_unref(all);
}

TEST(a_failure_of_a_whole_batch_is_read)
{
    GByteArray *frame =
        read_frame("RESULT from the worker that failed as a whole");
    WorkerRefusal refusal;
    assert_null(worker_refusal_read(frame->data + WORKER_HEADER_SIZE,
                                    frame->len - WORKER_HEADER_SIZE, &refusal));
    assert_int_equal(refusal.failure, KAB_FAIL_OVERLOAD);
    assert_int_equal(refusal.retry_after_ms, 500);
    assert_memory_equal(refusal.text, "full", 4);
    assert_non_null(worker_refusal_read(frame->data, 7, &refusal));
    g_byte_array_unref(frame);
}

TEST(reserved_bytes_are_zero)
{
    uint8_t head[WORKER_HEADER_SIZE] = {0, 0, 0, 0, 10, 0, 0, 1};
    WorkerFrame frame;
    assert_non_null(worker_frame_read(head, &frame));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_the_kits),
        cmocka_unit_test(frames_without_payload_are_the_kits),
        cmocka_unit_test(a_packet_that_is_sent_in_small_steps_is_whole),
        cmocka_unit_test(the_kits_results_are_right),
        cmocka_unit_test(a_result_that_is_cut_is_wrong),
        cmocka_unit_test(a_result_for_fewer_records_is_wrong),
        cmocka_unit_test(every_part_of_an_output_is_read),
        cmocka_unit_test(a_failure_of_a_whole_batch_is_read),
        cmocka_unit_test(reserved_bytes_are_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
