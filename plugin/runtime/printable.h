/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside as text that terminals and logs show and do not obey.
 */
#pragma once

#include <stdbool.h>

/* Is it UTF-8 without any control character? Thread: any */
bool kab_is_printable(const char *text);
/* Control characters become \x0a, and what is not UTF-8 becomes U+FFFD. Returns
 * a new string. Thread: any */
char *kab_dup_printable(const char *text);
