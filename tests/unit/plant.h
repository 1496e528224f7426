/* SPDX-License-Identifier: Apache-2.0 */
/* Model services in virtual time, to try batch sizes on.
 *
 * A plant answers calls of a caller that keeps `calls` of them in flight with
 * up to `records` records each, from a backlog or from records that arrive at
 * a rate. Everything is computed: a minute takes milliseconds, and a seed
 * gives the same run each time.
 *
 * Thread: the test's.
 */
#pragma once

#include "adaptive.h"

/* How a service spends its time; times in milliseconds. */
typedef struct {
    const char *name;
    double base_ms, record_ms; /* a call of n takes base + record * n */
    unsigned replicas;         /* calls worked on side by side; the rest wait */
    double gap_ms;             /* before it, side by side without limit */
    unsigned step;             /* the cost counts records in steps of this */
    double slow_share;         /* of calls that take three times as long */
    double noise;              /* sigma of a log-normal factor */
    bool merges;               /* works on all that wait as on one call */
    double rate_limit;         /* calls per second, beyond: refused; 0: none */
    size_t too_large;          /* records above which it refuses; 0: none */
    /* From from_s on, until until_s, everything takes `factor` times as
     * long; infinite: it is dead, refuses. */
    double factor, from_s, until_s;
} Plant;

/* What to run it with. */
typedef struct {
    double seconds, from_s; /* measured from from_s on */
    double arrivals;        /* records per second; 0: an endless backlog */
    uint64_t seed;
    KabAdaptive *adaptive; /* NULL: the static limits */
    size_t records;
    unsigned calls;
} PlantRun;

typedef struct {
    double throughput; /* records per second */
    double p99_call_ms, p50_record_ms, p99_record_ms;
    unsigned n_calls, n_refused;
    double within_s;        /* after the factor began: first 5 calls in a row
                               within 1.05 of the budget; -1: never */
    unsigned calls_changed; /* how often the calls in flight changed */
    unsigned reductions_in_epoch; /* at most, of the calls or records */
    uint64_t digest;              /* of every decision and its time */
} PlantResult;

PlantResult plant_run(const Plant *plant, const PlantRun *run);
/* The best throughput of a grid of static limits whose 99th percentile of
 * call time is within budget_ms. */
double plant_oracle(const Plant *plant, double budget_ms, double seconds);
