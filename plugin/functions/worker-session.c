/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of one session: HELLO to BYE.
 *
 * An invalid frame is recorded in worker->fault, and nothing of its batch is
 * used.
 */
#include "worker-internal.h"

#include <jansson.h>
#include <string.h>

enum {
    MAX_TOPICS = 10000,
    MAX_CONCURRENCY = 1000,
    /* Limit for all results of a batch: memory that a worker can make us
     * keep. */
    MAX_RESULT_BYTES = 4 * WORKER_MAX_FRAME,
};

G_GNUC_PRINTF(2, 3)
static bool
refuse_session(Worker *worker, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!worker->fault)
        worker->fault = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return false;
}

/* --- Handshake --------------------------------------------------------- */

static void
send_frame(Worker *worker,
           WorkerFrameType type,
           uint8_t flags,
           uint64_t id,
           const void *payload,
           size_t len)
{
    worker_channel_push(&worker->channel,
                        worker_packet_new(type, flags, id, payload, len));
}

void
worker_session_begin(Worker *worker)
{
    json_t *hello = json_pack(
        "{s:i, s:i, s:s, s:i, s:[], s:i, s:{}}", "proto", WORKER_PROTO, "minor",
        WORKER_MINOR, "host", "kabridge", "max_frame", WORKER_MAX_FRAME,
        "features", "worker", (int)worker->number, "config");
    char *text = json_dumps(hello, JSON_COMPACT);
    send_frame(worker, WORKER_FRAME_HELLO, 0, 0, text, strlen(text));
    free(text);
    json_decref(hello);
    worker_flush(worker);
}

/* Reads a number of READY and checks its range; if missing, *ret_number is left
 * unchanged. */
static bool
read_number(Worker *worker,
            const json_t *ready,
            const char *name,
            json_int_t least,
            json_int_t most,
            json_int_t *ret_number)
{
    const json_t *number = json_object_get(ready, name);
    if (!number || json_is_null(number))
        return true;
    if (!json_is_integer(number) || json_integer_value(number) < least ||
        json_integer_value(number) > most)
        return refuse_session(worker,
                              "found a READY with a wrong %s; wanted a whole "
                              "number from %lld to %lld",
                              name, (long long)least, (long long)most);
    *ret_number = json_integer_value(number);
    return true;
}

/* A different major version will not change with a restart. */
static bool
check_proto(Worker *worker, const json_t *ready)
{
    const json_t *proto = json_object_get(ready, "proto");
    if (!json_is_integer(proto))
        return refuse_session(worker, "found a READY without a number proto; "
                                      "wanted \"proto\": 1");
    if (json_integer_value(proto) == WORKER_PROTO)
        return true;
    worker->is_fatal = true;
    return refuse_session(worker,
                          "found a worker that speaks version %lld of the "
                          "protocol; wanted version %d",
                          (long long)json_integer_value(proto), WORKER_PROTO);
}

static bool
check_codec(Worker *worker, const json_t *ready)
{
    const json_t *codec = json_object_get(ready, "codec");
    const char *name = json_string_value(codec);
    if (!codec || (name && strcmp(name, "bytes") == 0))
        return true;
    worker->is_fatal = true;
    return refuse_session(worker, "found a READY with a codec that is not "
                                  "known; wanted \"bytes\" or none");
}

static bool
read_ready(Worker *worker, const json_t *ready)
{
    json_int_t concurrency = 1, max_batch = 0, max_batch_bytes = 0;
    json_int_t max_frame = WORKER_MAX_FRAME;
    if (!json_is_object(ready))
        return refuse_session(worker,
                              "found a READY that is not a JSON object; "
                              "wanted {\"proto\": 1, ...}");
    if (!check_proto(worker, ready) || !check_codec(worker, ready) ||
        !read_number(worker, ready, "concurrency", 1, MAX_CONCURRENCY,
                     &concurrency) ||
        !read_number(worker, ready, "max_batch", 1, 1000000, &max_batch) ||
        !read_number(worker, ready, "max_batch_bytes", 1, G_MAXINT64,
                     &max_batch_bytes) ||
        !read_number(worker, ready, "max_frame", WORKER_MAX_SMALL,
                     WORKER_MAX_FRAME, &max_frame))
        return false;
    worker->concurrency = (unsigned)concurrency;
    worker->max_batch = max_batch ? (size_t)max_batch : SIZE_MAX;
    worker->max_batch_bytes =
        max_batch_bytes ? (size_t)max_batch_bytes : SIZE_MAX;
    worker->channel.max_frame = (uint32_t)max_frame;
    return true;
}

static const char *
string_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "unnamed";
}

static bool
on_ready_frame(Worker *worker, const uint8_t *payload, size_t len)
{
    if (worker->state != WORKER_STATE_STARTING)
        return refuse_session(worker, "found a second READY; wanted one");
    json_t *ready = json_loadb((const char *)payload, len, 0, NULL);
    bool is_right = read_ready(worker, ready);
    if (is_right) {
        worker_log(worker, KAB_LOG_INFO,
                   "is ready: function %s, %s, concurrency %u",
                   string_of(ready, "name"), string_of(ready, "sdk"),
                   worker->concurrency);
        worker->answered_us = worker_now_us();
        /* due: time of the next PING */
        worker_set_state(worker, WORKER_STATE_READY, worker_now_us());
    }
    json_decref(ready);
    return is_right;
}

/* --- Results ----------------------------------------------------------- */

static WorkerChunk *
make_chunk(WorkerJob *job, size_t len)
{
    WorkerChunk *chunk = kab_batch_alloc(job->batch, sizeof *chunk + len);
    chunk->next = NULL;
    chunk->len = len;
    return chunk;
}

static void
append_chunk(WorkerJob *job, WorkerChunk *chunk)
{
    if (job->last)
        job->last->next = chunk;
    else
        job->first = chunk;
    job->last = chunk;
}

/* The duration of batches decides whether one is sent ahead. */
static void
note_duration(Worker *worker, const WorkerJob *job)
{
    int64_t now = worker_now_us();
    int64_t began = MAX(worker->answered_us, job->posted_us);
    worker->usual_us += (now - began - worker->usual_us) / 8;
    worker->answered_us = now;
}

static void
finish_job(Worker *worker, WorkerJob *job)
{
    worker_jobs_remove(&worker->jobs, job);
    worker->is_exclusive &= !job->is_alone;
    worker->backoff_us = 0;
    note_duration(worker, job);
    worker_job_complete(job, worker);
    worker_job_free(job);
    /* The reason of its end must not quote what another batch made it say; of
     * batches that are processed at once nobody knows which one did. */
    if (worker->concurrency == 1 || !worker->jobs.n)
        worker_forget_words(worker);
}

static const char *
check_result(Worker *worker,
             WorkerJob *job,
             const WorkerFrame *frame,
             const WorkerChunk *chunk)
{
    WorkerRefusal refusal;
    bool is_last = frame->flags & WORKER_FLAG_LAST;
    job->answers.n_topics = worker->topics_out->len;
    job->result_bytes += chunk->len;
    if (job->result_bytes > MAX_RESULT_BYTES)
        return "found more than 256 MiB of results for one batch; wanted "
               "less";
    if (!is_last && !chunk->len)
        return "found a RESULT without entries that is not the last; wanted "
               "entries";
    if (!(frame->flags & WORKER_FLAG_FAILED))
        return worker_result_check(chunk->bytes, chunk->len, &job->answers);
    if (!is_last || job->answers.n_answered)
        return "found a failed RESULT of a batch that has answers; wanted it "
               "to be the only one";
    job->is_refused = true;
    return worker_refusal_read(chunk->bytes, chunk->len, &refusal);
}

/* Discards an invalid result and blames the job. */
static bool
refuse_result(Worker *worker, WorkerJob *job, const char *fault)
{
    char *reason =
        g_strdup_printf("worker %u was ended: %s", worker->number, fault);
    job->first = job->last = NULL;
    refuse_session(worker, "%s", fault);
    worker_take_jobs(worker, WORKER_BLAME_JOB, job, reason);
    g_free(reason);
    return false;
}

static bool
on_result(Worker *worker, const WorkerFrame *frame, const uint8_t *payload)
{
    WorkerJob *job = worker_jobs_find(&worker->jobs, frame->id);
    if (!job)
        return refuse_session(worker, "found a RESULT for a batch that it "
                                      "does not have; wanted one it was sent");
    if (job->is_sending)
        return refuse_result(worker, job,
                             "found a RESULT for a batch that is not sent "
                             "yet; wanted it after its BATCH");
    if (job->batch) {
        WorkerChunk *chunk = job->incoming;
        if (!chunk) {
            chunk = make_chunk(job, frame->length);
            memcpy(chunk->bytes, payload, frame->length);
        }
        job->incoming = NULL;
        append_chunk(job, chunk);
        const char *fault = check_result(worker, job, frame, chunk);
        if (fault)
            return refuse_result(worker, job, fault);
    }
    if (frame->flags & WORKER_FLAG_LAST)
        finish_job(worker, job);
    else if (job->is_cancelled)
        worker_job_fail(job, worker, KAB_FAIL_TRANSIENT, -1, "cancelled");
    return true;
}

static uint8_t *
place_payload(void *user, const WorkerFrame *frame)
{
    Worker *worker = user;
    WorkerJob *job = worker_jobs_find(&worker->jobs, frame->id);
    if (frame->type != WORKER_FRAME_RESULT || !job || !job->batch)
        return NULL;
    job->incoming = make_chunk(job, frame->length);
    return job->incoming->bytes;
}

/* --- The others -------------------------------------------------------- */

static bool
on_topic(Worker *worker, const uint8_t *payload, size_t len)
{
    const char *name = (const char *)payload + 4;
    if (len < 5 || worker_get32(payload) != worker->topics_out->len ||
        memchr(name, '\0', len - 4) || worker->topics_out->len >= MAX_TOPICS)
        return refuse_session(worker,
                              "found a TOPIC that does not have the next "
                              "number, %u, and a name; wanted that",
                              worker->topics_out->len);
    g_ptr_array_add(worker->topics_out, g_strndup(name, len - 4));
    return true;
}

static bool
on_log(Worker *worker, const uint8_t *payload, size_t len)
{
    if (len < 1)
        return refuse_session(worker, "found an empty LOG; wanted a level "
                                      "and a text");
    char *text = g_utf8_make_valid((const char *)payload + 1, (gssize)len - 1);
    worker_log_line(worker, text);
    g_free(text);
    return true;
}

static bool
on_fatal(Worker *worker, const uint8_t *payload, size_t len)
{
    char *text =
        g_utf8_make_valid((const char *)payload, (gssize)MIN(len, 1000));
    worker_text_tame(text);
    worker->is_fatal = true;
    refuse_session(worker, "%s", text);
    g_free(text);
    return false;
}

static bool
on_other(Worker *worker, const WorkerFrame *frame)
{
    if (frame->flags & WORKER_FLAG_IGNORABLE)
        return true;
    return refuse_session(worker,
                          "found a frame of type %u (%s); wanted one that a "
                          "worker sends",
                          frame->type, worker_frame_name(frame->type));
}

static bool
on_frame(void *user, const WorkerFrame *frame, const uint8_t *payload)
{
    Worker *worker = user;
    worker->heard_us = worker_now_us();
    if (worker->state == WORKER_STATE_STARTING &&
        frame->type == WORKER_FRAME_RESULT)
        return refuse_session(worker, "found a RESULT before READY; wanted "
                                      "READY first");
    switch (frame->type) {
    case WORKER_FRAME_READY:
        return on_ready_frame(worker, payload, frame->length);
    case WORKER_FRAME_RESULT:
        return on_result(worker, frame, payload);
    case WORKER_FRAME_TOPIC:
        return on_topic(worker, payload, frame->length);
    case WORKER_FRAME_LOG:
        return on_log(worker, payload, frame->length);
    case WORKER_FRAME_PING:
        send_frame(worker, WORKER_FRAME_PONG, 0, frame->id, payload,
                   frame->length);
        return true;
    case WORKER_FRAME_PONG:
    case WORKER_FRAME_BYE:
        return true;
    case WORKER_FRAME_FATAL:
        return on_fatal(worker, payload, frame->length);
    }
    return on_other(worker, frame);
}

static void
on_sent(void *user, WorkerPacket *packet)
{
    WorkerJob *job = packet->job;
    if (!job)
        return;
    job->is_sending = false;
    if (job->is_cancelled)
        worker_job_fail(job, user, KAB_FAIL_TRANSIENT, -1, "cancelled");
}

const WorkerChannelEvents worker_session_events = {on_frame, place_payload,
                                                   on_sent};

/* --- Batches ----------------------------------------------------------- */

/* Sends TOPIC; a worker that ignores topics skips the frame. */
static uint32_t
topic_of(void *user, const char *topic)
{
    Worker *worker = user;
    void *known = g_hash_table_lookup(worker->topics_in, topic);
    if (known)
        return GPOINTER_TO_UINT(known) - 1;
    uint32_t number = g_hash_table_size(worker->topics_in);
    size_t len = strlen(topic);
    uint8_t *payload = g_malloc(4 + len);
    worker_put32(payload, number);
    memcpy(payload + 4, topic, len);
    send_frame(worker, WORKER_FRAME_TOPIC, WORKER_FLAG_IGNORABLE, 0, payload,
               4 + len);
    g_free(payload);
    g_hash_table_insert(worker->topics_in, g_strdup(topic),
                        GUINT_TO_POINTER(number + 1));
    return number;
}

void
worker_session_send_batch(Worker *worker, WorkerJob *job, int64_t now)
{
    int64_t remaining_ms = 0;
    if (job->deadline_us)
        remaining_ms =
            CLAMP((job->deadline_us - now) / 1000, 1, (int64_t)UINT32_MAX);
    WorkerPacket *packet = worker_packet_new_batch(
        job->batch, job->id, (uint32_t)remaining_ms, topic_of, worker);
    packet->job = job;
    job->is_sending = true;
    worker_channel_push(&worker->channel, packet);
}
