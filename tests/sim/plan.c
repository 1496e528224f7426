/* SPDX-License-Identifier: Apache-2.0 */
/* What a seed means. */
#include <stdio.h>

#include "sim.h"

const char *
fault_name(Fault fault)
{
    static const char *const names[] = {
#define X(NAME, text) [FAULT_##NAME] = text,
        FAULTS(X)
#undef X
    };
    return names[fault];
}

static int64_t
pick_value(Sim *dice, const int64_t *values, unsigned n)
{
    return values[sim_below(dice, n)];
}

#define PICK(dice, ...)                                                        \
    pick_value(dice, (const int64_t[]){__VA_ARGS__},                           \
               sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void
pick_batching(Sim *dice, KabEngineOptions *options)
{
    options->order = (KabOrder)sim_below(dice, 4);
    options->delivery = (KabDelivery)sim_below(dice, 2);
    options->on_failure = (KabOnFailure)PICK(dice, 0, 1, 1, 1, 2, 3);
    options->start_latest = sim_below(dice, 8) == 0;
    options->batch_count = (size_t)PICK(dice, 1, 2, 3, 5, 8, 16, 64);
    options->batch_bytes = (size_t)PICK(dice, 10, 100, 1 << 20, 1 << 20);
    options->batch_period_us = PICK(dice, 0, 0, 0, MS, 20 * MS, KAB_NEVER);
    options->max_in_flight = (unsigned)PICK(dice, 1, 2, 2, 3, 5);
    options->threads = (unsigned)PICK(dice, 1, 2, 5, 5);
    options->buffer_bytes =
        (size_t)PICK(dice, 1, 1500, 5000, 20000, 1 << 20, 1 << 20);
    options->rate_limit_calls = (unsigned)PICK(dice, 0, 0, 0, 0, 20);
    options->rate_limit_interval_us = PICK(dice, 10 * MS, 100 * MS);
}

static void
pick_retries(Sim *dice, KabEngineOptions *options)
{
    options->call_timeout_us = PICK(dice, 0, 5 * MS, 50 * MS, 50 * MS);
    options->retry_max_attempts = (unsigned)PICK(dice, 0, 1, 2, 3, 5);
    options->retry_backoff_us = PICK(dice, 100, MS, 10 * MS);
    options->retry_backoff_max_us =
        options->retry_backoff_us * PICK(dice, 1, 4, 10);
    options->retry_jitter = sim_below(dice, 2) ? 0.2 : 0;
    options->bisect = sim_below(dice, 4) != 0;
}

static void
pick_times(Sim *dice, KabEngineOptions *options)
{
    options->commit_interval_us = PICK(dice, 0, MS, 10 * MS);
    options->transaction_interval_us = PICK(dice, MS, 10 * MS, 50 * MS);
    options->rebalance_drain_timeout_us = PICK(dice, 2 * MS, 100 * MS, SECOND);
    options->shutdown_timeout_us = PICK(dice, 10 * MS, SECOND, 5 * SECOND);
    options->stall_timeout_us = 60 * SECOND;
    options->metadata_cap = (size_t)PICK(dice, 0, 3, 8, 30, 2000, 2000);
    options->max_attempts = (size_t)PICK(dice, 0, 0, 0, 4, 20);
    options->seed = sim_random(dice);
}

static void
pick_faults(Sim *dice, Plan *plan)
{
    /* Some schedules have few kinds, some many. */
    unsigned density = (unsigned)PICK(dice, 0, 50, 150, 400, 800);
    for (unsigned i = 0; i < N_FAULTS; i++) {
        if (sim_below(dice, 1024) < density)
            plan->faults |= UINT64_C(1) << i;
        plan->rate[i] = (unsigned)PICK(dice, 10, 30, 100, 300);
    }
}

static void
pick_world(Sim *dice, Plan *plan)
{
    plan->n_members = (unsigned)PICK(dice, 1, 1, 2, 2, 3);
    plan->n_partitions = (unsigned)PICK(dice, 1, 1, 2, 3, MAX_PARTITIONS);
    plan->n_records = (unsigned)PICK(dice, 5, 20, 40, 80, 150);
    plan->n_keys = (unsigned)PICK(dice, 0, 1, 3, N_KEYS);
    plan->is_eager = sim_below(dice, 4) == 0;
    plan->faults_us = PICK(dice, 20 * MS, 200 * MS, SECOND);
    plan->call_us = PICK(dice, 0, 100, MS, 4 * MS);
    plan->sink_room = (size_t)PICK(dice, 1, 3, 20, 100);
    plan->broker_metadata = (size_t)PICK(dice, 4, 20);
    plan->txn_timeout_us = PICK(dice, 30 * MS, 200 * MS);
    plan->log_noise = (unsigned)PICK(dice, 0, 100, 400);
    plan->hold_every_us = PICK(dice, 10 * MS, 30 * MS, 200 * MS);
    /* A drain must outlast a hold: a member that stops itself before each
     * hold is over never commits. */
    plan->hold_for_us = MIN(plan->hold_every_us / PICK(dice, 2, 2, 10),
                            plan->engine.shutdown_timeout_us / 2);
    plan->linger_us = PICK(dice, 0, 0, 0, 5 * MS, 100 * MS);
}

/* A record that never ends would block everything behind it in order, or fill
 * scarce room: such schedules have little order and ample room. */
static void
pick_endless(Sim *dice, Plan *plan)
{
    KabEngineOptions *options = &plan->engine;
    bool has_poison = (plan->faults >> FAULT_POISON) & 1;
    if (!has_poison || sim_below(dice, 4))
        return;
    plan->has_endless = true;
    options->order = sim_below(dice, 2) ? KAB_ORDER_UNORDERED : KAB_ORDER_KEY;
    options->on_failure = KAB_ON_FAILURE_DLQ;
    options->metadata_cap = 2000;
    options->max_attempts = 0;
    options->buffer_bytes = 1 << 20;
    options->batch_period_us = MIN(options->batch_period_us, 20 * MS);
    plan_disable(plan, FAULT_METADATA);
    plan_disable(plan, FAULT_RELOAD);
    plan_disable(plan, FAULT_RESET);
}

void
plan_make(Plan *plan, uint64_t seed)
{
    g_autofree Sim *dice = g_new0(Sim, 1);
    dice->random = seed * UINT64_C(0xd1342543de82ef95) + 1;
    *plan = (Plan){.seed = seed};
    pick_batching(dice, &plan->engine);
    pick_retries(dice, &plan->engine);
    pick_times(dice, &plan->engine);
    pick_faults(dice, plan);
    pick_world(dice, plan);
    pick_endless(dice, plan);
}

void
plan_disable(Plan *plan, Fault fault)
{
    plan->faults &= ~(UINT64_C(1) << fault);
}

static void
print_time(const char *name, int64_t us)
{
    if (us == KAB_NEVER)
        printf(" %s=never", name);
    else
        printf(" %s=%gms", name, (double)us / 1000);
}

void
plan_print(const Plan *plan)
{
    static const char *const orders[] = {"unordered", "ordered", "key",
                                         "partition"};
    static const char *const failures[] = {"stop", "dlq", "drop", "pass"};
    const KabEngineOptions *options = &plan->engine;
    printf("# seed %" PRIu64 ": order=%s delivery=%s on_failure=%s%s\n#",
           plan->seed, orders[options->order],
           options->delivery ? "exactly-once" : "at-least-once",
           failures[options->on_failure],
           options->start_latest ? " start=latest" : "");
    printf(" batch=%zu/%zuB", options->batch_count, options->batch_bytes);
    print_time("period", options->batch_period_us);
    printf(" in_flight=%u threads=%u buffer=%zu rate=%u",
           options->max_in_flight, options->threads, options->buffer_bytes,
           options->rate_limit_calls);
    printf(" attempts=%u bisect=%d cap=%zu\n#", options->retry_max_attempts,
           options->bisect, options->metadata_cap);
    print_time("commit", options->commit_interval_us);
    print_time("transaction", options->transaction_interval_us);
    print_time("timeout", options->call_timeout_us);
    print_time("backoff", options->retry_backoff_us);
    print_time("backoff_max", options->retry_backoff_max_us);
    print_time("revoke", options->rebalance_drain_timeout_us);
    print_time("shutdown", options->shutdown_timeout_us);
    printf("\n# members=%u partitions=%u records=%u keys=%u %s",
           plan->n_members, plan->n_partitions, plan->n_records, plan->n_keys,
           plan->is_eager ? "eager" : "cooperative");
    print_time("faults_for", plan->faults_us);
    print_time("call", plan->call_us);
    print_time("linger", plan->linger_us);
    printf("\n# faults:");
    for (unsigned i = 0; i < N_FAULTS; i++)
        if ((plan->faults >> i) & 1)
            printf(" %s(%u)", fault_name((Fault)i), plan->rate[i]);
    printf("\n");
}
