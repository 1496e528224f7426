/* SPDX-License-Identifier: Apache-2.0 */
/* Interprets a finished transfer for the records that were sent: the table of
 * statuses (http-status.c), the checks of an answer, and what is remembered
 * between calls (KabHttpHealth).
 */
#include "http-io.h"

#include <string.h>
#include <time.h>

#include "http-output.h"
#include "http-status.h"

enum {
    CREDENTIALS_LAST_US = 60 * 1000000,
    MISALIGNED_AT_MOST = 3,
    BAD_BATCHES_AT_MOST = 2,
    FAILURES_KEPT = 1024,
    RESETS_AT_LEAST = 2,
};

static int64_t
now_us(void)
{
    return g_get_monotonic_time();
}

static KabHttpFailure *
recall_failure(KabHttpCall *call)
{
    GHashTable *failures = call->http->health.failures;
    KabHttpFailure *failure = g_hash_table_lookup(failures, &call->set);
    if (failure)
        return failure;
    if (g_hash_table_size(failures) >= FAILURES_KEPT)
        g_hash_table_remove_all(failures);
    failure = g_new0(KabHttpFailure, 1);
    g_hash_table_insert(failures, g_memdup2(&call->set, sizeof call->set),
                        failure);
    return failure;
}

/* Fails the batch. Returns false, for kab_http_judge(). */
static bool G_GNUC_PRINTF(4, 5) end_call(KabHttpCall *call,
                                         KabFailure failure,
                                         int64_t pause_ms,
                                         const char *format,
                                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *reason =
        g_strdup_printf("%s: %s", call->http->plan->place, words);
    kab_batch_fail(call->batch, failure, pause_ms, reason);
    return false;
}

/* The server permanently refuses the records sent. A record sent alone, out of
 * a larger batch, is rejected, and the call continues. */
static bool
refuse_sent(KabHttpCall *call, const char *words)
{
    if (call->is_singly && kab_batch_count(call->batch) > 1) {
        kab_batch_reject(call->batch, call->request.sent[0], words);
        return kab_http_call_send(call);
    }
    return end_call(call, KAB_FAIL_PERMANENT, -1, "%s", words);
}

/* The answer to a record alone cannot be used. A proxy's page or a server that
 * is going away looks the same for every record, so that this is no proof
 * against the record: it is called again. */
static bool
doubt_sent(KabHttpCall *call, const char *words)
{
    size_t n = kab_batch_count(call->batch);
    if (call->is_singly && n > 1) {
        kab_batch_retry(call->batch, call->request.sent[0], words);
        return kab_http_call_send(call);
    }
    return end_call(call, n > 1 ? KAB_FAIL_PERMANENT : KAB_FAIL_TRANSIENT, -1,
                    "%s", words);
}

static void
note_success(KabHttpCall *call)
{
    KabHttpHealth *health = &call->http->health;
    health->has_succeeded = true;
    health->refused_since_us = 0;
    health->n_successes++;
    health->refused_set_size = health->n_refused_alone = 0;
    if (g_hash_table_size(health->failures) > 0)
        g_hash_table_remove(health->failures, &call->set);
}

/* The server failed like one that is going away: query its readiness before the
 * next call. */
static void
note_trouble(KabHttpCall *call)
{
    call->http->must_ask = kab_http_has_questions(call->http);
}

/* From now on, sends each record of the request alone. */
static bool
send_singly(KabHttpCall *call)
{
    size_t n = call->request.n_sent;
    memmove(call->left + n, call->left, call->n_left * sizeof *call->left);
    memcpy(call->left, call->request.sent, n * sizeof *call->left);
    call->n_left += n;
    call->is_singly = true;
    return kab_http_call_send(call);
}

static bool
judge_misaligned(KabHttpCall *call, const char *problem)
{
    KabHttp *http = call->http;
    kab_context_count(http->context, "answers_misaligned", 1);
    if (++http->health.n_misaligned == MISALIGNED_AT_MOST &&
        !http->plan->is_each) {
        kab_context_log(http->context, KAB_LOG_WARNING,
                        "%s: %u answers did not fit their requests; from now "
                        "on each record is sent alone (%s)",
                        http->plan->place, MISALIGNED_AT_MOST, problem);
        kab_context_set_max_batch(http->context, 1);
    }
    if (kab_batch_attempt(call->batch) == 1 && !call->is_singly)
        return end_call(call, KAB_FAIL_TRANSIENT, -1, "%s", problem);
    return call->request.n_sent > 1 ? send_singly(call)
                                    : doubt_sent(call, problem);
}

static bool
judge_unreadable(KabHttpCall *call, const char *problem)
{
    if (kab_batch_attempt(call->batch) == 1 && !call->is_singly)
        return end_call(call, KAB_FAIL_TRANSIENT, -1, "%s", problem);
    return doubt_sent(call, problem);
}

static bool
contains_word(KabSpan text, const char *word)
{
    return text.at && memmem(text.at, text.len, word, strlen(word));
}

static bool
judge_error_body(KabHttpCall *call, KabSpan body)
{
    KabSpan message, code;
    kab_http_error_read(body, &message, &code);
    g_autofree char *words =
        kab_http_plan_censor(call->http->plan, message.at, message.len);
    if (code.at && kab_http_is_quota_code(code.at, code.len))
        return end_call(call, KAB_FAIL_FATAL, -1, "%s", words);
    if (contains_word(code, "rate_limit") || contains_word(code, "overloaded"))
        return end_call(call, KAB_FAIL_OVERLOAD, -1, "%s", words);
    return judge_unreadable(call, words);
}

/* If all vectors of the answer are bad, the server is at fault, not a record.
 * True: the batch is answered. */
static bool
judge_vectors(KabHttpCall *call, KabHttpAnswer *answer)
{
    KabHttpHealth *health = &call->http->health;
    size_t before = health->vector_length;
    size_t n_bad =
        kab_http_answer_check_vectors(answer, &health->vector_length);
    if (n_bad < answer->n || answer->n == 1) {
        health->n_bad_batches = 0;
        return false;
    }
    KabFailure failure = ++health->n_bad_batches >= BAD_BATCHES_AT_MOST
                             ? KAB_FAIL_FATAL
                             : KAB_FAIL_TRANSIENT;
    end_call(call, failure, -1,
             "all %zu vectors of the answer are bad: they hold something "
             "other than finite numbers, or their length is not the one before "
             "(%zu; 0: none)",
             answer->n, before);
    return true;
}

static KabSpan
take_body(KabHttpCall *call)
{
    if (call->data)
        return (KabSpan){call->data, call->data_len};
    size_t len = call->received->len;
    char *copy = kab_batch_alloc(call->batch, len + 1);
    memcpy(copy, call->received->str, len);
    return (KabSpan){copy, len};
}

static bool
judge_answer(KabHttpCall *call)
{
    const KabHttpPlan *plan = call->http->plan;
    KabHttpAnswer answer = {.body = take_body(call),
                            .content_type = call->content_type->str,
                            .head_len = call->head_len,
                            .batch = call->batch,
                            .results = call->results,
                            .n = call->request.n_sent};
    if (plan->dimensions && !call->http->health.vector_length)
        call->http->health.vector_length = plan->dimensions;
    switch (kab_http_answer_cut(&answer, plan)) {
    case KAB_HTTP_ANSWER_MISALIGNED:
        return judge_misaligned(call, answer.problem);
    case KAB_HTTP_ANSWER_UNREADABLE:
        return judge_unreadable(call, answer.problem);
    case KAB_HTTP_ANSWER_ERROR:
        return judge_error_body(call, answer.body);
    case KAB_HTTP_ANSWER_FITS:
        break;
    }
    if ((plan->preset->flags & KAB_HTTP_VECTORS) &&
        judge_vectors(call, &answer))
        return false;
    note_success(call);
    for (size_t i = 0; i < answer.n; i++)
        kab_http_output_give(call->batch, call->request.sent[i], plan,
                             &answer.results[i]);
    return kab_http_call_send(call);
}

/* A set-up error stops the binding at the start or when it lasts. At other
 * times it may be a model being swapped or a token that expired. */
static bool
judge_refusal(KabHttpCall *call, const char *words)
{
    KabHttpHealth *health = &call->http->health;
    if (!health->refused_since_us)
        health->refused_since_us = now_us();
    bool lasts = now_us() - health->refused_since_us >= CREDENTIALS_LAST_US;
    bool is_fatal = !health->has_succeeded || lasts;
    return end_call(call, is_fatal ? KAB_FAIL_FATAL : KAB_FAIL_OVERLOAD, -1,
                    "%s", words);
}

/* True: every record of a whole batch was refused singly with the same text. */
static bool
is_refusing_all(KabHttpCall *call, const char *words)
{
    KabHttpHealth *health = &call->http->health;
    size_t n = kab_batch_count(call->batch);
    if (n > 1) {
        health->refused_set_size = MAX(health->refused_set_size, n);
        return false;
    }
    uint64_t text = g_str_hash(words);
    if (health->refused_text != text)
        health->n_refused_alone = 0;
    health->refused_text = text;
    health->n_refused_alone++;
    return health->refused_set_size > 1 &&
           health->n_refused_alone >= health->refused_set_size;
}

static bool
judge_permanent(KabHttpCall *call, const char *words)
{
    if (is_refusing_all(call, words))
        return end_call(call, KAB_FAIL_FATAL, -1,
                        "every record of a batch was refused alone with the "
                        "same words: %s",
                        words);
    return refuse_sent(call, words);
}

/* If a set gets the same answer twice, the fault lies in its records. */
static bool
judge_transient(KabHttpCall *call, const char *words)
{
    KabHttpFailure *failure = recall_failure(call);
    uint64_t answer = g_str_hash(words) + 1;
    bool is_repeated = failure->answer == answer;
    failure->answer = answer;
    note_trouble(call);
    return end_call(call,
                    is_repeated && kab_batch_count(call->batch) > 1
                        ? KAB_FAIL_PERMANENT
                        : KAB_FAIL_TRANSIENT,
                    -1, "%s", words);
}

static bool
resend_with_token(KabHttpCall *call)
{
    call->is_renewed = true;
    kab_http_read_token(call->http, true);
    kab_http_call_resend(call, false);
    return true;
}

static int64_t
read_pause_ms(const KabHttpCall *call)
{
    return kab_http_retry_after_ms(call->retry_after->str,
                                   call->retry_after_ms->str, time(NULL));
}

static bool
judge_status(KabHttpCall *call, long status)
{
    KabSpan body = {call->received->str, call->received->len}, message, code;
    if (kab_http_status_meaning(status) == KAB_HTTP_SUCCESS)
        return judge_answer(call);
    kab_http_error_read(body, &message, &code);
    g_autofree char *said =
        kab_http_plan_censor(call->http->plan, message.at, message.len);
    g_autofree char *words = g_strdup_printf("status %ld: %s", status, said);
    bool is_quota = code.at && kab_http_is_quota_code(code.at, code.len);
    switch (kab_http_status_meaning(status)) {
    case KAB_HTTP_SUCCESS:
        return judge_answer(call);
    case KAB_HTTP_OVERLOADED:
        if (is_quota)
            return end_call(call, KAB_FAIL_FATAL, -1, "%s", words);
        if (status != 429)
            note_trouble(call);
        return end_call(call, KAB_FAIL_OVERLOAD, read_pause_ms(call), "%s",
                        words);
    case KAB_HTTP_TRANSIENT:
        return judge_transient(call, words);
    case KAB_HTTP_TOO_LARGE:
        return end_call(call, KAB_FAIL_TOO_LARGE, -1, "%s", words);
    case KAB_HTTP_PERMANENT:
        return judge_permanent(call, words);
    case KAB_HTTP_CREDENTIALS:
        if (status == 401 && !call->is_renewed && call->http->plan->token_file)
            return resend_with_token(call);
        return judge_refusal(call, words);
    case KAB_HTTP_REDIRECTED:
        return end_call(call, KAB_FAIL_FATAL, -1,
                        "status %ld, a redirect; wanted the URL it leads to as "
                        "function.url",
                        status);
    case KAB_HTTP_UNPAID:
        return end_call(call, KAB_FAIL_FATAL, -1, "%s", words);
    }
    return false;
}

/* The server closed an idle connection between two requests, as it may. The
 * request was not processed, and nothing is known about its records. */
static bool
is_keep_alive_race(const KabHttpCall *call)
{
    long n_connects = 0, status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return n_connects == 0 && status == 0 && !call->is_renewed;
}

/* The connection broke during the request. If that happens to the same records
 * again while others succeed, these records crash the server. */
static bool
judge_reset(KabHttpCall *call, const char *words)
{
    KabHttpFailure *failure = recall_failure(call);
    uint64_t n_successes = call->http->health.n_successes;
    bool others_succeed = n_successes != failure->n_successes_then;
    if (failure->n_resets == 0 || others_succeed)
        failure->n_resets++;
    failure->n_successes_then = n_successes;
    note_trouble(call);
    return end_call(call,
                    failure->n_resets >= RESETS_AT_LEAST ? KAB_FAIL_CRASH
                                                         : KAB_FAIL_OVERLOAD,
                    -1, "%s", words);
}

static bool
judge_transport(KabHttpCall *call, CURLcode code)
{
    g_autofree char *words = kab_http_plan_censor(
        call->http->plan,
        call->error[0] ? call->error : curl_easy_strerror(code),
        strlen(call->error[0] ? call->error : curl_easy_strerror(code)));
    switch ((int)code) {
    case CURLE_WRITE_ERROR:
        if (call->is_too_large)
            return end_call(
                call, KAB_FAIL_TOO_LARGE, -1,
                "the answer is larger than response.max.bytes (%zu)",
                call->http->plan->max_response_bytes);
        break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        if (is_keep_alive_race(call)) {
            call->is_renewed = true;
            kab_http_call_resend(call, true);
            return true;
        }
        return judge_reset(call, words);
    case CURLE_PARTIAL_FILE:
        return judge_reset(call, words);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
        note_trouble(call);
        return end_call(call, KAB_FAIL_OVERLOAD, -1, "%s", words);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return judge_refusal(call, words);
    default:
        break;
    }
    return end_call(call, KAB_FAIL_TRANSIENT, -1, "%s", words);
}

bool
kab_http_judge(KabHttpCall *call, CURLcode code)
{
    long status = 0;
    if (code != CURLE_OK)
        return judge_transport(call, code);
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return judge_status(call, status);
}
