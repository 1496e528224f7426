/* SPDX-License-Identifier: Apache-2.0 */
/* Parses a RESULT's payload, which comes from a worker and may be anything.
 *
 * A cursor walks over the entries and, within an entry, over its outputs. Every
 * length is checked before use. worker_result_check() validates a whole payload
 * first, so that nothing of an invalid one is applied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kabridge/function.h>

#include "worker-frame.h"

/* name, number */
#define WORKER_STATUSES(X)                                                     \
    X(OK, 0)                                                                   \
    X(DROP, 1)                                                                 \
    X(RETRY, 2)                                                                \
    X(REJECT, 3)                                                               \
    X(PASS, 4)

typedef enum {
#define X(NAME, number) WORKER_STATUS_##NAME = number,
    WORKER_STATUSES(X)
#undef X
} WorkerStatus;

/* fault NULL: valid so far. */
typedef struct {
    const uint8_t *at, *end;
    const char *fault;
} WorkerCursor;

/* The answer to a record; text is borrowed and not NUL-terminated. */
typedef struct {
    uint32_t index;
    WorkerStatus status;
    uint16_t n_outputs;
    int32_t delay_ms; /* -1: not given */
    const char *text;
    size_t text_len;
} WorkerEntry;

/* One output; all borrowed. is_input: use the record's own bytes. */
typedef struct {
    uint32_t topic; /* worker_no_topic: the binding's output topic */
    int32_t partition;
    int64_t timestamp_ms;
    bool is_input_key, is_input_value;
    KabBytes key, value;
    const uint8_t *headers;
    size_t headers_len;
} WorkerOutput;

/* One header; name is not NUL-terminated. */
typedef struct {
    const char *name;
    size_t name_len;
    KabBytes value;
} WorkerHeader;

/* False: no more entries, or cursor->fault is set. */
bool worker_cursor_entry(WorkerCursor *cursor, WorkerEntry *ret_entry);
bool worker_cursor_output(WorkerCursor *cursor, WorkerOutput *ret_output);
bool worker_cursor_header(WorkerCursor *cursor, WorkerHeader *ret_header);

/* State of a batch that is being answered. */
typedef struct {
    size_t n_records, n_answered;
    bool *is_answered; /* per record */
    uint32_t n_topics; /* topics that the worker has named */
} WorkerAnswers;

/* Marks the records that a payload answers. Returns NULL, or what is wrong with
 * it: then no entry of the batch may be used. */
const char *
worker_result_check(const uint8_t *payload, size_t len, WorkerAnswers *answers);

/* The payload of a RESULT with WORKER_FLAG_FAILED. */
typedef struct {
    KabFailure failure;
    int32_t retry_after_ms; /* -1: not given */
    const char *text;       /* not NUL-terminated */
    size_t text_len;
} WorkerRefusal;

/* Returns NULL, or what is wrong with it. */
const char *worker_refusal_read(const uint8_t *payload,
                                size_t len,
                                WorkerRefusal *ret_refusal);
