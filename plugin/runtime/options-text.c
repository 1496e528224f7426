/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of the options, in its three output formats. */
#include "options.h"

#include <string.h>

#include "properties.h"

static const char *
section_help(KabSection section)
{
    static const char *const helps[] = {
#define X(NAME, text, help) help,
        KAB_SECTIONS(X)
#undef X
    };
    return helps[section];
}

/* "size, 1..1GiB", "time, 0..1h, or never", "choice: key, same" */
static char *
dup_kind(const KabOptionRow *row)
{
    const KabValueRule *rule = &row->rule;
    GString *kind = g_string_new(kab_value_type_name(rule->type));
    if (rule->type == KAB_VALUE_CHOICE) {
        g_auto(GStrv) choices = g_strsplit(rule->range, "|", -1);
        g_autofree char *list = g_strjoinv(", ", choices);
        g_string_append_printf(kind, ": %s", list);
    } else if (rule->range) {
        g_string_append_printf(kind, " %s", rule->range);
    }
    if (rule->word)
        g_string_append_printf(kind, ", or %s", rule->word);
    return g_string_free(kind, FALSE);
}

static char *
dup_default(const KabOptionRow *row)
{
    const char *words = kab_option_default_words(row);
    if (!row->modes)
        return g_strdup(words);
    return g_strdup_printf("%s (%s: %s)", words,
                           row->modes & KAB_MODE_EXACTLY_ONCE
                               ? "adaptive or exactly-once"
                               : "adaptive",
                           row->mode_default);
}

static void
append_text_row(GString *text, const KabOptionRow *row)
{
    g_autofree char *kind = dup_kind(row);
    g_autofree char *standard = dup_default(row);
    g_string_append_printf(
        text, "  %s\n      %s; default: %s%s\n      %s\n", row->name, kind,
        standard, row->flags & KAB_ROW_RELOADABLE ? "; reloadable" : "",
        row->help);
}

static void
append_markdown_row(GString *text, const KabOptionRow *row)
{
    g_autofree char *kind = dup_kind(row);
    g_autofree char *standard = dup_default(row);
    g_string_append_printf(
        text, "| `%s` | %s | %s | %s | %s |\n", row->name, kind, standard,
        row->flags & KAB_ROW_RELOADABLE ? "yes" : "no", row->help);
}

/* troff takes a leading dot or quote as a request; backslash and minus are
 * special to it too. */
static char *
dup_troff(const char *text)
{
    GString *troff = g_string_new(NULL);
    for (const char *c = text; *c; c++) {
        if (*c == '-' || *c == '\\')
            g_string_append_c(troff, '\\');
        g_string_append_c(troff, *c);
    }
    return g_string_free(troff, FALSE);
}

static void
append_man_row(GString *text, const KabOptionRow *row)
{
    g_autofree char *kind = dup_kind(row);
    g_autofree char *standard = dup_default(row);
    g_autofree char *line =
        g_strdup_printf("%s; default: %s%s.", kind, standard,
                        row->flags & KAB_ROW_RELOADABLE ? "; reloadable" : "");
    g_autofree char *name = dup_troff(row->name);
    g_autofree char *facts = dup_troff(line);
    g_autofree char *help = dup_troff(row->help);
    g_string_append_printf(text, ".TP\n.B %s\n%s\n%s\n", name, facts, help);
}

static void
append_heading(GString *text, KabOptionsFormat format, KabSection section)
{
    const char *name = kab_section_name(section);
    const char *shown = section == KAB_SECTION_BINDING ? "binding NAME" : name;
    const char *help = section_help(section);
    const char *gap = section == KAB_SECTION_KAFKA ? "" : "\n";
    switch (format) {
    case KAB_OPTIONS_TEXT:
        g_string_append_printf(text, "%s[%s]  %s\n", gap, shown, help);
        return;
    case KAB_OPTIONS_MARKDOWN:
        g_string_append_printf(
            text,
            "%s### `[%s]`: %s\n\n| key | value | default | reloadable | "
            "meaning |\n|---|---|---|---|---|\n",
            gap, shown, help);
        return;
    case KAB_OPTIONS_MAN:
        g_string_append_printf(text, ".SS [%s]\n%s.\n", shown, help);
        return;
    }
}

static void
append_row(GString *text, KabOptionsFormat format, const KabOptionRow *row)
{
    switch (format) {
    case KAB_OPTIONS_TEXT:
        append_text_row(text, row);
        return;
    case KAB_OPTIONS_MARKDOWN:
        append_markdown_row(text, row);
        return;
    case KAB_OPTIONS_MAN:
        append_man_row(text, row);
        return;
    }
}

/* --- Client defaults ---------------------------------------------------- */

static const char *
client_words(KabClientKind clients)
{
    switch (clients) {
    case KAB_CLIENT_CONSUMER:
        return "consumer";
    case KAB_CLIENT_PRODUCER:
        return "producer";
    case KAB_CLIENT_BOTH:
        return "both";
    }
    return "";
}

static void
append_client_row(GString *text,
                  KabOptionsFormat format,
                  const KabClientDefault *row)
{
    const char *clients = client_words(row->clients);
    const char *value = row->value ? row->value : "";
    const char *owned = row->is_owned ? "may not be set" : "may be set";
    g_autofree char *facts = g_strdup_printf(
        "%s%s%s, %s: %s", clients, *value ? ", " : "", value, owned, row->why);
    g_autofree char *troff = dup_troff(facts);
    g_autofree char *name = dup_troff(row->name);
    switch (format) {
    case KAB_OPTIONS_TEXT:
        g_string_append_printf(text, "  %s\n      %s\n", row->name, facts);
        return;
    case KAB_OPTIONS_MARKDOWN:
        g_string_append_printf(text, "| `%s` | %s | %s | %s | %s |\n",
                               row->name, clients, value, owned, row->why);
        return;
    case KAB_OPTIONS_MAN:
        g_string_append_printf(text, ".TP\n.B %s\n%s.\n", name, troff);
        return;
    }
}

static const char *
client_heading(KabOptionsFormat format)
{
    switch (format) {
    case KAB_OPTIONS_TEXT:
        return "\nlibrdkafka properties that the bridge sets\n";
    case KAB_OPTIONS_MARKDOWN:
        return "\n### librdkafka properties that the bridge sets\n\n"
               "| property | client | value | | why |\n|---|---|---|---|---|\n";
    case KAB_OPTIONS_MAN:
        return ".SS librdkafka properties that the bridge sets\n";
    }
    return "";
}

static void
append_clients(GString *text, KabOptionsFormat format)
{
    size_t n;
    const KabClientDefault *rows = kab_client_defaults(&n);
    g_string_append(text, client_heading(format));
    for (size_t i = 0; i < n; i++)
        append_client_row(text, format, &rows[i]);
}

char *
kab_options_dup_reference(KabOptionsFormat format)
{
    GString *text = g_string_new(NULL);
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (int s = 0; s < KAB_N_SECTIONS; s++) {
        KabSection section = (KabSection)s;
        append_heading(text, format, section);
        for (size_t i = 0; i < n; i++)
            if (rows[i].section == section)
                append_row(text, format, &rows[i]);
    }
    append_clients(text, format);
    return g_string_free(text, FALSE);
}
