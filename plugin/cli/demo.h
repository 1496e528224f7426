/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `kabridge demo`: guest comments are produced at a rate, a
 * function finds their mood in batches, and the results are read back.
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
    /* Simulated cost of a model call, and of each record in it. */
    KAB_DEMO_CALL_US = 25000,
    KAB_DEMO_RECORD_US = 200,
};

/* demo-function.c: given to the bridge by this program. */
extern const KabFunction kab_demo_function;
/* A text's mood as a number, and the number's name. Thread: any. */
int kab_demo_mood_of(const char *text);
const char *kab_demo_mood_name(int mood);

/* demo-server.c: a model server on a port of its own, with threads of its
 * own. */
typedef struct KabDemoServer KabDemoServer;
KabDemoServer *kab_demo_server_new(GError **error);
const char *kab_demo_server_url(const KabDemoServer *server);
unsigned kab_demo_server_n_requests(const KabDemoServer *server);
void kab_demo_server_free(KabDemoServer *server);

/* demo-mood.c: the function's form, and what the binding says of it. Outlives
 * the bridge. */
typedef enum { KAB_DEMO_C, KAB_DEMO_PYTHON, KAB_DEMO_HTTP } KabDemoKind;
typedef struct KabDemoMood KabDemoMood;
KabDemoMood *kab_demo_mood_new(KabDemoKind kind, GError **error);
/* The binding's options that depend on the form: lines. */
const char *kab_demo_mood_options(const KabDemoMood *mood);
/* Gives the bridge the function, if it is this program's own. */
bool
kab_demo_mood_give(const KabDemoMood *mood, KabBridge *bridge, GError **error);
/* What the user is told before and after the run. Return new strings; the
 * latter may be NULL. */
char *kab_demo_mood_dup_beginning(const KabDemoMood *mood);
char *kab_demo_mood_dup_end(const KabDemoMood *mood);
/* The function's source to be shown; NULL: none. */
const char *kab_demo_mood_source(const KabDemoMood *mood);
void kab_demo_mood_free(KabDemoMood *mood);

/* demo-feed.c: a thread that produces n comments, `rate` per second (0: as fast
 * as possible). */
typedef struct KabDemoFeed KabDemoFeed;
KabDemoFeed *kab_demo_feed_new(const char *brokers,
                               unsigned n,
                               unsigned rate,
                               GError **error);
/* Ends the thread, finished or not. */
void kab_demo_feed_free(KabDemoFeed *feed);

/* demo-reader.c: a thread that reads the results, shows some of them, and stops
 * the bridge when all n have arrived, or when none has come for a long time. */
typedef struct KabDemoReader KabDemoReader;
KabDemoReader *kab_demo_reader_new(const char *brokers,
                                   unsigned n,
                                   KabBridge *bridge,
                                   GError **error);
/* The reader's findings; valid after kab_demo_reader_end(). */
typedef struct {
    unsigned n_arrived;  /* different comments */
    unsigned n_repeated; /* duplicates of results */
    int64_t n_committed; /* input records committed on the broker;
                          * -1: unknown */
    int64_t took_us;     /* from the first record taken to the last result */
} KabDemoResult;

/* Call when the bridge has returned: ends the thread and asks the broker for
 * the committed offsets. */
void kab_demo_reader_end(KabDemoReader *reader, KabDemoResult *ret_result);
void kab_demo_reader_free(KabDemoReader *reader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDemoMood, kab_demo_mood_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDemoFeed, kab_demo_feed_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabDemoReader, kab_demo_reader_free)
