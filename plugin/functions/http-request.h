/* SPDX-License-Identifier: Apache-2.0 */
/* A request's body, rendered from records of a batch.
 *
 * Rendering checks each record: a record that the protocol cannot carry is
 * rejected alone; a record that does not fit into the same tensor is left for a
 * later request.
 */
#pragma once

#include "http-plan.h"
#include "http-tensor.h"

/* A request's body and its records. Reused from request to request. */
typedef struct {
    GString *body, *items; /* items: scratch */
    GString *part, *value; /* scratch */
    GString *content_type;
    size_t head_len; /* length of a binary request's JSON head; 0: none */
    size_t *sent;    /* record index of each of the n_sent items */
    size_t n_sent, capacity;
} KabHttpRequest;

void kab_http_request_init(KabHttpRequest *request);
void kab_http_request_clear(KabHttpRequest *request);

/* Why no request can be made at all; NULL: requests are possible. Constant
 * string. */
const char *kab_http_request_obstacle(const KabHttpPlan *plan,
                                      const KabHttpModel *model);

/* Renders the n records named by `from`. Leaves in *ret_later, which has room
 * for n, those for a later request; rejects those that cannot be sent.
 * request->n_sent 0: nothing is left to send. */
void kab_http_request_render(KabHttpRequest *request,
                             const KabHttpPlan *plan,
                             const KabHttpModel *model,
                             KabBatch *batch,
                             const size_t *from,
                             size_t n,
                             size_t *ret_later,
                             size_t *ret_n_later);
