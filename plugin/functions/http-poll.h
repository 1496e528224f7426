/* SPDX-License-Identifier: Apache-2.0 */
/* Drives the transfers of a libcurl multi handle, one event at a time.
 *
 * With curl_multi_perform(), each turn looks at every transfer, and the answers
 * that have come are all read before the first of them is used. Here an answer
 * is used at once, and the batch that takes its place leaves before the next
 * answer is read.
 *
 * Thread: that of the owner, unless stated otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

typedef struct {
    CURLM *multi;
    int epoll, wakeup; /* wakeup: an eventfd */
    int64_t due_us;    /* when libcurl wants to be called; -1: never */
} KabHttpPoll;

/* Called after each event with the poll's user: transfers may have ended, and
 * new ones may be added. False: stop. */
typedef bool (*KabHttpPollNext)(void *user);

/* False: no descriptor is left. The multi handle is borrowed. */
bool kab_http_poll_init(KabHttpPoll *poll, CURLM *multi);
void kab_http_poll_clear(KabHttpPoll *poll);
/* Does what libcurl has due now: starts transfers that were added, ends those
 * that take too long. */
void kab_http_poll_catch_up(KabHttpPoll *poll);
/* Waits for events, `max_ms` at most, and serves them. False: `next` said
 * stop. */
bool kab_http_poll_turn(KabHttpPoll *poll,
                        int max_ms,
                        KabHttpPollNext next,
                        void *user);
/* Ends a wait, this one or the next. Thread: any. */
void kab_http_poll_wake(const KabHttpPoll *poll);
