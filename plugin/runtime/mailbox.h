/* SPDX-License-Identifier: Apache-2.0 */
/* The only way for other threads to reach a loop.
 *
 * Posting pushes an intrusive node on a lock-free stack; the loop takes the
 * whole stack and delivers it in the order of posting. The eventfd is written
 * only when the loop may be asleep, so posting to a busy loop costs no system
 * call:
 *
 *   poll(fd) -> kab_mailbox_wake() -> { kab_mailbox_deliver(), work }
 *            until kab_mailbox_arm() returns true: nothing came meanwhile
 *
 * Bounded by construction: a node is embedded in the object it reports on (a
 * call, a command), so there are never more nodes than such objects.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct KabMail KabMail;

/* One message. Embedded in the object it is about; the mailbox owns it from the
 * post until deliver() is called on the loop.
 */
struct KabMail {
    KabMail *next;
    void (*deliver)(KabMail *mail, void *user);
};

typedef struct KabMailbox KabMailbox;

/* Returns a new mailbox; NULL with KAB_ERROR_UNAVAILABLE if the process has no
 * descriptor left for it. */
KabMailbox *kab_mailbox_new(GError **error);
/* Nodes still in the mailbox are not delivered. */
void kab_mailbox_free(KabMailbox *mailbox);

/* Readable when the mailbox has been kicked. Borrowed. */
int kab_mailbox_fd(const KabMailbox *mailbox);

/* Thread: any. */
void kab_mailbox_post(KabMailbox *mailbox, KabMail *mail);
/* Posts without waking a sleeping loop: the message is delivered at the loop's
 * next turn. Thread: any. */
void kab_mailbox_post_quietly(KabMailbox *mailbox, KabMail *mail);
/* Wakes the loop without a message. Thread: any; async-signal-safe. */
void kab_mailbox_kick(KabMailbox *mailbox);

/* Marks the loop as awake: posters need not write the eventfd. */
void kab_mailbox_wake(KabMailbox *mailbox);
/* Delivers every waiting node; returns how many. */
unsigned kab_mailbox_deliver(KabMailbox *mailbox, void *user);
/* Call before sleeping. True: the loop may sleep, because posters wake it from
 * now on. False: something came meanwhile, and the loop must turn again. */
bool kab_mailbox_arm(KabMailbox *mailbox);
