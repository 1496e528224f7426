/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's options: from a binding's settings, at its start and while it
 * runs. New ones travel to the binding's loop as mail.
 */
#include "binding-internal.h"

/* What the base64 of a commit's metadata holds below 4096 bytes. */
#define METADATA_CAP 3000

KabEngineOptions
kab_binding_limit_options(const KabBinding *binding,
                          const KabBindingSettings *settings)
{
    KabEngineOptions options = settings->engine;
    size_t batch = kab_context_max_batch(binding->context);
    unsigned calls = kab_context_limit_in_flight(binding->context);
    if (batch)
        options.batch_count = MIN(options.batch_count, batch);
    if (calls)
        options.max_in_flight = MIN(options.max_in_flight, calls);
    options.threads = MIN(options.threads, options.max_in_flight);
    options.metadata_cap = METADATA_CAP;
    options.seed = (uint64_t)(uintptr_t)binding ^
                   (uint64_t)g_get_real_time() * UINT64_C(0x9e3779b97f4a7c15);
    return options;
}

typedef struct {
    KabMail mail;
    KabEngineOptions options;
} Reload;

static void
deliver_reload(KabMail *mail, void *user)
{
    g_autofree Reload *reload = (Reload *)mail;
    KabBinding *binding = user;
    reload->options.seed = binding->options.seed;
    binding->options = reload->options;
    kab_engine_set_options(binding->engine, &binding->options);
    kab_executor_set_threads(binding->executor, binding->options.threads);
}

void
kab_binding_reload(KabBinding *binding, const KabBindingSettings *settings)
{
    Reload *reload = g_new0(Reload, 1);
    reload->mail.deliver = deliver_reload;
    reload->options = kab_binding_limit_options(binding, settings);
    pthread_mutex_lock(&binding->mutex);
    if (binding->takes_requests)
        kab_mailbox_post(kab_loop_mailbox(binding->loop), &reload->mail);
    else
        g_free(reload);
    pthread_mutex_unlock(&binding->mutex);
}
