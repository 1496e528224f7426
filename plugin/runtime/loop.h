/* SPDX-License-Identifier: Apache-2.0 */
/* A thread's loop: a GMainContext whose one source runs turns.
 *
 * A turn does a bounded part of all pending work and returns whether something
 * moved; turns repeat until nothing does. Then the loop sleeps until a watched
 * descriptor is readable, the mailbox is kicked, or the deadline has come.
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
    /* Latest time of the next turn, monotonic; INT64_MAX: none. */
    int64_t (*deadline)(void *user);
} KabLoopWork;

/* Returns a new loop with a mailbox; NULL with KAB_ERROR_UNAVAILABLE if the
 * process has no descriptors left for it. May be called on any thread. */
KabLoop *kab_loop_new(const KabLoopWork *work, void *user, GError **error);
void kab_loop_free(KabLoop *loop);
/* Borrowed; other threads may post as long as the loop lives. */
KabMailbox *kab_loop_mailbox(KabLoop *loop);
/* Turns the loop when fd is readable; the caller's turn must read fd empty. */
void kab_loop_watch(KabLoop *loop, int fd);
/* Runs on the calling thread until a turn calls kab_loop_quit(). */
void kab_loop_run(KabLoop *loop);
void kab_loop_quit(KabLoop *loop);
/* Is this the thread that runs the loop? Thread: any. */
bool kab_loop_is_own(const KabLoop *loop);
