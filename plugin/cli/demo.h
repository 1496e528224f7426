/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `kabridge demo`: comments of guests go in at a rate, a
 * function finds their mood in batches, what comes out is read back.
 *
 *   feed (its thread) -> comments -> bridge (main thread) -> moods ->
 *                                                    reader (its thread)
 */
#pragma once

#include <stdatomic.h>

#include "kabridge/bridge.h"

#include "terminal.h"

#define KAB_DEMO_INPUT "comments"
#define KAB_DEMO_OUTPUT "moods"
#define KAB_DEMO_GROUP "kabridge-demo"
enum {
    KAB_DEMO_PARTITIONS = 3,
    /* What a call of a model costs, and what a record in it adds. */
    KAB_DEMO_CALL_US = 25000,
    KAB_DEMO_RECORD_US = 200,
};

/* demo-function.c: called as any function is, from this program. */
extern const KabFunction kab_demo_function;

/* demo-feed.c: a thread that produces n comments, `rate` a second (0: as
 * fast as they are taken). */
typedef struct KabDemoFeed KabDemoFeed;
KabDemoFeed *kab_demo_feed_new(const char *brokers,
                               unsigned n,
                               unsigned rate,
                               GError **error);
/* Ends the thread, done or not. */
void kab_demo_feed_free(KabDemoFeed *feed);

/* demo-reader.c: a thread that reads the results, shows some of them, and
 * stops the bridge when all n are there, or when nothing has come for long. */
typedef struct KabDemoReader KabDemoReader;
KabDemoReader *kab_demo_reader_new(const char *brokers,
                                   unsigned n,
                                   KabBridge *bridge,
                                   GError **error);
/* What it has seen; after kab_demo_reader_end(). */
typedef struct {
    unsigned n_arrived;  /* different comments */
    unsigned n_repeated; /* results beyond one a comment */
    int64_t n_committed; /* input records, as the broker says; -1: unknown */
    int64_t took_us;     /* first record taken to last result */
} KabDemoResult;

/* The bridge has returned: ends the thread, asks the broker what was
 * committed. */
void kab_demo_reader_end(KabDemoReader *reader, KabDemoResult *ret_result);
void kab_demo_reader_free(KabDemoReader *reader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDemoFeed, kab_demo_feed_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDemoReader, kab_demo_reader_free)
