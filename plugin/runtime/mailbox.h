/* SPDX-License-Identifier: Apache-2.0 */
/* The one door through which other threads reach a loop.
 *
 * Posting pushes an intrusive node on a lock-free stack; the loop takes the
 * whole stack and delivers it in the order of posting. The eventfd is written
 * only when the loop may be asleep, so a busy loop costs the posters no
 * system call:
 *
 *     poll(fd) -> kab_mailbox_wake() -> { kab_mailbox_deliver(), work }
 *              until kab_mailbox_arm() says that nothing came meanwhile
 *
 * Bounded by construction: a node belongs to what it reports (a call, a
 * command), so there are never more nodes than those.
 */
#pragma once

#include <stdbool.h>

typedef struct KabMail KabMail;

/* One thing that happened. Embedded in what it is about; owned by the
 * mailbox from post until deliver is called, on the loop.
 */
struct KabMail {
    KabMail *next;
    void (*deliver)(KabMail *mail, void *user);
};

typedef struct KabMailbox KabMailbox;

/* Returns a new mailbox; aborts if the system has no eventfd left. */
KabMailbox *kab_mailbox_new(void);
/* Nodes still in it are forgotten. */
void kab_mailbox_free(KabMailbox *mailbox);

/* Becomes readable when there is something. Borrowed. */
int kab_mailbox_fd(const KabMailbox *mailbox);

/* Thread: any. */
void kab_mailbox_post(KabMailbox *mailbox, KabMail *mail);
/* Does not wake a sleeping loop: it is delivered at its next turn.
 * Thread: any. */
void kab_mailbox_post_quietly(KabMailbox *mailbox, KabMail *mail);
/* Wakes the loop without a message. Thread: any; async-signal-safe. */
void kab_mailbox_kick(KabMailbox *mailbox);

/* The loop is awake: posters need not wake it. */
void kab_mailbox_wake(KabMailbox *mailbox);
/* Delivers everything there is; how many nodes that were. */
unsigned kab_mailbox_deliver(KabMailbox *mailbox, void *user);
/* Before sleeping: true if the loop may sleep, because posters wake it from
 * now on; false if something came meanwhile and it must go on. */
bool kab_mailbox_arm(KabMailbox *mailbox);
