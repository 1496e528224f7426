/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `kabridge top`: one line per binding, then its partitions. */
#include "top.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

struct KabTopSums {
    GHashTable *values; /* "family binding" -> double */
};

/* --- Sums -------------------------------------------------------------- */

/* The value of the first label, unescaped. */
static char *
dup_binding(const char *labels)
{
    static const char start[] = "{binding=\"";
    if (!g_str_has_prefix(labels, start))
        return NULL;
    GString *name = g_string_new(NULL);
    for (const char *c = labels + strlen(start); *c && *c != '"'; c++) {
        if (*c == '\\' && c[1])
            c++;
        g_string_append_c(name, *c);
    }
    return g_string_free(name, FALSE);
}

static void
add_line(KabTopSums *sums, const char *line)
{
    static const char prefix[] = "kabridge_";
    const char *labels = strchr(line, '{'), *value = strrchr(line, ' ');
    if (!g_str_has_prefix(line, prefix) || !labels || !value)
        return;
    g_autofree char *binding = dup_binding(labels);
    if (!binding)
        return;
    const char *name = line + strlen(prefix);
    g_autofree char *key =
        g_strdup_printf("%.*s %s", (int)(labels - name), name, binding);
    double *sum = g_hash_table_lookup(sums->values, key);
    if (!sum) {
        sum = g_new0(double, 1);
        g_hash_table_insert(sums->values, g_steal_pointer(&key), sum);
    }
    *sum += g_ascii_strtod(value + 1, NULL);
}

KabTopSums *
kab_top_sums_new(const char *text)
{
    KabTopSums *sums = g_new0(KabTopSums, 1);
    sums->values =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        add_line(sums, *line);
    return sums;
}

void
kab_top_sums_free(KabTopSums *sums)
{
    if (!sums)
        return;
    g_hash_table_unref(sums->values);
    g_free(sums);
}

/* --- Numbers ----------------------------------------------------------- */

/* Everything needed for a row. */
typedef struct {
    const char *binding;
    const KabTopSums *now, *before;
    double seconds;
} Moment;

static double
sum_of(const KabTopSums *sums, const char *family, const char *binding)
{
    if (!sums)
        return 0;
    g_autofree char *key = g_strconcat(family, " ", binding, NULL);
    const double *sum = g_hash_table_lookup(sums->values, key);
    return sum ? *sum : 0;
}

static double
value_of(const Moment *moment, const char *family)
{
    return sum_of(moment->now, family, moment->binding);
}

/* Growth since the previous moment; since the start if there is none. */
static double
growth_of(const Moment *moment, const char *family)
{
    return MAX(0, value_of(moment, family) -
                      sum_of(moment->before, family, moment->binding));
}

static double
rate_of(const Moment *moment, const char *family)
{
    if (!moment->before || moment->seconds <= 0)
        return 0;
    return growth_of(moment, family) / moment->seconds;
}

static double
mean_of(const Moment *moment, const char *histogram)
{
    g_autofree char *sum = g_strconcat(histogram, "_sum", NULL);
    g_autofree char *count = g_strconcat(histogram, "_count", NULL);
    double n = growth_of(moment, count);
    return n > 0 ? growth_of(moment, sum) / n : 0;
}

static void
append_number(GString *text, int width, double number)
{
    static const char units[] = " kMGT";
    size_t unit = 0;
    while (number >= 100000 && unit < sizeof units - 2) {
        number /= 1000;
        unit++;
    }
    char digits[32];
    bool is_whole = number >= 100 || number == (double)(int)number;
    g_ascii_formatd(digits, sizeof digits, is_whole ? "%.0f" : "%.1f", number);
    g_autofree char *shown =
        unit ? g_strdup_printf("%s%c", digits, units[unit]) : g_strdup(digits);
    g_string_append_printf(text, "%*s", width, shown);
}

/* --- Screen ------------------------------------------------------------ */

static const struct {
    const char *title, *family;
    double (*get)(const Moment *moment, const char *family);
    double factor;
} columns[] = {
    {"in/s", "records_consumed_total", rate_of, 1},
    {"done/s", "records_finished_total", rate_of, 1},
    {"retry/s", "records_retried_total", rate_of, 1},
    {"dead", "dead_letters_total", value_of, 1},
    {"batch", "batch_records", mean_of, 1},
    {"call ms", "call_seconds", mean_of, 1000},
    {"calls", "calls_in_flight", value_of, 1},
    {"buffer", "buffer_records", value_of, 1},
    {"oldest s", "oldest_unfinished_seconds", value_of, 1},
    {"lag", "partition_lag", value_of, 1},
};
enum { NAME_WIDTH = 20, STATE_WIDTH = 10, COLUMN_WIDTH = 9 };

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void
append_head(GString *screen, const KabTerminal *terminal)
{
    g_string_append_printf(screen, "%s%-*s%-*s",
                           kab_terminal_style(terminal, KAB_STYLE_SOFT),
                           NAME_WIDTH, "binding", STATE_WIDTH, "state");
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        g_string_append_printf(screen, "%*s", COLUMN_WIDTH, columns[i].title);
    g_string_append_printf(screen, "%s\n",
                           kab_terminal_style(terminal, KAB_STYLE_PLAIN));
}

static void
append_sentence(GString *screen,
                const KabTerminal *terminal,
                KabStyle style,
                const char *title,
                const char *sentence)
{
    if (*sentence)
        g_string_append_printf(
            screen, "  %s%s: %s%s\n", kab_terminal_style(terminal, style),
            title, sentence, kab_terminal_style(terminal, KAB_STYLE_PLAIN));
}

/* What `batching = adaptive` has chosen, and why. */
static void
append_adaptive(GString *screen,
                const KabTerminal *terminal,
                const json_t *binding)
{
    const json_t *adaptive = json_object_get(binding, "adaptive");
    if (!json_is_object(adaptive))
        return;
    int64_t calls =
        json_integer_value(json_object_get(binding, "calls_in_flight_limit"));
    g_autofree char *sentence = g_strdup_printf(
        "up to %" PRIi64 " records, %" PRIi64 " call%s; %s",
        (int64_t)json_integer_value(json_object_get(binding, "batch_limit")),
        calls, calls == 1 ? "" : "s", text_of(adaptive, "reason"));
    append_sentence(screen, terminal, KAB_STYLE_SOFT, "adaptive", sentence);
}

static void
append_offset(GString *screen, const json_t *partition, const char *name)
{
    const json_t *number = json_object_get(partition, name);
    if (json_is_integer(number))
        g_string_append_printf(screen, "%12" PRIi64,
                               (int64_t)json_integer_value(number));
    else
        g_string_append_printf(screen, "%12s", "-");
}

/* What the partition's oldest record waits for, if that record is not young. */
static void
append_wait(GString *screen, const json_t *partition)
{
    double seconds = json_number_value(
        json_object_get(partition, "oldest_unfinished_seconds"));
    const char *waits_for = text_of(partition, "waits_for");
    if (seconds < 1 || !*waits_for)
        return;
    g_string_append_printf(screen, "  %" PRIi64 " waits %.0f s for %s",
                           (int64_t)json_integer_value(
                               json_object_get(partition, "oldest_unfinished")),
                           seconds, waits_for);
}

static void
append_partitions(GString *screen,
                  const KabTerminal *terminal,
                  json_t *partitions)
{
    static const char *const names[] = {"position", "committed", "end", "lag",
                                        "finished_beyond"};
    if (json_array_size(partitions) == 0)
        return;
    g_string_append_printf(screen, "%s  %-28s%-10s",
                           kab_terminal_style(terminal, KAB_STYLE_SOFT),
                           "partition", "state");
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_string_append_printf(screen, "%12s", i == 4 ? "beyond" : names[i]);
    g_string_append_printf(screen, "%s\n",
                           kab_terminal_style(terminal, KAB_STYLE_PLAIN));
    size_t i;
    json_t *partition;
    json_array_foreach(partitions, i, partition)
    {
        g_autofree char *place = g_strdup_printf(
            "%s [%d]", text_of(partition, "topic"),
            (int)json_integer_value(json_object_get(partition, "partition")));
        g_string_append_printf(screen, "  %-28s%-10s", place,
                               text_of(partition, "state"));
        for (size_t n = 0; n < G_N_ELEMENTS(names); n++)
            append_offset(screen, partition, names[n]);
        append_wait(screen, partition);
        g_string_append_c(screen, '\n');
    }
}

/* Appends the last minute of the values that tell whether the binding keeps
 * up. */
static void
append_history(GString *screen,
               const KabTerminal *terminal,
               const Moment *moment,
               KabTopHistory *history)
{
    const struct {
        const char *title;
        double value;
    } lines[] = {
        {"done/s", rate_of(moment, "records_finished_total")},
        {"lag", value_of(moment, "partition_lag")},
        {"call ms", 1000 * mean_of(moment, "call_seconds")},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        double top;
        g_autofree char *bars = kab_top_history_dup_line(
            history, moment->binding, lines[i].title, lines[i].value, &top);
        g_string_append_printf(
            screen, "  %s%-8s%s%s%s%s highest",
            kab_terminal_style(terminal, KAB_STYLE_SOFT), lines[i].title,
            kab_terminal_style(terminal, KAB_STYLE_GREEN), bars,
            kab_terminal_style(terminal, KAB_STYLE_PLAIN),
            kab_terminal_style(terminal, KAB_STYLE_SOFT));
        append_number(screen, 8, top);
        g_string_append_printf(screen, "%s\n",
                               kab_terminal_style(terminal, KAB_STYLE_PLAIN));
    }
}

static void
append_binding(GString *screen,
               const KabTerminal *terminal,
               const json_t *binding,
               const Moment *moment,
               KabTopHistory *history)
{
    bool is_ready = json_is_null(json_object_get(binding, "reason"));
    g_string_append_printf(
        screen, "%s%-*s%s%s%-*s%s",
        kab_terminal_style(terminal, KAB_STYLE_BOLD), NAME_WIDTH,
        moment->binding, kab_terminal_style(terminal, KAB_STYLE_PLAIN),
        kab_terminal_style(terminal,
                           is_ready ? KAB_STYLE_GREEN : KAB_STYLE_RED),
        STATE_WIDTH, text_of(binding, "state"),
        kab_terminal_style(terminal, KAB_STYLE_PLAIN));
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        append_number(screen, COLUMN_WIDTH,
                      columns[i].factor *
                          columns[i].get(moment, columns[i].family));
    g_string_append_c(screen, '\n');
    append_sentence(screen, terminal, KAB_STYLE_RED, "not ready",
                    text_of(binding, "reason"));
    append_sentence(screen, terminal, KAB_STYLE_SOFT, "last error",
                    text_of(binding, "last_error"));
    append_adaptive(screen, terminal, binding);
    if (history && moment->before)
        append_history(screen, terminal, moment, history);
    append_partitions(screen, terminal, json_object_get(binding, "partitions"));
    g_string_append_c(screen, '\n');
}

char *
kab_top_dup_screen(const KabTerminal *terminal,
                   const char *status,
                   const KabTopSums *now,
                   const KabTopSums *before,
                   double seconds,
                   KabTopHistory *history)
{
    json_t *root = json_loads(status, 0, NULL);
    json_t *bindings = json_object_get(root, "bindings");
    if (!json_is_array(bindings)) {
        json_decref(root);
        return NULL;
    }
    GString *screen = g_string_new(NULL);
    g_string_append_printf(screen, "kabridge %s on %s\n\n",
                           text_of(root, "version"), text_of(root, "instance"));
    size_t i;
    json_t *binding;
    json_array_foreach(bindings, i, binding)
    {
        const Moment moment = {text_of(binding, "name"), now, before, seconds};
        append_head(screen, terminal);
        append_binding(screen, terminal, binding, &moment, history);
    }
    json_decref(root);
    return g_string_free(screen, FALSE);
}
