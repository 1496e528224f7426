/* SPDX-License-Identifier: Apache-2.0 */
/* Reference tokens of JSON Pointers, shared by the files of this folder. */
#pragma once

#include "json-span.h"

/* The next token, with "~0" and "~1" not yet decoded; false at the pointer's
 * end.
 */
bool kab_json_next_token(const char **pointer, KabSpan *ret_token);
/* The index that the token stands for; SIZE_MAX: the token is no index. */
size_t kab_json_token_index(KabSpan token);
/* The value that the token names in a container; absent if there is none. */
KabSpan kab_json_step(KabSpan value, KabSpan token);
/* Does a string equal this text, or this token once decoded? */
bool kab_json_string_says(KabSpan string, KabSpan text, bool is_token);
