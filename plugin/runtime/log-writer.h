/* SPDX-License-Identifier: Apache-2.0 */
/* Writes log lines to a descriptor, or to another sink, on a thread of its own.
 *
 *   any thread: push -> buffer (bounded) -> writer's thread: sink, e.g.
 * write(2)
 *
 * Logging never waits for the reader of the log: while the sink accepts
 * nothing, the buffer fills up, and lines that do not fit are dropped and
 * counted. A descriptor whose reader is gone (EPIPE) loses its lines in the
 * same way. A line with that count is written together with the first line that
 * fits again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct KabLogWriter KabLogWriter;

/* Writes what was pushed, one or more lines as a whole; returns how many of
 * them were lost. May block. Thread: writer */
typedef uint64_t KabLogSink(void *user, const char *text, size_t len);

/* Returns a new writer; borrows fd. NULL: the thread could not be started. */
KabLogWriter *kab_log_writer_new(int fd);
/* The same for another sink; borrows user. */
KabLogWriter *kab_log_writer_new_for(KabLogSink *sink, void *user);
/* Does not wait for lines that cannot be written. */
void kab_log_writer_free(KabLogWriter *writer);

/* Copies one line, including its newline. False: the line was dropped and
 * counted. Thread: any; never waits for the sink. */
bool kab_log_writer_push(KabLogWriter *writer, const char *line, size_t len);
/* The same, but a line that has no room is not counted. */
bool kab_log_writer_try(KabLogWriter *writer, const char *line, size_t len);
/* Lines dropped since the start. Thread: any. */
uint64_t kab_log_writer_n_dropped(KabLogWriter *writer);
/* Lines dropped since the last call. Thread: any. */
uint64_t kab_log_writer_steal_dropped(KabLogWriter *writer);
/* Adds n back to the dropped lines, because they could not be reported.
 * Thread: any. */
void kab_log_writer_return_dropped(KabLogWriter *writer, uint64_t n);
/* Waits until all lines are written, for at most timeout_us. Thread: any. */
void kab_log_writer_flush(KabLogWriter *writer, int64_t timeout_us);
