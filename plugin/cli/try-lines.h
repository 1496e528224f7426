/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the lines of a file on a separate thread: a loop must not wait for a
 * user who types.
 *
 *   reader: getline -> mailbox -> loop: pending -> kab_lines_take()
 *
 * The reader is at most a bounded number of lines ahead. All functions are the
 * loop's.
 */
#pragma once

#include <stdio.h>

#include "mailbox.h"
#include "try-record.h"

#include <glib.h>

typedef struct KabLines KabLines;

/* Made by the reader, given to the loop, freed by the taker. */
typedef struct {
    KabMail mail;
    KabLines *lines;
    char *text; /* without the newline; NULL: end of file */
    size_t len;
    int64_t offset; /* 0 for the first line */
    /* owned by the taker */
    KabTryRecord record; /* if the line is JSON */
    bool has_result;     /* an output or a failure of this line was printed */
} KabLine;

void kab_line_free(KabLine *line);

/* Starts reading. Borrows both arguments. */
KabLines *kab_lines_new(FILE *in, KabMailbox *mailbox);
/* Returns the next line; NULL: none has arrived yet. */
KabLine *kab_lines_take(KabLines *lines);
/* Has the reader reached the end of the file? */
bool kab_lines_are_read(const KabLines *lines);
/* Is the file read to its end, and every line taken? */
bool kab_lines_are_taken(const KabLines *lines);
/* Call only when kab_lines_are_read(): a thread that waits for a line cannot be
 * ended. */
void kab_lines_free(KabLines *lines);
