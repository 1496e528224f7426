/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a trial, shared by its files. */
#pragma once

#include "try.h"

#include "executor.h"
#include "instance.h"
#include "loop.h"
#include "try-calls.h"
#include "try-lines.h"
#include "try-wait.h"

/* Made and freed by kab_try_run(); used only on its loop. */
typedef struct {
    const KabBindingSettings *settings;
    const KabFunction *function;
    const char *topic;
    FILE *in;
    GPtrArray *topics; /* topics that outputs may name; strings borrowed from
                        * settings */
    KabInstance *instance; /* NULL: the function failed to open */
    KabEngineOptions options;
    KabEngine *engine;
    KabExecutor *executor;
    KabLoop *loop;
    KabPartition *partition;
    bool is_added; /* the partition is added; records may be taken */
    GError *error;

    /* pending answers to effects, events of the next turn */
    bool has_load, has_sink;
    uint32_t epoch;
    GQueue products; /* KabProduct, printed but not acknowledged */
    KabCommitItem *items;
    size_t n_items;

    KabTryPrinter printer;
    KabTryCalls calls;
    KabTryWait wait;
    KabLines *lines;
    uint64_t n_lines;    /* taken */
    uint64_t n_unread;   /* lines that were no records */
    int64_t finished_us; /* when all but timed-out calls were done; 0: not
                          * yet */
    bool leaves_calls;   /* timed-out calls never returned */
} Trial;

/* Connects the engine's ports to the trial. */
void kab_try_connect(Trial *trial);
/* The executor's reports; their user is the trial. */
extern const KabExecutorEvents kab_try_events;

/* The topics that outputs may name, NULL-terminated. Returns a new array;
 * strings borrowed from settings. */
GPtrArray *kab_try_list_topics(const KabBindingSettings *settings);
/* Headers of a line's record, for the executor. */
size_t kab_try_get_headers(void *message, KabHeader *ret, size_t capacity);
/* Takes lines that were read and are wanted; false: there was none. */
bool kab_try_take_lines(Trial *trial, int64_t now);
