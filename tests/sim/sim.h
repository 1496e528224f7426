/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator: the real engine under seeded schedules of faults.
 *
 *   plan      what a seed means: options of the engine, faults, sizes
 *   world     virtual time, the queue of events, the run of one schedule
 *   broker    input logs, committed offsets, output logs, transactions
 *   group     members, generations, assignments
 *   member    one process: the engine and its effects
 *   source, sink, function    the three edges of a member
 *   produce, transactions     of a sink
 *   chaos     crashes, rebalances, kicks, resets, stops, fencing
 *   check     the properties that every history must have
 *   count     what the engine must have counted
 *
 * Everything is a deterministic function of the plan, and the plan one of
 * the seed and the command line. Nothing here looks into the engine: the
 * simulator sees what any edge sees. All memory of a schedule lives in one
 * arena until the schedule ends.
 */
#pragma once

#include <inttypes.h>

#include <glib.h>

#include "engine.h"
#include "intervals.h"
#include "plan.h"

enum {
    MAX_PARTITIONS = 5,
    MAX_MEMBERS = 3,
    MAX_RECORDS = 400, /* of one partition */
    MAX_INTERVALS = 400,
    N_KEYS = 5,
    OUTPUT_PARTITIONS = 32,
};

/* What a record does to every call that it is in. */
typedef enum {
    NATURE_NORMAL,
    NATURE_FLAKY,     /* its first calls fail */
    NATURE_REJECTED,  /* rejected by the function */
    NATURE_PERMANENT, /* poison: its calls fail permanently */
    NATURE_TRANSIENT,
    NATURE_CRASH,
    NATURE_OVERLOAD,
    NATURE_UNWRITABLE, /* its output is refused */
} Nature;

typedef struct Sim Sim;
typedef struct Member Member;
typedef struct Fetcher Fetcher;
typedef struct Record Record;
typedef struct Message Message;
typedef struct Effect Effect;
typedef struct Call Call;
typedef struct Output Output;

/* One record of an input log, and what became of it. */
struct Record {
    unsigned partition, index;
    int64_t offset;
    const char *key; /* NULL: none */
    unsigned key_number;
    char *bytes;
    size_t size;
    Nature nature;
    unsigned n_outputs;
    unsigned failures_left; /* FLAKY */
    bool is_expired;        /* deleted by retention before it was read */
    bool is_skipped;        /* before the first offset of start = latest */
    bool is_covered;        /* its effect is complete, or it has none */
    bool may_fail;          /* applying on.failure to it is correct */
    unsigned calm_calls;    /* calls after the last fault */
    Effect *visible;        /* exactly-once: its visible effect */
};

/* One answer's outputs, or one dead letter. */
struct Effect {
    Record *record;
    Message *message;
    unsigned n, n_written;
    uint64_t written; /* bits by index */
    uint64_t acknowledged;
    unsigned in_transaction; /* outputs of it in the ending transaction */
    bool is_letter;          /* not the function's: a letter, or passed on */
    bool is_refused;         /* by the sink, for ever */
    KabProductKind kind;
};

/* As many crashes of the same records count as their last call. */
enum { SIM_CRASHES_TO_END = 2 };

/* A record as it was taken under one assignment. */
struct Message {
    Record *record;
    Fetcher *fetcher;
    size_t charge;
    unsigned calls;  /* with it in them */
    char *bytes;     /* of this copy of the record */
    uint64_t family; /* serial of its first call */
    /* Calls that count towards retry.max.attempts, at least and at most. */
    unsigned counted, counted_at_most;
    unsigned crashed; /* calls that ended in a crash */
    unsigned single;  /* calls with it alone */
    /* The last call with others, if it failed as a whole, and the calls that
     * have failed since then, which were of this record alone. */
    Call *cut_from;
    unsigned own;
    int64_t taken_at, ready_at;
    Call *call;     /* whose answer is wanted; NULL: none */
    Effect *effect; /* of the accepted answer; letters replace it */
    Effect *first;  /* the first one written (or made visible) */
    bool is_resolved, is_released, is_finished;
    bool is_suspect; /* it crashed the function alone; called alone again */
    bool may_fail;
    bool is_passed;                /* the function passed it on */
    bool is_told;                  /* its failure was reported to the owner */
    bool was_failed_whole;         /* in a call that failed as a whole */
    bool is_refused;               /* by the sink, for ever */
    bool is_ended, may_have_ended; /* see count.c */
    KabEnd end;
    KabClass letter_class;
    uint32_t said_in, ends_with; /* epochs of transactions */
};

/* One call of the function. */
struct Call {
    Member *member;
    KabAttempt *attempt;
    uint64_t serial;
    size_t n;
    Message **messages;
    int64_t entered_at;
    size_t memory; /* charged for the call while it is open */
    bool is_entered, is_cancelled, is_answered, is_released, is_timed_out;
};

/* A product, with what the simulated function and sink keep about it. */
typedef struct {
    KabProduct base;
    Effect *effect;
    unsigned index;
    Call *call;
} Product;

typedef enum {
    OUTPUT_ON_ITS_WAY,
    OUTPUT_ACKNOWLEDGED,
    OUTPUT_REFUSED, /* can never be written */
    OUTPUT_LOST,    /* lost with its sink, written or not */
    OUTPUT_FATAL,
} OutputFate;

/* One produced output on its way. */
struct Output {
    Output *next; /* of the sink's unreported ones */
    KabProduct *product;
    Effect *effect;
    unsigned index;
    unsigned partition;
    Member *member;
    uint32_t epoch;
    unsigned producer_epoch;
    OutputFate fate;
    KabBytes key, value; /* as they were given */
    bool is_delivered, is_written, is_reported;
    bool is_silent; /* its report never comes */
    bool lingers;   /* until it is flushed */
};

/* What a group has committed for a partition, or is about to commit. */
typedef struct {
    bool has_offset;
    int64_t offset;
    size_t n;
    const KabInterval *intervals;
} Committed;

typedef struct {
    Record *records[MAX_RECORDS];
    unsigned n;
    int64_t start, end; /* of the log */
    Committed committed;
    unsigned verified; /* records before this index are covered */
} Log;

/* The broker's state of one transactional id; a member's number is its id. */
typedef struct {
    unsigned epoch;
    bool is_open;
    uint64_t serial; /* of the transaction */
    Output *outputs[MAX_PARTITIONS * MAX_RECORDS];
    size_t n;
    Committed pending[MAX_PARTITIONS];
    bool has_pending[MAX_PARTITIONS];
} Transaction;

typedef enum { GROUP_STABLE, GROUP_REVOKING, GROUP_JOINING } GroupPhase;

typedef struct {
    GroupPhase phase;
    int generation;
    bool again;
    int owner[MAX_PARTITIONS], target[MAX_PARTITIONS]; /* -1: nobody */
    bool has[MAX_MEMBERS];
    unsigned n_syncing;
    int64_t since;
} Group;

/* One assignment of a partition to a member. */
struct Fetcher {
    Member *member;
    KabPartition *handle;
    unsigned partition;
    unsigned next; /* record of the log */
    int64_t position;
    int64_t taken_to; /* end of what the engine was given; -1: nothing */
    Committed loaded;
    int64_t revoked_at; /* 0: not */
    bool is_loading, is_loaded, is_added, is_open, is_gone, is_checking;
    bool is_at_end, is_resetting, from_beginning;
    bool is_pinned, is_lost, is_told_end;
    bool is_flushed; /* ready when the member was told to drain */
    Message *messages[MAX_RECORDS];
    unsigned n_messages;
    unsigned first_waiting;     /* messages before this index were called */
    size_t n_held;              /* messages not released */
    size_t waiting_charge;      /* of those never called */
    int last_first[N_KEYS + 1]; /* per order group: last index written first */
};

typedef struct {
    uint32_t epoch;          /* of the engine */
    unsigned producer_epoch; /* of the broker */
    bool is_ready, is_replacing;
    bool is_broken; /* nothing is written any more */
    bool is_dead;   /* broken, and an abort does not repair it */
    bool is_told;   /* the engine was told */
    bool in_transaction, is_busy;
    uint32_t transaction;
    Output *first, **tail; /* unreported, in the order of production */
    size_t n_unreported;
    bool owes_room;
    int64_t free_at[OUTPUT_PARTITIONS];
} Sink;

/* Whether the function is ill: while the engine must hold so, or longer. */
typedef struct {
    uint64_t last_serial; /* of the calls made */
    uint64_t failed_family, probes_since;
    bool is_probing, is_ill;
} Health;

/* An entry of a member's fetch queue: a record, or an end of partition. */
typedef struct {
    Fetcher *fetcher;
    Record *record; /* NULL: end */
    int64_t end;
} Fetched;

enum { MAX_FETCHED = 64 };

struct Member {
    Sim *sim;
    unsigned number;
    uint32_t life; /* of the process; events of another life are void */
    KabEngine *engine;
    KabEngineOptions options;
    int generation; /* -1: not in the group */
    bool is_joining;
    Fetcher *fetchers[4 * MAX_PARTITIONS];
    unsigned n_fetchers;
    Fetched fetched[MAX_FETCHED];
    unsigned n_fetched;
    Sink sink;
    Health health;
    bool is_committing, advances, polls;
    int64_t commits_held_until;
    int64_t wakes_at;
    bool is_draining, is_told_to_stop, is_zombie, flushes, has_suspects;
    bool must_stop; /* the function or the broker reported it fatal */
    int64_t drains_since;
    size_t messages_out, attempts_out, calls_wanted, calls_open;
    size_t charge, n_effects;
    KabCounters counted; /* what its edges saw; see count.c */
    KabCounters unsure;  /* up to so many more */
    size_t n_failed;     /* items of an aborted transaction */
    KabCommitResult failed_as;
    unsigned n_fenced;
};

typedef struct {
    int64_t at;
    uint64_t order;
    void (*run)(Sim *sim, Member *member, void *data);
    Member *member; /* NULL: no member's */
    uint32_t life;
    void *data;
} Event;

struct Sim {
    Plan plan;
    uint64_t random;
    int64_t now;
    bool is_calm;                  /* no more faults */
    int64_t calm_since;            /* when the faults stopped */
    int64_t patience_us, moves_by; /* see sim_progress(); 0: not watched */
    bool is_over;
    Event *events;
    size_t n_events, events_capacity;
    uint64_t events_ever;
    Log logs[MAX_PARTITIONS];
    unsigned n_appended;
    Group group;
    Transaction transactions[MAX_MEMBERS];
    uint64_t transaction_serials;
    Member members[MAX_MEMBERS];
    bool is_failed;
    char failure[512];
    struct Trace *trace; /* NULL: off */
    char *chunk;
    size_t chunk_used;
    GPtrArray *chunks;
};

/* random.c */
uint64_t sim_random(Sim *sim);
/* 0 .. limit - 1 */
unsigned sim_below(Sim *sim, unsigned limit);
int64_t sim_between(Sim *sim, int64_t low, int64_t high);
/* Does this fault happen now? Draws the same whether it is on or off. */
bool sim_strikes(Sim *sim, Fault fault);

/* world.c */
Sim *sim_new(const Plan *plan, struct Trace *trace);
/* True: all properties held. */
bool sim_run(Sim *sim);
void sim_free(Sim *sim);
void *sim_alloc(Sim *sim, size_t size);
void sim_after(Sim *sim,
               int64_t delay_us,
               Member *member,
               void (*run)(Sim *sim, Member *member, void *data),
               void *data);
/* Notes progress: a record's effect is complete, the group's offset moved. */
void sim_progress(Sim *sim);
void sim_fail(Sim *sim, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* trace.c */
struct Trace *trace_new(void);
void trace_free(struct Trace *trace);
void trace_add(Sim *sim, const char *format, ...) G_GNUC_PRINTF(2, 3);
void trace_print(const struct Trace *trace, size_t lines);
#define TRACE(sim, ...)                                                        \
    do {                                                                       \
        if ((sim)->trace)                                                      \
            trace_add((sim), __VA_ARGS__);                                     \
    } while (0)

/* broker.c */
void broker_fill(Sim *sim);
void broker_write(Sim *sim, Output *output, unsigned member);
KabCommitResult broker_check_commit(Sim *sim, const Committed *committed);
void broker_commit(Sim *sim, unsigned partition, const Committed *committed);
unsigned broker_init_producer(Sim *sim, unsigned member);
void broker_end_transaction(Sim *sim, unsigned member, bool is_commit);
bool broker_is_unstable(const Sim *sim, unsigned partition);
void broker_expire(Sim *sim, unsigned partition, int64_t start);
Committed committed_copy(Sim *sim, const KabCommitItem *item);
bool committed_has(const Committed *committed, int64_t offset);
size_t committed_size(const Committed *committed);

/* group.c */
void group_join(Sim *sim, Member *member);
void group_leave(Sim *sim, Member *member);
void group_rebalance(Sim *sim);
void group_check(Sim *sim);
bool group_keeps(const Sim *sim, const Member *member, unsigned partition);
bool group_takes_offsets(const Sim *sim,
                         const Member *member,
                         int generation,
                         bool in_transaction);
void group_tell_lost(Sim *sim, Member *member);

/* member.c */
void member_start(Sim *sim, Member *member);
void member_kill(Sim *sim, Member *member);
void member_drain(Sim *sim, Member *member);
void member_touch(Member *member);
void member_poll(Member *member);
bool member_is_exactly_once(const Member *member);
Fetcher *member_find(Member *member, unsigned partition);

/* source.c */
Fetcher *source_assign(Member *member, unsigned partition);
void source_poll(Sim *sim, Member *member, void *data);
void source_load(void *user, KabPartition *partition);
void source_add(void *user, KabPartition *partition, int64_t offset);
void source_unassign(void *user, KabPartition *partition);
void source_valve(void *user, KabPartition *partition, bool open);
void source_commit(void *user, KabCommitItem *items, size_t n);
void source_release_message(void *user, void *message);
void *source_detach_message(void *user, void *message, KabRecord *record);

/* sink.c */
void sink_init(Sink *sink);
void sink_abandon(Sim *sim, Member *member);
void sink_flush(void *user);
void sink_replace(void *user, uint32_t epoch);
void sink_break(Sim *sim, Member *member);
void sink_fence(Sim *sim, Member *member);
bool sink_is_fenced(const Member *member);
void sink_die(Sim *sim, Member *member, bool by_fencing);
void sink_lose_undelivered(Sim *sim, Member *member, bool may_write);
void sink_send(Sim *sim, Member *member, Output *output);
void sink_report_soon(Sim *sim, Member *member, Output *output);
void sink_mark_refused(Message *message);
void sink_owe_room(Sim *sim, Member *member);

/* produce.c */
bool sink_measure(void *user,
                  const KabProduct *product,
                  const KabRecord *input,
                  void *message);
KabProduceStatus sink_produce(void *user,
                              KabProduct *product,
                              const KabRecord *input,
                              void *message,
                              const KabDeadLetter *letter);

/* transactions.c */
void sink_begin(void *user, uint32_t epoch);
void sink_end(void *user, uint32_t epoch, KabCommitItem *items, size_t n);
void sink_abort(void *user, uint32_t epoch);

/* function.c */
void function_invoke(void *user, KabAttempt *attempt);
void function_cancel(void *user, KabAttempt *attempt);
void function_release(void *user, KabAttempt *attempt);

/* health.c */
void health_note_call(Member *member, const Call *call);
/* The call's answer; NULL: it timed out. */
void health_note_end(const Call *call, const KabAnswer *answer);

/* chaos.c */
void chaos_start(Sim *sim);

/* count.c */
void count_invoke(Member *member, const KabAttempt *attempt);
void count_cancel(Call *call);
void
count_answer(const Call *call, const KabAnswer *answer, unsigned n_missing);
void count_outcome(Message *message);
void count_may_fail(Message *message);
void count_acknowledged(const Output *output);
void count_commit(Member *member, const KabCommitItem *item);
void count_commit_done(Member *member,
                       const KabCommitItem *items,
                       size_t n,
                       int64_t asked_at);
void count_begin(Member *member);
void
count_end(Member *member, uint32_t epoch, const KabCommitItem *items, size_t n);
void count_ended(Member *member,
                 KabTxnResult result,
                 const KabCommitItem *items,
                 size_t n,
                 int64_t asked_at);
void count_check(Member *member);

/* check-calls.c */
void check_invoke(Member *member, const Call *call);
void check_produce(Member *member,
                   const Message *message,
                   const Effect *effect,
                   const KabDeadLetter *letter);
void check_write(Sim *sim, const Output *output, bool is_first);
void check_bytes(const Output *output);
void check_visible(Sim *sim, const Output *output);
void check_order(Sim *sim, Effect *effect);

/* check-commits.c */
void check_commit_items(Member *member, const KabCommitItem *items, size_t n);
void check_frontier(Member *member, const KabCommitItem *item);
void check_committed(Sim *sim, unsigned partition, const Committed *committed);
void check_handed_over(Member *member, const Fetcher *fetcher);
bool check_is_settled(const Sim *sim, const Record *record);

/* check.c */
void check_fail(Sim *sim, const Record *record, const char *what);
void check_advance(Member *member);
void check_want(Member *member, size_t want);
void check_drained(Member *member);
void check_flushed(Member *member);
bool check_is_done(Sim *sim);
void check_end(Sim *sim);
