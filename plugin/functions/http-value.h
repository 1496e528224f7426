/* SPDX-License-Identifier: Apache-2.0 */
/* The value of {value}: a record's value, a part of it, a row of fields, or an
 * envelope.
 */
#pragma once

#include "http-plan.h"

/* Sets subject->value, which may borrow `value`. is_bytes: a selected string is
 * used unquoted. Returns NULL, or why the record cannot be sent (constant). */
const char *kab_http_value_make(const KabHttpPlan *plan,
                                KabHttpSubject *subject,
                                bool is_bytes,
                                GString *value);

/* Appends a text as a JSON string; the text must be valid UTF-8. */
void kab_http_append_string(GString *out, const char *text, size_t len);
