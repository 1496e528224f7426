/* SPDX-License-Identifier: Apache-2.0 */
/* A thread's loop: a GMainContext whose one source runs turns.
 *
 * A turn does a bounded piece of everything there is to do and says whether
 * something moved; turns follow each other until nothing does. Then the loop
 * sleeps until a watched descriptor is readable, the mailbox is kicked, or
 * the deadline has come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "mailbox.h"

typedef struct KabLoop KabLoop;

typedef struct {
    /* True: something moved, turn again. */
    bool (*turn)(void *user);
    /* When to turn at the latest, monotonic; INT64_MAX: no need. */
    int64_t (*deadline)(void *user);
} KabLoopWork;

/* Returns a new loop with a mailbox. Made on any thread. */
KabLoop *kab_loop_new(const KabLoopWork *work, void *user);
void kab_loop_free(KabLoop *loop);
/* Borrowed; other threads may post as long as the loop lives. */
KabMailbox *kab_loop_mailbox(KabLoop *loop);
/* Turns when fd is readable; who watches it reads it empty. */
void kab_loop_watch(KabLoop *loop, int fd);
/* Runs on the calling thread until kab_loop_quit(), from a turn. */
void kab_loop_run(KabLoop *loop);
void kab_loop_quit(KabLoop *loop);
/* Is this the thread that runs the loop? Thread: any. */
bool kab_loop_is_own(const KabLoop *loop);
