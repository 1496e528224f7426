/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine asks of its edges: one table of functions for each edge.
 *
 * An edge exports its table as a constant and is handed its own `user`. The
 * executor offers KabCallPort, the source KabSourcePort, a producer
 * KabSinkPort, the binding KabOwnerPort. An engine has an array of sinks: an
 * epoch is unique among all of them, so that an event of a sink needs no
 * index.
 *
 * Rules of the interface: engine.h.
 */
#pragma once

#include "types.h"

typedef enum {
    KAB_PRODUCE_OK,
    KAB_PRODUCE_FULL, /* no room: kab_engine_sink_has_room() will come */
    KAB_PRODUCE_REFUSED_RECORD, /* the record can never be written */
    KAB_PRODUCE_LOST,           /* the sink is lost; its event follows */
} KabProduceStatus;

/* Why the engine wants the binding to stop by itself. */
typedef enum {
    KAB_STOP_FAILURE,     /* on.failure = stop, and a record failed */
    KAB_STOP_FUNCTION,    /* KAB_FAIL_FATAL */
    KAB_STOP_DEAD_LETTER, /* the broker refused a truncated dead letter */
    KAB_STOP_FENCED,      /* twice within five minutes */
    KAB_STOP_SINK,        /* not authorised to write, or output missing */
    KAB_STOP_SOURCE,      /* not authorised to read, input missing, or a fatal
                             consumer error */
    KAB_STOP_EXPIRED,     /* the consumer ended with its session: another one
                             would do */
} KabStopReason;

/* Calls of the function. */
typedef struct {
    /* Call the function with the attempt. Answered by `entered` (omitted if
     * the function is called at once) and `answered`. The attempt stays valid
     * until release_attempt. */
    void (*invoke)(void *user, KabAttempt *attempt);
    /* None of the attempt's records is wanted any more; the attempt must
     * still be answered. */
    void (*cancel)(void *user, KabAttempt *attempt);
    /* The attempt's memory is no longer needed: it was answered, and every
     * output is reported. The engine reuses the object itself. */
    void (*release_attempt)(void *user, KabAttempt *attempt);
} KabCallPort;

/* Partitions, their records, and commits through the consumer. */
typedef struct {
    /* Load the committed state; answered by loaded. */
    void (*load)(void *user, KabPartition *partition);
    /* Consume the partition from an offset or KAB_OFFSET_*. */
    void (*add)(void *user, KabPartition *partition, int64_t offset);
    /* The engine is done with the partition: unassign it (or, for one that
     * was reset, remove it; it is assigned anew). The handle is invalid when
     * the effect returns. */
    void (*unassign)(void *user, KabPartition *partition);
    /* Close or open the flow of one partition. */
    void (*valve)(void *user, KabPartition *partition, bool open);
    /* Commit through the consumer: all commits of at-least-once, and start
     * offsets. Answered by commit_done with the same items, results filled
     * in. */
    void (*commit)(void *user, KabCommitItem *items, size_t n);
    /* A record's message is no longer needed. */
    void (*release_message)(void *user, void *message);
    /* The record is parked: copy it out of its fetch response. Updates the
     * pointers of *record; returns the new message (the old one is released
     * by the callee), or the old one if there is nothing to gain. */
    void *(*detach_message)(void *user, void *message, KabRecord *record);
} KabSourcePort;

/* One producer and its transactions. */
typedef struct {
    /* Can this output be written at all? Called for every output of a record
     * with several before the first is produced, so that no record is half
     * produced. false: the record can never be written. NULL: no check. */
    bool (*measure)(void *user,
                    const KabProduct *product,
                    const KabRecord *input,
                    void *message);
    /* Produce one output. The bytes stay valid until its report. `letter`:
     * why the record failed; NULL for an output of the function. */
    KabProduceStatus (*produce)(void *user,
                                KabProduct *product,
                                const KabRecord *input,
                                void *message,
                                const KabDeadLetter *letter);
    /* Why the last measure returned false or the last produce refused the
     * record. Borrowed until the next effect. NULL: it is too large. */
    const char *(*explain)(void *user);
    /* Send lingering messages now: their delivery reports are awaited (a
     * settling transaction, a drain). Not answered; repeated while reports
     * are missing. NULL: nothing lingers. */
    void (*flush)(void *user);
    /* Make a new producer, or the first one: purge the old producer, serve
     * all of its delivery reports as events, then answer by sink_ready. */
    void (*replace)(void *user, uint32_t epoch);
    /* Exactly-once; answered by transaction_begun / transaction_ended. */
    void (*begin)(void *user, uint32_t epoch);
    void (*end)(void *user, uint32_t epoch, KabCommitItem *items, size_t n);
    void (*abort)(void *user, uint32_t epoch);
} KabSinkPort;

/* What the engine tells the binding that owns it. */
typedef struct {
    /* A record failed: why, and what becomes of it. Called on each failure,
     * a refused dead letter included. All arguments are borrowed for the
     * call. NULL: not reported. */
    void (*failed)(void *user,
                   const KabRecord *record,
                   const KabDeadLetter *why,
                   KabFate fate);
    /* The binding must stop. Called once; the engine is already draining. */
    void (*stop)(void *user, KabStopReason reason, const char *message);
} KabOwnerPort;

typedef struct {
    const KabSinkPort *port;
    void *user;
} KabSinkJoint;

enum { KAB_MAX_SINKS = 1 };

/* The tables outlive the engine. */
typedef struct {
    const KabCallPort *call;
    void *call_user;
    const KabSourcePort *source;
    void *source_user;
    KabSinkJoint sinks[KAB_MAX_SINKS];
    unsigned n_sinks;
    const KabOwnerPort *owner;
    void *owner_user;
} KabPorts;
