/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of a record in the engine alone: nanoseconds on one core, with edges
 * that do nothing. One line per case; the lowest of several rounds.
 *
 * usage: engine-cost [RECORDS [CASE]]. The instructions of a record, which do
 * not depend on load, are the difference of two sizes of a case under
 * valgrind --tool=callgrind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <glib.h>

#include "engine.h"

enum {
    MAX_CALLS = 512,
    MAX_UNREPORTED = 1 << 16,
    FEW_PRODUCTS = 1 << 12,  /* at least once: reported at once */
    MANY_PRODUCTS = 1 << 17, /* held by a transaction */
    MAX_KEYS = 1 << 16,
    RUN = 64, /* records of a partition before those of the next */
};

typedef struct {
    const char *name;
    KabOrder order;
    KabDelivery delivery;
    unsigned partitions;
    bool has_straggler; /* one call never ends */
    unsigned keys, in_flight;
    int64_t period_us;
    size_t few; /* records a turn at most; 0: what the engine wants */
} Case;

typedef struct {
    KabEngine *engine;
    const Case *of;
    int64_t now;
    KabPartition **partitions;
    uint64_t *keys;
    int64_t *offsets;
    KabAttempt *calls[MAX_CALLS];
    size_t n_calls, n_turns;
    KabAttempt *straggler;
    KabProduct *products; /* a ring */
    size_t n_products, next_product, next_partition;
    KabProduct *unreported[MAX_UNREPORTED];
    size_t n_unreported;
    KabCommitItem *items;
    size_t n_items;
    uint32_t epoch, transaction;
    bool wants_sink, wants_begin, wants_end;
    uint64_t finished;
} Bench;

static void
invoke(void *user, KabAttempt *attempt)
{
    Bench *bench = user;
    if (bench->of->has_straggler && !bench->straggler)
        bench->straggler = attempt;
    else
        bench->calls[bench->n_calls++] = attempt;
}

static void
ignore_attempt(void *user, KabAttempt *attempt)
{
}

static void
release_message(void *user, void *message)
{
    ((Bench *)user)->finished++;
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    return message;
}

static KabProduceStatus
produce(void *user,
        KabProduct *product,
        const KabRecord *input,
        void *message,
        const KabDeadLetter *letter)
{
    Bench *bench = user;
    if (bench->n_unreported == MAX_UNREPORTED)
        abort();
    bench->unreported[bench->n_unreported++] = product;
    return KAB_PRODUCE_OK;
}

static void
replace_sink(void *user, uint32_t epoch)
{
    Bench *bench = user;
    bench->epoch = epoch;
    bench->wants_sink = true;
}

static void
begin_transaction(void *user, uint32_t epoch)
{
    Bench *bench = user;
    bench->transaction = epoch;
    bench->wants_begin = true;
}

static void
end_transaction(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    ((Bench *)user)->wants_end = true;
}

static void
abort_transaction(void *user, uint32_t epoch)
{
    abort();
}

static void
commit(void *user, KabCommitItem *items, size_t n)
{
    Bench *bench = user;
    bench->items = items;
    bench->n_items = n;
}

static void
load(void *user, KabPartition *partition)
{
}

static void
add(void *user, KabPartition *partition, int64_t offset)
{
}

static void
valve(void *user, KabPartition *partition, bool open)
{
}

static void
stop(void *user, KabStopReason reason, const char *message)
{
    abort();
}

static const KabCallPort call_port = {
    .invoke = invoke,
    .cancel = ignore_attempt,
    .release_attempt = ignore_attempt,
};

static const KabSourcePort source_port = {
    .load = load,
    .add = add,
    .unassign = load,
    .valve = valve,
    .commit = commit,
    .release_message = release_message,
    .detach_message = detach_message,
};

static const KabSinkPort sink_port = {
    .produce = produce,
    .replace = replace_sink,
    .begin = begin_transaction,
    .end = end_transaction,
    .abort = abort_transaction,
};

static const KabOwnerPort owner_port = {.stop = stop};

static void
connect_ports(Bench *bench)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = bench,
        .source = &source_port,
        .source_user = bench,
        .sinks = {{&sink_port, bench}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = bench,
    };
    kab_engine_connect(bench->engine, &ports);
}

/* --- The edge ----------------------------------------------------------- */

/* Of one partition: at most what is left of its turn. Returns how many. */
static size_t
take_run(Bench *bench, size_t want)
{
    const Case *of = bench->of;
    KabTaken taken[RUN];
    unsigned p = (unsigned)(bench->next_partition / RUN) % of->partitions;
    size_t n = MIN(want, RUN - bench->next_partition % RUN);
    for (size_t i = 0; i < n; i++) {
        int64_t offset = bench->offsets[p]++;
        taken[i].record = (KabRecord){
            .key = {&bench->keys[offset % MAX(of->keys, 1)], 8},
            .value = {bench->keys, 100},
            .topic = "in",
            .partition = (int32_t)p,
            .offset = offset,
        };
        taken[i].message = bench;
    }
    kab_engine_take(bench->engine, bench->partitions[p], taken, n, bench->now);
    bench->next_partition += n;
    return n;
}

static void
take(Bench *bench)
{
    const Case *of = bench->of;
    size_t want = kab_engine_want(bench->engine);
    if (of->few)
        want = MIN(want, of->few);
    while (want > 0)
        want -= take_run(bench, want);
}

static KabProduct *
give_product(Bench *bench)
{
    KabProduct *product =
        &bench->products[bench->next_product++ % bench->n_products];
    *product = (KabProduct){.output = KAB_OUTPUT_INIT};
    return product;
}

static void
answer_one(Bench *bench, KabAttempt *attempt)
{
    for (size_t j = 0; j < attempt->n; j++) {
        KabResult *result = &attempt->results[j];
        result->outcome = KAB_OUTCOME_DONE;
        result->first = result->last = give_product(bench);
        result->first->output.value = attempt->records[j].value;
        result->n_products = 1;
        result->bytes = result->first->output.value.len;
    }
    kab_engine_answered(bench->engine, attempt, attempt->serial,
                        &(KabAnswer){.retry_after_ms = -1}, bench->now);
}

/* Answers all calls or, with many in flight, a scattered hundredth of them. */
static void
answer(Bench *bench)
{
    size_t kept = 0, every = bench->of->in_flight ? 100 : 1;
    for (size_t i = 0; i < bench->n_calls; i++)
        if ((i + bench->n_turns * 37) % every)
            bench->calls[kept++] = bench->calls[i];
        else
            answer_one(bench, bench->calls[i]);
    bench->n_calls = kept;
    bench->n_turns++;
}

static void
report(Bench *bench)
{
    for (size_t i = 0; i < bench->n_unreported; i++)
        kab_engine_acknowledged(bench->engine, bench->unreported[i],
                                bench->now);
    bench->n_unreported = 0;
    if (!bench->items)
        return;
    for (size_t i = 0; i < bench->n_items; i++)
        bench->items[i].result = KAB_COMMIT_OK;
    kab_engine_commit_done(bench->engine, g_steal_pointer(&bench->items),
                           bench->n_items, bench->now);
}

static void
serve_sink(Bench *bench)
{
    if (bench->wants_sink)
        kab_engine_sink_ready(bench->engine, bench->epoch, bench->now);
    if (bench->wants_begin)
        kab_engine_transaction_begun(bench->engine, bench->transaction, true,
                                     bench->now);
    if (bench->wants_end)
        kab_engine_transaction_ended(bench->engine, bench->transaction,
                                     KAB_TXN_COMMITTED, NULL, bench->now);
    bench->wants_sink = bench->wants_begin = bench->wants_end = false;
}

static void
turn(Bench *bench)
{
    bench->now += 200;
    serve_sink(bench);
    take(bench);
    kab_engine_advance(bench->engine, bench->now);
    answer(bench);
    kab_engine_advance(bench->engine, bench->now);
    report(bench);
}

/* --- Measuring ---------------------------------------------------------- */

static const KabEngineOptions defaults = {
    .on_failure = KAB_ON_FAILURE_STOP,
    .batch_count = 256,
    .batch_bytes = 1 << 20,
    .max_in_flight = 4,
    .threads = 4,
    .buffer_bytes = 64 << 20,
    .commit_interval_us = 10000,
    .transaction_interval_us = 2000,
    .call_timeout_us = 30000000,
    .retry_max_attempts = 5,
    .retry_backoff_us = 100000,
    .retry_backoff_max_us = 10000000,
    .bisect = true,
    .rebalance_drain_timeout_us = 10000000,
    .shutdown_timeout_us = 25000000,
    .stall_timeout_us = 60000000,
    .metadata_cap = 3000,
};

static Bench *
start(const Case *of)
{
    Bench *bench = g_new0(Bench, 1);
    KabEngineOptions options = defaults;
    options.order = of->order;
    options.delivery = of->delivery;
    options.batch_period_us = of->period_us;
    if (of->in_flight)
        options.max_in_flight = options.threads = of->in_flight;
    bench->of = of;
    bench->n_products = of->delivery ? MANY_PRODUCTS : FEW_PRODUCTS;
    bench->products = g_new0(KabProduct, bench->n_products);
    bench->partitions = g_new0(KabPartition *, of->partitions);
    bench->offsets = g_new0(int64_t, of->partitions);
    bench->keys = g_new0(uint64_t, MAX_KEYS);
    for (unsigned i = 0; i < MAX_KEYS; i++)
        bench->keys[i] = i;
    bench->engine = kab_engine_new(&options);
    connect_ports(bench);
    for (unsigned i = 0; i < of->partitions; i++)
        bench->partitions[i] =
            kab_engine_assigned(bench->engine, "in", (int32_t)i, NULL, 0);
    kab_engine_advance(bench->engine, 0);
    for (unsigned i = 0; i < of->partitions; i++)
        kab_engine_loaded(bench->engine, bench->partitions[i],
                          &(KabCommitted){.has_offset = true}, 0);
    kab_engine_advance(bench->engine, 0);
    return bench;
}

static void
end(Bench *bench)
{
    kab_engine_free(bench->engine);
    g_free(bench->products);
    g_free(bench->partitions);
    g_free(bench->offsets);
    g_free(bench->keys);
    g_free(bench);
}

static double
seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double
run(Bench *bench, uint64_t records)
{
    uint64_t from = bench->finished;
    double start_s = seconds_now();
    while (bench->finished - from < records)
        turn(bench);
    return (seconds_now() - start_s) * 1e9 / (double)(bench->finished - from);
}

static void
measure(const Case *of, uint64_t records)
{
    Bench *bench = start(of);
    run(bench, records / 4);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double cost = run(bench, records);
        best = MIN(best, cost);
    }
    printf("%-42s %6.0f ns/record\n", of->name, best);
    end(bench);
}

int
main(int argc, char **argv)
{
    static const Case cases[] = {
        {"unordered, 1 partition", .partitions = 1},
        {"unordered, 8 partitions", .partitions = 8},
        {"unordered, 1000 partitions", .partitions = 1000},
        {"unordered, 8 partitions, 16 a turn", .partitions = 8, .few = 16},
        {"unordered, 1000 partitions, 16 a turn", .partitions = 1000,
         .few = 16},
        {"unordered, batch.period", .partitions = 8, .period_us = 5000},
        {"unordered, batch.period, 1000 partitions", .partitions = 1000,
         .period_us = 5000},
        {"unordered, a straggler", .partitions = 1, .has_straggler = true},
        {"unordered, 100000 outstanding", .partitions = 1, .in_flight = 400},
        {"ordered", .partitions = 8, .order = KAB_ORDER_ORDERED},
        {"partition", .partitions = 8, .order = KAB_ORDER_PARTITION},
        {"key, 10 keys", .partitions = 8, .order = KAB_ORDER_KEY, .keys = 10},
        {"key, 50000 keys", .partitions = 8, .order = KAB_ORDER_KEY,
         .keys = 50000},
        {"key, 50000 keys, batch.period", .partitions = 8,
         .order = KAB_ORDER_KEY, .keys = 50000, .period_us = 5000},
        {"exactly once", .partitions = 8,
         .delivery = KAB_DELIVERY_EXACTLY_ONCE},
        {"exactly once, 1000 partitions", .partitions = 1000,
         .delivery = KAB_DELIVERY_EXACTLY_ONCE},
        {"exactly once, a straggler", .partitions = 8,
         .delivery = KAB_DELIVERY_EXACTLY_ONCE, .has_straggler = true},
    };
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const char *only = argc > 2 ? argv[2] : NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (!only || g_str_equal(only, cases[i].name))
            measure(&cases[i], records);
    return 0;
}
