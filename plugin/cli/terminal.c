/* SPDX-License-Identifier: Apache-2.0 */
/* Colour and progress. */
#include "terminal.h"

#include <unistd.h>

KabTerminal
kab_terminal_of(FILE *stream)
{
    const char *no_colour = g_getenv("NO_COLOR");
    const char *kind = g_getenv("TERM");
    bool is_dumb = !kind || g_str_equal(kind, "dumb");
    bool is_terminal = isatty(fileno(stream)) && !is_dumb;
    return (KabTerminal){.stream = stream,
                         .is_terminal = is_terminal,
                         .has_colour =
                             is_terminal && !(no_colour && *no_colour)};
}

const char *
kab_terminal_style(const KabTerminal *terminal, KabStyle style)
{
    static const char *const codes[] = {
#define X(NAME, code) "\033[" code "m",
        KAB_STYLES(X)
#undef X
    };
    return terminal->has_colour ? codes[style] : "";
}

void
kab_terminal_progress(const KabTerminal *terminal, const char *line)
{
    if (!terminal->is_terminal)
        return;
    fprintf(terminal->stream, "\r\033[K%s", line);
    fflush(terminal->stream);
}

char *
kab_terminal_dup_bar(double share, unsigned width)
{
    unsigned full = (unsigned)(CLAMP(share, 0, 1) * width + 0.5);
    GString *bar = g_string_new(NULL);
    for (unsigned i = 0; i < width; i++)
        g_string_append(bar, i < full ? "█" : "░");
    return g_string_free(bar, FALSE);
}
