/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a number of calls of a function in flight, and measures them.
 *
 * The executor is that of a running bridge; there is no engine: every slot
 * gets its next batch as soon as it is answered. So what is measured is the
 * function, not the rate at which records come.
 *
 * Thread: everything here is called on one thread, which sleeps in between.
 */
#pragma once

#include "adaptive.h"
#include "instance.h"
#include "try-sample.h"
#include "try-search.h"

typedef struct KabTryBench KabTryBench;

/* Everything is borrowed until the bench is freed. */
typedef struct {
    const KabBindingSettings *settings;
    KabInstance *instance;
    const KabTrySample *sample;
    unsigned max_calls, threads;
    /* Called a few times a second while calls are in flight. */
    void (*on_wait)(void *user);
    void *user;
} KabTryBenchSetup;

/* How a measurement ended. */
typedef enum {
    KAB_TRY_BENCH_MEASURED,
    KAB_TRY_BENCH_LATE, /* the time was over before enough was measured */
    KAB_TRY_BENCH_BAD,  /* the function failed on records it had not answered
                           before: kab_try_bench_problem() */
    KAB_TRY_BENCH_GONE, /* it gave up, or does not let go of a call */
} KabTryBenchEnd;

KabTryBench *kab_try_bench_new(const KabTryBenchSetup *setup);
/* False: a call never ends. What it uses is leaked, and the function must not
 * be closed. */
bool kab_try_bench_free(KabTryBench *bench);
/* What the function said. Borrowed. */
const char *kab_try_bench_problem(const KabTryBench *bench);

/* Measures cell->records and cell->calls for about share_us, until deadline_us
 * at the latest, and fills in the rest of the cell; with REFUSED, *ret_pause_us
 * is how long the function wants to be left alone. */
KabTryBenchEnd kab_try_bench_measure(KabTryBench *bench,
                                     KabTryCell *cell,
                                     int64_t budget_us,
                                     int64_t share_us,
                                     int64_t deadline_us,
                                     int64_t *ret_pause_us);
/* After a cell that was REFUSED: were its records to blame? Calls those that
 * had not been answered before in two halves. MEASURED: they are good, so it
 * was the size or the load. */
KabTryBenchEnd kab_try_bench_acquit(KabTryBench *bench, int64_t deadline_us);
/* Lets the controller choose, as `batching = adaptive` does, until until_us.
 * The cell gets its limits at the end, and what the second half of the time
 * has shown. */
KabTryBenchEnd kab_try_bench_follow(KabTryBench *bench,
                                    KabAdaptive *adaptive,
                                    int64_t until_us,
                                    KabTryCell *ret_cell);
