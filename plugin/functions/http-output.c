/* SPDX-License-Identifier: Apache-2.0 */
#include "http-output.h"

#include <string.h>

static void *
alloc_in_batch(void *user, size_t size)
{
    return kab_batch_alloc(user, size);
}

static void
emit_value(KabBatch *batch, size_t i, KabSpan value)
{
    KabOutput output = KAB_OUTPUT_INIT;
    output.key = kab_batch_records(batch)[i].key;
    output.value = (KabBytes){value.at ? value.at : "", value.len};
    kab_batch_emit(batch, i, &output);
}

static KabSpan
encode_text(KabBatch *batch, KabSpan text)
{
    char *string =
        kab_batch_alloc(batch, kab_json_encoded_len(text.at, text.len));
    return (KabSpan){string, kab_json_encode(text.at, text.len, string)};
}

/* Bytes as a JSON value: JSON is kept, other text becomes a string; absent if
 * the bytes are neither. */
static KabSpan
to_json(KabBatch *batch, KabSpan bytes, bool is_text)
{
    KabSpan json;
    if (!is_text &&
        kab_json_check(bytes.at, bytes.len, KAB_JSON_NONFINITE, &json, NULL))
        return json;
    if (kab_utf8_is_valid(bytes.at, bytes.len))
        return encode_text(batch, bytes);
    return KAB_SPAN_ABSENT;
}

static KabSpan
result_to_json(KabBatch *batch, const KabHttpPlan *plan, KabHttpResult result)
{
    bool is_text = plan->preset->tells == KAB_HTTP_TELLS_V2;
    return result.type == KAB_HTTP_RESULT_JSON
               ? result.value
               : to_json(batch, result.value, is_text);
}

static void
give_replaced(KabBatch *batch,
              size_t i,
              const KabHttpPlan *plan,
              const KabHttpResult *result)
{
    KabSpan value = result->value;
    if (result->type == KAB_HTTP_RESULT_JSON &&
        (plan->preset->flags & KAB_HTTP_UNQUOTED) &&
        kab_json_type(value) == KAB_JSON_STRING) {
        char *text = kab_batch_alloc(batch, value.len);
        value = (KabSpan){text, kab_json_decode(value, text)};
    }
    emit_value(batch, i, value);
}

static void
give_both(KabBatch *batch, size_t i, KabSpan result)
{
    static const char begin[] = "{\"input\":", middle[] = ",\"output\":";
    const KabBytes *value = &kab_batch_records(batch)[i].value;
    KabSpan input = to_json(batch, (KabSpan){value->data, value->len}, false);
    if (!input.at) {
        kab_batch_reject_input(batch, i, "the value is neither JSON nor UTF-8");
        return;
    }
    size_t len = sizeof begin + sizeof middle - 2 + input.len + result.len + 1;
    char *text = kab_batch_alloc(batch, len), *to = text;
    to = mempcpy(to, begin, sizeof begin - 1);
    to = mempcpy(to, input.at, input.len);
    to = mempcpy(to, middle, sizeof middle - 1);
    to = mempcpy(to, result.at, result.len);
    *to = '}';
    emit_value(batch, i, (KabSpan){text, len});
}

static void
give_put(KabBatch *batch, size_t i, const KabHttpPlan *plan, KabSpan result)
{
    const KabBytes *value = &kab_batch_records(batch)[i].value;
    KabSpan document;
    g_autofree KabJsonPut *puts = g_new0(KabJsonPut, plan->puts->len);
    size_t failed;
    if (!kab_json_check(value->data, value->len, KAB_JSON_STRICT, &document,
                        NULL)) {
        g_autofree char *why = g_strconcat(
            kab_http_explain_not_json((KabSpan){value->data, value->len}),
            "; nothing can be put into it (function.output)", NULL);
        kab_batch_reject_input(batch, i, why);
        return;
    }
    for (guint k = 0; k < plan->puts->len; k++) {
        const KabHttpPair *pair = &g_array_index(plan->puts, KabHttpPair, k);
        puts[k] =
            (KabJsonPut){pair->name, kab_json_find(result, pair->pointer)};
        if (!puts[k].value.at) {
            kab_batch_reject(batch, i,
                             "the result has nothing at a pointer of "
                             "function.output");
            return;
        }
    }
    KabSpan merged = kab_json_put(document, puts, plan->puts->len,
                                  alloc_in_batch, batch, &failed);
    if (merged.at)
        emit_value(batch, i, merged);
    else
        kab_batch_reject_input(batch, i,
                               "the value has no place for a pointer of "
                               "function.output");
}

static void
give_value(KabBatch *batch,
           size_t i,
           const KabHttpPlan *plan,
           const KabHttpResult *result)
{
    if (plan->output == KAB_HTTP_OUTPUT_REPLACE) {
        give_replaced(batch, i, plan, result);
        return;
    }
    KabSpan json = result_to_json(batch, plan, *result);
    if (!json.at)
        kab_batch_reject(batch, i,
                         "the result is neither JSON nor UTF-8; wanted "
                         "function.output = replace");
    else if (plan->output == KAB_HTTP_OUTPUT_BOTH)
        give_both(batch, i, json);
    else
        give_put(batch, i, plan, json);
}

void
kab_http_output_give(KabBatch *batch,
                     size_t i,
                     const KabHttpPlan *plan,
                     const KabHttpResult *result)
{
    g_autofree char *reason = NULL;
    switch (result->type) {
    case KAB_HTTP_RESULT_JSON:
    case KAB_HTTP_RESULT_BYTES:
        give_value(batch, i, plan, result);
        break;
    case KAB_HTTP_RESULT_RETRY:
        reason =
            kab_http_plan_censor(plan, result->value.at, result->value.len);
        kab_batch_retry(batch, i, reason);
        break;
    case KAB_HTTP_RESULT_REJECT:
        reason =
            kab_http_plan_censor(plan, result->value.at, result->value.len);
        kab_batch_reject(batch, i, reason);
        break;
    case KAB_HTTP_RESULT_NONE:
        break;
    }
}

void
kab_http_output_null(KabBatch *batch, size_t i, const KabHttpPlan *plan)
{
    switch (plan->null) {
    case KAB_HTTP_NULL_DROP:
        kab_batch_drop(batch, i);
        break;
    case KAB_HTTP_NULL_PASS:
        kab_batch_pass(batch, i, "a tombstone (function.null = pass)");
        break;
    case KAB_HTTP_NULL_REJECT:
        kab_batch_reject_input(batch, i, "the value is null (a tombstone)");
        break;
    }
}
