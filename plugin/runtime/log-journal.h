/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines for the journal: packed with their fields, so that a KabLogWriter
 * hands them over on its own thread. journald may block when it is busy.
 */
#pragma once

#include <stdint.h>

#include <glib.h>

/* How the lines leave. Constant. */
typedef struct {
    GLogWriterFunc send; /* g_log_writer_journald() */
    /* Gets a line that could not be sent. Thread: writer */
    void (*fall_back)(GLogLevelFlags level, const GLogField *fields, size_t n);
} KabLogJournal;

/* Returns a new text, to be pushed to a writer as one line. */
GString *kab_log_journal_pack(GLogLevelFlags level,
                              const GLogField *fields,
                              size_t n_fields);
/* The sink of such a writer (KabLogSink). journal: a KabLogJournal. */
uint64_t kab_log_journal_write(void *journal, const char *packed, size_t len);
