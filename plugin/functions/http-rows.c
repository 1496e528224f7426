/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are tensors (KServe V2) or multipart bodies. */
#include "http-answer.h"

#include <stdint.h>
#include <string.h>

#include "http-tensor.h"

static KabHttpVerdict
complain_unreadable(KabHttpAnswer *answer, const char *what)
{
    return kab_http_answer_complain(answer, KAB_HTTP_ANSWER_UNREADABLE, "%s",
                                    what);
}

/* Finds the requested output, and where its binary data begins. */
static KabHttpVerdict
find_output(KabHttpAnswer *answer,
            const KabHttpPlan *plan,
            KabSpan outputs,
            KabSpan *ret_output,
            size_t *ret_offset)
{
    KabJsonIter iter = kab_json_iter(outputs);
    KabSpan output;
    size_t offset = 0, n = kab_json_count(outputs);
    while (kab_json_next_element(&iter, &output)) {
        KabSpan name = kab_json_member(output, "name");
        long long size = 0;
        if (!plan->output_name
                ? n == 1
                : kab_json_string_is(name, plan->output_name,
                                     strlen(plan->output_name))) {
            *ret_output = output;
            *ret_offset = offset;
            return KAB_HTTP_ANSWER_FITS;
        }
        kab_json_to_integer(
            kab_json_find(output, "/parameters/binary_data_size"), &size);
        offset += (size_t)MAX(size, 0);
    }
    if (plan->output_name)
        return kab_http_answer_complain(answer, KAB_HTTP_ANSWER_UNREADABLE,
                                        "the answer has no output \"%s\"",
                                        plan->output_name);
    return kab_http_answer_complain(
        answer, KAB_HTTP_ANSWER_UNREADABLE,
        "the answer has %zu outputs; wanted one, or function.output.name", n);
}

/* The number of elements in a row; the first dimension must be the number of
 * records sent. */
static KabHttpVerdict
read_shape(KabHttpAnswer *answer, KabSpan output, size_t *ret_width)
{
    KabJsonIter iter = kab_json_iter(kab_json_member(output, "shape"));
    KabSpan size;
    size_t width = 1;
    long long number, first = -1;
    while (kab_json_next_element(&iter, &size)) {
        if (!kab_json_to_integer(size, &number) || number < 0 ||
            (number > 0 && width > (size_t)INT32_MAX / (size_t)number))
            return complain_unreadable(answer, "the output has no valid shape");
        if (first < 0)
            first = number;
        else
            width *= (size_t)number;
    }
    if (first < 0 || (size_t)first != answer->n)
        return kab_http_answer_complain(
            answer, KAB_HTTP_ANSWER_MISALIGNED,
            "the output's first dimension is %lld; wanted %zu, one per record",
            first, answer->n);
    *ret_width = width;
    return KAB_HTTP_ANSWER_FITS;
}

/* Puts `[…]` around consecutive elements of flat data. */
static KabSpan
enclose_rows(KabBatch *batch, const char *from, const char *to)
{
    size_t len = (size_t)(to - from);
    char *row = kab_batch_alloc(batch, len + 2);
    row[0] = '[';
    memcpy(row + 1, from, len);
    row[len + 1] = ']';
    return (KabSpan){row, len + 2};
}

static KabSpan
decode_string(KabBatch *batch, KabSpan string)
{
    char *text = kab_batch_alloc(batch, string.len);
    return (KabSpan){text, kab_json_decode(string, text)};
}

/* Takes one row from flat data: `width` elements of the iterator. */
static bool
take_flat(KabHttpAnswer *answer,
          KabJsonIter *iter,
          size_t width,
          bool is_text,
          KabHttpResult *ret_result)
{
    KabSpan element = KAB_SPAN_ABSENT;
    const char *from = NULL;
    for (size_t i = 0; i < width; i++) {
        if (!kab_json_next_element(iter, &element))
            return false;
        from = from ? from : element.at;
    }
    const char *to = from ? element.at + element.len : NULL;
    if (is_text && width == 1 && kab_json_type(element) == KAB_JSON_STRING)
        *ret_result = (KabHttpResult){KAB_HTTP_RESULT_BYTES,
                                      decode_string(answer->batch, element)};
    else if (from)
        *ret_result = (KabHttpResult){KAB_HTTP_RESULT_JSON,
                                      enclose_rows(answer->batch, from, to)};
    else
        *ret_result = (KabHttpResult){KAB_HTTP_RESULT_JSON, KAB_SPAN("[]")};
    return true;
}

static KabHttpVerdict
cut_json_rows(KabHttpAnswer *answer, KabSpan output, size_t width)
{
    KabSpan data = kab_json_member(output, "data"), row;
    bool is_text =
        kab_json_string_is(kab_json_member(output, "datatype"), "BYTES", 5);
    KabJsonIter iter = kab_json_iter(data), first = iter;
    bool is_nested = kab_json_next_element(&first, &row) &&
                     kab_json_type(row) == KAB_JSON_ARRAY;
    if (kab_json_type(data) != KAB_JSON_ARRAY)
        return complain_unreadable(answer, "the output has no data");
    for (size_t i = 0; i < answer->n; i++) {
        KabHttpResult *result = &answer->results[i];
        bool is_there;
        if (!is_nested) {
            is_there = take_flat(answer, &iter, width, is_text, result);
        } else {
            is_there = kab_json_next_element(&iter, &row) &&
                       kab_json_type(row) == KAB_JSON_ARRAY;
            KabJsonIter inner = kab_json_iter(row);
            if (is_there && is_text && kab_json_count(row) == 1)
                take_flat(answer, &inner, 1, true, result);
            else
                *result = (KabHttpResult){KAB_HTTP_RESULT_JSON, row};
        }
        if (!is_there)
            return kab_http_answer_complain(
                answer, KAB_HTTP_ANSWER_MISALIGNED,
                "the output's data ends in row %zu of %zu", i, answer->n);
    }
    if (kab_json_next_element(&iter, &row))
        return kab_http_answer_complain(answer, KAB_HTTP_ANSWER_MISALIGNED,
                                        "the output has more data than its "
                                        "shape says");
    return KAB_HTTP_ANSWER_FITS;
}

/* BYTES: each element is preceded by its length. */
static KabHttpVerdict
cut_binary_texts(KabHttpAnswer *answer, KabSpan data, size_t width)
{
    const char *at = data.at, *end = at + data.len;
    if (width != 1)
        return complain_unreadable(
            answer, "the output has several BYTES per record; wanted one");
    for (size_t i = 0; i < answer->n; i++) {
        uint32_t len = 0;
        if (end - at >= 4)
            memcpy(&len, at, sizeof len);
        len = GUINT32_FROM_LE(len);
        if (end - at < 4 || (size_t)(end - at) - 4 < len)
            return complain_unreadable(answer, "the output's data is cut off");
        answer->results[i] =
            (KabHttpResult){KAB_HTTP_RESULT_BYTES, {at + 4, len}};
        at += 4 + len;
    }
    return at == end ? KAB_HTTP_ANSWER_FITS
                     : complain_unreadable(
                           answer, "the output has more data than its shape");
}

static KabHttpVerdict
cut_binary_rows(KabHttpAnswer *answer,
                KabSpan output,
                KabSpan data,
                size_t width)
{
    KabSpan datatype = kab_json_member(output, "datatype");
    size_t size = datatype.len < 2 ? 0
                                   : kab_http_datatype_size(datatype.at + 1,
                                                            datatype.len - 2);
    if (size == 0)
        return cut_binary_texts(answer, data, width);
    if (data.len != answer->n * width * size)
        return kab_http_answer_complain(
            answer, KAB_HTTP_ANSWER_UNREADABLE,
            "the output's data has %zu bytes; wanted %zu", data.len,
            answer->n * width * size);
    for (size_t i = 0; i < answer->n; i++)
        answer->results[i] = (KabHttpResult){
            KAB_HTTP_RESULT_BYTES, {data.at + i * width * size, width * size}};
    return KAB_HTTP_ANSWER_FITS;
}

KabHttpVerdict
kab_http_answer_cut_rows(KabHttpAnswer *answer, const KabHttpPlan *plan)
{
    KabSpan document, output = KAB_SPAN_ABSENT;
    KabJsonFault fault;
    size_t head = answer->head_len ? answer->head_len : answer->body.len;
    size_t offset = 0, width = 0;
    long long binary_size;
    if (head > answer->body.len)
        return complain_unreadable(answer, "the answer's head is cut off");
    if (!kab_json_check(answer->body.at, head, KAB_JSON_NONFINITE, &document,
                        &fault))
        return kab_http_answer_complain(
            answer, KAB_HTTP_ANSWER_UNREADABLE,
            "the answer is not JSON at byte %zu; wanted %s", fault.offset,
            fault.wanted);
    KabHttpVerdict verdict = find_output(
        answer, plan, kab_json_member(document, "outputs"), &output, &offset);
    if (verdict == KAB_HTTP_ANSWER_FITS)
        verdict = read_shape(answer, output, &width);
    if (verdict != KAB_HTTP_ANSWER_FITS)
        return verdict;
    KabSpan size = kab_json_find(output, "/parameters/binary_data_size");
    if (!kab_json_to_integer(size, &binary_size))
        return cut_json_rows(answer, output, width);
    size_t left = answer->body.len - head;
    if (binary_size < 0 || offset > left || (size_t)binary_size > left - offset)
        return complain_unreadable(answer, "the answer's data is cut off");
    KabSpan data = {answer->body.at + head + offset, (size_t)binary_size};
    return cut_binary_rows(answer, output, data, width);
}

/* The boundary with its two leading dashes; NULL: none. */
static char *
dup_boundary(const char *content_type)
{
    const char *at = content_type ? strstr(content_type, "boundary=") : NULL;
    if (!at)
        return NULL;
    at += strlen("boundary=");
    bool is_quoted = *at == '"';
    at += is_quoted;
    size_t len = strcspn(at, is_quoted ? "\"" : "; \t");
    return g_strdup_printf("--%.*s", (int)len, at);
}

static const char *
find_bytes(const char *at, const char *end, const char *what)
{
    return at < end ? memmem(at, (size_t)(end - at), what, strlen(what)) : NULL;
}

KabHttpVerdict
kab_http_answer_cut_parts(KabHttpAnswer *answer)
{
    g_autofree char *dashes = dup_boundary(answer->content_type);
    g_autofree char *next = g_strconcat("\r\n", dashes, NULL);
    const char *at = answer->body.at, *end = at + answer->body.len;
    size_t n = 0;
    if (!dashes)
        return complain_unreadable(
            answer, "the answer is not multipart with a boundary");
    at = find_bytes(at, end, dashes);
    while (at) {
        at += strlen(dashes);
        if (end - at >= 2 && memcmp(at, "--", 2) == 0)
            return n == answer->n ? KAB_HTTP_ANSWER_FITS
                                  : kab_http_answer_complain(
                                        answer, KAB_HTTP_ANSWER_MISALIGNED,
                                        "the answer has %zu parts; wanted %zu",
                                        n, answer->n);
        const char *from = find_bytes(at, end, "\r\n\r\n");
        const char *to = from ? find_bytes(from + 2, end, next) : NULL;
        if (!to)
            break;
        from = MIN(from + 4, to);
        if (n < answer->n)
            answer->results[n] = (KabHttpResult){KAB_HTTP_RESULT_BYTES,
                                                 {from, (size_t)(to - from)}};
        n++;
        at = to + 2;
    }
    return complain_unreadable(answer, "the answer's last part is cut off");
}
