/* SPDX-License-Identifier: Apache-2.0 */
/* A RESULT of a worker under any bytes: the first is the count of records.
 * Also: what was judged right can be walked to its end. */
#include "fuzz.h"

#include <glib.h>

#include "worker-result.h"

enum { N_TOPICS = 2 };

static size_t
walk_outputs(WorkerCursor *cursor, const WorkerEntry *entry)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < entry->n_outputs; i++) {
        WorkerOutput output;
        g_assert(worker_cursor_output(cursor, &output));
        g_assert(output.topic == worker_no_topic || output.topic < N_TOPICS);
        for (size_t b = 0; b < output.key.len; b++)
            bytes += ((const uint8_t *)output.key.data)[b];
        for (size_t b = 0; b < output.value.len; b++)
            bytes += ((const uint8_t *)output.value.data)[b];
    }
    return bytes;
}

static void
walk_result(const uint8_t *data, size_t size, const WorkerAnswers *answers)
{
    WorkerCursor cursor = {.at = data, .end = data + size};
    WorkerEntry entry;
    size_t n = 0;
    while (worker_cursor_entry(&cursor, &entry)) {
        g_assert(entry.index < answers->n_records);
        walk_outputs(&cursor, &entry);
        n++;
    }
    g_assert(!cursor.fault && n == answers->n_answered);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_answered[256] = {false};
    WorkerRefusal refusal;
    if (size < 1)
        return 0;
    WorkerAnswers answers = {
        .n_records = data[0], .is_answered = is_answered, .n_topics = N_TOPICS};
    data++;
    size--;
    const char *fault = worker_result_check(data, size, &answers);
    if (!fault)
        walk_result(data, size, &answers);
    worker_refusal_read(data, size, &refusal);
    return 0;
}
