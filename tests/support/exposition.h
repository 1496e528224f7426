/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of the Prometheus text format 0.0.4: what a scraper may
 * take or refuse is refused here.
 */
#pragma once

#include <glib.h>

/* NULL: the text is right. Otherwise a new string: the line and the fault. */
char *exposition_dup_fault(const char *text);
/* The value of a series, as written: "name{labels}". NULL: there is none.
 * Returns a new string. */
char *exposition_dup_value(const char *text, const char *series);
