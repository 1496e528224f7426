/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a record's result into its output. */
#pragma once

#include "http-answer.h"

/* Answers record i with the result. */
void kab_http_output_give(KabBatch *batch,
                          size_t i,
                          const KabHttpPlan *plan,
                          const KabHttpResult *result);
/* Answers record i, a tombstone, according to function.null. */
void kab_http_output_null(KabBatch *batch, size_t i, const KabHttpPlan *plan);
