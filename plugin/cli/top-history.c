/* SPDX-License-Identifier: Apache-2.0 */
/* The last minute of each binding as a line of bars with its scale. */
#include "top-history.h"

enum { LOOKS = 60, STEPS = 8 };

typedef struct {
    double values[LOOKS];
    unsigned n; /* number of values added */
} Line;

struct KabTopHistory {
    GHashTable *lines; /* "title binding" -> Line */
};

KabTopHistory *
kab_top_history_new(void)
{
    KabTopHistory *history = g_new0(KabTopHistory, 1);
    history->lines =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return history;
}

void
kab_top_history_free(KabTopHistory *history)
{
    if (!history)
        return;
    g_hash_table_unref(history->lines);
    g_free(history);
}

static Line *
find_line(KabTopHistory *history, const char *binding, const char *title)
{
    char *key = g_strconcat(title, " ", binding, NULL);
    Line *line = g_hash_table_lookup(history->lines, key);
    if (line) {
        g_free(key);
        return line;
    }
    line = g_new0(Line, 1);
    g_hash_table_insert(history->lines, key, line);
    return line;
}

static double
find_top(const Line *line)
{
    double top = 0;
    for (unsigned i = 0; i < MIN(line->n, LOOKS); i++)
        top = MAX(top, line->values[i]);
    return top;
}

/* Oldest value first; the newest is at the right edge. */
static char *
dup_bars(const Line *line, double top)
{
    static const char *const bars[STEPS] = {"▁", "▂", "▃", "▄",
                                            "▅", "▆", "▇", "█"};
    GString *text = g_string_new(NULL);
    unsigned n = MIN(line->n, LOOKS);
    for (unsigned i = n; i < LOOKS; i++)
        g_string_append_c(text, ' ');
    for (unsigned i = line->n - n; i < line->n; i++) {
        double share = top > 0 ? line->values[i % LOOKS] / top : 0;
        unsigned step = (unsigned)(share * (STEPS - 1) + 0.5);
        g_string_append(text, bars[MIN(step, STEPS - 1)]);
    }
    return g_string_free(text, FALSE);
}

char *
kab_top_history_dup_line(KabTopHistory *history,
                         const char *binding,
                         const char *title,
                         double value,
                         double *ret_top)
{
    Line *line = find_line(history, binding, title);
    line->values[line->n++ % LOOKS] = value;
    *ret_top = find_top(line);
    return dup_bars(line, *ret_top);
}
