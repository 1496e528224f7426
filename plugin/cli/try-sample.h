/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a file as records that can be sent again and again.
 *
 * Thread: the one that made it. Its memory is constant after
 * kab_try_sample_read(), so functions may read the records on any thread.
 */
#pragma once

#include <stdio.h>

#include "try-lines.h"

typedef struct {
    const char *name;   /* of the file; borrowed */
    GPtrArray *lines;   /* KabLine */
    KabRecord *records; /* one a line; the text is borrowed from it */
    size_t bytes;       /* of all keys and values */
    bool is_cut;        /* the file has more lines than are used */
} KabTrySample;

/* topic: of records that name none; borrowed. False: the file has no line, or
 * one that is no record; ret_problem says which. */
bool kab_try_sample_read(KabTrySample *sample,
                         FILE *in,
                         const char *name,
                         bool is_json,
                         const char *topic,
                         char **ret_problem);
void kab_try_sample_clear(KabTrySample *sample);
