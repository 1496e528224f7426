/* SPDX-License-Identifier: Apache-2.0 */
/* Says on standard error why no outcome comes: a server that is away, or not
 * ready yet, is waited for without end.
 *
 * Thread: the trial's loop, for everything here.
 */
#pragma once

#include "context.h"
#include "engine.h"

/* Embedded in the trial; zeroed at its beginning. */
typedef struct {
    uint64_t n_ended;   /* records, when last looked at */
    int64_t since_us;   /* when a record ended last */
    int64_t due_us;     /* when it is said; 0: not looked at yet */
    char *last_failure; /* reason of the last failed call; NULL: none */
} KabTryWait;

void kab_try_wait_clear(KabTryWait *wait);
/* A call was answered. */
void kab_try_wait_note(KabTryWait *wait, const KabAnswer *answer);
/* Looks at the trial's progress; says what is waited for when it is due: after
 * 2 s, then after twice the time. */
void kab_try_wait_look(KabTryWait *wait,
                       const KabEngine *engine,
                       KabContext *context,
                       int64_t now);
