/* SPDX-License-Identifier: Apache-2.0 */
/* Makes and frees what a binding turns: engine, executor, trace and clients. */
#include "binding-internal.h"

#define MISSING_TOPIC_US (60 * G_USEC_PER_SEC)
/* Twice librdkafka's request.timeout.ms: a slow request is repeated first. */
#define REPORT_US (60 * G_USEC_PER_SEC)

static void
list_topics(KabBinding *binding)
{
    const KabBindingSettings *settings = binding->settings;
    g_autoptr(GPtrArray) topics = g_ptr_array_new();
    if (settings->output_topic)
        g_ptr_array_add(topics, settings->output_topic);
    for (char **topic = settings->output_topics; topic && *topic; topic++)
        g_ptr_array_add(topics, *topic);
    g_autoptr(GPtrArray) outputs = g_ptr_array_copy(topics, NULL, NULL);
    if (settings->dead_letter_topic)
        g_ptr_array_add(outputs, settings->dead_letter_topic);
    g_ptr_array_add(topics, NULL);
    g_ptr_array_add(outputs, NULL);
    binding->topics = (char **)g_ptr_array_steal(topics, NULL);
    binding->outputs = (char **)g_ptr_array_steal(outputs, NULL);
}

static bool
make_source(KabBinding *binding, GError **error)
{
    const KabBindingSettings *settings = binding->settings;
    KabSourceSetup setup = {
        .edge = &binding->source_edge,
        .engine = binding->engine,
        .group = settings->group,
        .topics = (const char *const *)settings->input_topics,
        .outputs = (const char *const *)binding->outputs,
        .properties = (void *)settings->consumer->data,
        .n_properties = settings->consumer->len,
        .passes_headers = settings->passes_headers,
        .missing_topic_us = MISSING_TOPIC_US,
    };
    binding->source = kab_source_new(&setup, error);
    return binding->source != NULL;
}

static bool
make_producer(KabBinding *binding, GError **error)
{
    const KabBindingSettings *settings = binding->settings;
    KabProducerSetup setup = {
        .edge = &binding->edge,
        .engine = binding->engine,
        .get_headers = kab_message_get_headers,
        .move_headers = kab_message_move_headers,
        .dup_group = kab_source_dup_group,
        .brokers_answer = kab_source_brokers_answer,
        .group_user = binding->source,
        .delivery = settings->engine.delivery,
        .group = settings->group,
        .output_topic = settings->output_topic,
        .output_topics = (const char *const *)settings->output_topics,
        .dead_letter_topic = settings->dead_letter_topic,
        .input_topics = (const char *const *)settings->input_topics,
        .partition_is_same = settings->partition_is_same,
        .timestamp_is_now = settings->timestamp_is_now,
        .passes_headers = settings->passes_headers,
        .transactional_id = settings->transactional_id,
        .properties = (void *)settings->producer->data,
        .n_properties = settings->producer->len,
        .missing_topic_us = MISSING_TOPIC_US,
        .report_us = REPORT_US,
    };
    binding->producer = kab_producer_new(&setup, error);
    return binding->producer != NULL;
}

static void
make_executor(KabBinding *binding)
{
    KabExecutorSetup setup = {
        .binding = binding->settings->name,
        .function = binding->function,
        .instance = binding->instance->handle,
        .has_output_topic = binding->settings->output_topic != NULL,
        .topics = (const char *const *)binding->topics,
        .get_headers = kab_message_get_headers,
        .threads = binding->options.threads,
        .mailbox = kab_loop_mailbox(binding->loop),
        .events = &kab_binding_executor_events,
        .user = binding,
    };
    binding->executor = kab_executor_new(&setup);
}

static void
make_trace(KabBinding *binding)
{
    const KabBindingSettings *settings = binding->settings;
    const KabTraceSetup setup = {
        .endpoint = settings->trace_endpoint,
        .binding = settings->name,
        .group = settings->group,
        .function = binding->function->name,
        .instance = settings->instance,
        .get_headers = kab_message_get_headers,
    };
    if (setup.endpoint)
        binding->trace = kab_trace_new(&setup);
}

bool
kab_binding_make(KabBinding *binding, GError **error)
{
    binding->edge = (KabEdge){
        .user = binding,
        .binding = binding->settings->name,
        .log = kab_binding_log,
        .wake_fd = kab_mailbox_fd(kab_loop_mailbox(binding->loop)),
    };
    binding->source_edge = binding->edge;
    binding->source_edge.log = kab_binding_log_of_source;
    binding->source_edge.note_fault = kab_binding_note_fault;
    list_topics(binding);
    binding->engine = kab_engine_new(&binding->options);
    make_executor(binding);
    make_trace(binding);
    if (!make_source(binding, error) || !make_producer(binding, error))
        return false;
    kab_binding_connect(binding);
    return true;
}

void
kab_binding_unmake(KabBinding *binding)
{
    kab_trace_free(g_steal_pointer(&binding->trace));
    kab_engine_free(g_steal_pointer(&binding->engine));
    kab_producer_free(g_steal_pointer(&binding->producer));
    kab_source_free(g_steal_pointer(&binding->source));
    kab_executor_free(g_steal_pointer(&binding->executor));
    g_clear_pointer(&binding->topics, g_free);
    g_clear_pointer(&binding->outputs, g_free);
}
