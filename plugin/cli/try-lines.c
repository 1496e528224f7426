/* SPDX-License-Identifier: Apache-2.0 */
/* Reads ahead, but not far. */
#include "try-lines.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_AHEAD = 4096 };

struct KabLines {
    FILE *in;
    KabMailbox *mailbox;
    GThread *reader;
    GQueue pending; /* KabLine, not yet taken */
    bool is_at_end;

    pthread_mutex_t mutex; /* guards n_ahead */
    pthread_cond_t has_room;
    unsigned n_ahead;
};

void
kab_line_free(KabLine *line)
{
    kab_try_record_clear(&line->record);
    free(line->text);
    g_free(line);
}

/* --- Reader ------------------------------------------------------------ */

static void
wait_for_room(KabLines *lines)
{
    pthread_mutex_lock(&lines->mutex);
    while (lines->n_ahead >= MAX_AHEAD)
        pthread_cond_wait(&lines->has_room, &lines->mutex);
    lines->n_ahead++;
    pthread_mutex_unlock(&lines->mutex);
}

static void
deliver_line(KabMail *mail, void *user)
{
    KabLine *line = (KabLine *)(void *)mail;
    KabLines *lines = line->lines;
    if (line->text) {
        g_queue_push_tail(&lines->pending, line);
        return;
    }
    lines->is_at_end = true;
    kab_line_free(line);
}

static KabLine *
read_line(KabLines *lines, int64_t offset)
{
    KabLine *line = g_new0(KabLine, 1);
    size_t capacity = 0;
    ssize_t n = getline(&line->text, &capacity, lines->in);
    if (n < 0)
        g_clear_pointer(&line->text, free);
    else
        line->len = (size_t)n - (line->text[n - 1] == '\n');
    line->lines = lines;
    line->offset = offset;
    line->mail.deliver = deliver_line;
    return line;
}

/* The last line posted has no text; the lines may be freed as soon as it is
 * delivered. */
static gpointer
read_lines(gpointer user)
{
    KabLines *lines = user;
    bool is_at_end = false;
    for (int64_t offset = 0; !is_at_end; offset++) {
        wait_for_room(lines);
        KabLine *line = read_line(lines, offset);
        is_at_end = !line->text;
        kab_mailbox_post(lines->mailbox, &line->mail);
    }
    return NULL;
}

/* --- Loop -------------------------------------------------------------- */

KabLines *
kab_lines_new(FILE *in, KabMailbox *mailbox)
{
    KabLines *lines = g_new0(KabLines, 1);
    lines->in = in;
    lines->mailbox = mailbox;
    pthread_mutex_init(&lines->mutex, NULL);
    pthread_cond_init(&lines->has_room, NULL);
    lines->reader = g_thread_new("lines", read_lines, lines);
    return lines;
}

KabLine *
kab_lines_take(KabLines *lines)
{
    KabLine *line = g_queue_pop_head(&lines->pending);
    if (!line)
        return NULL;
    pthread_mutex_lock(&lines->mutex);
    lines->n_ahead--;
    pthread_cond_signal(&lines->has_room);
    pthread_mutex_unlock(&lines->mutex);
    return line;
}

bool
kab_lines_are_read(const KabLines *lines)
{
    return lines->is_at_end;
}

bool
kab_lines_are_taken(const KabLines *lines)
{
    return lines->is_at_end && !lines->pending.length;
}

void
kab_lines_free(KabLines *lines)
{
    g_thread_join(lines->reader);
    KabLine *line;
    while ((line = g_queue_pop_head(&lines->pending)))
        kab_line_free(line);
    pthread_mutex_destroy(&lines->mutex);
    pthread_cond_destroy(&lines->has_room);
    g_free(lines);
}
