/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts an answer into one result per record.
 *
 * A result goes to the record it belongs to, or nowhere: if the answer's count
 * or positions do not match what was sent, nothing of it is used.
 */
#pragma once

#include "http-plan.h"

typedef enum {
    KAB_HTTP_RESULT_NONE,   /* not filled in yet */
    KAB_HTTP_RESULT_JSON,   /* `value` is a JSON value */
    KAB_HTTP_RESULT_BYTES,  /* `value` is the output itself */
    KAB_HTTP_RESULT_RETRY,  /* `value` is the reason */
    KAB_HTTP_RESULT_REJECT, /* `value` is the reason */
} KabHttpResultType;

/* value is borrowed from the answer or from the batch's memory. */
typedef struct {
    KabHttpResultType type;
    KabSpan value;
} KabHttpResult;

typedef enum {
    KAB_HTTP_ANSWER_FITS,
    KAB_HTTP_ANSWER_MISALIGNED, /* wrong count or wrong positions */
    KAB_HTTP_ANSWER_UNREADABLE, /* not the format that the preset expects */
    KAB_HTTP_ANSWER_ERROR,      /* status 2xx, but an error of the whole
                                 * batch */
} KabHttpVerdict;

typedef struct {
    KabSpan body;
    const char *content_type; /* of the answer; NULL: none */
    size_t head_len;          /* Inference-Header-Content-Length; 0: none */
    KabBatch *batch;          /* allocates values that must be made */
    KabHttpResult *results;   /* n of them, in the order sent */
    size_t n;
    char problem[256]; /* description, unless the verdict is FITS */
} KabHttpAnswer;

KabHttpVerdict kab_http_answer_cut(KabHttpAnswer *answer,
                                   const KabHttpPlan *plan);

/* Parts of the above, one per way to cut. */
KabHttpVerdict kab_http_answer_cut_rows(KabHttpAnswer *answer,
                                        const KabHttpPlan *plan);
KabHttpVerdict kab_http_answer_cut_parts(KabHttpAnswer *answer);
KabHttpVerdict kab_http_answer_complain(KabHttpAnswer *answer,
                                        KabHttpVerdict verdict,
                                        const char *format,
                                        ...) G_GNUC_PRINTF(3, 4);

/* Checks results that must be vectors; the others become REJECT. *length: the
 * length of all vectors so far, 0: none yet; set if all vectors of the answer
 * agree. Returns how many results are bad. */
size_t kab_http_answer_check_vectors(KabHttpAnswer *answer, size_t *length);

/* The message and the code of an error body: spans of the body, absent if
 * missing. */
void kab_http_error_read(KabSpan body, KabSpan *ret_message, KabSpan *ret_code);
