/* SPDX-License-Identifier: Apache-2.0 */
/* The last minute of values that `kabridge top` has seen. Pure. */
#pragma once

#include <glib.h>

typedef struct KabTopHistory KabTopHistory;

KabTopHistory *kab_top_history_new(void);
void kab_top_history_free(KabTopHistory *history);

/* Adds a value to the line of that title. Returns the line as bars, a new
 * string; *ret_top is its highest value. */
char *kab_top_history_dup_line(KabTopHistory *history,
                               const char *binding,
                               const char *title,
                               double value,
                               double *ret_top);
