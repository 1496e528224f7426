/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read the plan. */
#pragma once

#include "http-plan.h"

/* The option's value or, if unset, the preset's default. Returns a new string
 * or NULL. */
char *
kab_http_plan_dup(KabContext *context, const char *name, const char *otherwise);

/* Reads templates, model and extra members; false after kab_context_fail(). */
bool kab_http_plan_read_body(KabHttpPlan *plan, KabContext *context);

/* Checks what is read of headers, credentials, files and the transport; false
 * after kab_context_fail(). */
bool kab_http_plan_check_transport(const KabHttpPlan *plan,
                                   KabContext *context);
/* The same for the files of certificates and keys. */
bool kab_http_plan_check_tls(const KabHttpPlan *plan, KabContext *context);
/* Is the value free of characters that a header cannot carry? */
bool kab_http_header_is_clean(const char *value);
