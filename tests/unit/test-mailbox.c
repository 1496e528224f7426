/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: order, wake-ups, and many posters at once. */
#include "kab-test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib.h>

#include "kabridge/error.h"
#include "loop.h"

enum { N_POSTERS = 4, N_EACH = 20000 };

typedef struct {
    KabMail mail;
    unsigned poster, number;
} Letter;

typedef struct {
    KabMailbox *mailbox;
    unsigned next[N_POSTERS];
    unsigned n, n_out_of_order;
} Reader;

static void
deliver(KabMail *mail, void *user)
{
    Letter *letter = (Letter *)(void *)mail;
    Reader *reader = user;
    if (letter->number != reader->next[letter->poster])
        reader->n_out_of_order++;
    reader->next[letter->poster] = letter->number + 1;
    reader->n++;
}

static bool
is_readable(KabMailbox *mailbox, int timeout_ms)
{
    struct pollfd pollfd = {.fd = kab_mailbox_fd(mailbox), .events = POLLIN};
    return poll(&pollfd, 1, timeout_ms) == 1;
}

static int
setup(void **state)
{
    Reader *reader = g_new0(Reader, 1);
    reader->mailbox = kab_mailbox_new(NULL);
    *state = reader;
    return 0;
}

static int
teardown(void **state)
{
    Reader *reader = *state;
    kab_mailbox_free(reader->mailbox);
    g_free(reader);
    return 0;
}

TEST(delivered_in_the_order_of_posting)
{
    Reader *reader = *state;
    Letter letters[100] = {0};
    for (unsigned i = 0; i < 100; i++) {
        letters[i].mail.deliver = deliver;
        letters[i].number = i;
        kab_mailbox_post(reader->mailbox, &letters[i].mail);
    }
    assert_int_equal(kab_mailbox_deliver(reader->mailbox, reader), 100);
    assert_int_equal(reader->n_out_of_order, 0);
}

TEST(a_sleeping_loop_is_woken_once)
{
    Reader *reader = *state;
    Letter letters[2] = {{.mail.deliver = deliver},
                         {.mail.deliver = deliver, .number = 1}};
    kab_mailbox_wake(reader->mailbox);
    assert_true(kab_mailbox_arm(reader->mailbox));
    kab_mailbox_post(reader->mailbox, &letters[0].mail);
    kab_mailbox_post(reader->mailbox, &letters[1].mail);
    assert_true(is_readable(reader->mailbox, 0));
    kab_mailbox_wake(reader->mailbox);
    assert_false(is_readable(reader->mailbox, 0));
    assert_int_equal(kab_mailbox_deliver(reader->mailbox, reader), 2);
    assert_true(kab_mailbox_arm(reader->mailbox));
}

TEST(a_loop_that_is_awake_is_not_written_to)
{
    Reader *reader = *state;
    Letter letter = {.mail.deliver = deliver};
    kab_mailbox_wake(reader->mailbox);
    kab_mailbox_post(reader->mailbox, &letter.mail);
    assert_false(is_readable(reader->mailbox, 0));
    assert_false(kab_mailbox_arm(reader->mailbox));
    assert_int_equal(kab_mailbox_deliver(reader->mailbox, reader), 1);
    assert_true(kab_mailbox_arm(reader->mailbox));
}

TEST(a_kick_keeps_the_loop_from_sleeping)
{
    Reader *reader = *state;
    kab_mailbox_wake(reader->mailbox);
    kab_mailbox_kick(reader->mailbox);
    assert_false(kab_mailbox_arm(reader->mailbox));
    assert_int_equal(kab_mailbox_deliver(reader->mailbox, reader), 0);
    assert_true(kab_mailbox_arm(reader->mailbox));
}

TEST(a_quiet_letter_does_not_wake_but_keeps_from_sleeping)
{
    Reader *reader = *state;
    Letter letter = {.mail.deliver = deliver};
    kab_mailbox_wake(reader->mailbox);
    assert_true(kab_mailbox_arm(reader->mailbox));
    kab_mailbox_post_quietly(reader->mailbox, &letter.mail);
    assert_false(is_readable(reader->mailbox, 0));
    kab_mailbox_wake(reader->mailbox);
    assert_false(kab_mailbox_arm(reader->mailbox));
    assert_int_equal(kab_mailbox_deliver(reader->mailbox, reader), 1);
}

typedef struct {
    KabMailbox *mailbox;
    Letter *letters;
} Poster;

static void *
post_all(void *data)
{
    Poster *poster = data;
    for (unsigned i = 0; i < N_EACH; i++)
        kab_mailbox_post(poster->mailbox, &poster->letters[i].mail);
    return NULL;
}

static void
read_all(Reader *reader, unsigned n)
{
    while (reader->n < n) {
        if (!is_readable(reader->mailbox, 10000))
            return;
        kab_mailbox_wake(reader->mailbox);
        do
            kab_mailbox_deliver(reader->mailbox, reader);
        while (!kab_mailbox_arm(reader->mailbox));
    }
}

TEST(no_letter_of_many_posters_is_slept_over)
{
    Reader *reader = *state;
    pthread_t threads[N_POSTERS];
    Poster posters[N_POSTERS];
    for (unsigned p = 0; p < N_POSTERS; p++) {
        posters[p] = (Poster){reader->mailbox, g_new0(Letter, N_EACH)};
        for (unsigned i = 0; i < N_EACH; i++)
            posters[p].letters[i] = (Letter){{NULL, deliver}, p, i};
        pthread_create(&threads[p], NULL, post_all, &posters[p]);
    }
    read_all(reader, N_POSTERS * N_EACH);
    for (unsigned p = 0; p < N_POSTERS; p++) {
        pthread_join(threads[p], NULL);
        g_free(posters[p].letters);
    }
    assert_int_equal(reader->n, N_POSTERS * N_EACH);
    assert_int_equal(reader->n_out_of_order, 0);
}

#define WITH_READER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Leaves this many descriptors to the process; returns the limit before. */
static struct rlimit
leave_descriptors(int n)
{
    struct rlimit before, limit;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)(next + n);
    setrlimit(RLIMIT_NOFILE, &limit);
    return before;
}

TEST(without_a_descriptor_the_error_says_what_to_do)
{
    static const KabLoopWork work = {0};
    for (int n = 0; n < 2; n++) { /* GLib's own part of a loop needs one, too */
        g_autoptr(GError) error = NULL;
        struct rlimit before = leave_descriptors(n);
        assert_null(kab_loop_new(&work, NULL, &error));
        setrlimit(RLIMIT_NOFILE, &before);
        assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE));
        assert_string_equal(error->message,
                            "cannot make an eventfd: Too many open files; "
                            "raise the limit of file descriptors "
                            "(RLIMIT_NOFILE, ulimit -n)");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_READER(delivered_in_the_order_of_posting),
        WITH_READER(a_sleeping_loop_is_woken_once),
        WITH_READER(a_loop_that_is_awake_is_not_written_to),
        WITH_READER(a_kick_keeps_the_loop_from_sleeping),
        WITH_READER(a_quiet_letter_does_not_wake_but_keeps_from_sleeping),
        WITH_READER(no_letter_of_many_posters_is_slept_over),
        cmocka_unit_test(without_a_descriptor_the_error_says_what_to_do),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
