/* SPDX-License-Identifier: Apache-2.0 */
/* See worker-result.h. */
#include "worker-result.h"

#include <string.h>

enum {
    ENTRY_SIZE = 7,   /* index, status, count of outputs */
    REASON_SIZE = 8,  /* delay, length of the text */
    OUTPUT_SIZE = 28, /* topic, partition, timestamp, three lengths */
    REFUSAL_SIZE = 8, /* class, retry after */
};

static bool
refuse_bytes(WorkerCursor *cursor, const char *fault)
{
    cursor->fault = fault;
    cursor->at = cursor->end;
    return false;
}

static size_t
bytes_left(const WorkerCursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* Skips len bytes; NULL if fewer are left. */
static const uint8_t *
take_bytes(WorkerCursor *cursor, size_t len)
{
    if (len > bytes_left(cursor)) {
        refuse_bytes(cursor, "found a RESULT that ends within an entry; "
                             "wanted as many bytes as its lengths say");
        return NULL;
    }
    const uint8_t *bytes = cursor->at;
    cursor->at += len;
    return bytes;
}

/* Takes bytes whose length may stand for null or for the input's bytes. */
static bool
take_counted(WorkerCursor *cursor,
             int32_t length,
             KabBytes *ret_bytes,
             bool *ret_is_input)
{
    *ret_bytes = (KabBytes){NULL, 0};
    *ret_is_input = length == WORKER_LENGTH_INPUT;
    if (length == WORKER_LENGTH_NULL || *ret_is_input)
        return true;
    if (length < 0)
        return refuse_bytes(cursor, "found a length below -2 in a RESULT; "
                                    "wanted -2, -1 or one from 0");
    const uint8_t *bytes = take_bytes(cursor, (size_t)length);
    *ret_bytes = (KabBytes){bytes, (size_t)length};
    return bytes != NULL;
}

static bool
take_reason(WorkerCursor *cursor, WorkerEntry *entry)
{
    const uint8_t *head = take_bytes(cursor, REASON_SIZE);
    if (!head)
        return false;
    entry->delay_ms = (int32_t)worker_get32(head);
    entry->text_len = worker_get32(head + 4);
    entry->text = (const char *)take_bytes(cursor, entry->text_len);
    if (!entry->text)
        return false;
    if (entry->delay_ms < -1)
        return refuse_bytes(cursor, "found a delay below -1 ms in a RESULT; "
                                    "wanted -1 or one from 0");
    return true;
}

static bool
has_reason(uint8_t status)
{
    return status == WORKER_STATUS_RETRY || status == WORKER_STATUS_REJECT ||
           status == WORKER_STATUS_PASS;
}

bool
worker_cursor_entry(WorkerCursor *cursor, WorkerEntry *ret_entry)
{
    if (cursor->at == cursor->end)
        return false;
    const uint8_t *head = take_bytes(cursor, ENTRY_SIZE);
    if (!head)
        return false;
    uint8_t status = head[4];
    *ret_entry = (WorkerEntry){.index = worker_get32(head),
                               .status = (WorkerStatus)status,
                               .n_outputs = worker_get16(head + 5),
                               .delay_ms = -1};
    if (status > WORKER_STATUS_PASS)
        return refuse_bytes(cursor, "found a status above 4 in a RESULT; "
                                    "wanted ok, drop, retry, reject or pass");
    if (status != WORKER_STATUS_OK && ret_entry->n_outputs)
        return refuse_bytes(cursor, "found outputs of a record that is not "
                                    "ok; wanted none");
    return !has_reason(status) || take_reason(cursor, ret_entry);
}

bool
worker_cursor_output(WorkerCursor *cursor, WorkerOutput *ret_output)
{
    const uint8_t *head = take_bytes(cursor, OUTPUT_SIZE);
    if (!head)
        return false;
    WorkerOutput output = {.topic = worker_get32(head),
                           .partition = (int32_t)worker_get32(head + 4),
                           .timestamp_ms = (int64_t)worker_get64(head + 8),
                           .headers_len = worker_get32(head + 24)};
    if (!take_counted(cursor, (int32_t)worker_get32(head + 16), &output.key,
                      &output.is_input_key) ||
        !take_counted(cursor, (int32_t)worker_get32(head + 20), &output.value,
                      &output.is_input_value))
        return false;
    output.headers = take_bytes(cursor, output.headers_len);
    if (!output.headers)
        return false;
    *ret_output = output;
    return true;
}

bool
worker_cursor_header(WorkerCursor *cursor, WorkerHeader *ret_header)
{
    if (cursor->at == cursor->end)
        return false;
    const uint8_t *head = take_bytes(cursor, 6);
    if (!head)
        return false;
    bool is_input;
    size_t name_len = worker_get16(head);
    int32_t value_len = (int32_t)worker_get32(head + 2);
    const uint8_t *name = take_bytes(cursor, name_len);
    if (!name)
        return false;
    if (memchr(name, '\0', name_len))
        return refuse_bytes(cursor, "found a header name with a NUL byte in "
                                    "a RESULT; wanted text");
    if (value_len < WORKER_LENGTH_NULL)
        return refuse_bytes(cursor, "found a header of negative length in a "
                                    "RESULT; wanted -1 or one from 0");
    *ret_header =
        (WorkerHeader){.name = (const char *)name, .name_len = name_len};
    return take_counted(cursor, value_len, &ret_header->value, &is_input);
}

static const char *
check_output(const WorkerOutput *output, const WorkerAnswers *answers)
{
    WorkerCursor headers = {.at = output->headers,
                            .end = output->headers + output->headers_len};
    WorkerHeader header;
    if (output->topic != worker_no_topic && output->topic >= answers->n_topics)
        return "found an output for a topic that no TOPIC frame has named; "
               "wanted its TOPIC frame first";
    while (worker_cursor_header(&headers, &header))
        continue;
    return headers.fault;
}

static const char *
check_entry(WorkerCursor *cursor,
            const WorkerEntry *entry,
            WorkerAnswers *answers)
{
    if (entry->index >= answers->n_records)
        return "found a RESULT for a record that the batch does not have; "
               "wanted an index below the batch's count";
    if (answers->is_answered[entry->index])
        return "found a second RESULT for a record; wanted one";
    answers->is_answered[entry->index] = true;
    answers->n_answered++;
    for (unsigned i = 0; i < entry->n_outputs; i++) {
        WorkerOutput output;
        if (!worker_cursor_output(cursor, &output))
            return cursor->fault;
        const char *fault = check_output(&output, answers);
        if (fault)
            return fault;
    }
    return NULL;
}

const char *
worker_result_check(const uint8_t *payload, size_t len, WorkerAnswers *answers)
{
    WorkerCursor cursor = {.at = payload, .end = payload + len};
    WorkerEntry entry;
    while (worker_cursor_entry(&cursor, &entry)) {
        const char *fault = check_entry(&cursor, &entry, answers);
        if (fault)
            return fault;
    }
    return cursor.fault;
}

const char *
worker_refusal_read(const uint8_t *payload,
                    size_t len,
                    WorkerRefusal *ret_refusal)
{
    if (len < REFUSAL_SIZE)
        return "found a failed RESULT of less than 8 bytes; wanted a class, "
               "a delay and a text";
    uint32_t failure = worker_get32(payload);
    int32_t retry_after_ms = (int32_t)worker_get32(payload + 4);
    if (failure < KAB_FAIL_TRANSIENT || failure > KAB_FAIL_FATAL ||
        failure == KAB_FAIL_CRASH || retry_after_ms < -1)
        return "found a failed RESULT with a class or delay that does not "
               "exist; wanted class 1 to 4 or 6, and -1 or ms from 0";
    *ret_refusal = (WorkerRefusal){.failure = (KabFailure)failure,
                                   .retry_after_ms = retry_after_ms,
                                   .text = (const char *)payload + 8,
                                   .text_len = len - 8};
    return NULL;
}
