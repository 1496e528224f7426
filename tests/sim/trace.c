/* SPDX-License-Identifier: Apache-2.0 */
/* The last lines of what happened, kept for a schedule that fails. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

enum { N_LINES = 1 << 16, LINE_SIZE = 160 };

struct Trace {
    char (*lines)[LINE_SIZE];
    size_t n; /* ever */
};

struct Trace *
trace_new(void)
{
    struct Trace *trace = g_new0(struct Trace, 1);
    trace->lines = g_malloc0_n(N_LINES, LINE_SIZE);
    return trace;
}

void
trace_free(struct Trace *trace)
{
    if (!trace)
        return;
    g_free(trace->lines);
    g_free(trace);
}

void
trace_add(Sim *sim, const char *format, ...)
{
    struct Trace *trace = sim->trace;
    char *line = trace->lines[trace->n++ % N_LINES];
    int head = snprintf(line, LINE_SIZE, "%9.3f ", (double)sim->now / 1000);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + head, (size_t)(LINE_SIZE - head), format, arguments);
    va_end(arguments);
}

void
trace_print(const struct Trace *trace, size_t lines)
{
    size_t n = MIN(MIN(lines, trace->n), N_LINES);
    for (size_t i = trace->n - n; i < trace->n; i++)
        printf("%s\n", trace->lines[i % N_LINES]);
    fflush(stdout);
}
