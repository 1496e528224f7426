/* SPDX-License-Identifier: Apache-2.0 */
/* A module that is right: an option of each type, and an open() that fails
 * when it is asked to. */
#include <kabridge/function.h>

static bool
fitting_open(KabContext *context, void **ret_instance)
{
    const char *failure = kab_context_get_string(context, "fail");
    kab_context_log(context, KAB_LOG_DEBUG, "opens");
    if (failure)
        return kab_context_fail(context, "told to fail: %s", failure);
    *ret_instance = NULL;
    return true;
}

static void
fitting_process(void *instance, KabBatch *batch)
{
    size_t n = kab_batch_count(batch);
    for (size_t i = 0; i < n; i++)
        kab_batch_drop(batch, i);
    kab_batch_complete(batch);
}

static const KabOption options[] = {
    {"url", KAB_OPTION_STRING, NULL, NULL, "Where to call.",
     KAB_OPTION_REQUIRED},
    {"token", KAB_OPTION_STRING, NULL, NULL, "A secret.", KAB_OPTION_SECRET},
    {"pin", KAB_OPTION_INTEGER, NULL, "1000..9999", "A secret number.",
     KAB_OPTION_SECRET},
    {"count", KAB_OPTION_INTEGER, "3", "1..1000", "How many.", 0},
    {"limit", KAB_OPTION_SIZE, "64KiB", NULL, "How large.", 0},
    {"wait", KAB_OPTION_DURATION, "250ms", "0..1m", "How long.", 0},
    {"verify", KAB_OPTION_BOOLEAN, "true", NULL, "Whether.", 0},
    {"mode", KAB_OPTION_CHOICE, "batch", "batch|each", "Which.", 0},
    {"header.*", KAB_OPTION_STRING, NULL, NULL, "Any number of them.", 0},
    {"fail", KAB_OPTION_STRING, NULL, NULL, "Why open() fails.", 0},
};

KAB_FUNCTION_DEFINE(.name = "fitting",
                    .summary = "takes every record and gives nothing",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .options = options,
                    .n_options = sizeof options / sizeof *options,
                    .open = fitting_open,
                    .process = fitting_process);
