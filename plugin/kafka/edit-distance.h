/* SPDX-License-Identifier: Apache-2.0 */
/* Edit distance between two words, for "perhaps you meant". */
#pragma once

#include <stddef.h>

/* Number of edits from one word to the other: insert, delete, replace, swap
 * neighbours. Returns `limit` if at least that many are needed, or if a word
 * has more than 64 bytes. */
size_t kab_edit_distance(const char *a, const char *b, size_t limit);
