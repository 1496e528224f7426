/* SPDX-License-Identifier: Apache-2.0 */
#include "http-poll.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>

enum { EVENTS_AT_ONCE = 64 };

static int
watch_socket(
    CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    const KabHttpPoll *poll = user;
    struct epoll_event event = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        /* Fails if the socket is closed already, which removes it, too. */
        epoll_ctl(poll->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(poll->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return epoll_ctl(poll->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int
note_due(CURLM *multi, long timeout_ms, void *user)
{
    KabHttpPoll *poll = user;
    poll->due_us = timeout_ms < 0
                       ? -1
                       : g_get_monotonic_time() + (int64_t)timeout_ms * 1000;
    return 0;
}

bool
kab_http_poll_init(KabHttpPoll *poll, CURLM *multi)
{
    *poll = (KabHttpPoll){.multi = multi,
                          .epoll = epoll_create1(EPOLL_CLOEXEC),
                          .wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                          .due_us = -1};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = poll->wakeup};
    if (poll->epoll < 0 || poll->wakeup < 0 ||
        epoll_ctl(poll->epoll, EPOLL_CTL_ADD, poll->wakeup, &event) != 0) {
        kab_http_poll_clear(poll);
        return false;
    }
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, poll);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_due);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, poll);
    return true;
}

void
kab_http_poll_clear(KabHttpPoll *poll)
{
    if (poll->epoll >= 0)
        close(poll->epoll);
    if (poll->wakeup >= 0)
        close(poll->wakeup);
    poll->epoll = poll->wakeup = -1;
}

void
kab_http_poll_catch_up(KabHttpPoll *poll)
{
    long timeout_ms = -1;
    int n_running;
    if (poll->due_us < 0 || g_get_monotonic_time() < poll->due_us)
        return;
    curl_multi_socket_action(poll->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
    /* libcurl tells its timer only when it changes. */
    curl_multi_timeout(poll->multi, &timeout_ms);
    note_due(poll->multi, timeout_ms, poll);
}

/* Rounds up: a wait that ends too early would be repeated at once. */
static int
get_wait_ms(const KabHttpPoll *poll, int max_ms)
{
    if (poll->due_us < 0)
        return max_ms;
    int64_t left_us = poll->due_us - g_get_monotonic_time();
    return (int)CLAMP((left_us + 999) / 1000, 0, max_ms);
}

static void
serve_event(KabHttpPoll *poll, const struct epoll_event *event)
{
    int n_running, action = 0;
    uint64_t count;
    if (event->data.fd == poll->wakeup) {
        ssize_t n = read(poll->wakeup, &count, sizeof count);
        (void)n; /* EAGAIN: read already */
        return;
    }
    action |= event->events & EPOLLIN ? CURL_CSELECT_IN : 0;
    action |= event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    action |= event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
    curl_multi_socket_action(poll->multi, event->data.fd, action, &n_running);
}

bool
kab_http_poll_turn(KabHttpPoll *poll,
                   int max_ms,
                   KabHttpPollNext next,
                   void *user)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(poll->epoll, events, EVENTS_AT_ONCE,
                       get_wait_ms(poll, max_ms));
    /* A socket may have been closed while its event waited here, and its number
     * be in use again: libcurl then finds nothing to read. */
    for (int i = 0; i < n; i++) {
        serve_event(poll, &events[i]);
        if (!next(user))
            return false;
    }
    kab_http_poll_catch_up(poll);
    return next(user);
}

void
kab_http_poll_wake(const KabHttpPoll *poll)
{
    uint64_t one = 1;
    ssize_t n = write(poll->wakeup, &one, sizeof one);
    (void)n; /* EAGAIN: readable already */
}
