/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the outcome of each line of a trial.
 *
 *   values  outputs are lines of standard output; failures and retries are
 *           lines of standard error
 *   table   for a person at a terminal: number, outcome and text of each line
 *   json    one object per line: {"line":3,"outcome":"value","value":…}
 *
 * Outcomes are value, drop, pass, retry and reject. Outputs come in the order
 * of the lines; a drop is printed before the next line's output.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "terminal.h"
#include "types.h"

typedef enum {
    KAB_TRY_VALUES,
    KAB_TRY_TABLE,
    KAB_TRY_JSON,
} KabTryFormat;

/* Embedded in the trial; loop thread. */
typedef struct {
    KabTryFormat format;
    KabTerminal terminal;
    const char *in_name; /* name of the input; borrowed */
    GQueue drops;        /* line numbers, ascending, not printed yet */
} KabTryPrinter;

void kab_try_printer_init(KabTryPrinter *printer,
                          KabTryFormat format,
                          const char *in_name);
void kab_try_printer_clear(KabTryPrinter *printer);

/* An output of line `line`, counted from 1. pass_reason: why the input is
 * passed unchanged; NULL: an output of the function. */
void kab_try_print_output(KabTryPrinter *printer,
                          uint64_t line,
                          const KabOutput *output,
                          const char *pass_reason);
void kab_try_print_drop(KabTryPrinter *printer, uint64_t line);
void kab_try_print_retry(KabTryPrinter *printer,
                         uint64_t line,
                         const KabResult *result);
void kab_try_print_reject(KabTryPrinter *printer,
                          uint64_t line,
                          const KabDeadLetter *letter);
/* A line that is not a record. */
void kab_try_print_unread(KabTryPrinter *printer,
                          uint64_t line,
                          const char *problem);
/* Prints the drops that wait for a later output, because none will come
 * soon. */
void kab_try_print_drops(KabTryPrinter *printer);
