/* SPDX-License-Identifier: Apache-2.0 */
/* The structure of a binding. Only binding*.c include this.
 *
 *   bridge's thread:   new, open ... start ....................... stop ... free
 *   binding's thread:  function's open -> make, turn, unmake -> its close
 *   any thread:        snapshot, through the mailbox while the loop turns
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "binding.h"
#include "executor.h"
#include "intake.h"
#include "instance.h"
#include "loop.h"
#include "message.h"
#include "trace.h"

/* Number of rate limits for the lines of the edges. Lines that differ only in
 * numbers share one. */
enum { KAB_N_LOG_LIMITS = 32 };

typedef struct {
    pthread_mutex_t mutex;
    unsigned hashes[KAB_N_LOG_LIMITS];
    KabLogLimit limits[KAB_N_LOG_LIMITS];
} KabLineLimits;

/* State of the check that runs once a second on the loop. */
typedef struct {
    int64_t due_us;
    KabReadiness readiness;
    KabIntake *intake;
    uint64_t n_answers;  /* calls that have ended */
    int64_t answered_us; /* last change of n_answers, or last time no call was
                          * out */
    bool is_silence_told;
} KabWatch;

/* Where the binding's thread is. */
typedef enum {
    KAB_PHASE_NEW,     /* there is no thread yet */
    KAB_PHASE_OPENING, /* in the function's open() */
    KAB_PHASE_OPEN,    /* waits for the start, or for the stop */
    KAB_PHASE_TURNING, /* the loop turns */
    KAB_PHASE_CLOSING, /* the loop has ended; in the function's close() */
    KAB_PHASE_ENDED,   /* the thread has ended, or is about to */
    KAB_PHASE_LEFT, /* open() or close() did not return in time: when it does,
                     * the thread touches nothing and ends */
} KabPhase;

/* Made by kab_binding_new(). The diagram above says which thread touches what.
 * `mutex` guards the fields named under it. */
struct KabBinding {
    const KabBindingSettings *settings;
    const KabFunction *function; /* set when it is opened */
    void (*on_changed)(void *user);
    void *user;
    GThread *thread;

    /* used by the binding's thread */
    KabInstance *instance;    /* NULL: not open */
    KabEngineOptions options; /* `wanted`, lowered to the function's ceilings */
    KabLoop *loop;            /* others: with the mutex held */
    KabEdge edge, source_edge;
    KabEngine *engine;
    KabSource *source;
    KabProducer *producer;
    KabExecutor *executor;
    KabWatch watch;
    KabTrace *trace; /* NULL: no trace.endpoint */
    char **topics;   /* that outputs may name; strings borrowed from settings */
    char **outputs;  /* `topics` and the dead-letter topic */
    KabState state;
    int64_t drain_end_us;  /* end of shutdown.timeout, once stopping */
    int64_t leave_end_us;  /* deadline for leaving the group and closing the
                            * producer */
    int64_t return_end_us; /* deadline for calls that are still inside the
                            * function */
    GPtrArray *unwanted;   /* attempts that were cancelled and not yet answered;
                            * borrowed from the engine */
    bool is_overloaded;    /* the call that failed last said so */
    char *last_error;      /* of a call, or why the binding stops */
    char *source_error;    /* the consumer's last warning; NULL: none */
    char *skip; /* the command that passes the record that stops the binding;
                 * NULL: none does */
    int64_t last_error_us, source_error_us;
    bool has_leaked;
    bool is_to_renew;   /* ends to begin again with new clients */
    int64_t renewed_us; /* when it did so last; 0: never */
    GError *error;
    size_t n_left;

    atomic_bool is_stop_asked;
    atomic_bool are_limits_changed; /* `wanted`, or a ceiling of the function */
    atomic_int_fast64_t turned_us;
    KabLineLimits lines;

    KabTap *tap;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a request is answered, or the phase is over */
    KabPhase phase;
    bool is_start_asked, was_started;
    int64_t patience_end_us;      /* see kab_binding_patience_end_us() */
    KabEngineOptions wanted;      /* as in the file */
    bool takes_requests;          /* the loop still answers requests */
    KabBindingSnapshot *snapshot; /* the most recent one */
};

extern const KabExecutorEvents kab_binding_executor_events;

/* binding-edges.c */
/* Connects the binding's engine to its ports. */
void kab_binding_connect(KabBinding *binding);
void kab_binding_log(void *user,
                     KabLogLevel level,
                     KabPlace place,
                     const char *message);
void kab_binding_note_fault(void *user, const char *reason);
/* Log handler of the source. Its warnings tell why the binding has no place in
 * its group. */
void kab_binding_log_of_source(void *user,
                               KabLogLevel level,
                               KabPlace place,
                               const char *message);

/* binding-make.c */
/* Makes executor, source and producer; kab_binding_unmake() also frees what
 * was made before an error. */
bool kab_binding_make(KabBinding *binding, GError **error);
void kab_binding_unmake(KabBinding *binding);

/* binding-turn.c */
/* Time beyond shutdown.timeout for leaving the group, closing the producer and
 * closing the function. The group takes milliseconds. If the broker does not
 * answer, it takes 5 s (the limit of LeaveGroup) or never ends. Supervisors
 * that kill the process expect it to exit soon after shutdown.timeout. */
#define KAB_LEAVE_US (G_USEC_PER_SEC * 3 / 4)
/* Logs the change. */
void kab_binding_set_state(KabBinding *binding, KabState state);
/* Makes the clients, turns the loop until they are left, frees them; with new
 * clients again where the group had given the place of the old ones away. */
void kab_binding_live(KabBinding *binding);

/* binding-reload.c */
/* Takes the file's values, lowered to the function's ceilings. */
void kab_binding_limit_options(KabBinding *binding);
/* Applies options that a reload, or ceilings that the function has changed. */
void kab_binding_heed_limits(KabBinding *binding);

/* binding-snapshot.c */
KabBindingSnapshot *kab_binding_make_snapshot(KabBinding *binding, int64_t now);
/* Takes the snapshot, which replaces the last one. */
void kab_binding_keep_snapshot(KabBinding *binding,
                               KabBindingSnapshot *snapshot);
/* From now on the loop answers no requests; they get `last` instead. */
void kab_binding_end_requests(KabBinding *binding, KabBindingSnapshot *last);
/* The binding has stopped for good: changes the last snapshot, or makes it. The
 * mutex is held. */
void kab_binding_settle_snapshot(KabBinding *binding);

/* binding-ready.c */
void kab_binding_start_watch(KabBinding *binding, int64_t now);
/* Looks for stalls, and logs a change of readiness. */
void kab_binding_turn_watch(KabBinding *binding, int64_t now);
void kab_binding_end_watch(KabBinding *binding);
/* Fill in the snapshot's stall, and its obstacle and reason. */
void kab_binding_find_stall(const KabBinding *binding,
                            KabBindingSnapshot *snapshot,
                            int64_t now);
void kab_binding_find_obstacle(const KabBinding *binding,
                               KabBindingSnapshot *snapshot,
                               int64_t now);
