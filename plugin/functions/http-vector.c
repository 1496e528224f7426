/* SPDX-License-Identifier: Apache-2.0 */
/* Checks results that must be vectors: finite numbers, one length for all. */
#include "http-answer.h"

#include <math.h>
#include <string.h>

enum { NUMBER_MAX_BYTES = 24 };

/* Decodes base64 of little-endian floats into an array; absent: invalid. */
static KabSpan
unpack_floats(KabBatch *batch, KabSpan string)
{
    g_autofree char *text = g_malloc(string.len);
    text[kab_json_decode(string, text)] = '\0';
    gsize len;
    g_autofree guchar *bytes = g_base64_decode(text, &len);
    size_t n = len / sizeof(float);
    if (n == 0 || len % sizeof(float) != 0)
        return KAB_SPAN_ABSENT;
    char *array = kab_batch_alloc(batch, n * NUMBER_MAX_BYTES + 2);
    char *to = array;
    for (size_t i = 0; i < n; i++) {
        guint32 bits;
        float number;
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
        bits = GUINT32_FROM_LE(bits);
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            return KAB_SPAN_ABSENT;
        *to++ = i == 0 ? '[' : ',';
        g_ascii_formatd(to, NUMBER_MAX_BYTES - 1, "%.9g", (double)number);
        to += strlen(to);
    }
    *to++ = ']';
    return (KabSpan){array, (size_t)(to - array)};
}

/* Is a number of the array too large for a double, as 1e999 is? */
static bool
holds_infinity(KabSpan array)
{
    const char *end = array.at + array.len;
    for (const char *letter = "eE"; *letter; letter++) {
        const char *at = array.at;
        for (; (at = memchr(at, *letter, (size_t)(end - at))); at++) {
            const char *from = at;
            if (at[1] == '-')
                continue;
            while (strchr("+-.0123456789", from[-1]))
                from--;
            if (!isfinite(g_ascii_strtod(from, NULL)))
                return true;
        }
    }
    return false;
}

/* The length of the vector; 0: the result is not a vector. */
static size_t
measure_vector(KabHttpAnswer *answer, KabHttpResult *result)
{
    size_t n = 0;
    if (kab_json_type(result->value) == KAB_JSON_STRING)
        result->value = unpack_floats(answer->batch, result->value);
    bool is_vector =
        kab_json_is_vector(result->value, &n) && !holds_infinity(result->value);
    return is_vector ? n : 0;
}

/* The most common length (Boyer-Moore majority vote). */
static size_t
choose_length(const size_t *lengths, size_t n)
{
    size_t chosen = 0, n_votes = 0;
    for (size_t i = 0; i < n; i++) {
        if (lengths[i] == 0)
            continue;
        if (n_votes == 0)
            chosen = lengths[i];
        n_votes += lengths[i] == chosen ? 1 : (size_t)-1;
    }
    return chosen;
}

size_t
kab_http_answer_check_vectors(KabHttpAnswer *answer, size_t *length)
{
    g_autofree size_t *lengths = g_new0(size_t, answer->n);
    size_t n_bad = 0;
    for (size_t i = 0; i < answer->n; i++)
        if (answer->results[i].type == KAB_HTTP_RESULT_JSON)
            lengths[i] = measure_vector(answer, &answer->results[i]);
    size_t wanted = *length ? *length : choose_length(lengths, answer->n);
    for (size_t i = 0; i < answer->n; i++) {
        if (answer->results[i].type != KAB_HTTP_RESULT_JSON ||
            (lengths[i] == wanted && wanted > 0))
            continue;
        answer->results[i] = (KabHttpResult){
            KAB_HTTP_RESULT_REJECT,
            lengths[i] == 0
                ? KAB_SPAN("the result is not a vector of finite numbers")
                : KAB_SPAN("the vector's length is not that of the others")};
        n_bad++;
    }
    if (n_bad == 0)
        *length = wanted;
    return n_bad;
}
