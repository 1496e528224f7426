/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's own structures. Only plugin/core/ includes this.
 *
 * Who points at whom:
 *
 *   KabPartition --list--> KabSlot  its unfinished records, by offset
 *   KabLane ------queue--> KabSlot  waiting; then those outstanding
 *   KabGroup -----queue--> KabSlot  not yet passed, in input order
 *   KabSet ---------array-> KabSlot called together, with one retry state
 *   KabCall --------array-> KabSlot one call of a set: what the function sees
 *   KabSink -------queues-> KabSlot to be emitted; emitted, unacknowledged
 *
 * A slot is on exactly one of lane/set, and of emit queue/emitted list; it
 * is freed when nothing refers to it: its partition's list, an open call, an
 * unreported output.
 */
#pragma once

#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "engine.h"
#include "intervals.h"
#include "timers.h"

/* Charged for a record beyond its bytes (contract: buffer.bytes). */
#define KAB_RECORD_OVERHEAD 512
#define KAB_N_LANES 4096
#define KAB_SLOT_CHUNK 512
#define KAB_SECOND INT64_C(1000000)

typedef struct KabSet KabSet;
typedef struct KabCall KabCall;
typedef struct KabLane KabLane;
typedef struct KabGroup KabGroup;
typedef struct KabCut KabCut;

/* One queue through a pair of links inside KabSlot. */
typedef struct {
    KabSlot *head, *tail;
    size_t n;
} KabSlots;

typedef struct {
    KabSlot *previous, *next;
} KabSlotLinks;

/* Why a slot that is resolved is not (only) its outputs. */
typedef enum {
    KAB_FATE_OUTPUT,    /* its products, perhaps none */
    KAB_FATE_LETTER,    /* one product: the dead letter */
    KAB_FATE_DISCARDED, /* failed; on.failure = drop */
    KAB_FATE_HELD,      /* failed; the binding stops: never finished */
} KabFate;

struct KabSlot {
    KabSlotLinks in_partition; /* or, `next`, of the free list */
    KabSlotLinks in_lane;
    KabSlotLinks in_group;
    KabSlotLinks in_emission;
    KabPartition *partition; /* NULL: dropped, nothing of it is wanted */
    KabLane *lane;           /* NULL: parked, or resolved */
    KabGroup *group;         /* NULL: none, or passed */
    KabSlots *emission;      /* the queue it is on; NULL: none */
    KabSet *set;
    KabCall *call;   /* the one whose answer is wanted */
    KabCall *memory; /* where its products live */
    KabRecord record;
    void *message; /* NULL: released */
    KabProduct *products, *next_product;
    char *failure; /* message of the failure; owned */
    int64_t taken_us, resolved_us;
    size_t bytes;  /* key and value */
    size_t charge; /* against the budget */
    uint32_t references, calls, unreported, unacknowledged;
    uint32_t finished_after; /* records between it and the next unfinished */
    int64_t finished_from, finished_to; /* from the first to the last of them */
    uint8_t state, fate, stage, class_;
    bool is_refused;  /* an output was: dealt with when all are reported */
    bool is_detached; /* copied out of its fetch response */
    bool is_early;    /* first of the queue, from what is held */
};

/* What may be dispatched. A lane that can be busy has at most one set of
 * records outstanding (between dispatch and resolution).
 */
struct KabLane {
    KabSlots waiting, outstanding;
    size_t waiting_bytes;
    KabLane *previous, *next; /* in the buffer's queue of ready lanes */
    bool can_be_busy, is_ready;
};

/* What may be emitted: slots of the group leave in input order. Holds those
 * that have not passed yet. */
struct KabGroup {
    KabSlots slots;
};

struct KabPartition {
    char *topic;
    int32_t number;
    void *edge;
    uint64_t generation;
    KabPartitionState state;
    KabSlots slots;            /* unfinished */
    KabLane lane;              /* order = partition */
    KabGroup group;            /* order = ordered, partition */
    int64_t position;          /* next offset; -1: nothing was seen */
    int64_t committed;         /* -1: none */
    uint64_t committed_digest; /* of its intervals */
    int64_t start;             /* to be pinned; -1: not known yet */
    GArray *loaded;            /* KabInterval: finished by an earlier owner */
    int64_t reset_from;        /* where it stood when reset; -1: it was not */
    guint loaded_next;         /* those before it are behind the position */
    KabSlot *first_open;       /* hint: all slots before it are emitted */
    size_t finished_beyond;
    size_t charge, n_waiting, n_called, n_emitting;
    size_t in_transaction;    /* charge of what is emitted into it */
    size_t runs, runs_budget; /* see emission.c: exactly-once's cap */
    int64_t progress_us, since_us;
    KabTimer revoke_timer;
    bool is_added, is_pinned, is_reset, from_beginning;
    bool is_dirty;      /* something to commit */
    bool is_capped;     /* a slot of it is held for the metadata's sake */
    unsigned refusals;  /* of its drain's commit by the group */
    bool is_committing; /* part of the commit or transaction under way */
    bool is_overdue;    /* its drain's deadline has passed */
    bool is_closed;     /* the valve */
    bool is_at_end;     /* all there is was taken */
    bool is_checked;    /* unknown transaction: its load is awaited */
    bool load_wanted, add_wanted;
};

/* A batch: records called together, with one retry state. Made by the
 * buffer's formation or by halving; freed when none of its records is
 * called any more.
 */
struct KabSet {
    KabSlot **slots; /* wanted and unresolved, contiguous by lane */
    size_t n, capacity;
    size_t bytes;
    unsigned calls;  /* that count towards retry.max.attempts */
    unsigned number; /* of all calls */
    unsigned step;   /* of the back-off */
    unsigned overloads;
    uint64_t successes_seen; /* when it failed the last time */
    bool is_alone;           /* one record, with calls of its own */
    bool is_first;           /* never called before: a new batch */
    KabTrigger trigger;
    KabClass last_class;
    char *reason;  /* of the last failure; owned */
    KabCall *call; /* NULL: waits */
    KabCut *cut;   /* too large: its other half; NULL */
    KabTimer timer;
    KabSet *previous, *next; /* queue of due sets, or waiting list */
    bool is_due;
};

/* Two halves of a set that was too large: both succeed, and it was a
 * ceiling. */
struct KabCut {
    unsigned references, successes;
    size_t records; /* of the larger half */
};

/* One call of the function. `attempt` is what the edges see of it. */
struct KabCall {
    KabAttempt attempt;
    KabCall *previous, *next; /* of the open ones, or the free list */
    KabSet *set;
    KabSlot **slots;
    KabRecord *records;
    void **messages;
    KabResult *results;
    size_t capacity;
    size_t wanted;       /* slots whose answer is */
    unsigned references; /* open, and slots whose products live here */
    int64_t entered_us;  /* 0: not yet */
    uint64_t successes;  /* of the engine when it was dispatched */
    KabTimer timer;
    bool is_open, is_unwanted; /* timed out or cancelled */
    bool is_timed_out;
};

typedef struct {
    int64_t paused_until; /* 0: not paused */
    unsigned step;        /* of the pause's back-off */
    bool is_probing;      /* one call at a time until one succeeds */
    uint64_t paused_at;   /* serial of the last call before the pause */
    unsigned tries_out;   /* calls since then that are in flight */
    double tokens;
    int64_t refilled_us;
    KabTimer pause_timer, rate_timer;
} KabLimiter;

typedef struct {
    KabSinkState state;
    uint32_t epoch;    /* one life of a producer, or one transaction */
    uint32_t life;     /* the epoch its producer was made in */
    KabSlots queue;    /* to be emitted, in order */
    KabSlots held;     /* exactly-once: until others finish; see emission.c */
    KabSlots emitted;  /* unacknowledged, in emission order */
    size_t unreported; /* outputs given and not reported */
    bool is_full, is_asked; /* is_asked: the state's effect was made */
    bool is_flushed;        /* all that was given to it */
    bool must_abort, settle_now;
    bool is_waited_for; /* a partition may hold no more for what is in it */
    bool is_given_up;   /* the binding stops because of it */
    bool has_ended, has_aborted; /* awaiting the last reports */
    bool is_unknown;  /* the last transaction's end; checked after opening */
    size_t unchecked; /* partitions whose load is awaited */
    size_t charge;    /* of what is emitted into the transaction */
    size_t charge_limit, partition_limit;
    int64_t ended_us, fenced_us;
    bool was_fenced;
    unsigned losses; /* and refused transactions, in a row */
    KabTimer timer, transaction_timer, flush_timer;
} KabSink;

typedef struct {
    KabCommitItem *items;
    size_t n;
    GArray *intervals; /* KabInterval, shared by the items */
    bool is_outstanding;
    int64_t asked_us, not_before_us;
} KabCommit;

struct KabEngine {
    KabEngineOptions options;
    KabEffects effects;
    void *user;
    KabCounters counters;
    int64_t now;
    uint64_t random;
    KabTimers timers;

    GPtrArray *partitions; /* KabPartition, owned */
    GPtrArray *resets;     /* the same: gone, to be assigned anew */
    uint64_t generations;
    size_t n_owned;

    KabSlot *free_slots;
    GPtrArray *slot_chunks;
    size_t charge, n_slots, n_waiting, n_called;
    size_t n_unpinned;     /* wait for the commit of their start offset */
    size_t largest_charge; /* of late; decays */

    /* buffer */
    KabLane unordered;
    KabLane *lanes; /* KAB_N_LANES; order = key */
    KabGroup *groups;
    KabLane *ready_first, *ready_last;
    size_t ready_records, ready_bytes;
    KabTimer period_timer;
    bool period_is_over;
    size_t ceiling; /* records; 0: none learned */

    /* calls */
    KabCall *open_first, *free_calls;
    KabSet *due_first, *due_last, *free_sets;
    size_t n_sets_waiting;
    uint64_t serials, successes;
    unsigned in_flight, abandoned;
    KabLimiter limiter;

    KabSink sink;
    KabCommit commit;      /* of the consumer */
    KabCommit transaction; /* offsets of the transaction */
    KabTimer commit_timer;
    bool has_dirty;  /* something to commit, perhaps */
    bool has_starts; /* a start offset to pin, perhaps */
    bool is_joining;
    size_t metadata_cap;

    bool is_draining, is_flushing, is_overdue, is_stopping;
    int64_t overdue_us;
    bool stop_told;
    KabStopReason stop_reason;
    char *stop_message;
    uint64_t moves; /* changes of state: a turn ends when there is none */
    bool valves_changed, partitions_changed;
    KabTimer drain_timer, park_timer;
};

/* slot.c */
KabSlot *kab_slot_new(KabEngine *engine);
void kab_slot_unref(KabEngine *engine, KabSlot *slot);
/* Takes its products away from it; the memory they live in goes with the
 * last of them. */
void kab_slot_clear_products(KabEngine *engine, KabSlot *slot);
void kab_slot_detach(KabEngine *engine, KabSlot *slot);
#define KAB_LINKS(member) offsetof(KabSlot, member)
#define KAB_LINKS_OF(slot, links)                                              \
    ((KabSlotLinks *)(void *)((char *)(slot) + (links)))

/* partition.c */
int64_t kab_partition_frontier(const KabPartition *partition);
void kab_partition_finish(KabEngine *engine, KabSlot *slot, KabEnd end);
/* The end of the slot and of what is finished behind it. */
int64_t kab_slot_finished_to(const KabSlot *slot);
void kab_partition_mark_dirty(KabEngine *engine, KabPartition *partition);
/* Of the budget and of what may wait, at most, one may hold this part: a
 * quarter, more when there are fewer. */
double kab_partition_share(const KabEngine *engine);
void kab_partition_progress(KabEngine *engine, KabPartition *partition);
/* Takes a waiting or unwanted slot out of lane and set: it stays unfinished
 * in its partition and its group, and is not called. */
void kab_partition_park(KabEngine *engine, KabSlot *slot);
/* Draining, and not because it is to be added anew. */
bool kab_partition_is_leaving(const KabPartition *partition);
/* Loads, adds, valves, drained ones: the effects. */
void kab_partitions_advance(KabEngine *engine);
void kab_partition_set_state(KabEngine *engine,
                             KabPartition *partition,
                             KabPartitionState state);
void kab_partition_free(KabPartition *partition);
void kab_partition_drop_slots(KabEngine *engine, KabPartition *partition);
/* Nothing of it is called or on its way. */
bool kab_partition_is_quiet(const KabPartition *partition);
void kab_partition_checked(KabEngine *engine,
                           KabPartition *partition,
                           const KabCommitted *committed);
void kab_partition_pin(KabEngine *engine, KabPartition *partition);

/* lane.c */
void kab_lanes_init(KabEngine *engine);
void kab_lanes_clear(KabEngine *engine);
KabLane *kab_lane_of(KabEngine *engine,
                     KabPartition *partition,
                     const KabRecord *record,
                     KabGroup **ret_group);
void kab_lane_append(KabEngine *engine, KabLane *lane, KabSlot *slot);
/* From waiting to outstanding. */
void kab_lane_dispatch(KabEngine *engine, KabSlot *slot);
/* Resolved or parked: no longer of the lane. */
void kab_lane_leave(KabEngine *engine, KabSlot *slot);
void kab_lane_rotate(KabEngine *engine, KabLane *lane);

/* buffer.c */
/* Should a batch leave now, and why? */
bool kab_buffer_is_triggered(KabEngine *engine, KabTrigger *ret_trigger);
KabSet *kab_buffer_form(KabEngine *engine, KabTrigger trigger);
void kab_buffer_arm_period(KabEngine *engine);
/* What is ready changed other than by a formation: look again. */
void kab_buffer_forget_period(KabEngine *engine);
size_t kab_buffer_limit(const KabEngine *engine);
bool kab_buffer_is_full(const KabEngine *engine);

/* set.c */
KabSet *kab_set_new(KabEngine *engine, size_t capacity);
void kab_set_free(KabEngine *engine, KabSet *set);
void kab_set_add(KabSet *set, KabSlot *slot);
void kab_set_remove(KabEngine *engine, KabSet *set, KabSlot *slot);
void kab_set_wait(KabEngine *engine, KabSet *set, int64_t delay_us);
void kab_set_set_due(KabEngine *engine, KabSet *set);
KabSet *kab_set_take_due(KabEngine *engine);
/* Records of partitions that drain are not called again. False: that was
 * all of the set, and it is freed. */
bool kab_set_park_leaving(KabEngine *engine, KabSet *set);
bool kab_set_is_blocked(const KabSet *set);
/* Cuts it in two; both parts wait delay_us. Frees the set. */
void kab_set_halve(KabEngine *engine,
                   KabSet *set,
                   int64_t delay_us,
                   bool is_counted,
                   bool learns);
void kab_cut_unref(KabCut *cut);

/* retry.c */
void kab_retry_failed(KabEngine *engine,
                      KabSet *set,
                      KabFailure failure,
                      KabClass class_,
                      int64_t retry_after_us,
                      const char *reason);
void kab_retry_remainder(KabEngine *engine,
                         KabSet *set,
                         int64_t delay_us,
                         const char *reason);
void kab_retry_fail_slot(KabEngine *engine,
                         KabSlot *slot,
                         KabStage stage,
                         KabClass class_,
                         const char *reason);

/* limiter.c */
bool kab_limiter_allows(KabEngine *engine);
void kab_limiter_take(KabEngine *engine);
void kab_limiter_give_back(KabEngine *engine, uint64_t serial);
void kab_limiter_pause(KabEngine *engine, int64_t retry_after_us);
void kab_limiter_succeeded(KabEngine *engine);
bool kab_limiter_is_paused(const KabEngine *engine);
int64_t kab_engine_backoff(KabEngine *engine, unsigned step);

/* call.c */
void kab_calls_advance(KabEngine *engine);
void kab_call_unref(KabEngine *engine, KabCall *call);
void kab_call_timed_out(KabEngine *engine, KabCall *call);
/* The slot's answer is not wanted any more. */
void kab_call_forget(KabEngine *engine, KabSlot *slot);
/* The slot's answer is here, or not wanted: it is none of the call's. */
void kab_call_leave(KabSlot *slot);
/* It was answered, or is wanted no more. */
void kab_call_leave_flight(KabEngine *engine, const KabCall *call);
/* Out of the open ones; gives back what it refers to. */
void kab_call_end(KabEngine *engine, KabCall *call);
void kab_calls_clear(KabEngine *engine);

/* emission.c */
/* The outcome of a slot is final. */
void kab_slot_resolve(KabEngine *engine, KabSlot *slot);
/* Out of its group without waiting: dropped. */
void kab_group_leave(KabSlot *slot);
void kab_emission_push(KabEngine *engine, KabSlot *slot);
void kab_emission_leave(KabEngine *engine, KabSlot *slot);
void kab_emission_advance(KabEngine *engine);
/* Nothing that is unreported ever is reported. */
void kab_emission_forget(KabEngine *engine);
/* Emitted and unfinished slots go back, in front of the queue. */
void kab_emission_requeue(KabEngine *engine, bool all_outputs);
/* The transaction is committed: all that was emitted is finished. */
void kab_emission_commit(KabEngine *engine);
bool kab_engine_is_exactly_once(const KabEngine *engine);

/* cap.c */
/* Must it stay resolved, so that the commit's metadata can say it all? */
bool kab_cap_holds(KabEngine *engine, KabSlot *slot);
/* The first slot that is not emitted; NULL: all are. */
KabSlot *kab_cap_first_open(KabPartition *partition);

/* unknown.c */
/* Loads the committed state of its partitions; false: it has none. */
bool kab_unknown_ask(KabEngine *engine);
/* All are loaded. */
void kab_unknown_decide(KabEngine *engine);

/* sink.c */
void kab_sink_set_state(KabEngine *engine, KabSinkState state);
void kab_sink_lose(KabEngine *engine, bool is_fenced, const char *reason);
/* The open transaction must not be committed. */
void kab_sink_taint(KabEngine *engine);
void kab_sink_advance(KabEngine *engine);
/* What lingers is sent, if its reports are waited for. After all that could
 * be emitted was. */
void kab_sink_flush(KabEngine *engine);
bool kab_sink_can_emit(const KabEngine *engine);
/* Of what is emitted into one transaction, at most. */
size_t kab_sink_charge_limit(const KabEngine *engine);
/* Exactly-once: the slot was emitted, into the open transaction. */
void kab_sink_count(KabEngine *engine, const KabSlot *slot);
/* The partition was closed, or more of it was emitted. */
void kab_sink_check_partition(KabEngine *engine, const KabPartition *partition);
/* The binding stops: no more is written, and no new one made. */
void
kab_sink_give_up(KabEngine *engine, KabStopReason reason, const char *message);
void kab_commit_apply_failed(KabEngine *engine);

/* commit.c */
void kab_commit_advance(KabEngine *engine);
void kab_commit_clear(KabCommit *commit);
void
kab_commit_compose(KabEngine *engine, KabCommit *commit, bool in_transaction);
void kab_commit_forget(KabEngine *engine, KabPartition *partition);
uint64_t kab_intervals_digest(const KabInterval *intervals, size_t n);
/* Is there something that a commit (not of a start) would tell? */
bool kab_commit_is_wanted(const KabEngine *engine);
/* Nothing is left but to commit: no interval is waited for. */
bool kab_commit_is_urgent(const KabEngine *engine);
/* What the items say is committed now, or is not. */
void kab_commit_apply(KabEngine *engine, KabCommit *commit);

/* engine.c */
void
kab_engine_stop(KabEngine *engine, KabStopReason reason, const char *message);

/* What is done several times a record, so that it is compiled where it is
 * used: on the lists of slots, and of a slot's state and charge. */

static inline void
kab_slots_append(KabSlots *slots, KabSlot *slot, size_t links)
{
    KabSlotLinks *own = KAB_LINKS_OF(slot, links);
    own->previous = slots->tail;
    own->next = NULL;
    if (slots->tail)
        KAB_LINKS_OF(slots->tail, links)->next = slot;
    else
        slots->head = slot;
    slots->tail = slot;
    slots->n++;
}

static inline void
kab_slots_remove(KabSlots *slots, KabSlot *slot, size_t links)
{
    KabSlotLinks *own = KAB_LINKS_OF(slot, links);
    if (own->previous)
        KAB_LINKS_OF(own->previous, links)->next = own->next;
    else
        slots->head = own->next;
    if (own->next)
        KAB_LINKS_OF(own->next, links)->previous = own->previous;
    else
        slots->tail = own->previous;
    own->previous = own->next = NULL;
    slots->n--;
}

static inline void
kab_slot_add_charge(KabEngine *engine, KabSlot *slot, size_t charge)
{
    slot->charge += charge;
    engine->charge += charge;
    if (slot->partition) {
        slot->partition->charge += charge;
        engine->valves_changed = true;
    }
}

/* Counts of the engine by state are kept here and nowhere else. */
static inline void
kab_slot_set_state(KabEngine *engine, KabSlot *slot, KabSlotState state)
{
    engine->moves++;
    engine->n_waiting -= slot->state == KAB_SLOT_WAITING;
    engine->n_called -= slot->state == KAB_SLOT_CALLED;
    if (slot->state == KAB_SLOT_EMITTED && slot->partition)
        slot->partition->first_open = NULL;
    if (slot->state == KAB_SLOT_WAITING && slot->partition) {
        slot->partition->n_waiting--;
        engine->valves_changed |= slot->partition->is_closed;
    }
    slot->state = (uint8_t)state;
    engine->n_waiting += state == KAB_SLOT_WAITING;
    engine->n_called += state == KAB_SLOT_CALLED;
}
