/* SPDX-License-Identifier: Apache-2.0 */
#include "http-request.h"

#include <string.h>

#include "http-value.h"

/* State of one rendering. */
typedef struct {
    KabHttpRequest *request;
    const KabHttpPlan *plan;
    const KabHttpTensor *tensor; /* NULL: unknown */
    const char *datatype;        /* datatype of the tensor */
    KabHttpSubject subject;
    KabHttpShape shape; /* shape of the tensor's first item */
    size_t width;       /* size of a binary tensor's first item */
} Rendering;

void
kab_http_request_init(KabHttpRequest *request)
{
    *request = (KabHttpRequest){.body = g_string_new(""),
                                .items = g_string_new(""),
                                .part = g_string_new(""),
                                .value = g_string_new(""),
                                .content_type = g_string_new("")};
}

void
kab_http_request_clear(KabHttpRequest *request)
{
    g_string_free(request->body, TRUE);
    g_string_free(request->items, TRUE);
    g_string_free(request->part, TRUE);
    g_string_free(request->value, TRUE);
    g_string_free(request->content_type, TRUE);
    g_free(request->sent);
}

static void
append_span(GString *out, KabSpan span)
{
    g_string_append_len(out, span.at, (gssize)span.len);
}

static bool
is_empty_text(const Rendering *rendering)
{
    return (rendering->plan->preset->flags & KAB_HTTP_NO_EMPTY_TEXT) &&
           rendering->subject.value.len == 0;
}

/* Appends one item of a JSON tensor; checks its shape. */
static const char *
render_element(Rendering *rendering, GString *out, bool *ret_is_later)
{
    KabHttpSubject *subject = &rendering->subject;
    gsize from = out->len;
    const char *problem;
    KabHttpShape shape;
    bool has_row = rendering->plan->fields->len > 0;
    if (strcmp(rendering->datatype, "BYTES") == 0 &&
        !rendering->plan->has_item && !has_row) {
        if (!kab_utf8_is_valid(subject->value.at, subject->value.len))
            return "the value is not UTF-8; wanted text for datatype BYTES";
        kab_http_append_string(out, subject->value.at, subject->value.len);
    } else {
        problem = kab_http_template_render(rendering->plan->item, subject, out);
        if (problem)
            return problem;
    }
    if (!kab_http_shape_measure((KabSpan){out->str + from, out->len - from},
                                &shape))
        return "the value's rows are of unequal length";
    if (rendering->tensor && !kab_http_shape_fits(&shape, rendering->tensor))
        return "the value's shape is not that of the model's input";
    if (rendering->request->n_sent == 0)
        rendering->shape = shape;
    *ret_is_later = !kab_http_shape_equal(&shape, &rendering->shape);
    return NULL;
}

/* Appends one item of a binary tensor. */
static const char *
render_binary(Rendering *rendering, GString *out, bool *ret_is_later)
{
    const char *datatype = rendering->datatype;
    size_t size = kab_http_datatype_size(datatype, strlen(datatype));
    gsize from = out->len;
    if (size == 0)
        g_string_append_len(out, "\0\0\0\0", 4);
    const char *problem = kab_http_template_render(rendering->plan->item,
                                                   &rendering->subject, out);
    size_t len = out->len - from;
    if (problem)
        return problem;
    if (size == 0) {
        guint32 encoded = GUINT32_TO_LE((guint32)(len - 4));
        memcpy(out->str + from, &encoded, sizeof encoded);
        return NULL;
    }
    if (len == 0 || len % size != 0)
        return "the value's length is not a multiple of the datatype's size";
    KabHttpShape shape = {.rank = 1, .size = {len / size}};
    const KabHttpTensor *tensor = rendering->tensor;
    if (tensor && tensor->rank == 2 && !kab_http_shape_fits(&shape, tensor))
        return "the value's length is not that of the model's input";
    if (rendering->request->n_sent == 0) {
        rendering->shape = shape;
        rendering->width = len;
    }
    *ret_is_later = len != rendering->width;
    return NULL;
}

static const char *
render_part(Rendering *rendering, const char *boundary, GString *out)
{
    g_string_append_printf(
        out, "--%s\r\nContent-Type: application/octet-stream\r\n\r\n",
        boundary);
    const char *problem = kab_http_template_render(rendering->plan->item,
                                                   &rendering->subject, out);
    g_string_append(out, "\r\n");
    return problem;
}

static const char *
render_item(Rendering *rendering, GString *out, bool *ret_is_later)
{
    KabHttpRequest *request = rendering->request;
    bool is_bytes =
        rendering->datatype && strcmp(rendering->datatype, "BYTES") == 0;
    const char *problem = kab_http_value_make(
        rendering->plan, &rendering->subject, is_bytes, request->value);
    *ret_is_later = false;
    if (problem)
        return problem;
    switch (rendering->plan->preset->body) {
    case KAB_HTTP_BODY_TENSOR:
        return render_element(rendering, out, ret_is_later);
    case KAB_HTTP_BODY_BINARY:
        return render_binary(rendering, out, ret_is_later);
    case KAB_HTTP_BODY_MULTIPART:
        return render_part(rendering, request->content_type->str, out);
    case KAB_HTTP_BODY_TEXT:
        if (rendering->plan->columns->len > 0 &&
            rendering->plan->preset->columns == KAB_HTTP_COLUMNS_LISTS) {
            append_span(out, rendering->subject.value);
            return NULL;
        }
        return kab_http_template_render(rendering->plan->item,
                                        &rendering->subject, out);
    }
    return NULL;
}

/* Converts the items, which are rows, into columns: `"NAME":[…],…`. */
static char *
turn_columns(const KabHttpPlan *plan, const GString *items)
{
    GString *text = g_string_new("");
    KabSpan rows = {items->str, items->len}, row;
    for (guint i = 0; i < plan->columns->len; i++) {
        const char *name = g_array_index(plan->columns, KabHttpPair, i).name;
        g_autofree char *pointer = g_strdup_printf("/%u", i);
        g_string_append(text, i > 0 ? "," : "");
        kab_http_append_string(text, name, strlen(name));
        g_string_append(text, ":[");
        KabJsonIter iter = kab_json_iter(rows);
        for (bool is_first = true; kab_json_next_element(&iter, &row);
             is_first = false) {
            g_string_append(text, is_first ? "" : ",");
            append_span(text, kab_json_find(row, pointer));
        }
        g_string_append_c(text, ']');
    }
    return g_string_free(text, FALSE);
}

/* Appends a template outside of the items; it is known to need no record. */
static void
append_template(Rendering *rendering,
                const KabHttpTemplate *template,
                GString *out)
{
    kab_http_template_render(template, &rendering->subject, out);
}

static void
finish_text(Rendering *rendering)
{
    KabHttpRequest *request = rendering->request;
    const KabHttpPlan *plan = rendering->plan;
    g_autofree char *columns = NULL;
    bool has_lists = plan->columns->len > 0 &&
                     plan->preset->columns == KAB_HTTP_COLUMNS_LISTS;
    if (has_lists) {
        g_string_prepend_c(request->items, '[');
        g_string_append_c(request->items, ']');
        columns = turn_columns(plan, request->items);
        g_string_set_size(request->items, 0);
    }
    rendering->subject.columns = has_lists ? columns : plan->columns_text;
    append_template(rendering, plan->prefix, request->body);
    g_string_append_len(request->body, request->items->str,
                        (gssize)request->items->len);
    append_template(rendering, plan->suffix, request->body);
}

static void
append_shape(const Rendering *rendering, GString *out)
{
    const KabHttpShape *shape = &rendering->shape;
    bool is_column = rendering->tensor ? rendering->tensor->rank == 2 : true;
    g_string_append_printf(out, "[%zu", rendering->request->n_sent);
    for (size_t i = 0; i < shape->rank; i++)
        g_string_append_printf(out, ",%zu", shape->size[i]);
    if (shape->rank == 0 && is_column)
        g_string_append(out, ",1");
    g_string_append_c(out, ']');
}

static void
append_outputs(const Rendering *rendering, bool is_binary, GString *out)
{
    const KabHttpPlan *plan = rendering->plan;
    if (plan->output_name) {
        g_string_append(out, ",\"outputs\":[{\"name\":");
        kab_http_append_string(out, plan->output_name,
                               strlen(plan->output_name));
        if (is_binary)
            g_string_append(out, ",\"parameters\":{\"binary_data\":true}");
        g_string_append(out, "}]");
    } else if (is_binary) {
        g_string_append(out, ",\"parameters\":{\"binary_data_output\":true}");
    }
    g_string_append(out, plan->extra);
    g_string_append_c(out, '}');
}

static void
open_tensor(const Rendering *rendering, const char *name, GString *out)
{
    g_string_append(out, "{\"name\":");
    kab_http_append_string(out, name, strlen(name));
    g_string_append(out, ",\"shape\":");
    append_shape(rendering, out);
    g_string_append(out, ",\"datatype\":");
    kab_http_append_string(out, rendering->datatype,
                           strlen(rendering->datatype));
}

static const char *
input_name(const Rendering *rendering)
{
    if (rendering->plan->input_name)
        return rendering->plan->input_name;
    return rendering->tensor ? rendering->tensor->name : "input";
}

/* Appends one tensor per column; each value must be a scalar. */
static void
append_column_tensors(Rendering *rendering,
                      const KabHttpModel *model,
                      GString *out)
{
    const GArray *columns = rendering->plan->columns;
    GString *items = rendering->request->items;
    KabSpan rows, row;
    g_string_prepend_c(items, '[');
    g_string_append_c(items, ']');
    rows = (KabSpan){items->str, items->len};
    for (guint i = 0; i < columns->len; i++) {
        const char *name = g_array_index(columns, KabHttpPair, i).name;
        g_autofree char *pointer = g_strdup_printf("/%u", i);
        KabJsonIter iter = kab_json_iter(rows);
        bool is_first = true;
        rendering->tensor = kab_http_model_input(model, name);
        rendering->datatype = rendering->plan->datatype
                                  ? rendering->plan->datatype
                              : rendering->tensor ? rendering->tensor->datatype
                                                  : "FP32";
        g_string_append(out, i > 0 ? "," : "");
        while (kab_json_next_element(&iter, &row)) {
            KabSpan cell = kab_json_find(row, pointer);
            if (is_first) {
                kab_http_shape_measure(cell, &rendering->shape);
                open_tensor(rendering, name, out);
                g_string_append(out, ",\"data\":[");
            }
            g_string_append(out, is_first ? "" : ",");
            append_span(out, cell);
            is_first = false;
        }
        g_string_append(out, "]}");
    }
}

static void
finish_tensor(Rendering *rendering, const KabHttpModel *model)
{
    GString *body = rendering->request->body;
    GString *items = rendering->request->items;
    g_string_append(body, "{\"inputs\":[");
    if (rendering->plan->columns->len > 0) {
        append_column_tensors(rendering, model, body);
    } else {
        open_tensor(rendering, input_name(rendering), body);
        g_string_append(body, ",\"data\":[");
        g_string_append_len(body, items->str, (gssize)items->len);
        g_string_append(body, "]}");
    }
    g_string_append_c(body, ']');
    append_outputs(rendering, false, body);
}

static void
finish_binary(Rendering *rendering)
{
    GString *body = rendering->request->body;
    GString *items = rendering->request->items;
    g_string_append(body, "{\"inputs\":[");
    open_tensor(rendering, input_name(rendering), body);
    g_string_append_printf(body, ",\"parameters\":{\"binary_data_size\":%zu}}]",
                           items->len);
    append_outputs(rendering, true, body);
    rendering->request->head_len = body->len;
    g_string_append_len(body, items->str, (gssize)items->len);
}

static void
finish_body(Rendering *rendering, const KabHttpModel *model)
{
    KabHttpRequest *request = rendering->request;
    rendering->subject.n = request->n_sent;
    rendering->subject.record = NULL;
    switch (rendering->plan->preset->body) {
    case KAB_HTTP_BODY_TEXT:
        finish_text(rendering);
        break;
    case KAB_HTTP_BODY_TENSOR:
        finish_tensor(rendering, model);
        break;
    case KAB_HTTP_BODY_BINARY:
        finish_binary(rendering);
        break;
    case KAB_HTTP_BODY_MULTIPART:
        g_string_append_len(request->body, request->items->str,
                            (gssize)request->items->len);
        g_string_append_printf(request->body, "--%s--\r\n",
                               request->content_type->str);
        g_string_prepend(request->content_type, "; boundary=");
        g_string_prepend(request->content_type, rendering->plan->content_type);
        return;
    }
    g_string_assign(request->content_type, rendering->plan->content_type);
}

/* Appends the separator, which may use {n}. */
static void
append_separator(Rendering *rendering, GString *items)
{
    if (rendering->plan->preset->body == KAB_HTTP_BODY_MULTIPART)
        return;
    if (rendering->plan->columns->len > 0)
        g_string_append_c(items, ',');
    else
        append_template(rendering, rendering->plan->separator, items);
}

/* Renders the records once. False: a record was left out, so indexes and {n}
 * have changed. */
static bool
render_pass(Rendering *rendering,
            KabBatch *batch,
            const size_t *from,
            size_t n,
            size_t *ret_later,
            size_t *ret_n_later)
{
    KabHttpRequest *request = rendering->request;
    const KabRecord *records = kab_batch_records(batch);
    size_t n_kept = n - *ret_n_later;
    bool is_whole = true;
    request->n_sent = 0;
    g_string_set_size(request->items, 0);
    for (size_t k = 0; k < n; k++) {
        size_t i = from[k];
        gsize before = request->items->len;
        bool is_later;
        rendering->subject.record = &records[i];
        rendering->subject.record_index = i;
        rendering->subject.index = request->n_sent;
        rendering->subject.n = n_kept;
        if (request->n_sent > 0)
            append_separator(rendering, request->items);
        const char *problem = render_item(rendering, request->items, &is_later);
        if (problem)
            kab_batch_reject_input(batch, i, problem);
        else if (is_empty_text(rendering))
            kab_batch_reject_input(batch, i, "the text is empty");
        else if (is_later)
            ret_later[(*ret_n_later)++] = i;
        else {
            request->sent[request->n_sent++] = i;
            continue;
        }
        g_string_set_size(request->items, before);
        is_whole = false;
    }
    return is_whole;
}

static void
choose_datatype(Rendering *rendering, const KabHttpModel *model)
{
    const KabHttpPlan *plan = rendering->plan;
    rendering->tensor = plan->columns->len > 0
                            ? NULL
                            : kab_http_model_input(model, plan->input_name);
    bool is_known = rendering->tensor && rendering->tensor->datatype[0];
    rendering->datatype = plan->datatype ? plan->datatype
                          : is_known     ? rendering->tensor->datatype
                                         : "BYTES";
    bool is_tensor = plan->preset->body == KAB_HTTP_BODY_TENSOR ||
                     plan->preset->body == KAB_HTTP_BODY_BINARY;
    if (plan->columns->len > 0 || !is_tensor)
        rendering->datatype = is_tensor ? "FP32" : NULL;
}

const char *
kab_http_request_obstacle(const KabHttpPlan *plan, const KabHttpModel *model)
{
    bool is_json = plan->preset->body == KAB_HTTP_BODY_TENSOR;
    bool is_binary = plan->preset->body == KAB_HTTP_BODY_BINARY;
    const KabHttpTensor *tensor = kab_http_model_input(model, plan->input_name);
    if (plan->columns->len > 0 || (!is_json && !is_binary))
        return NULL;
    if (!plan->input_name && !tensor)
        return "the server does not tell the model's inputs; wanted "
               "function.input.name";
    const char *datatype = plan->datatype ? plan->datatype
                           : tensor       ? tensor->datatype
                                          : "BYTES";
    if (is_json && kab_http_datatype_is_half(datatype))
        return "the model's input is FP16 or BF16, which cannot travel as "
               "JSON; wanted preset kserve-v2-binary";
    return NULL;
}

void
kab_http_request_render(KabHttpRequest *request,
                        const KabHttpPlan *plan,
                        const KabHttpModel *model,
                        KabBatch *batch,
                        const size_t *from,
                        size_t n,
                        size_t *ret_later,
                        size_t *ret_n_later)
{
    Rendering rendering = {.request = request,
                           .plan = plan,
                           .subject = {.batch = batch,
                                       .model = plan->model,
                                       .columns = plan->columns_text}};
    if (request->capacity < n) {
        request->sent = g_renew(size_t, request->sent, n);
        request->capacity = n;
    }
    choose_datatype(&rendering, model);
    g_string_set_size(request->body, 0);
    request->head_len = 0;
    *ret_n_later = 0;
    if (plan->preset->body == KAB_HTTP_BODY_MULTIPART) {
        g_autofree char *boundary = g_uuid_string_random();
        g_string_assign(request->content_type, boundary);
    }
    if (!render_pass(&rendering, batch, from, n, ret_later, ret_n_later) &&
        request->n_sent > 0) {
        g_autofree size_t *kept =
            g_memdup2(request->sent, request->n_sent * sizeof *request->sent);
        size_t n_none = 0;
        render_pass(&rendering, batch, kept, request->n_sent, ret_later,
                    &n_none);
    }
    if (request->n_sent > 0)
        finish_body(&rendering, model);
}
