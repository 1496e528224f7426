/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox of a loop: a lock-free stack of nodes and an eventfd.
 *
 * The state saves system calls. A poster marks it as kicked, and writes the
 * eventfd only if the loop was asleep. The loop can go to sleep only from the
 * state awake: a kick since its last delivery makes arm() refuse, so the loop
 * never sleeps while a message is waiting. Uses C11 atomics throughout, which
 * ThreadSanitizer understands.
 */
#include "mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kabridge/error.h"

enum { ASLEEP, AWAKE, KICKED };

/* Created and freed by the owner of the loop, when no poster is left. */
struct KabMailbox {
    _Atomic(KabMail *) top; /* newest first */
    atomic_int state;
    int fd;
};

KabMailbox *
kab_mailbox_new(GError **error)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                    "cannot make an eventfd: %s; raise the limit of file "
                    "descriptors (RLIMIT_NOFILE, ulimit -n)",
                    g_strerror(errno));
        return NULL;
    }
    KabMailbox *mailbox = g_new0(KabMailbox, 1);
    mailbox->fd = fd;
    atomic_init(&mailbox->top, NULL);
    atomic_init(&mailbox->state, ASLEEP);
    return mailbox;
}

void
kab_mailbox_free(KabMailbox *mailbox)
{
    if (!mailbox)
        return;
    close(mailbox->fd);
    g_free(mailbox);
}

int
kab_mailbox_fd(const KabMailbox *mailbox)
{
    return mailbox->fd;
}

void
kab_mailbox_kick(KabMailbox *mailbox)
{
    if (atomic_exchange(&mailbox->state, KICKED) != ASLEEP)
        return;
    int saved_errno = errno; /* a signal handler must preserve errno */
    uint64_t one = 1;
    ssize_t n = write(mailbox->fd, &one, sizeof one);
    (void)n; /* EAGAIN: the eventfd is readable already */
    errno = saved_errno;
}

void
kab_mailbox_post_quietly(KabMailbox *mailbox, KabMail *mail)
{
    KabMail *top = atomic_load_explicit(&mailbox->top, memory_order_relaxed);
    do {
        mail->next = top;
    } while (!atomic_compare_exchange_weak(&mailbox->top, &top, mail));
}

void
kab_mailbox_post(KabMailbox *mailbox, KabMail *mail)
{
    kab_mailbox_post_quietly(mailbox, mail);
    kab_mailbox_kick(mailbox);
}

void
kab_mailbox_wake(KabMailbox *mailbox)
{
    uint64_t count;
    ssize_t n = read(mailbox->fd, &count, sizeof count);
    (void)n; /* EAGAIN: something else woke the loop */
    int asleep = ASLEEP;
    atomic_compare_exchange_strong(&mailbox->state, &asleep, AWAKE);
}

static KabMail *
take_all_in_order(KabMailbox *mailbox)
{
    KabMail *newest = atomic_exchange(&mailbox->top, NULL);
    KabMail *first = NULL;
    while (newest) {
        KabMail *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    return first;
}

unsigned
kab_mailbox_deliver(KabMailbox *mailbox, void *user)
{
    unsigned n = 0;
    int kicked = KICKED;
    atomic_compare_exchange_strong(&mailbox->state, &kicked, AWAKE);
    KabMail *mail = take_all_in_order(mailbox);
    while (mail) {
        KabMail *next = mail->next; /* deliver may reuse the node */
        mail->deliver(mail, user);
        mail = next;
        n++;
    }
    return n;
}

bool
kab_mailbox_arm(KabMailbox *mailbox)
{
    if (atomic_load(&mailbox->top))
        return false;
    int awake = AWAKE;
    return atomic_compare_exchange_strong(&mailbox->state, &awake, ASLEEP) ||
           awake == ASLEEP;
}
