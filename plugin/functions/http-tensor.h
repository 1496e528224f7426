/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors of KServe V2: datatypes, shapes, rows. */
#pragma once

#include <glib.h>

#include "json-span.h"

enum { KAB_HTTP_MAX_RANK = 8 };

/* One tensor in the server's metadata. */
typedef struct {
    char *name, *datatype;
    size_t rank;                        /* 0: unknown */
    long long shape[KAB_HTTP_MAX_RANK]; /* -1: any */
} KabHttpTensor;

/* The model as far as known; I/O thread only. */
typedef struct {
    GArray *inputs, *outputs; /* of KabHttpTensor */
} KabHttpModel;

void kab_http_model_init(KabHttpModel *model);
void kab_http_model_clear(KabHttpModel *model);
/* Reads a model's V2 metadata; false if it is not valid metadata. */
bool kab_http_model_learn(KabHttpModel *model, KabSpan metadata);
/* Finds a tensor by name; NULL name: the first. NULL: unknown. */
const KabHttpTensor *kab_http_model_input(const KabHttpModel *model,
                                          const char *name);

/* Size of one element in bytes; 0: BYTES or unknown. */
size_t kab_http_datatype_size(const char *name, size_t len);
/* FP16 and BF16 have no JSON form. */
bool kab_http_datatype_is_half(const char *name);

/* The dimensions of nested arrays; rank 0: a scalar. False: rows of unequal
 * length, or too many dimensions. */
typedef struct {
    size_t rank, size[KAB_HTTP_MAX_RANK];
} KabHttpShape;
bool kab_http_shape_measure(KabSpan value, KabHttpShape *ret_shape);
bool kab_http_shape_equal(const KabHttpShape *a, const KabHttpShape *b);
/* Does a record's row of this shape match the tensor without its first
 * dimension? */
bool kab_http_shape_fits(const KabHttpShape *shape,
                         const KabHttpTensor *tensor);
