/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O thread of an instance, which runs all transfers.
 *
 * The loop's thread only puts batches into the inbox; everything else here
 * belongs to the I/O thread unless stated otherwise.
 */
#pragma once

#include <pthread.h>

#include <curl/curl.h>

#include "http-answer.h"
#include "http-poll.h"
#include "http-request.h"

typedef struct KabHttp KabHttp;

/* One call of the function: one batch, one request at a time. Taken from the
 * pool when the batch arrives, returned when the batch is answered. The I/O
 * thread owns the batch from process() to its answer.
 */
typedef struct {
    KabHttp *http;
    KabBatch *batch;
    uint64_t set; /* identifies the batch's records among repeated failures */
    size_t *left, *later; /* indexes of records not asked yet; scratch */
    size_t n_left, capacity;
    bool is_singly;  /* from now on, one record per request */
    bool is_renewed; /* was resent with a fresh connection or credential */
    KabHttpRequest request;
    KabHttpResult *results;

    CURL *easy;
    struct curl_slist *headers;
    GString *url;
    char error[CURL_ERROR_SIZE];

    char *data; /* the answer in the batch's memory; NULL: it is in
                 * `received` */
    size_t data_len, data_size;
    GString *received;
    bool is_too_large;
    size_t head_len;
    GString *content_type, *retry_after, *retry_after_ms;
} KabHttpCall;

/* What is known about the state of the server. */
typedef struct {
    bool has_succeeded;
    int64_t refused_since_us; /* credentials or set-up refused; 0: not
                               * refused */
    uint64_t n_successes;
    unsigned n_misaligned;  /* misaligned answers, until records are sent
                             * singly */
    unsigned n_bad_batches; /* consecutive batches in which all vectors were
                             * bad */
    size_t vector_length;   /* 0: unknown */
    size_t refused_set_size, n_refused_alone;
    uint64_t refused_text; /* hash of the error text of records refused
                            * singly */
    GHashTable *failures;  /* set -> KabHttpFailure, bounded */
} KabHttpHealth;

/* Earlier failures of a set of records. */
typedef struct {
    unsigned n_resets;
    uint64_t n_successes_then; /* successes of all calls, at the set's last
                                * reset */
    uint64_t answer;           /* hash of the last 5xx; 0: none */
} KabHttpFailure;

/* Queries about the server itself, sent one after another. */
typedef enum {
    KAB_HTTP_ASK_READY,
    KAB_HTTP_ASK_ABOUT,
    KAB_HTTP_ASK_CONFIG,
    KAB_HTTP_ASK_END,
} KabHttpQuestion;

struct KabHttp {
    KabContext *context;
    KabHttpPlan *plan;
    unsigned max_calls;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards the inbox and the booleans below it */
    pthread_cond_t changed;
    GQueue arrived, cancelled; /* of KabBatch * */
    bool is_closing, is_asked; /* is_asked: the first queries are answered */
    bool is_woken;             /* since the inbox was empty */

    CURLM *multi;
    KabHttpPoll poll;
    GPtrArray *calls; /* KabHttpCall: calls in flight */
    GPtrArray *pool;
    GPtrArray *waiting; /* calls that wait until the server reports ready */
    KabHttpHealth health;
    KabHttpModel model;

    bool must_ask; /* query the server before the next call */
    bool is_asking;
    int64_t ask_again_us; /* 0: it was ready when it was asked last */
    KabHttpQuestion question;
    CURL *asker;
    struct curl_slist *asker_headers;
    GString *told;
    int64_t token_time_ns; /* mtime of the token file when it was read */
};

/* Thread: the loop's, or that of open() and close(). */
bool kab_http_start(KabHttp *http);
void kab_http_stop(KabHttp *http);
void kab_http_take(KabHttp *http, KabBatch *batch);
void kab_http_cancel(KabHttp *http, KabBatch *batch);

/* http-call.c: transfers. */
KabHttpCall *kab_http_call_new(KabHttp *http);
void kab_http_call_free(KabHttpCall *call);
/* Records the identity of the batch's records; answers tombstones. */
void kab_http_call_begin(KabHttpCall *call, KabBatch *batch);
/* Sends the next request of the call. False: nothing is left to send, and the
 * batch is completed. */
bool kab_http_call_send(KabHttpCall *call);
/* Sends the same request again. */
void kab_http_call_resend(KabHttpCall *call, bool has_fresh_connection);
/* Sets the options that every transfer of the instance has. */
void kab_http_set_transport(const KabHttp *http, CURL *easy);
/* Returns a new list of the headers that every request has. */
struct curl_slist *kab_http_make_headers(KabHttp *http);
/* Reads the credential's file if it has changed or `is_forced`. */
void kab_http_read_token(KabHttp *http, bool is_forced);

/* http-verdict.c: interprets a finished transfer. True: the call continues with
 * another request. False: the batch is answered. */
bool kab_http_judge(KabHttpCall *call, CURLcode code);

/* http-learn.c: queries about the server. */
bool kab_http_has_questions(const KabHttp *http);
void kab_http_ask(KabHttp *http);
/* Handles the answer to a query. True: there are no more queries; the server is
 * ready if *ret_problem, to be freed, is NULL. */
bool kab_http_learn(KabHttp *http, CURLcode code, char **ret_problem);
