/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of the bridge: a level, a binding, a sentence, fields.
 *
 * Lines go through g_log_structured(), so an embedding program's own writer
 * gets them; the command installs the writer below. A line is logged once,
 * where the decision is made. A line that may repeat has a limit.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "kabridge/function.h"

#define KAB_LOG_FORMATS(X)                                                     \
    X(TEXT, "text")                                                            \
    X(JSON, "json")                                                            \
    X(JOURNAL, "journal")

typedef enum {
#define X(NAME, text) KAB_LOG_FORMAT_##NAME,
    KAB_LOG_FORMATS(X)
#undef X
} KabLogFormat;

/* A field besides the sentence; the name is in journal style (TOPIC). */
typedef struct {
    const char *name, *value; /* borrowed */
} KabLogField;

/* Rate limit of one kind of line: at most five in ten seconds; the next line
 * tells how many were left out. Zero-initialised; one thread. */
typedef struct {
    int64_t until_us;
    unsigned n_said, n_left_out;
} KabLogLimit;

/* May one more line be logged now? *ret_left_out: lines suppressed before
 * it. */
bool kab_log_limit_pass(KabLogLimit *limit, unsigned *ret_left_out);

/* Installs the process's writer to stderr; once, before any thread. */
void kab_log_install(KabLogFormat format, KabLogLevel level);
/* Starts the thread that writes to standard error: from now on, logging never
 * waits for the reader of the log, nor for the journal. Call once, before any
 * other thread starts. */
void kab_log_start_writer(void);
/* Lines that the reader of the log, or the journal, was too slow for. Thread:
 * any. */
uint64_t kab_log_n_dropped(void);
/* Waits until every line is written, at most a second. Thread: any. */
void kab_log_flush(void);
/* Prints text for the user on standard error, at any log level, in order with
 * the log lines and through the same writer. Thread: any. */
void kab_log_print(const char *format, ...) KAB_PRINTF(1, 2);
/* Call once, before any thread but the writer starts. */
void kab_log_set_format(KabLogFormat format);
/* Thread: any. */
void kab_log_set_level(KabLogLevel level);

/* binding NULL: the process. Thread: any. */
void kab_log(KabLogLevel level, const char *binding, const char *format, ...)
    KAB_PRINTF(3, 4);
void kab_log_fields(KabLogLevel level,
                    const char *binding,
                    const KabLogField *fields,
                    unsigned n_fields,
                    const char *format,
                    ...) KAB_PRINTF(5, 6);
void kab_log_limited(KabLogLimit *limit,
                     KabLogLevel level,
                     const char *binding,
                     const char *format,
                     ...) KAB_PRINTF(4, 5);
/* The same with the arguments as a list. */
void kab_log_v(KabLogLevel level,
               const char *binding,
               const char *format,
               va_list arguments) KAB_PRINTF(3, 0);
