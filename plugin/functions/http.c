/* SPDX-License-Identifier: Apache-2.0 */
/* The function "http": sends batches to a model server or any HTTP endpoint.
 *
 * process() hands the batch to the instance's I/O thread (http-io.c), which
 * renders the request (http-request.c), cuts the answer into one result per
 * record (http-answer.c) and decides what a failure means (http-verdict.c).
 */
#include "http-io.h"

static void
http_process(void *instance, KabBatch *batch)
{
    kab_http_take(instance, batch);
}

static void
http_cancel(void *instance, KabBatch *batch)
{
    kab_http_cancel(instance, batch);
}

static bool
http_open(KabContext *context, void **ret_instance)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return kab_context_fail(context, "libcurl cannot be initialised");
    KabHttpPlan *plan = kab_http_plan_new(context);
    if (!plan)
        return false;
    KabHttp *http = g_new0(KabHttp, 1);
    http->context = context;
    http->plan = plan;
    http->max_calls = kab_context_get_max_in_flight(context);
    if (plan->is_each)
        kab_context_set_max_batch(context, 1);
    else if (plan->preset->max_batch > 0)
        kab_context_set_max_batch(context, plan->preset->max_batch);
    if (!kab_http_start(http)) {
        kab_http_plan_free(plan);
        g_free(http);
        return false;
    }
    *ret_instance = http;
    return true;
}

static void
http_close(void *instance)
{
    KabHttp *http = instance;
    kab_http_stop(http);
    kab_http_plan_free(http->plan);
    g_free(http);
}

KAB_FUNCTION_DEFINE(.name = "http",
                    .summary =
                        "asks a model server, or any HTTP endpoint, in batches",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .options = kab_http_options,
                    .n_options = KAB_HTTP_N_OPTIONS,
                    .open = http_open,
                    .process = http_process,
                    .cancel = http_cancel,
                    .close = http_close);
