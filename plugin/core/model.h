/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's internal structures, and the inline helpers that all of its
 * modules use. Only plugin/core/ includes this.
 *
 * Who points at whom:
 *
 *   KabPartition --list--> KabSlot  its unfinished records, by offset
 *   KabLane ------queue--> KabSlot  waiting; then those outstanding
 *   KabGroup -----queue--> KabSlot  not yet passed, in input order
 *   KabSet ---------array-> KabSlot called together, with one retry state
 *   KabCall --------array-> KabSlot one call of a set: what the function sees
 *   KabSink --------list--> KabSlot emitted, unacknowledged; to be emitted
 *
 * A slot is on exactly one of lane/set and the sink's lists; it is freed when
 * nothing refers to it: its partition's list, an open call, an unreported
 * output.
 */
#pragma once

#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "adaptive.h"
#include "engine.h"
#include "intervals.h"
#include "timers.h"
#include "transaction-size.h"

/* Charged for a record in addition to its bytes (contract: buffer.bytes). */
#define KAB_RECORD_OVERHEAD 512
#define KAB_N_LANES 4096
#define KAB_SLOT_CHUNK 512
#define KAB_CACHE_LINE 64
#define KAB_SECOND INT64_C(1000000)

typedef struct KabSet KabSet;
typedef struct KabCall KabCall;
typedef struct KabRoom KabRoom;
typedef struct KabLane KabLane;
typedef struct KabGroup KabGroup;
typedef struct KabCut KabCut;

/* Where a slot with an outcome is on its way through the sink. */
typedef enum {
    KAB_EMISSION_NONE,
    KAB_EMISSION_HELD,    /* KabSink.held */
    KAB_EMISSION_QUEUED,  /* KabSink.outgoing, from `next` on */
    KAB_EMISSION_EMITTED, /* KabSink.outgoing, before `next` */
} KabEmission;

/* A list of slots, linked through one of KabSlot's pairs of links. */
typedef struct {
    KabSlot *head, *tail;
    size_t n;
} KabSlots;

typedef struct {
    KabSlot *previous, *next;
} KabSlotLinks;

/* What its reports, its end and the search for the frontier read comes first:
 * tens of thousands of slots are out of the processor's caches by then, and
 * each line of 64 bytes that is fetched back costs as much as a hundred
 * instructions. From `partition` up to `record`, a slot begins as zero. */
struct KabSlot {
    _Alignas(KAB_CACHE_LINE)
        KabSlotLinks in_partition; /* `next` also links the free list */
    KabSlotLinks in_queue;         /* of its lane; later of the sink */
    KabPartition *partition;       /* NULL: dropped */
    KabProduct *products, *next_product;
    KabCall *memory; /* that owns the products' memory */

    void *message; /* NULL: released */
    char *failure; /* message of the failure; owned */
    char *refusal; /* why the sink refused an output, while other reports are
                      awaited; owned; NULL: it did not */
    int64_t taken_us;
    size_t charge;       /* against the budget */
    uint32_t references; /* its partition's list, each call that keeps it */
    uint32_t calls;
    uint32_t unreported, unacknowledged; /* outputs */
    KabSlotState state : 8;
    KabFate fate : 8;
    KabStage stage : 8;
    KabClass class_ : 8;
    KabEmission emission : 8;
    bool is_detached; /* copied out of its fetch response */
    bool is_early;    /* moved from the held list to the queue's head */

    uint64_t finished_after; /* finished records before the next slot */
    int64_t finished_from, finished_to; /* offset range of those records */
    size_t bytes;                       /* key and value */
    KabGroup *group;                    /* NULL: none, or passed */
    KabLane *lane;                      /* NULL: parked, or resolved */
    KabSet *set;
    KabCall *call; /* whose answer is wanted; NULL: none */

    KabRecord record;

    KabSlotLinks in_group;
};

/* A queue of records for dispatch. A lane that can be busy has at most one
 * set of records outstanding (between dispatch and resolution); of another
 * lane nobody asks which those are, and it does not list them.
 */
struct KabLane {
    KabSlots waiting, outstanding;
    size_t waiting_bytes;
    KabLane *previous, *next; /* in the buffer's queue of ready lanes */
    bool can_be_busy, is_ready;
};

/* An order group: its slots are emitted in input order. Holds the slots that
 * have not passed yet. */
struct KabGroup {
    KabSlots slots;
};

/* What the engine looks at again where it may have changed: a list of the
 * partitions concerned for each, so that a turn visits these and not all. */
typedef enum {
    KAB_CHANGED_VALVE,   /* what it holds, or what it may hold */
    KAB_CHANGED_OFFSETS, /* it is dirty: something is to be committed */
    KAB_N_CHANGES,
} KabChange;

typedef struct {
    KabPartition *previous, *next;
    bool is_listed;
} KabPartitionLinks;

typedef struct {
    KabPartition *head, *tail;
} KabPartitions;

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
    int64_t start;             /* offset to commit first; -1: not known yet */
    GArray *loaded;            /* KabInterval: finished by an earlier owner */
    int64_t reset_from;        /* position when it was reset; -1: it was not */
    guint loaded_next;         /* intervals before it are below position */
    KabSlot *first_open;       /* hint: all slots before it are emitted */
    size_t finished_beyond;
    int64_t done_to; /* from here on nothing is finished, or emitted into a
                        transaction */
    size_t charge, n_waiting, n_called, n_emitting;
    KabPartitionLinks changed[KAB_N_CHANGES];
    size_t in_transaction; /* charge of the slots emitted into it */
    uint32_t transaction;  /* the epoch of the one it was emitted into last */
    size_t runs;           /* of finished offsets: metadata-cap.c */
    int64_t progress_us;
    KabTimer revoke_timer;
    bool is_pinned;        /* its start offset is committed */
    bool from_beginning;   /* added at the beginning, whatever is committed */
    int64_t dirty_us;      /* since when it is dirty; 0: it is not */
    int64_t committing_us; /* dirty_us of the commit under way */
    bool is_capped;        /* a slot is held: the commit metadata is full */
    unsigned refusals;     /* times the group refused its drain's commit */
    bool is_committing;    /* part of the commit or transaction under way */
    bool is_closed;        /* the valve */
    bool is_at_end;        /* all records up to the log's end were taken */
    bool is_checked;       /* load awaited for an unknown transaction */
};

/* A batch: records called together, with one retry state. Created by
 * kab_buffer_form() or by halving; freed when no record is left in it.
 */
struct KabSet {
    KabSlot **slots; /* wanted and unresolved, contiguous by lane */
    size_t n, capacity;
    size_t bytes;
    unsigned calls;          /* that count towards retry.max.attempts */
    unsigned crashes;        /* of a worker with these records */
    unsigned number;         /* of calls made, counted or not */
    unsigned step;           /* of the back-off */
    unsigned uncounted;      /* failures that are no call: overloads, illness */
    uint64_t successes_seen; /* engine's successes at its last failure */
    uint64_t family;         /* the same for a set and its parts */
    bool is_half;            /* one call, then it is halved again */
    bool is_first;           /* never called before: a new batch */
    KabTrigger trigger;
    KabClass last_class;
    char *reason;  /* of the last failure; owned */
    KabCall *call; /* NULL: waits */
    KabCut *cut;   /* shared with its other half; NULL */
    KabTimer timer;
    KabSet *previous, *next; /* queue of due sets; `next` also free list */
    bool is_due;
};

/* Shared by the two halves of a too-large set: if both succeed, their size
 * becomes the learned ceiling. */
struct KabCut {
    unsigned references, successes;
    size_t records; /* of the larger half */
};

/* What a call needs until it is answered. Its outputs may live a thousand times
 * as long: the next call has the room meanwhile, while the processor still has
 * it in its caches. */
struct KabRoom {
    KabRoom *next; /* of the free ones */
    size_t capacity;
    KabSlot **slots;
    KabRecord *records;
    void **messages;
    KabResult *results;
};

/* One call of the function. The edges see only `attempt`. */
struct KabCall {
    KabAttempt attempt;
    KabCall *previous, *next; /* of the open ones, or the free list */
    KabSet *set;
    KabRoom *room;        /* NULL: the call has ended */
    size_t wanted;        /* slots whose answer is wanted */
    unsigned references;  /* one while open, one a slot with products here */
    int64_t entered_us;   /* 0: not yet */
    size_t charge;        /* of the budget, for its memory while it is open */
    uint64_t successes;   /* of the engine at dispatch */
    KabAdaptiveCall seen; /* by the adaptive controller */
    KabTimer timer;
    bool is_open, is_unwanted; /* timed out or cancelled */
    bool is_timed_out;
};

typedef struct {
    int64_t paused_until;   /* 0: not paused */
    unsigned step;          /* of the pause's back-off */
    bool is_probing;        /* one call at a time until one succeeds */
    uint64_t paused_at;     /* serial of the last call before the pause */
    unsigned tries_out;     /* calls in flight that were made since then */
    uint64_t failed_family; /* failed since the last success; 0: none */
    bool is_ill;            /* two families failed in a row */
    double tokens;
    int64_t refilled_us;
    KabTimer pause_timer, rate_timer;
} KabLimiter;

typedef struct {
    KabSinkState state;
    uint32_t epoch;    /* new for each producer and transaction */
    uint32_t life;     /* epoch in which the producer was made */
    KabSlots outgoing; /* in order: emitted and unacknowledged, to be emitted */
    KabSlot *next;     /* the first of the latter; NULL: none */
    size_t n_queued;   /* from there on */
    KabSlots held;     /* exactly-once: see metadata-cap.c */
    size_t unreported; /* outputs produced and not reported */
    bool is_full;      /* until kab_engine_sink_has_room() */
    bool is_flushed;   /* nothing was produced since the flush */
    bool must_abort;   /* the open transaction must not be committed */
    bool has_shrunk;   /* this transaction has made the next one smaller */
    bool is_waited_for; /* a closed partition needs the transaction's end */
    bool is_given_up;   /* the binding stops: no new producer */
    bool is_unknown;    /* a commit was requested and never answered */
    size_t unchecked;   /* partitions whose load is awaited for that */
    size_t charge;      /* of the slots emitted into the transaction */
    KabTransactionSize size;
    size_t partition_limit; /* of a closed partition's part of it */
    int64_t ended_us;
    int64_t fenced_us; /* last fencing; long ago: never */
    unsigned losses;   /* losses and refused transactions, in a row */
    KabTimer timer, transaction_timer, flush_timer;
} KabSink;

typedef struct {
    KabCommitItem *items;
    size_t n;
    GArray *intervals;   /* KabInterval, shared by the items */
    bool is_outstanding; /* of the consumer: not answered yet */
    int64_t asked_us, not_before_us;
    int64_t held_until_us; /* by kab_engine_hold_commits() */
} KabCommit;

struct KabEngine {
    KabEngineOptions options;
    KabLimits ceilings;   /* of the function */
    KabAdaptive adaptive; /* all zero: batching was never adaptive */
    KabLimits limits;     /* in force now */
    KabPorts ports;
    KabCounters counters;
    int64_t now;
    uint64_t random;
    KabTimers timers;

    GPtrArray *partitions; /* KabPartition, owned */
    GPtrArray *resets;     /* owned too: reset, to be assigned anew */
    KabPartitions changed[KAB_N_CHANGES];
    uint64_t generations;
    size_t n_owned;
    size_t n_closed;  /* of those: by their valves */
    size_t n_flowing; /* of those: neither closed nor at their log's end */

    KabSlot *free_slots;
    GPtrArray *slot_chunks;
    size_t charge, n_slots, n_waiting, n_called;
    size_t n_unpinned;     /* slots waiting for the commit of a start */
    size_t largest_charge; /* recent maximum; decays */

    /* buffer */
    KabLane unordered;
    KabLane *lanes; /* KAB_N_LANES; order = key */
    KabGroup *groups;
    KabLane *ready_first, *ready_last;
    size_t ready_records, ready_bytes;
    KabTimer period_timer;
    bool period_is_over;
    size_t ceiling;                               /* records; 0: none learned */
    unsigned ceiling_successes, ceiling_patience; /* see ceiling.c */

    /* calls */
    KabCall *open_first, *free_calls;
    KabRoom *free_rooms;
    KabSet *due_first, *due_last, *free_sets;
    size_t n_sets_waiting;
    uint64_t serials, successes, families;
    unsigned in_flight, abandoned;
    bool is_alone;     /* the last call was made to be the only one */
    size_t n_attempts; /* not released */
    KabLimiter limiter;

    KabSink sink;
    KabCommit commit;      /* of the consumer */
    KabCommit transaction; /* offsets of the transaction */
    KabTimer commit_timer;
    bool has_dirty;  /* hint: something may be to commit */
    bool has_starts; /* hint: a start offset may be to commit */
    bool is_joining;
    size_t metadata_cap;

    bool is_draining, is_flushing, is_overdue, is_stopping;
    int64_t overdue_us;
    bool stop_told;
    KabStopReason stop_reason;
    char *stop_message;
    uint64_t moves;         /* state changes; a turn ends when there are none */
    size_t turns_unchecked; /* since the last check; see KAB_CHECK_SLOTS */
    bool partitions_changed;
    KabTimer drain_timer, park_timer;
};

static inline const KabSinkJoint *
kab_engine_sink(const KabEngine *engine)
{
    return &engine->ports.sinks[0];
}

static inline bool
kab_engine_is_exactly_once(const KabEngine *engine)
{
    return engine->options.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

/* Slots that are emitted and not yet finished. */
static inline size_t
kab_sink_n_emitted(const KabSink *sink)
{
    return sink->outgoing.n - sink->n_queued;
}

/* Events that follow each other may carry times taken in another order. */
static inline void
kab_engine_set_now(KabEngine *engine, int64_t now)
{
    engine->now = MAX(engine->now, now);
}

/* Revoked: its next owner calls what is not called here. */
static inline bool
kab_partition_is_leaving(const KabPartition *partition)
{
    return partition->state == KAB_PARTITION_DRAINING;
}

/* No record of the partition is in a call or in emission. */
static inline bool
kab_partition_is_quiet(const KabPartition *partition)
{
    return !partition->n_called && !partition->n_emitting;
}

static inline bool
kab_partition_is_dirty(const KabPartition *partition)
{
    return partition->changed[KAB_CHANGED_OFFSETS].is_listed;
}
