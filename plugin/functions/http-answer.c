/* SPDX-License-Identifier: Apache-2.0 */
#include "http-answer.h"

#include <string.h>

KabHttpVerdict
kab_http_answer_complain(KabHttpAnswer *answer,
                         KabHttpVerdict verdict,
                         const char *format,
                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_vsnprintf(answer->problem, sizeof answer->problem, format, arguments);
    va_end(arguments);
    return verdict;
}

static KabHttpVerdict
complain_count(KabHttpAnswer *answer, size_t n)
{
    return kab_http_answer_complain(
        answer, KAB_HTTP_ANSWER_MISALIGNED,
        "the answer has %zu results; wanted %zu, one per record", n, answer->n);
}

/* An error: {"message":…,"retryable":…} or plain text. */
static KabHttpResult
make_error(KabSpan error)
{
    KabSpan message = kab_json_member(error, "message");
    bool is_retryable =
        kab_json_type(kab_json_member(error, "retryable")) == KAB_JSON_TRUE;
    if (!message.at)
        message = error;
    if (kab_json_type(message) == KAB_JSON_STRING)
        message = (KabSpan){message.at + 1, message.len - 2};
    return (KabHttpResult){
        is_retryable ? KAB_HTTP_RESULT_RETRY : KAB_HTTP_RESULT_REJECT, message};
}

static KabHttpResult
make_refusal(KabSpan reason)
{
    return (KabHttpResult){KAB_HTTP_RESULT_REJECT, reason};
}

/* Did a conversation end without a usable answer: cut short or filtered? */
static bool
is_unfinished(KabSpan element, KabSpan *ret_reason)
{
    KabSpan reason = kab_json_member(element, "finish_reason");
    bool is_cut = kab_json_string_is(reason, "length", strlen("length"));
    if (is_cut)
        *ret_reason = KAB_SPAN("finish_reason is length: the answer was cut");
    else
        *ret_reason = KAB_SPAN("finish_reason is content_filter: no answer");
    return is_cut || kab_json_string_is(reason, "content_filter",
                                        strlen("content_filter"));
}

/* Makes the result of one element. */
static KabHttpResult
make_result(const KabHttpPlan *plan, KabSpan element)
{
    KabSpan error =
        plan->error ? kab_json_find(element, plan->error) : KAB_SPAN_ABSENT;
    KabSpan reason;
    if (error.at && kab_json_type(error) != KAB_JSON_NULL)
        return make_error(error);
    if ((plan->preset->flags & KAB_HTTP_CHAT) &&
        is_unfinished(element, &reason))
        return make_refusal(reason);
    KabSpan value = plan->value ? kab_json_find(element, plan->value) : element;
    if (!value.at)
        return make_refusal(KAB_SPAN("the result has nothing at its value"));
    if ((plan->preset->flags & KAB_HTTP_CHAT) &&
        kab_json_type(value) == KAB_JSON_NULL)
        return make_refusal(KAB_SPAN("the answer's content is null"));
    return (KabHttpResult){KAB_HTTP_RESULT_JSON, value};
}

/* State of reading results one by one: either each has an index, or none
 * has. */
typedef struct {
    size_t n_seen, n_indexed;
} Placing;

static KabHttpVerdict
place_result(KabHttpAnswer *answer,
             const KabHttpPlan *plan,
             Placing *placing,
             KabSpan element)
{
    KabSpan index =
        plan->index ? kab_json_find(element, plan->index) : KAB_SPAN_ABSENT;
    size_t position = placing->n_seen++;
    long long number;
    if (index.at) {
        placing->n_indexed++;
        if (!kab_json_to_integer(index, &number) || number < 0 ||
            (size_t)number >= answer->n)
            return kab_http_answer_complain(
                answer, KAB_HTTP_ANSWER_MISALIGNED,
                "the answer has a position outside of 0..%zu", answer->n - 1);
        position = (size_t)number;
    }
    if (placing->n_indexed > 0 && placing->n_indexed != placing->n_seen)
        return kab_http_answer_complain(
            answer, KAB_HTTP_ANSWER_MISALIGNED,
            "some results of the answer have a position and some have none");
    if (position >= answer->n)
        return KAB_HTTP_ANSWER_FITS;
    if (answer->results[position].type != KAB_HTTP_RESULT_NONE)
        return kab_http_answer_complain(answer, KAB_HTTP_ANSWER_MISALIGNED,
                                        "the answer has position %zu twice",
                                        position);
    answer->results[position] = make_result(plan, element);
    return KAB_HTTP_ANSWER_FITS;
}

static KabHttpVerdict
finish_placing(KabHttpAnswer *answer, const Placing *placing)
{
    return placing->n_seen == answer->n
               ? KAB_HTTP_ANSWER_FITS
               : complain_count(answer, placing->n_seen);
}

static KabHttpVerdict
complain_fault(KabHttpAnswer *answer, const KabJsonFault *fault)
{
    return kab_http_answer_complain(
        answer, KAB_HTTP_ANSWER_UNREADABLE,
        "the answer is not JSON at byte %zu of %zu; wanted %s", fault->offset,
        answer->body.len, fault->wanted);
}

/* Does an answer with a success status hold an error for the whole batch? */
static bool
is_error(const KabHttpPlan *plan, KabSpan document)
{
    KabSpan error = kab_json_member(document, "error");
    return plan->items && plan->items[0] && error.at &&
           kab_json_type(error) != KAB_JSON_NULL;
}

static KabHttpVerdict
find_items(KabHttpAnswer *answer, const KabHttpPlan *plan, KabSpan *ret_items)
{
    KabSpan document;
    KabJsonFault fault;
    if (!kab_json_check(answer->body.at, answer->body.len, KAB_JSON_NONFINITE,
                        &document, &fault))
        return complain_fault(answer, &fault);
    *ret_items = kab_json_find(document, plan->items ? plan->items : "");
    if (!ret_items->at && is_error(plan, document))
        return kab_http_answer_complain(answer, KAB_HTTP_ANSWER_ERROR,
                                        "status 200 with an error");
    if (!ret_items->at)
        return kab_http_answer_complain(answer, KAB_HTTP_ANSWER_UNREADABLE,
                                        "the answer has nothing at %s",
                                        plan->items);
    return KAB_HTTP_ANSWER_FITS;
}

static KabHttpVerdict
cut_array(KabHttpAnswer *answer, const KabHttpPlan *plan)
{
    KabSpan items, element;
    KabHttpVerdict verdict = find_items(answer, plan, &items);
    Placing placing = {0};
    if (verdict != KAB_HTTP_ANSWER_FITS)
        return verdict;
    if (kab_json_type(items) != KAB_JSON_ARRAY)
        return kab_http_answer_complain(
            answer, KAB_HTTP_ANSWER_UNREADABLE,
            "the answer has no array at \"%s\"; wanted one result per record",
            plan->items ? plan->items : "");
    KabJsonIter iter = kab_json_iter(items);
    while (verdict == KAB_HTTP_ANSWER_FITS &&
           kab_json_next_element(&iter, &element))
        verdict = place_result(answer, plan, &placing, element);
    return verdict == KAB_HTTP_ANSWER_FITS ? finish_placing(answer, &placing)
                                           : verdict;
}

/* The bytes of an answer end without a NUL. */
static bool
is_blank_line(const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", at[i]) || !at[i])
            return false;
    return true;
}

static KabHttpVerdict
cut_lines(KabHttpAnswer *answer, const KabHttpPlan *plan)
{
    const char *at = answer->body.at, *end = at + answer->body.len;
    Placing placing = {0};
    KabHttpVerdict verdict = KAB_HTTP_ANSWER_FITS;
    while (at < end && verdict == KAB_HTTP_ANSWER_FITS) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((line_end ? line_end : end) - at);
        KabSpan element;
        KabJsonFault fault;
        if (is_blank_line(at, len))
            ;
        else if (kab_json_check(at, len, KAB_JSON_NONFINITE, &element, &fault))
            verdict = place_result(answer, plan, &placing, element);
        else
            verdict = complain_fault(answer, &fault);
        at += len + 1;
    }
    return verdict == KAB_HTTP_ANSWER_FITS ? finish_placing(answer, &placing)
                                           : verdict;
}

static KabHttpVerdict
cut_whole(KabHttpAnswer *answer, const KabHttpPlan *plan)
{
    if (plan->preset->flags & KAB_HTTP_BYTES) {
        answer->results[0] =
            (KabHttpResult){KAB_HTTP_RESULT_BYTES, answer->body};
        return KAB_HTTP_ANSWER_FITS;
    }
    KabSpan element;
    KabHttpVerdict verdict = find_items(answer, plan, &element);
    if (verdict == KAB_HTTP_ANSWER_FITS)
        answer->results[0] = make_result(plan, element);
    return verdict;
}

KabHttpVerdict
kab_http_answer_cut(KabHttpAnswer *answer, const KabHttpPlan *plan)
{
    memset(answer->results, 0, answer->n * sizeof *answer->results);
    switch (plan->split) {
    case KAB_HTTP_SPLIT_ARRAY:
        return cut_array(answer, plan);
    case KAB_HTTP_SPLIT_NDJSON:
        return cut_lines(answer, plan);
    case KAB_HTTP_SPLIT_ROWS:
        return kab_http_answer_cut_rows(answer, plan);
    case KAB_HTTP_SPLIT_PARTS:
        return kab_http_answer_cut_parts(answer);
    case KAB_HTTP_SPLIT_WHOLE:
        return cut_whole(answer, plan);
    }
    return KAB_HTTP_ANSWER_UNREADABLE;
}

static KabSpan
first_of(KabSpan body, const char *const *pointers)
{
    for (; *pointers; pointers++) {
        KabSpan found = kab_json_find(body, *pointers);
        if (kab_json_type(found) == KAB_JSON_STRING)
            return (KabSpan){found.at + 1, found.len - 2};
    }
    return KAB_SPAN_ABSENT;
}

void
kab_http_error_read(KabSpan body, KabSpan *ret_message, KabSpan *ret_code)
{
    static const char *const messages[] = {
        "/error/message", "/error",         "/message", "/detail",
        "/detail/0/msg",  "/error_message", NULL};
    static const char *const codes[] = {"/error/code", "/error/type", "/code",
                                        "/type",       "/error_type", NULL};
    KabSpan document;
    *ret_message = body;
    *ret_code = KAB_SPAN_ABSENT;
    if (!kab_json_check(body.at, body.len, KAB_JSON_NONFINITE, &document, NULL))
        return;
    KabSpan message = first_of(document, messages);
    if (message.at)
        *ret_message = message;
    *ret_code = first_of(document, codes);
}
