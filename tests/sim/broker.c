/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka as far as delivery depends on it: input logs with gaps, committed
 * offsets, output logs, and transactions with readers that see only what is
 * committed.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

/* --- Input -------------------------------------------------------------- */

static Nature
pick_poison(Sim *sim)
{
    const KabEngineOptions *options = &sim->plan.engine;
    static const Nature natures[] = {NATURE_FLAKY,      NATURE_REJECTED,
                                     NATURE_PERMANENT,  NATURE_TRANSIENT,
                                     NATURE_UNWRITABLE, NATURE_CRASH};
    Nature nature = natures[sim_below(sim, G_N_ELEMENTS(natures))];
    /* With endless retries of whole sets the record would block all others. */
    if (options->on_failure == KAB_ON_FAILURE_STOP ||
        (!options->retry_max_attempts &&
         (nature == NATURE_TRANSIENT || nature == NATURE_CRASH)))
        return NATURE_FLAKY;
    return nature;
}

static void
make_bytes(Sim *sim, Record *record)
{
    record->key_number = N_KEYS;
    size_t key_size = 0;
    record->size = sim_below(sim, 8) ? sim_below(sim, 12) : 120;
    record->bytes = sim_alloc(sim, record->size + 8);
    if (sim->plan.n_keys && sim_below(sim, 4)) {
        record->key_number = sim_below(sim, sim->plan.n_keys);
        key_size =
            (size_t)snprintf(record->bytes, 4, "k%u", record->key_number);
        record->key = record->bytes;
    }
    record->size += key_size;
}

static Record *
make_record(Sim *sim, unsigned partition)
{
    Log *log = &sim->logs[partition];
    Record *record = sim_alloc(sim, sizeof *record);
    record->partition = partition;
    record->index = log->n;
    make_bytes(sim, record);
    record->n_outputs = "\1\1\1\1\1\0\2\3"[sim_below(sim, 8)];
    bool has_poison = (sim->plan.faults >> FAULT_POISON) & 1;
    if (sim_below(sim, 24) == 0 && has_poison)
        record->nature = pick_poison(sim);
    record->failures_left = 1 + sim_below(sim, 3);
    bool may_overload =
        sim->plan.engine.order == KAB_ORDER_UNORDERED || !record->key;
    if (sim->plan.has_endless && may_overload && sim_below(sim, 40) == 0)
        record->nature = NATURE_OVERLOAD;
    return record;
}

static void
append_record(Sim *sim, unsigned partition)
{
    Log *log = &sim->logs[partition];
    if (log->n >= MAX_RECORDS)
        return;
    Record *record = make_record(sim, partition);
    unsigned noise = sim->plan.log_noise;
    if (sim_below(sim, 1024) < noise)
        log->end += 1 + sim_below(sim, sim_below(sim, 8) ? 3 : 300);
    record->offset = log->end++;
    if (sim_below(sim, 1024) < noise)
        log->end++; /* a transaction's marker */
    log->records[log->n++] = record;
    sim->n_appended++;
}

static void
append_some(Sim *sim, Member *none, void *data)
{
    unsigned left = sim->plan.n_records - sim->n_appended;
    unsigned n = 1 + sim_below(sim, 20);
    for (unsigned i = 0; i < MIN(n, left); i++)
        append_record(sim, sim_below(sim, sim->plan.n_partitions));
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        member_poll(&sim->members[i]);
    if (left > n)
        sim_after(sim, sim_between(sim, 0, sim->plan.faults_us / 8), NULL,
                  append_some, NULL);
}

void
broker_fill(Sim *sim)
{
    for (unsigned i = 0; i < sim->plan.n_partitions; i++)
        sim->logs[i].start = sim->logs[i].end = sim_below(sim, 3) * 100;
    append_some(sim, NULL, NULL);
}

/* Retention deletes the records before `start`. */
void
broker_expire(Sim *sim, unsigned partition, int64_t start)
{
    Log *log = &sim->logs[partition];
    log->start = MAX(log->start, MIN(start, log->end));
    for (unsigned i = 0; i < log->n; i++)
        if (log->records[i]->offset < log->start)
            log->records[i]->is_expired = true;
    TRACE(sim, "log %u begins at %" PRIi64, partition, log->start);
}

/* --- Committed offsets -------------------------------------------------- */

Committed
committed_copy(Sim *sim, const KabCommitItem *item)
{
    Committed copy = {
        .has_offset = true, .offset = item->offset, .n = item->n_intervals};
    size_t size = copy.n * sizeof *copy.intervals;
    if (size)
        copy.intervals = memcpy(sim_alloc(sim, size), item->intervals, size);
    return copy;
}

bool
committed_has(const Committed *committed, int64_t offset)
{
    for (size_t i = 0; i < committed->n; i++)
        if (offset >= committed->intervals[i].from &&
            offset < committed->intervals[i].to)
            return true;
    return false;
}

size_t
committed_size(const Committed *committed)
{
    size_t size = 0;
    int64_t previous = committed->offset;
    for (size_t i = 0; i < committed->n; i++) {
        size += kab_interval_size(previous, committed->intervals[i]);
        previous = committed->intervals[i].to;
    }
    return size;
}

KabCommitResult
broker_check_commit(Sim *sim, const Committed *committed)
{
    bool is_small = (sim->plan.faults >> FAULT_METADATA) & 1;
    if (is_small && committed_size(committed) > sim->plan.broker_metadata)
        return KAB_COMMIT_TOO_LARGE;
    return KAB_COMMIT_OK;
}

/* With start = latest, records before the first offset are not wanted. */
static void
skip_before(Log *log, int64_t offset)
{
    for (unsigned i = 0; i < log->n && log->records[i]->offset < offset; i++)
        log->records[i]->is_skipped = true;
}

void
broker_commit(Sim *sim, unsigned partition, const Committed *committed)
{
    Log *log = &sim->logs[partition];
    if (!log->committed.has_offset && sim->plan.engine.start_latest)
        skip_before(log, committed->offset);
    TRACE(sim, "committed %u: %" PRIi64 " and %zu intervals", partition,
          committed->offset, committed->n);
    check_committed(sim, partition, committed);
    if (!log->committed.has_offset ||
        committed->offset != log->committed.offset ||
        committed->n != log->committed.n)
        sim_progress(sim);
    log->committed = *committed;
}

/* --- Output ------------------------------------------------------------- */

static void
cover_record(Sim *sim, Record *record)
{
    if (!record->is_covered)
        sim_progress(sim);
    record->is_covered = true;
}

/* True: the output is written for the first time. */
static bool
write_effect(const Output *output)
{
    Effect *effect = output->effect;
    uint64_t bit = UINT64_C(1) << output->index;
    bool is_first = !(effect->written & bit);
    effect->n_written += is_first;
    effect->written |= bit;
    return is_first;
}

static void
write_transactional(Sim *sim, Output *output, unsigned member)
{
    Transaction *transaction = &sim->transactions[member];
    if (transaction->epoch != output->producer_epoch || !transaction->is_open)
        return;
    if (transaction->n == G_N_ELEMENTS(transaction->outputs)) {
        sim_fail(sim, "a transaction holds more outputs than there are");
        return;
    }
    transaction->outputs[transaction->n++] = output;
    output->is_written = true;
}

void
broker_write(Sim *sim, Output *output, unsigned member)
{
    if (sim->plan.engine.delivery == KAB_DELIVERY_EXACTLY_ONCE) {
        write_transactional(sim, output, member);
        return;
    }
    output->is_written = true;
    check_write(sim, output, write_effect(output));
    Effect *effect = output->effect;
    if (effect->n_written == effect->n)
        cover_record(sim, effect->record);
}

/* --- Transactions ------------------------------------------------------- */

static void
clear_transaction(Transaction *transaction)
{
    transaction->is_open = false;
    transaction->n = 0;
    memset(transaction->has_pending, 0, sizeof transaction->has_pending);
}

static void
make_visible(Sim *sim, Transaction *transaction)
{
    for (size_t i = 0; i < transaction->n; i++)
        transaction->outputs[i]->effect->in_transaction = 0;
    for (size_t i = 0; i < transaction->n; i++)
        check_visible(sim, transaction->outputs[i]);
    for (size_t i = 0; i < transaction->n; i++) {
        Effect *effect = transaction->outputs[i]->effect;
        if (effect->in_transaction != effect->n)
            sim_fail(sim, "a transaction has %u of %u outputs of %u/%" PRIi64,
                     effect->in_transaction, effect->n,
                     effect->record->partition, effect->record->offset);
        cover_record(sim, effect->record);
    }
}

void
broker_end_transaction(Sim *sim, unsigned member, bool is_commit)
{
    Transaction *transaction = &sim->transactions[member];
    if (!transaction->is_open)
        return;
    TRACE(sim, "transaction of %u: %s, %zu outputs", member,
          is_commit ? "committed" : "aborted", transaction->n);
    if (is_commit) {
        make_visible(sim, transaction);
        for (unsigned i = 0; i < sim->plan.n_partitions; i++)
            if (transaction->has_pending[i])
                broker_commit(sim, i, &transaction->pending[i]);
    }
    clear_transaction(transaction);
}

/* InitProducerId: fences the old producer and ends its transaction. */
unsigned
broker_init_producer(Sim *sim, unsigned member)
{
    broker_end_transaction(sim, member, false);
    return ++sim->transactions[member].epoch;
}

bool
broker_is_unstable(const Sim *sim, unsigned partition)
{
    for (unsigned i = 0; i < sim->plan.n_members; i++)
        if (sim->transactions[i].has_pending[partition])
            return true;
    return false;
}
