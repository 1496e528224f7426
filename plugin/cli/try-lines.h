/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a file, read by a thread of their own: a loop must not wait
 * for a user who types.
 *
 *   reader: getline -> mailbox -> loop: pending -> kab_lines_take()
 *
 * The reader is ahead of what was taken by a bounded number of lines. All
 * functions are the loop's.
 */
#pragma once

#include <stdio.h>

#include "mailbox.h"

#include <glib.h>

typedef struct KabLines KabLines;

/* Made by the reader, given to the loop, freed by who took it. */
typedef struct {
    KabMail mail;
    KabLines *lines;
    char *text; /* without its end; NULL: there is no more */
    size_t len;
    int64_t offset; /* 0 for the first line */
} KabLine;

void kab_line_free(KabLine *line);

/* Starts to read. Borrows both. */
KabLines *kab_lines_new(FILE *in, KabMailbox *mailbox);
/* Returns the next line; NULL: none is there yet. */
KabLine *kab_lines_take(KabLines *lines);
/* Is the file at its end? */
bool kab_lines_are_read(const KabLines *lines);
/* And every line taken? */
bool kab_lines_are_taken(const KabLines *lines);
/* When they are read: a thread that waits for a line cannot be ended. */
void kab_lines_free(KabLines *lines);
