/* SPDX-License-Identifier: Apache-2.0 */
#include "http-tensor.h"

#include <string.h>

static void
clear_tensor(void *data)
{
    KabHttpTensor *tensor = data;
    g_free(tensor->name);
    g_free(tensor->datatype);
}

static GArray *
new_tensors(void)
{
    GArray *tensors = g_array_new(FALSE, TRUE, sizeof(KabHttpTensor));
    g_array_set_clear_func(tensors, clear_tensor);
    return tensors;
}

void
kab_http_model_init(KabHttpModel *model)
{
    *model = (KabHttpModel){new_tensors(), new_tensors()};
}

void
kab_http_model_clear(KabHttpModel *model)
{
    g_array_free(model->inputs, TRUE);
    g_array_free(model->outputs, TRUE);
}

static char *
dup_text(KabSpan string)
{
    if (kab_json_type(string) != KAB_JSON_STRING)
        return g_strdup("");
    g_autofree char *text = g_malloc(string.len);
    return g_strndup(text, kab_json_decode(string, text));
}

static void
learn_tensors(GArray *tensors, KabSpan list)
{
    KabJsonIter iter = kab_json_iter(list);
    KabSpan one, size;
    g_array_set_size(tensors, 0);
    while (kab_json_next_element(&iter, &one)) {
        KabHttpTensor tensor = {.name = dup_text(kab_json_member(one, "name")),
                                .datatype =
                                    dup_text(kab_json_member(one, "datatype"))};
        KabJsonIter sizes = kab_json_iter(kab_json_member(one, "shape"));
        while (tensor.rank < KAB_HTTP_MAX_RANK &&
               kab_json_next_element(&sizes, &size))
            if (!kab_json_to_integer(size, &tensor.shape[tensor.rank++]))
                tensor.shape[tensor.rank - 1] = -1;
        g_array_append_val(tensors, tensor);
    }
}

bool
kab_http_model_learn(KabHttpModel *model, KabSpan metadata)
{
    KabSpan inputs = kab_json_member(metadata, "inputs");
    if (kab_json_type(inputs) != KAB_JSON_ARRAY)
        return false;
    learn_tensors(model->inputs, inputs);
    learn_tensors(model->outputs, kab_json_member(metadata, "outputs"));
    return true;
}

const KabHttpTensor *
kab_http_model_input(const KabHttpModel *model, const char *name)
{
    for (guint i = 0; i < model->inputs->len; i++) {
        const KabHttpTensor *tensor =
            &g_array_index(model->inputs, KabHttpTensor, i);
        if (!name || strcmp(tensor->name, name) == 0)
            return tensor;
    }
    return NULL;
}

size_t
kab_http_datatype_size(const char *name, size_t len)
{
    static const struct {
        const char *name;
        size_t size;
    } types[] = {
        {"BOOL", 1},   {"UINT8", 1}, {"INT8", 1},   {"UINT16", 2}, {"INT16", 2},
        {"FP16", 2},   {"BF16", 2},  {"UINT32", 4}, {"INT32", 4},  {"FP32", 4},
        {"UINT64", 8}, {"INT64", 8}, {"FP64", 8},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (strlen(types[i].name) == len &&
            memcmp(types[i].name, name, len) == 0)
            return types[i].size;
    return 0;
}

bool
kab_http_datatype_is_half(const char *name)
{
    return strcmp(name, "FP16") == 0 || strcmp(name, "BF16") == 0;
}

/* Records the dimensions below this value at `depth`, or compares them if they
 * are already known. */
static bool
measure_level(KabSpan value, size_t depth, KabHttpShape *shape, bool is_first)
{
    if (kab_json_type(value) != KAB_JSON_ARRAY)
        return is_first ? (shape->rank = depth, true) : shape->rank == depth;
    if (depth == KAB_HTTP_MAX_RANK || (!is_first && shape->rank <= depth))
        return false;
    size_t n = 0;
    if (!kab_json_is_vector(value, &n))
        n = kab_json_count(value);
    if (is_first)
        shape->size[depth] = n;
    else if (shape->size[depth] != n)
        return false;
    if (n > 0 && kab_json_is_vector(value, &n))
        return is_first ? (shape->rank = depth + 1, true)
                        : shape->rank == depth + 1;
    KabJsonIter iter = kab_json_iter(value);
    KabSpan inner;
    if (n == 0 && is_first)
        shape->rank = depth + 1;
    while (kab_json_next_element(&iter, &inner)) {
        if (!measure_level(inner, depth + 1, shape, is_first))
            return false;
        is_first = false;
    }
    return true;
}

bool
kab_http_shape_measure(KabSpan value, KabHttpShape *ret_shape)
{
    *ret_shape = (KabHttpShape){0};
    return measure_level(value, 0, ret_shape, true);
}

bool
kab_http_shape_equal(const KabHttpShape *a, const KabHttpShape *b)
{
    return a->rank == b->rank &&
           memcmp(a->size, b->size, a->rank * sizeof *a->size) == 0;
}

bool
kab_http_shape_fits(const KabHttpShape *shape, const KabHttpTensor *tensor)
{
    if (tensor->rank == 0)
        return true;
    bool is_scalar = shape->rank == 0;
    if (is_scalar)
        return tensor->rank == 1 ||
               (tensor->rank == 2 &&
                (tensor->shape[1] == 1 || tensor->shape[1] == -1));
    if (shape->rank + 1 != tensor->rank)
        return false;
    for (size_t i = 0; i < shape->rank; i++)
        if (tensor->shape[i + 1] >= 0 &&
            (size_t)tensor->shape[i + 1] != shape->size[i])
            return false;
    return true;
}
