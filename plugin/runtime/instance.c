/* SPDX-License-Identifier: Apache-2.0 */
#include "instance.h"

KabInstance *
kab_instance_open(const KabBindingSettings *settings,
                  const KabFunction *function,
                  GError **error)
{
    const GArray *texts = settings->function_texts;
    KabInstance *instance = g_new0(KabInstance, 1);
    instance->function = function;
    instance->context = kab_context_new(
        settings->name, function, (const KabOptionText *)texts->data,
        texts->len, settings->engine.max_in_flight);
    if (!function->open || function->open(instance->context, &instance->handle))
        return instance;
    const char *why = kab_context_failure(instance->context);
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                "%sfound %s, which does not open: %s", settings->function_place,
                function->name, why ? why : "it gave no reason");
    kab_context_free(instance->context);
    g_free(instance);
    return NULL;
}

void
kab_instance_close(KabInstance *instance)
{
    if (!instance)
        return;
    if (instance->function->close)
        instance->function->close(instance->handle);
    kab_context_free(instance->context);
    g_free(instance);
}

void
kab_instance_limit(const KabInstance *instance, KabEngineOptions *options)
{
    KabContext *context = instance->context;
    KabCeilings ceilings = kab_context_ceilings(context);
    unsigned told = kab_context_get_max_in_flight(context);
    options->max_in_flight = MIN(options->max_in_flight, told);
    if (ceilings.records)
        options->batch_count = MIN(options->batch_count, ceilings.records);
    if (ceilings.bytes)
        options->batch_bytes = MIN(options->batch_bytes, ceilings.bytes);
    if (ceilings.calls)
        options->max_in_flight = MIN(options->max_in_flight, ceilings.calls);
    options->threads = MIN(options->threads, options->max_in_flight);
}
