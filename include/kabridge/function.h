/* SPDX-License-Identifier: Apache-2.0 */
/* The function ABI: what a batch function sees, in plain C.
 *
 * A module is a shared object that exports one symbol, `kab_function`, made by
 * KAB_FUNCTION_DEFINE(). The bridge calls open() once per binding, process()
 * with batches of records, and close() when the binding stops.
 *
 *     static void
 *     upper_process(void *instance, KabBatch *batch)
 *     {
 *         const KabRecord *records = kab_batch_records(batch);
 *         for (size_t i = 0; i < kab_batch_count(batch); i++)
 *             ... kab_batch_emit_value(batch, i, data, len);
 *         kab_batch_complete(batch);
 *     }
 *     KAB_FUNCTION_DEFINE(.name = "upper", .process = upper_process);
 *
 * Life of a batch: process() gets a handle. The handle stays valid for reading
 * and answering until the function ends it with kab_batch_complete() or
 * kab_batch_fail(), from any thread. That holds even after a time-out, a
 * revoked partition or a stop; the answer is then ignored. Each record, named
 * by its index, gets any number of outputs or one other outcome. A record left
 * without an outcome is called again, and counted as a fault of the function.
 *
 * Threads: process() runs on a pool thread, or on the bridge's loop with
 * KAB_FUNCTION_NONBLOCKING. cancel() runs on the loop and must not block.
 * open() and close() never overlap with process(). Calls on one handle must not
 * be concurrent. The exceptions are kab_batch_complete(), kab_batch_fail() and
 * kab_batch_is_cancelled(): they are also safe on a handle that has ended,
 * where they change nothing.
 *
 * Handles open at once: at most max.in.flight + threads - 1. A call that timed
 * out no longer counts as in flight, but its handle stays open until the
 * function answers. `threads` is never above max.in.flight.
 *
 * Signals: `kabridge` ignores SIGPIPE, so writing to a closed pipe or socket
 * fails with EPIPE. A function that starts programs restores the default in the
 * child (POSIX_SPAWN_SETSIGDEF), because an ignored signal stays ignored across
 * exec. A program that embeds the bridge keeps its own disposition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this ABI. The bridge refuses at start a module built against
 * another major version, or a newer minor version, than its own; the message
 * gives both versions. Changes: 1.0 is the first.
 */
#define KAB_ABI_MAJOR 1u
#define KAB_ABI_MINOR 0u

#if defined(__GNUC__)
#define KAB_API __attribute__((visibility("default")))
#define KAB_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define KAB_API
#define KAB_PRINTF(f, a)
#endif

/* A handle to one call of the function with a batch. It is a number, not an
 * address, and is never dereferenced; a stale handle is recognised.
 */
typedef struct KabBatch KabBatch;

/* What open() gets: options, limits, log. Valid until close(). */
typedef struct KabContext KabContext;

/* KabBytes, KabHeader, KabRecord and KabOutput are passed in arrays, so they
 * are frozen for major version 1 and never get another field. KabOption and
 * KabFunction may grow at their end and carry their size (option_size,
 * struct_size).
 */

/* Borrowed bytes. data NULL: absent (a null key, a tombstone); an empty
 * value has data non-NULL and len 0. Not NUL-terminated.
 */
typedef struct {
    const void *data;
    size_t len;
} KabBytes;

/* One record header. name is NUL-terminated; names may repeat. */
typedef struct {
    const char *name;
    KabBytes value;
} KabHeader;

/* One input record; everything in it is borrowed from the batch. */
typedef struct {
    KabBytes key, value;
    const char *topic; /* NUL-terminated */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* since the epoch; -1: the record has none */
} KabRecord;

/* One output record. Start from KAB_OUTPUT_INIT. */
typedef struct {
    KabBytes key;         /* absent: no key; the input's key is not used */
    KabBytes value;       /* absent: a tombstone */
    const char *topic;    /* NULL: the binding's output.topic */
    int32_t partition;    /* -1: chosen by output.partition */
    int64_t timestamp_ms; /* since the epoch; -1: as output.timestamp says */
    const KabHeader *headers; /* appended to the input's, if those are passed */
    size_t n_headers;
} KabOutput;

#define KAB_OUTPUT_INIT                                                        \
    {                                                                          \
        {NULL, 0}, {NULL, 0}, NULL, -1, -1, NULL, 0                            \
    }

/* Why a whole attempt failed, and so what the bridge does next. The values are
 * part of the ABI. */
typedef enum {
    KAB_FAIL_TRANSIENT = 1, /* try again later, with back-off */
    KAB_FAIL_PERMANENT = 2, /* would fail again: split the batch in half */
    KAB_FAIL_OVERLOAD = 3,  /* the service is busy: pause, not counted */
    KAB_FAIL_TOO_LARGE = 4, /* split in half now, and remember the size */
    KAB_FAIL_CRASH = 5,     /* the worker died: treated as transient */
    KAB_FAIL_FATAL = 6,     /* stop the binding (exit 69) */
} KabFailure;

typedef enum {
    KAB_OPTION_STRING = 1,
    KAB_OPTION_INTEGER = 2,  /* int64_t */
    KAB_OPTION_SIZE = 3,     /* bytes: 64KiB, 1MiB, 4k */
    KAB_OPTION_DURATION = 4, /* 250us, 10ms, 5s, 2m */
    KAB_OPTION_BOOLEAN = 5,
    KAB_OPTION_CHOICE = 6,
} KabOptionType;

enum {
    KAB_OPTION_REQUIRED = 1u << 0,
    KAB_OPTION_SECRET = 1u << 1, /* never printed or logged */
};

/* One option of a function, without the "function." prefix. A name that ends in
 * ".*" takes any key with that prefix, as a string.
 */
typedef struct {
    const char *name;
    KabOptionType type;
    const char *default_value; /* NULL: none */
    const char *range;         /* "1..1000", "a|b|c", or NULL */
    const char *help;          /* one sentence */
    uint32_t flags;
} KabOption;

/* process() never blocks, so the bridge calls it on its loop. */
enum { KAB_FUNCTION_NONBLOCKING = 1u << 0 };

/* The description of a function that a module exports. New fields are only
 * added at the end. */
typedef struct {
    /* The next four are filled in by KAB_FUNCTION_HEAD. */
    uint32_t abi_major, abi_minor;
    uint32_t struct_size; /* sizeof(KabFunction) in the module */
    uint32_t option_size; /* sizeof(KabOption) in the module */
    uint32_t flags;
    const char *name, *summary;
    const KabOption *options;
    size_t n_options;
    /* Makes an instance; returns false after kab_context_fail(). NULL: the
     * function has no instance. open() and close() run on a thread of the
     * binding and may take long: nothing but this binding waits for them. Those
     * of several bindings may run at the same time. */
    bool (*open)(KabContext *context, void **ret_instance);
    /* Takes the batch; may return before the batch is completed. */
    void (*process)(void *instance, KabBatch *batch);
    /* Optional: tells the function that the batch's answer is no longer wanted.
     * Runs on the loop, must not block, and may be called after completion. The
     * function must still complete the batch.
     */
    void (*cancel)(void *instance, KabBatch *batch);
    /* Optional: frees the instance, once no batch is open any more. One that
     * does not return within shutdown.timeout is left behind (exit 75). */
    void (*close)(void *instance);
} KabFunction;

#ifdef __cplusplus
#define KAB_EXTERN_C extern "C"
#else
#define KAB_EXTERN_C extern
#endif

/* The first initializers of a KabFunction: the ABI that the module was built
 * for. */
#define KAB_FUNCTION_HEAD                                                      \
    .abi_major = KAB_ABI_MAJOR, .abi_minor = KAB_ABI_MINOR,                    \
    .struct_size = sizeof(KabFunction), .option_size = sizeof(KabOption)

/* Defines and exports the module's one symbol; write the semicolon after it.
 * Only tests override the fields of KAB_FUNCTION_HEAD.
 */
#define KAB_FUNCTION_DEFINE(...)                                               \
    KAB_EXTERN_C KAB_API const KabFunction kab_function;                       \
    const KabFunction kab_function = {KAB_FUNCTION_HEAD, __VA_ARGS__}

/* Reading a batch. Results are borrowed and valid until the batch ends. */

KAB_API size_t kab_batch_count(const KabBatch *batch);
/* An array of kab_batch_count() records. */
KAB_API const KabRecord *kab_batch_records(const KabBatch *batch);
/* The last header with that name. False, with *ret_value untouched, if record i
 * has none. */
KAB_API bool kab_batch_header(const KabBatch *batch,
                              size_t i,
                              const char *name,
                              KabBytes *ret_value);
/* All headers of record i in order; NULL with *ret_n 0 if it has none. */
KAB_API const KabHeader *
kab_batch_headers(const KabBatch *batch, size_t i, size_t *ret_n);
/* Number of this attempt at these records, counted from 1. */
KAB_API unsigned kab_batch_attempt(const KabBatch *batch);
/* Deadline of the answer, in microseconds of CLOCK_MONOTONIC; 0: none. */
KAB_API int64_t kab_batch_deadline_us(const KabBatch *batch);
/* Is the answer no longer wanted? Thread: any; also valid after the batch
 * ended. */
KAB_API bool kab_batch_is_cancelled(const KabBatch *batch);

/* Answering. */

/* Allocates memory that lives as long as the batch's outputs need it. Never
 * NULL, aligned for any type; the bridge frees it. */
KAB_API void *kab_batch_alloc(KabBatch *batch, size_t size);
/* Adds an output to record i. Borrows key, value and headers until the output
 * is acknowledged: they must be bytes of this batch's inputs or come from
 * kab_batch_alloc(). An output with a topic that the binding does not list, or
 * with a partition or timestamp below -1, fails the record as permanent. */
KAB_API void kab_batch_emit(KabBatch *batch, size_t i, const KabOutput *output);
/* The same as kab_batch_emit(), but copies everything. */
KAB_API void
kab_batch_emit_copy(KabBatch *batch, size_t i, const KabOutput *output);
/* The usual case: the input's key and a new value, which is copied. */
KAB_API void
kab_batch_emit_value(KabBatch *batch, size_t i, const void *data, size_t len);
/* Finishes record i without an output. */
KAB_API void kab_batch_drop(KabBatch *batch, size_t i);
/* A reason is copied, at most 1 KiB of it; control characters in it are shown
 * as \x0a, as they are in what the context is told.
 *
 * Calls record i again, after the binding's back-off or after delay_ms. */
KAB_API void kab_batch_retry(KabBatch *batch, size_t i, const char *reason);
KAB_API void kab_batch_retry_after(KabBatch *batch,
                                   size_t i,
                                   int64_t delay_ms,
                                   const char *reason);
/* Record i can never succeed: handled by the binding's on.failure. */
KAB_API void kab_batch_reject(KabBatch *batch, size_t i, const char *reason);
/* The same, because record i cannot be decoded: its stage is "decode". */
KAB_API void
kab_batch_reject_input(KabBatch *batch, size_t i, const char *reason);
/* Fails open: the input goes to the output topic unchanged, with headers that
 * tell the reason and where it failed. */
KAB_API void kab_batch_pass(KabBatch *batch, size_t i, const char *reason);
/* Answers the batch and ends the handle. Thread: any. */
KAB_API void kab_batch_complete(KabBatch *batch);
/* Answers the batch as failed and ends the handle: every record without an
 * outcome failed. retry_after_ms: how long the service asked to be left alone,
 * -1 if it did not say. Copies reason. Thread: any. */
KAB_API void kab_batch_fail(KabBatch *batch,
                            KabFailure failure,
                            int64_t retry_after_ms,
                            const char *reason);

/* The context. A getter takes the name of a declared option and then cannot
 * fail. It aborts if the function declared no option of that name and type. */

/* A string or a choice; NULL if it has neither value nor default. */
KAB_API const char *kab_context_get_string(KabContext *context,
                                           const char *name);
KAB_API int64_t kab_context_get_integer(KabContext *context, const char *name);
KAB_API int64_t kab_context_get_size(KabContext *context, const char *name);
KAB_API int64_t kab_context_get_duration_us(KabContext *context,
                                            const char *name);
KAB_API bool kab_context_get_boolean(KabContext *context, const char *name);
/* The i-th key given for a declared name that ends in ".*"; pass it to
 * kab_context_get_string(). NULL: there are no more. */
KAB_API const char *
kab_context_get_key(KabContext *context, const char *name, size_t i);
/* How many process() calls may overlap: the binding's max.in.flight at the time
 * of open(). A reload never raises it for this instance: for a higher value the
 * bridge makes a new one. */
KAB_API unsigned kab_context_get_max_in_flight(KabContext *context);
/* Set the function's own limits on batch size and calls in flight, below the
 * binding's options. May be called in open() or at any later time, to lower or
 * to raise a limit; 0: no limit. Batches already made are not cut.
 * max.in.flight stays within what open() was told. Thread: any. */
KAB_API void kab_context_set_max_batch(KabContext *context, size_t records);
KAB_API void kab_context_set_max_batch_bytes(KabContext *context, size_t bytes);
KAB_API void kab_context_set_max_in_flight(KabContext *context, unsigned calls);
/* Adds n to the metric function_units_total{unit="..."}: tokens, rows, cache
 * hits. Copies the name the first time. A binding has at most KAB_MAX_UNITS
 * names; further names are ignored and logged once. The unit
 * "answers_misaligned" is shown as the metric answers_misaligned_total.
 * Thread: any. */
enum { KAB_MAX_UNITS = 32 };
KAB_API void
kab_context_count(KabContext *context, const char *unit, uint64_t n);
/* Makes the binding not ready, with `why` as its reason on /ready and /status,
 * until called again with NULL. Calls go on. Copies why. Thread: any. */
KAB_API void kab_context_set_waiting(KabContext *context, const char *why);
/* Sets the reason why open() fails (exit 78); returns false. */
KAB_API bool kab_context_fail(KabContext *context, const char *format, ...)
    KAB_PRINTF(2, 3);

/* Log levels; the values are those of syslog. */
typedef enum {
    KAB_LOG_ERROR = 3,
    KAB_LOG_WARNING = 4,
    KAB_LOG_INFO = 6,
    KAB_LOG_DEBUG = 7,
} KabLogLevel;

/* Writes a line to the bridge's log, with the binding's name. Thread: any. */
KAB_API void
kab_context_log(KabContext *context, KabLogLevel level, const char *format, ...)
    KAB_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
