/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what `try --find-batch` has measured, and what it recommends. */
#pragma once

#include "terminal.h"
#include "try-search.h"

/* Everything is borrowed. */
typedef struct {
    const KabTrySearch *search;
    KabTryAdvice advice;
    const char *binding;
    /* Where the ceilings come from, such as "batch.count". */
    const char *records_ceiling, *calls_ceiling;
    size_t record_bytes; /* of one record, on average */
    /* What `batching = adaptive` reached within adaptive_us; NULL: it was not
     * tried. */
    const KabTryCell *adaptive;
    int64_t adaptive_us;
} KabTryReport;

/* The recommended row as a curve, the rows' best cells, and the options to
 * set, with the reasons. */
void kab_try_report_print(const KabTryReport *report,
                          const KabTerminal *terminal);
/* One object a cell, then one with the recommendation. */
void kab_try_report_print_json(const KabTryReport *report);
/* Why the recommendation has no more records, or calls. Return new strings. */
char *kab_try_report_dup_records_reason(const KabTryReport *report);
char *kab_try_report_dup_calls_reason(const KabTryReport *report);
