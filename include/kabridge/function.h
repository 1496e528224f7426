/* SPDX-License-Identifier: Apache-2.0 */
/* The function ABI: what a batch function sees, in plain C.
 *
 * A module is a shared object that exports one symbol, `kab_function`, made
 * by KAB_FUNCTION_DEFINE(). The bridge opens it once a binding, calls
 * process() with batches of records, and closes it when the binding stops.
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
 * Life of a batch: process() gets a handle. Until the function answers with
 * kab_batch_complete() or kab_batch_fail(), from any thread, reading and
 * answering are valid, also after a time-out, a revoked partition or a stop:
 * then only the answer is ignored. Each record, named by its index, gets any
 * number of outputs or one other outcome. A record left without an outcome
 * is called again and counted as a fault of the function.
 *
 * Threads: process() runs on a pool thread, or on the bridge's loop with
 * KAB_FUNCTION_NONBLOCKING. cancel() runs on the loop and must not block.
 * open() and close() never overlap with process(). Calls on one handle must
 * not be concurrent, except kab_batch_complete(), kab_batch_fail() and
 * kab_batch_is_cancelled(), which are also safe, and change nothing, on a
 * handle that has ended.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this ABI. A module built against another major, or a newer
 * minor, than the bridge has is refused at start with both numbers.
 * Changes: 1.0 the first.
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

/* A handle to one call of the function with a batch: not an address, never
 * dereferenced; an old one is recognised.
 */
typedef struct KabBatch KabBatch;

/* What open() was given: options, limits, log. Valid until close(). */
typedef struct KabContext KabContext;

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

/* One input record; everything is borrowed from the batch. */
typedef struct {
    KabBytes key, value;
    const char *topic; /* NUL-terminated */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* since the epoch; -1: the record has none */
} KabRecord;

/* One output record. Start from KAB_OUTPUT_INIT. */
typedef struct {
    KabBytes key;         /* absent: no key; the input's is not inherited */
    KabBytes value;       /* absent: a tombstone */
    const char *topic;    /* NULL: the binding's output.topic */
    int32_t partition;    /* -1: by the binding's output.partition */
    int64_t timestamp_ms; /* -1: by the binding's output.timestamp */
    const KabHeader *headers; /* follow the input's if those are passed */
    size_t n_headers;
} KabOutput;

#define KAB_OUTPUT_INIT                                                       \
    {                                                                         \
        {NULL, 0}, {NULL, 0}, NULL, -1, -1, NULL, 0                           \
    }

/* Why a whole attempt failed, and so what happens next (values are ABI). */
typedef enum {
    KAB_FAIL_TRANSIENT = 1, /* try again later, with back-off */
    KAB_FAIL_PERMANENT = 2, /* the same call would fail again: halve */
    KAB_FAIL_OVERLOAD = 3,  /* the service is busy: pause, never counted */
    KAB_FAIL_TOO_LARGE = 4, /* halve now, and remember the size */
    KAB_FAIL_CRASH = 5,     /* the worker died: counts as transient */
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

/* One option of a function, without the "function." in front. A name that
 * ends in ".*" takes any key with that prefix, as a string.
 */
typedef struct {
    const char *name;
    KabOptionType type;
    const char *default_value; /* NULL: none */
    const char *range;         /* "1..1000", "a|b|c", or NULL */
    const char *help;          /* one sentence */
    uint32_t flags;
} KabOption;

/* process() never blocks, so it is called on the bridge's loop. */
enum { KAB_FUNCTION_NONBLOCKING = 1u << 0 };

/* The exported description of a function. New fields only at the end. */
typedef struct {
    uint32_t abi_major, abi_minor, struct_size, flags;
    const char *name, *summary;
    const KabOption *options;
    size_t n_options;
    /* Makes an instance; false after kab_context_fail(). NULL: no instance. */
    bool (*open)(KabContext *context, void **ret_instance);
    /* Takes the batch; may return before it is completed. */
    void (*process)(void *instance, KabBatch *batch);
    /* Optional: the answer is no longer wanted. On the loop, must not block,
     * may come after completion. The attempt must still be completed.
     */
    void (*cancel)(void *instance, KabBatch *batch);
    /* Optional: frees the instance, when no attempt is out any more. */
    void (*close)(void *instance);
} KabFunction;

#ifdef __cplusplus
#define KAB_EXTERN_C extern "C"
#else
#define KAB_EXTERN_C extern
#endif

/* Defines and exports the module's one symbol. The author writes the
 * semicolon. The fields of the head may be overridden only by tests.
 */
#define KAB_FUNCTION_DEFINE(...)                                              \
    KAB_EXTERN_C KAB_API const KabFunction kab_function;                      \
    const KabFunction kab_function = {.abi_major = KAB_ABI_MAJOR,             \
                                      .abi_minor = KAB_ABI_MINOR,             \
                                      .struct_size = sizeof(KabFunction),     \
                                      __VA_ARGS__}

/* Reading a batch; what is returned is borrowed and valid until it ends. */

KAB_API size_t kab_batch_count(const KabBatch *batch);
/* An array of kab_batch_count() records. */
KAB_API const KabRecord *kab_batch_records(const KabBatch *batch);
/* The last header of that name; false and *ret_value untouched if none. */
KAB_API bool kab_batch_header(const KabBatch *batch,
                              size_t i,
                              const char *name,
                              KabBytes *ret_value);
/* All headers of record i in their order; NULL with *ret_n 0 if none. */
KAB_API const KabHeader *
kab_batch_headers(const KabBatch *batch, size_t i, size_t *ret_n);
/* How many times these records were called with this one: 1 at first. */
KAB_API unsigned kab_batch_attempt(const KabBatch *batch);
/* When the answer stops being wanted, microseconds of CLOCK_MONOTONIC;
 * 0: never. */
KAB_API int64_t kab_batch_deadline_us(const KabBatch *batch);
/* Is the answer no longer wanted? Thread: any, at any time. */
KAB_API bool kab_batch_is_cancelled(const KabBatch *batch);

/* Answering. */

/* Memory that lives as long as the batch's outputs need it; never NULL,
 * aligned for any type; freed by the bridge. */
KAB_API void *kab_batch_alloc(KabBatch *batch, size_t size);
/* An output of record i. Borrows key, value and headers until acknowledged:
 * they must be bytes of this batch's inputs or from kab_batch_alloc(). */
KAB_API void
kab_batch_emit(KabBatch *batch, size_t i, const KabOutput *output);
/* The same, but everything is copied. */
KAB_API void
kab_batch_emit_copy(KabBatch *batch, size_t i, const KabOutput *output);
/* The usual case: the input's key, a new value, copied. */
KAB_API void kab_batch_emit_value(KabBatch *batch,
                                  size_t i,
                                  const void *data,
                                  size_t len);
/* Done, without output. */
KAB_API void kab_batch_drop(KabBatch *batch, size_t i);
/* Call this record again, after the binding's back-off or delay_ms. */
KAB_API void kab_batch_retry(KabBatch *batch, size_t i, const char *reason);
KAB_API void kab_batch_retry_after(KabBatch *batch,
                                   size_t i,
                                   int64_t delay_ms,
                                   const char *reason);
/* This record can never succeed: to the binding's on.failure. */
KAB_API void kab_batch_reject(KabBatch *batch, size_t i, const char *reason);
/* The same, because the record itself cannot be read: stage decode. */
KAB_API void
kab_batch_reject_input(KabBatch *batch, size_t i, const char *reason);
/* Ends the attempt. Thread: any. */
KAB_API void kab_batch_complete(KabBatch *batch);
/* Ends it too: every record without an outcome failed. retry_after_ms: how
 * long the service asked to be left alone, -1 if it did not say. Copies
 * reason. Thread: any. */
KAB_API void kab_batch_fail(KabBatch *batch,
                            KabFailure failure,
                            int64_t retry_after_ms,
                            const char *reason);

/* The context. Getters take a declared option's name and never fail for it;
 * they abort for a name that the function did not declare (of its type). */

/* NULL if it has neither value nor default. Also for a choice. */
KAB_API const char *kab_context_get_string(KabContext *context,
                                           const char *name);
KAB_API int64_t kab_context_get_integer(KabContext *context,
                                        const char *name);
KAB_API int64_t kab_context_get_size(KabContext *context, const char *name);
KAB_API int64_t kab_context_get_duration_us(KabContext *context,
                                            const char *name);
KAB_API bool kab_context_get_boolean(KabContext *context, const char *name);
/* The i-th key that was given for a declared name that ends in ".*", for
 * kab_context_get_string(); NULL: there are no more. */
KAB_API const char *
kab_context_get_key(KabContext *context, const char *name, size_t i);
/* The binding's max.in.flight: how many process() calls may overlap. */
KAB_API unsigned kab_context_get_max_in_flight(KabContext *context);
/* The function's own ceilings; only within open(). */
KAB_API void kab_context_set_max_batch(KabContext *context, size_t records);
KAB_API void kab_context_set_max_in_flight(KabContext *context,
                                           unsigned calls);
/* Says why open() fails (exit 78); returns false. */
KAB_API bool kab_context_fail(KabContext *context, const char *format, ...)
    KAB_PRINTF(2, 3);

typedef enum {
    KAB_LOG_ERROR = 3,
    KAB_LOG_WARNING = 4,
    KAB_LOG_INFO = 6,
    KAB_LOG_DEBUG = 7,
} KabLogLevel;

/* A line in the bridge's log, with the binding's name. Thread: any. */
KAB_API void kab_context_log(KabContext *context,
                             KabLogLevel level,
                             const char *format,
                             ...) KAB_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
