/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's options: derived from a binding's settings, at the start, after
 * a reload, and when the function changes a ceiling. */
#include "binding-internal.h"

void
kab_binding_limit_options(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    binding->options = binding->wanted;
    pthread_mutex_unlock(&binding->mutex);
    kab_instance_limit(binding->instance, &binding->options);
}

void
kab_binding_heed_limits(KabBinding *binding)
{
    if (!atomic_load_explicit(&binding->are_limits_changed,
                              memory_order_relaxed))
        return;
    atomic_store(&binding->are_limits_changed, false);
    kab_binding_limit_options(binding);
    kab_engine_set_options(binding->engine, &binding->options);
    kab_executor_set_threads(binding->executor, binding->options.threads);
}

/* The values are kept even if the loop does not turn yet. */
void
kab_binding_reload(KabBinding *binding, const KabBindingSettings *settings)
{
    pthread_mutex_lock(&binding->mutex);
    binding->wanted = settings->engine;
    atomic_store(&binding->are_limits_changed, true);
    if (binding->loop)
        kab_mailbox_kick(kab_loop_mailbox(binding->loop));
    pthread_mutex_unlock(&binding->mutex);
}
