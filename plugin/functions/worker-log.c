/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about a worker in the bridge's log, and the worker's own output,
 * rate-limited. */
#include "worker-internal.h"

#include <stdarg.h>

enum { LINES_A_SECOND = 50, SECOND_US = 1000 * 1000 };

void
worker_log(const Worker *worker, KabLogLevel level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (worker->process.pid)
        kab_context_log(worker->pool->context, level, "worker %u (pid %d) %s",
                        worker->number, (int)worker->process.pid, text);
    else
        kab_context_log(worker->pool->context, level, "worker %u %s",
                        worker->number, text);
    g_free(text);
}

/* The first line of a new second also tells how many the last second lost. */
static void
begin_second(Worker *worker, int64_t now)
{
    worker->line_us = now;
    worker->n_lines = 0;
    if (!worker->lines_left_out)
        return;
    worker_log(worker, KAB_LOG_WARNING,
               "wrote %" G_GUINT64_FORMAT " lines that are left out: more "
               "than %d a second",
               worker->lines_left_out, LINES_A_SECOND);
    worker->lines_left_out = 0;
}

void
worker_log_line(void *user, const char *line)
{
    Worker *worker = user;
    int64_t now = worker_now_us();
    if (now - worker->line_us >= SECOND_US)
        begin_second(worker, now);
    if (worker->n_lines++ < LINES_A_SECOND)
        worker_log(worker, KAB_LOG_INFO, "wrote: %s", line);
    else
        worker->lines_left_out++;
}
