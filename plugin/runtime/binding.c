/* SPDX-License-Identifier: Apache-2.0 */
/* A binding from its first thread to its last: opened, started, stopped, ended.
 *
 *   new -> opening -> open -> turning -> closing -> ended
 *             |                             |
 *             +----- does not return -------+---> left
 *
 * open() and close() of a function may load a model or wait for workers, so
 * only the binding's own thread runs them, without the mutex. Nobody waits for
 * an open() unless the binding is to stop, or for a close() beyond
 * shutdown.timeout: the bridge then leaves the thread behind.
 */
#include "binding-internal.h"

/* --- Made -------------------------------------------------------------- */

KabBinding *
kab_binding_new(const KabBindingSettings *settings,
                void (*on_changed)(void *user),
                void *user)
{
    KabBinding *binding = g_new0(KabBinding, 1);
    binding->settings = settings;
    binding->wanted = settings->engine;
    binding->patience_end_us = INT64_MAX;
    binding->tap = kab_tap_new();
    binding->unwanted = g_ptr_array_new();
    binding->on_changed = on_changed;
    binding->user = user;
    pthread_mutex_init(&binding->mutex, NULL);
    pthread_mutex_init(&binding->lines.mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&binding->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return binding;
}

/* --- The thread -------------------------------------------------------- */

/* The mutex is held. drain_end_us: of shutdown.timeout; 0: it begins now. */
static void
limit_patience(KabBinding *binding, int64_t drain_end_us)
{
    if (!drain_end_us)
        drain_end_us =
            g_get_monotonic_time() + binding->wanted.shutdown_timeout_us;
    binding->patience_end_us =
        MIN(binding->patience_end_us, drain_end_us + KAB_LEAVE_US);
}

/* Takes the error. False: the bridge has given up on this thread, which must
 * touch nothing any more. */
static bool
enter_phase(KabBinding *binding, KabPhase phase, GError *error)
{
    pthread_mutex_lock(&binding->mutex);
    bool is_awaited = binding->phase != KAB_PHASE_LEFT;
    if (is_awaited) {
        binding->phase = phase;
        if (phase == KAB_PHASE_TURNING)
            binding->was_started = true;
        if (phase == KAB_PHASE_CLOSING)
            limit_patience(binding, binding->drain_end_us);
        if (error)
            binding->error = g_steal_pointer(&error);
    }
    if (is_awaited && phase == KAB_PHASE_ENDED) {
        kab_binding_set_state(binding, KAB_STATE_STOPPED);
        kab_binding_settle_snapshot(binding);
    }
    pthread_mutex_unlock(&binding->mutex);
    g_clear_error(&error);
    if (is_awaited)
        binding->on_changed(binding->user);
    return is_awaited;
}

static KabInstance *
open_function(KabBinding *binding, GError **error)
{
    if (binding->function)
        return kab_instance_open(binding->settings, binding->function, error);
    g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                "%sfound nothing; wanted the name of a function, or one given "
                "by the program",
                binding->settings->function_place);
    return NULL;
}

/* True: started; false: to be stopped before it was. */
static bool
await_start(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    while (!binding->is_start_asked && !atomic_load(&binding->is_stop_asked))
        pthread_cond_wait(&binding->changed, &binding->mutex);
    pthread_mutex_unlock(&binding->mutex);
    return !atomic_load(&binding->is_stop_asked);
}

static gpointer
run_thread(gpointer data)
{
    KabBinding *binding = data;
    GError *error = NULL;
    KabInstance *instance = open_function(binding, &error);
    if (!instance) {
        enter_phase(binding, KAB_PHASE_ENDED, error);
        return NULL;
    }
    if (!enter_phase(binding, KAB_PHASE_OPEN, NULL)) {
        kab_instance_close(instance);
        return NULL;
    }
    binding->instance = instance;
    if (await_start(binding)) {
        enter_phase(binding, KAB_PHASE_TURNING, NULL);
        kab_binding_live(binding);
    }
    if (!binding->has_leaked) {
        enter_phase(binding, KAB_PHASE_CLOSING, NULL);
        kab_instance_close(g_steal_pointer(&binding->instance));
    }
    enter_phase(binding, KAB_PHASE_ENDED, NULL);
    return NULL;
}

/* --- From outside ------------------------------------------------------ */

void
kab_binding_open(KabBinding *binding, const KabFunction *function)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name =
        g_strdup_printf("kab:%.11s", binding->settings->name);
    pthread_mutex_lock(&binding->mutex); /* readers may ask already */
    binding->function = function;
    binding->phase = KAB_PHASE_OPENING;
    pthread_mutex_unlock(&binding->mutex);
    binding->thread = g_thread_try_new(name, run_thread, binding, &error);
    if (!binding->thread)
        enter_phase(binding, KAB_PHASE_ENDED,
                    g_error_new(KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                                "binding %s: %s: raise the limit of threads "
                                "(ulimit -u, or pids.max of the control group)",
                                binding->settings->name, error->message));
}

void
kab_binding_start(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    binding->is_start_asked = true;
    pthread_cond_broadcast(&binding->changed);
    pthread_mutex_unlock(&binding->mutex);
}

/* Its own loop ends a binding that turns. */
void
kab_binding_stop(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    atomic_store(&binding->is_stop_asked, true);
    if (binding->phase < KAB_PHASE_TURNING)
        limit_patience(binding, 0);
    if (binding->loop)
        kab_mailbox_kick(kab_loop_mailbox(binding->loop));
    pthread_cond_broadcast(&binding->changed);
    pthread_mutex_unlock(&binding->mutex);
}

/* The mutex is held. */
static bool
is_in_function(const KabBinding *binding)
{
    return binding->phase == KAB_PHASE_OPENING ||
           binding->phase == KAB_PHASE_CLOSING;
}

int64_t
kab_binding_patience_end_us(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    int64_t end_us =
        is_in_function(binding) ? binding->patience_end_us : INT64_MAX;
    pthread_mutex_unlock(&binding->mutex);
    return end_us;
}

/* The mutex is held. An earlier error stays the one that is reported. */
static void
note_left(KabBinding *binding)
{
    bool is_opening = binding->phase == KAB_PHASE_OPENING;
    g_autofree char *message = g_strdup_printf(
        "binding %s: function %s did not return from %s() within "
        "shutdown.timeout: left without it",
        binding->settings->name, binding->function->name,
        is_opening ? "open" : "close");
    if (binding->error)
        kab_log(KAB_LOG_WARNING, binding->settings->name, "%s", message);
    else
        g_set_error(&binding->error, KAB_ERROR, KAB_ERROR_UNFINISHED, "%s; %s",
                    message,
                    is_opening ? "no record was taken"
                               : "what was called is finished and committed");
}

void
kab_binding_give_up(KabBinding *binding, int64_t now)
{
    pthread_mutex_lock(&binding->mutex);
    if (is_in_function(binding) && now >= binding->patience_end_us) {
        note_left(binding);
        binding->has_leaked = true;
        binding->phase = KAB_PHASE_LEFT;
        kab_binding_set_state(binding, KAB_STATE_STOPPED);
        kab_binding_settle_snapshot(binding);
    }
    pthread_mutex_unlock(&binding->mutex);
}

static KabPhase
phase_of(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    KabPhase phase = binding->phase;
    pthread_mutex_unlock(&binding->mutex);
    return phase;
}

bool
kab_binding_is_opening(KabBinding *binding)
{
    return phase_of(binding) < KAB_PHASE_OPEN;
}

bool
kab_binding_was_started(KabBinding *binding)
{
    pthread_mutex_lock(&binding->mutex);
    bool was_started = binding->was_started;
    pthread_mutex_unlock(&binding->mutex);
    return was_started;
}

bool
kab_binding_has_stopped(KabBinding *binding)
{
    return phase_of(binding) >= KAB_PHASE_CLOSING;
}

bool
kab_binding_has_ended(KabBinding *binding)
{
    return phase_of(binding) >= KAB_PHASE_ENDED;
}

const GError *
kab_binding_error(const KabBinding *binding)
{
    return binding->error;
}

bool
kab_binding_has_leaked(const KabBinding *binding)
{
    return binding->has_leaked;
}

size_t
kab_binding_n_left(const KabBinding *binding)
{
    return binding->n_left;
}

int64_t
kab_binding_turned_us(const KabBinding *binding)
{
    return atomic_load(&binding->turned_us);
}

KabTap *
kab_binding_tap(KabBinding *binding)
{
    return binding->tap;
}

void
kab_binding_free(KabBinding *binding)
{
    if (!binding || binding->has_leaked)
        return;
    if (binding->thread)
        g_thread_join(binding->thread);
    kab_loop_free(binding->loop);
    kab_binding_snapshot_free(binding->snapshot);
    kab_tap_free(binding->tap);
    pthread_cond_destroy(&binding->changed);
    pthread_mutex_destroy(&binding->mutex);
    pthread_mutex_destroy(&binding->lines.mutex);
    g_clear_error(&binding->error);
    g_ptr_array_unref(binding->unwanted);
    g_free(binding->last_error);
    g_free(binding->source_error);
    g_free(binding->skip);
    g_free(binding->topics);
    g_free(binding->outputs);
    g_free(binding);
}
