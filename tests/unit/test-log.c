/* SPDX-License-Identifier: Apache-2.0 */
/* The log's rate limit, and readers that do not read. */
#include "kab-test.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <glib.h>

#include "log-journal.h"
#include "log-writer.h"
#include "log.h"

TEST(of_a_kind_five_lines_are_written_then_they_are_counted)
{
    KabLogLimit limit = {0};
    unsigned n_left_out = 0;
    for (int i = 0; i < 5; i++) {
        assert_true(kab_log_limit_pass(&limit, &n_left_out));
        assert_int_equal(n_left_out, 0);
    }
    assert_false(kab_log_limit_pass(&limit, &n_left_out));
    assert_false(kab_log_limit_pass(&limit, &n_left_out));
    limit.until_us = 0; /* as if ten seconds had passed */
    assert_true(kab_log_limit_pass(&limit, &n_left_out));
    assert_int_equal(n_left_out, 2);
    assert_true(kab_log_limit_pass(&limit, &n_left_out));
    assert_int_equal(n_left_out, 0);
}

/* Makes a pipe that nobody reads, and fills it. */
static void
make_full_pipe(int fds[2])
{
    char block[4096] = {0};
    assert_int_equal(pipe(fds), 0);
    int flags = fcntl(fds[1], F_GETFL);
    fcntl(fds[1], F_SETFL, flags | O_NONBLOCK);
    while (write(fds[1], block, sizeof block) > 0)
        continue;
    fcntl(fds[1], F_SETFL, flags);
}

static uint64_t
push_lines(KabLogWriter *writer, unsigned n)
{
    static const char line[] = "a line of a log that is of the usual length\n";
    uint64_t n_dropped = 0;
    for (unsigned i = 0; i < n; i++)
        n_dropped += !kab_log_writer_push(writer, line, strlen(line));
    return n_dropped;
}

TEST(a_log_that_nobody_reads_holds_nobody_up)
{
    int fds[2];
    make_full_pipe(fds);
    KabLogWriter *writer = kab_log_writer_new(fds[1]);
    alarm(60); /* a blocking write would wait for ever */
    uint64_t n_dropped = push_lines(writer, 100000);
    kab_log_writer_flush(writer, 1000);
    assert_true(n_dropped > 80000);
    assert_int_equal(kab_log_writer_steal_dropped(writer), n_dropped);
    assert_int_equal(kab_log_writer_steal_dropped(writer), 0);
    kab_log_writer_free(writer);
    close(fds[0]); /* ends the log's thread */
    alarm(0);
}

TEST(lines_for_a_reader_that_has_ended_are_counted)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    signal(SIGPIPE, SIG_IGN);
    KabLogWriter *writer = kab_log_writer_new(fds[1]);
    close(fds[0]);
    assert_int_equal(push_lines(writer, 3), 0);
    kab_log_writer_flush(writer, 30 * G_USEC_PER_SEC);
    assert_int_equal(kab_log_writer_steal_dropped(writer), 3);
    kab_log_writer_free(writer);
}

TEST(lines_for_a_full_disk_are_counted_and_later_ones_are_written)
{
    int fds[2];
    char text[4096];
    int fd = open("/dev/full", O_WRONLY);
    assert_int_equal(pipe(fds), 0);
    KabLogWriter *writer = kab_log_writer_new(fd);
    assert_int_equal(push_lines(writer, 3), 0);
    kab_log_writer_flush(writer, 30 * G_USEC_PER_SEC);
    assert_int_equal(kab_log_writer_steal_dropped(writer), 3);
    dup2(fds[1], fd); /* somebody has made room */
    push_lines(writer, 2);
    kab_log_writer_flush(writer, 30 * G_USEC_PER_SEC);
    assert_int_equal(kab_log_writer_steal_dropped(writer), 0);
    assert_int_equal(read(fds[0], text, sizeof text), 2 * 44);
    kab_log_writer_free(writer);
    close(fds[0]);
}

TEST(a_flush_waits_until_all_is_written)
{
    int fds[2];
    char text[4096];
    assert_int_equal(pipe(fds), 0);
    KabLogWriter *writer = kab_log_writer_new(fds[1]);
    push_lines(writer, 20);
    kab_log_writer_flush(writer, 30 * G_USEC_PER_SEC);
    assert_int_equal(read(fds[0], text, sizeof text), 20 * 44);
    kab_log_writer_free(writer);
    close(fds[0]);
}

/* --- The journal ------------------------------------------------------- */

/* What a journal got; `gate` is held while it takes nothing. */
static struct {
    pthread_mutex_t gate;
    unsigned n_sent, n_fallen_back;
    char *last;
} journald = {.gate = PTHREAD_MUTEX_INITIALIZER};

static GLogWriterOutput
take_line(GLogLevelFlags level,
          const GLogField *fields,
          gsize n_fields,
          gpointer user)
{
    pthread_mutex_lock(&journald.gate);
    journald.n_sent++;
    pthread_mutex_unlock(&journald.gate);
    return G_LOG_WRITER_HANDLED;
}

static GLogWriterOutput
refuse_line(GLogLevelFlags level,
            const GLogField *fields,
            gsize n_fields,
            gpointer user)
{
    return G_LOG_WRITER_UNHANDLED;
}

static void
note_line(GLogLevelFlags level, const GLogField *fields, size_t n)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%d", (int)level);
    for (size_t i = 0; i < n; i++)
        g_string_append_printf(text, " %s=%.*s", fields[i].key,
                               (int)fields[i].length,
                               (const char *)fields[i].value);
    g_free(journald.last);
    journald.last = g_string_free(text, FALSE);
    journald.n_fallen_back++;
}

static GString *
pack_line(void)
{
    const GLogField fields[] = {{"MESSAGE", "one\ntwo", -1},
                                {"TOPIC", "payments, and more", 8}};
    return kab_log_journal_pack(G_LOG_LEVEL_WARNING, fields, 2);
}

TEST(a_journal_that_takes_nothing_holds_nobody_up)
{
    enum { N_LINES = 20000 };
    KabLogJournal journal = {take_line, note_line};
    KabLogWriter *writer =
        kab_log_writer_new_for(kab_log_journal_write, &journal);
    g_autoptr(GString) line = pack_line();
    uint64_t n_dropped = 0;
    alarm(60); /* a push that blocks would wait for ever */
    pthread_mutex_lock(&journald.gate);
    for (unsigned i = 0; i < N_LINES; i++)
        n_dropped += !kab_log_writer_push(writer, line->str, line->len);
    pthread_mutex_unlock(&journald.gate);
    kab_log_writer_flush(writer, 30 * G_USEC_PER_SEC);
    assert_true(n_dropped > 0);
    assert_int_equal(kab_log_writer_n_dropped(writer), n_dropped);
    assert_int_equal(journald.n_sent + n_dropped, N_LINES);
    kab_log_writer_free(writer);
    alarm(0);
}

TEST(a_line_that_no_journal_takes_goes_elsewhere_whole)
{
    KabLogJournal journal = {refuse_line, note_line};
    g_autoptr(GString) line = pack_line();
    assert_int_equal(kab_log_journal_write(&journal, line->str, line->len), 0);
    assert_int_equal(journald.n_fallen_back, 1);
    assert_string_equal(journald.last, "16 MESSAGE=one\ntwo TOPIC=payments");
    g_free(journald.last);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            of_a_kind_five_lines_are_written_then_they_are_counted),
        cmocka_unit_test(a_log_that_nobody_reads_holds_nobody_up),
        cmocka_unit_test(lines_for_a_reader_that_has_ended_are_counted),
        cmocka_unit_test(
            lines_for_a_full_disk_are_counted_and_later_ones_are_written),
        cmocka_unit_test(a_flush_waits_until_all_is_written),
        cmocka_unit_test(a_journal_that_takes_nothing_holds_nobody_up),
        cmocka_unit_test(a_line_that_no_journal_takes_goes_elsewhere_whole),
    };
    cmocka_set_test_filter(g_getenv("KAB_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
