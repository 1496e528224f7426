/* SPDX-License-Identifier: Apache-2.0 */
/* The structure of a binding. Only binding*.c include this.
 *
 *   bridge's thread: new, open, start ........ stop ........ free
 *   loop's thread:        make -> turn, turn, turn -> unmake
 *   any thread:           stop, reload, snapshot: through flags and the mailbox
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "binding.h"
#include "executor.h"
#include "loop.h"

/* Lines of the edges that differ in nothing but numbers share a limit. */
enum { KAB_N_LOG_LIMITS = 32 };

typedef struct {
    pthread_mutex_t mutex;
    unsigned hashes[KAB_N_LOG_LIMITS];
    KabLogLimit limits[KAB_N_LOG_LIMITS];
} KabLineLimits;

/* Made by kab_binding_new(); see above for who touches what. `mutex` guards
 * the fields named under it. */
struct KabBinding {
    const KabBindingSettings *settings;
    const KabFunction *function;
    void (*on_ended)(void *user);
    void *user;

    KabContext *context;
    void *instance;
    bool is_open;
    KabEngineOptions options; /* with the function's ceilings */

    /* of the loop */
    KabLoop *loop;
    GThread *thread;
    KabEdge edge, source_edge;
    KabEngine *engine;
    KabSource *source;
    KabProducer *producer;
    KabExecutor *executor;
    char **topics;  /* that outputs may name; its strings are settings' */
    char **outputs; /* those, and the dead letters' */
    KabState state;
    bool wants_more;       /* records may be left although none were wanted */
    int64_t drain_end_us;  /* since the stop: shutdown.timeout */
    int64_t leave_end_us;  /* of group and producer */
    int64_t return_end_us; /* of calls that the function still is in */
    char *last_error;      /* of a call, or why it stops */
    char *source_error;    /* the consumer's last warning; NULL: none */
    int64_t last_error_us, source_error_us;
    bool has_leaked;
    GError *error;
    size_t n_left;

    atomic_bool is_stop_asked, is_loss_asked, has_ended;
    atomic_int_fast64_t turned_us;
    KabLineLimits lines;

    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool takes_requests;          /* its loop will answer */
    KabBindingSnapshot *snapshot; /* the last one */
};

extern const KabEffects kab_binding_effects;
extern const KabExecutorEvents kab_binding_executor_events;

/* binding-edges.c */
void kab_binding_log(void *user,
                     KabLogLevel level,
                     KabPlace place,
                     const char *message);
/* The source's: its warnings say why it has no place in its group. */
void kab_binding_log_of_source(void *user,
                               KabLogLevel level,
                               KabPlace place,
                               const char *message);

/* binding-reload.c */
/* The file's values within the function's own ceilings. */
KabEngineOptions kab_binding_limit_options(const KabBinding *binding,
                                           const KabBindingSettings *settings);

/* binding-snapshot.c */
KabBindingSnapshot *kab_binding_make_snapshot(KabBinding *binding, int64_t now);
/* No request is answered by the loop any more; `last` is what is left. */
void kab_binding_end_requests(KabBinding *binding, KabBindingSnapshot *last);
