/* SPDX-License-Identifier: Apache-2.0 */
/* A batch's answer: the worker's results, applied to the handle.
 *
 * Results are kept as received, in the batch's own memory, and applied when the
 * handle is released. So a batch can still be failed as a whole if a later
 * result of its worker is invalid.
 */
#include "worker-internal.h"

#include <string.h>

enum { TEXT_MAX = 1024 };

WorkerJob *
worker_job_new(KabBatch *batch)
{
    WorkerJob *job = g_new0(WorkerJob, 1);
    job->batch = batch;
    job->posted_us = worker_now_us();
    job->deadline_us = kab_batch_deadline_us(batch);
    job->answers.n_records = kab_batch_count(batch);
    job->answers.is_answered = g_new0(bool, job->answers.n_records);
    return job;
}

void
worker_job_free(WorkerJob *job)
{
    g_free(job->answers.is_answered);
    g_free(job);
}

/* Copies text for the ABI: NUL-terminated, one line, and cut to the length that
 * the ABI keeps. */
static const char *
to_text(char *buffer, const char *text, size_t len)
{
    len = MIN(len, TEXT_MAX - 1);
    memcpy(buffer, text, len);
    buffer[len] = '\0';
    worker_text_tame(buffer);
    return buffer;
}

/* --- Outputs ----------------------------------------------------------- */

static size_t
count_headers(const WorkerOutput *output)
{
    WorkerCursor cursor = {.at = output->headers,
                           .end = output->headers + output->headers_len};
    WorkerHeader header;
    size_t n = 0;
    while (worker_cursor_header(&cursor, &header))
        n++;
    return n;
}

/* Names must be NUL-terminated, so they are copied. */
static KabHeader *
make_headers(KabBatch *batch, const WorkerOutput *output, size_t *ret_n)
{
    *ret_n = 0;
    if (!output->headers_len)
        return NULL;
    WorkerCursor cursor = {.at = output->headers,
                           .end = output->headers + output->headers_len};
    WorkerHeader header;
    KabHeader *headers =
        kab_batch_alloc(batch, count_headers(output) * sizeof *headers);
    while (worker_cursor_header(&cursor, &header)) {
        char *name = kab_batch_alloc(batch, header.name_len + 1);
        memcpy(name, header.name, header.name_len);
        name[header.name_len] = '\0';
        headers[(*ret_n)++] = (KabHeader){name, header.value};
    }
    return headers;
}

static void
emit_output(KabBatch *batch,
            const Worker *worker,
            size_t i,
            const WorkerOutput *output)
{
    const KabRecord *input = &kab_batch_records(batch)[i];
    KabOutput emitted = KAB_OUTPUT_INIT;
    emitted.key = output->is_input_key ? input->key : output->key;
    emitted.value = output->is_input_value ? input->value : output->value;
    emitted.partition = output->partition;
    emitted.timestamp_ms = output->timestamp_ms;
    emitted.headers = make_headers(batch, output, &emitted.n_headers);
    if (output->topic != worker_no_topic)
        emitted.topic = g_ptr_array_index(worker->topics_out, output->topic);
    kab_batch_emit(batch, i, &emitted);
}

static void
emit_outputs(KabBatch *batch,
             const Worker *worker,
             const WorkerEntry *entry,
             WorkerCursor *cursor)
{
    if (!entry->n_outputs)
        kab_batch_drop(batch, entry->index);
    for (unsigned i = 0; i < entry->n_outputs; i++) {
        WorkerOutput output;
        if (worker_cursor_output(cursor, &output))
            emit_output(batch, worker, entry->index, &output);
    }
}

static void
apply_entry(KabBatch *batch,
            const Worker *worker,
            const WorkerEntry *entry,
            WorkerCursor *cursor)
{
    char text[TEXT_MAX];
    switch (entry->status) {
    case WORKER_STATUS_OK:
        emit_outputs(batch, worker, entry, cursor);
        return;
    case WORKER_STATUS_DROP:
        kab_batch_drop(batch, entry->index);
        return;
    case WORKER_STATUS_RETRY:
        kab_batch_retry_after(batch, entry->index, entry->delay_ms,
                              to_text(text, entry->text, entry->text_len));
        return;
    case WORKER_STATUS_REJECT:
        kab_batch_reject(batch, entry->index,
                         to_text(text, entry->text, entry->text_len));
        return;
    case WORKER_STATUS_PASS:
        kab_batch_pass(batch, entry->index,
                       to_text(text, entry->text, entry->text_len));
        return;
    }
}

/* --- The end of a handle ----------------------------------------------- */

static void
apply_chunks(WorkerJob *job, const Worker *worker)
{
    if (job->is_refused)
        return;
    for (WorkerChunk *chunk = job->first; chunk; chunk = chunk->next) {
        WorkerCursor cursor = {.at = chunk->bytes,
                               .end = chunk->bytes + chunk->len};
        WorkerEntry entry;
        while (worker_cursor_entry(&cursor, &entry))
            apply_entry(job->batch, worker, &entry, &cursor);
    }
}

static void
let_go(WorkerJob *job)
{
    job->batch = NULL;
    job->first = job->last = job->incoming = NULL;
}

static void
fail_refused(WorkerJob *job)
{
    char text[TEXT_MAX];
    WorkerRefusal refusal;
    if (worker_refusal_read(job->first->bytes, job->first->len, &refusal))
        return; /* checked on arrival */
    kab_batch_fail(job->batch, refusal.failure, refusal.retry_after_ms,
                   to_text(text, refusal.text, refusal.text_len));
}

void
worker_job_complete(WorkerJob *job, const Worker *worker)
{
    if (!job->batch)
        return;
    apply_chunks(job, worker);
    if (job->is_refused)
        fail_refused(job);
    else
        kab_batch_complete(job->batch);
    let_go(job);
}

void
worker_job_fail(WorkerJob *job,
                const Worker *worker,
                KabFailure failure,
                int64_t retry_after_ms,
                const char *reason)
{
    if (!job->batch)
        return;
    apply_chunks(job, worker);
    kab_batch_fail(job->batch, failure, retry_after_ms, reason);
    let_go(job);
}

void
worker_job_salvage(WorkerJob *job, const Worker *worker, const char *reason)
{
    if (!job->batch)
        return;
    apply_chunks(job, worker);
    for (size_t i = 0; i < job->answers.n_records; i++)
        if (!job->answers.is_answered[i])
            kab_batch_retry(job->batch, i, reason);
    kab_batch_complete(job->batch);
    let_go(job);
}
