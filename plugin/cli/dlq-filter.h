/* SPDX-License-Identifier: Apache-2.0 */
/* Selects dead letters. Pure. */
#pragma once

#include "letter-view.h"

/* The filter of `dlq list`. Strings are borrowed. */
typedef struct {
    const char *class_; /* NULL: any */
    int32_t partition;  /* partition of the input record; -1: any */
    int64_t since_ms;   /* earliest timestamp of the record; 0: any */
} KabDlqFilter;

/* Parses "2h", or a time as 2026-01-31T08:00:00Z. now_ms: by the wall clock.
 * False: text is neither. */
bool kab_dlq_parse_since(const char *text, int64_t now_ms, int64_t *ret_ms);

bool kab_dlq_filter_takes(const KabDlqFilter *filter,
                          const KabLetterView *view);
