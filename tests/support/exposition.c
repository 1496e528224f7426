/* SPDX-License-Identifier: Apache-2.0 */
/* Reads line by line; a family is HELP, TYPE, then all of its samples. */
#include "exposition.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    GHashTable *families, *series; /* seen */
    char *name, *type;             /* of the family that is open */
    GHashTable *counts;            /* labels without le -> last bucket */
    double last_bound, last_bucket;
    char *last_labels; /* of the bucket before, without le */
    char *fault;
} Reader;

static void
fail(Reader *reader, const char *fault, const char *what)
{
    if (!reader->fault)
        reader->fault = g_strdup_printf("%s: %s", fault, what);
}

static size_t
name_length(const char *text, bool allows_colon)
{
    size_t n = 0;
    while (g_ascii_isalpha(text[n]) || text[n] == '_' ||
           (allows_colon && text[n] == ':') || (n && g_ascii_isdigit(text[n])))
        n++;
    return n;
}

static void
close_family(Reader *reader)
{
    if (reader->last_labels && isfinite(reader->last_bound))
        fail(reader, "the last bucket is not +Inf", reader->name);
    g_clear_pointer(&reader->last_labels, g_free);
    g_hash_table_remove_all(reader->counts);
}

static void
read_help(Reader *reader, const char *rest)
{
    close_family(reader);
    size_t n = name_length(rest, true);
    if (!n || rest[n] != ' ' || !rest[n + 1]) {
        fail(reader, "HELP without a name and a text", rest);
        return;
    }
    g_clear_pointer(&reader->type, g_free);
    g_free(reader->name);
    reader->name = g_strndup(rest, n);
    if (!g_str_has_prefix(reader->name, "kabridge_"))
        fail(reader, "does not begin with kabridge_", reader->name);
    if (!g_hash_table_add(reader->families, g_strdup(reader->name)))
        fail(reader, "comes twice", reader->name);
}

static void
read_type(Reader *reader, const char *rest)
{
    g_auto(GStrv) words = g_strsplit(rest, " ", -1);
    if (g_strv_length(words) != 2 || !reader->name || reader->type ||
        strcmp(words[0], reader->name) != 0) {
        fail(reader, "TYPE that does not follow its HELP", rest);
        return;
    }
    static const char *const types[] = {"counter", "gauge", "histogram", NULL};
    if (!g_strv_contains(types, words[1]))
        fail(reader, "unknown type", words[1]);
    if (g_str_equal(words[1], "counter") !=
        g_str_has_suffix(reader->name, "_total"))
        fail(reader, "_total is for counters", reader->name);
    reader->type = g_strdup(words[1]);
}

/* Ends after the closing quote; NULL: not right. */
static const char *
skip_value(const char *text)
{
    if (*text != '"')
        return NULL;
    for (text++; *text != '"'; text++) {
        if (*text == '\0')
            return NULL;
        if (*text != '\\')
            continue;
        text++;
        if (*text == '\0' || !strchr("\\\"n", *text))
            return NULL;
    }
    return text + 1;
}

/* Splits the labels off; le apart. Ends after the brace; NULL: wrong. */
static const char *
read_labels(Reader *reader, const char *text, GString *others, char **ret_le)
{
    g_autoptr(GHashTable) names =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (;;) {
        size_t n = name_length(text, false);
        g_autofree char *name = g_strndup(text, n);
        if (!n || text[n] != '=')
            return NULL;
        const char *value = text + n + 1;
        const char *end = skip_value(value);
        if (!end)
            return NULL;
        if (g_hash_table_size(names) == 0 && !g_str_equal(name, "binding") &&
            !g_str_equal(reader->name, "kabridge_build_info"))
            fail(reader, "the first label is not binding", name);
        if (g_str_equal(name, "le"))
            *ret_le = g_strndup(value + 1, (size_t)(end - value - 2));
        else
            g_string_append_len(others, text, end - text);
        if (!g_hash_table_add(names, g_steal_pointer(&name)))
            return NULL;
        text = end;
        if (*text == '}')
            return text + 1;
        if (*text != ',')
            return NULL;
        text++;
    }
}

static bool
read_number(const char *text, double *ret_number)
{
    if (g_str_equal(text, "+Inf")) {
        *ret_number = INFINITY;
        return true;
    }
    char *end;
    *ret_number = g_ascii_strtod(text, &end);
    return g_ascii_isdigit(*text) && *end == '\0' && isfinite(*ret_number);
}

static void
read_bucket(Reader *reader, const char *labels, const char *le, double value)
{
    double bound;
    if (!le || !read_number(le, &bound)) {
        fail(reader, "a bucket without a bound", reader->name);
        return;
    }
    bool goes_on = g_strcmp0(reader->last_labels, labels) == 0;
    if (goes_on && (bound <= reader->last_bound || value < reader->last_bucket))
        fail(reader, "the buckets do not rise", reader->name);
    if (!goes_on && reader->last_labels && isfinite(reader->last_bound))
        fail(reader, "the last bucket is not +Inf", reader->name);
    g_free(reader->last_labels);
    reader->last_labels = g_strdup(labels);
    reader->last_bound = bound;
    reader->last_bucket = value;
    double *count = g_new(double, 1);
    *count = value;
    g_hash_table_replace(reader->counts, g_strdup(labels), count);
}

static void
read_part(Reader *reader,
          const char *part,
          const char *labels,
          const char *le,
          double value)
{
    bool is_histogram = g_str_equal(reader->type, "histogram");
    if (is_histogram && g_str_equal(part, "_bucket")) {
        read_bucket(reader, labels, le, value);
        return;
    }
    if (le)
        fail(reader, "le is for buckets", reader->name);
    if (is_histogram && g_str_equal(part, "_count")) {
        const double *count = g_hash_table_lookup(reader->counts, labels);
        if (!count || *count != value)
            fail(reader, "_count is not the +Inf bucket", reader->name);
        return;
    }
    if (!g_str_equal(part, is_histogram ? "_sum" : ""))
        fail(reader, "a sample outside of its family", reader->name);
}

/* A family of the process has no labels. */
static bool
is_of_process(const Reader *reader)
{
    static const char *const names[] = {"kabridge_log_lines_dropped_total",
                                        "kabridge_reloads_total",
                                        "kabridge_reload_refused", NULL};
    return g_strv_contains(names, reader->name);
}

static void
read_sample(Reader *reader, const char *line)
{
    size_t n = name_length(line, true);
    if (!reader->type || strncmp(line, reader->name, strlen(reader->name)) ||
        n < strlen(reader->name) ||
        line[n] != (is_of_process(reader) ? ' ' : '{')) {
        fail(reader, "a sample outside of its family", line);
        return;
    }
    g_autofree char *part =
        g_strndup(line + strlen(reader->name), n - strlen(reader->name));
    g_autoptr(GString) labels = g_string_new(NULL);
    g_autofree char *le = NULL;
    const char *rest = line + n;
    if (*rest == '{')
        rest = read_labels(reader, rest + 1, labels, &le);
    double value;
    if (!rest || *rest != ' ' || !read_number(rest + 1, &value)) {
        fail(reader, "not a sample", line);
        return;
    }
    if (!g_hash_table_add(reader->series,
                          g_strndup(line, (size_t)(rest - line))))
        fail(reader, "a series comes twice", line);
    read_part(reader, part, labels->str, le, value);
}

static void
read_line(Reader *reader, const char *line)
{
    if (g_str_has_prefix(line, "# HELP "))
        read_help(reader, line + strlen("# HELP "));
    else if (g_str_has_prefix(line, "# TYPE "))
        read_type(reader, line + strlen("# TYPE "));
    else
        read_sample(reader, line);
}

char *
exposition_dup_fault(const char *text)
{
    if (!g_str_has_suffix(text, "\n"))
        return g_strdup("the last line does not end");
    if (!g_utf8_validate(text, -1, NULL))
        return g_strdup("not UTF-8");
    Reader reader = {
        .families =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .series = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .counts =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned n = g_strv_length(lines) - 1;
    for (unsigned i = 0; i < n && !reader.fault; i++)
        read_line(&reader, lines[i]);
    close_family(&reader);
    g_hash_table_unref(reader.families);
    g_hash_table_unref(reader.series);
    g_hash_table_unref(reader.counts);
    g_free(reader.name);
    g_free(reader.type);
    return reader.fault;
}

char *
exposition_dup_value(const char *text, const char *series)
{
    g_autofree char *wanted = g_strconcat("\n", series, " ", NULL);
    const char *found = strstr(text, wanted);
    if (!found)
        return NULL;
    found += strlen(wanted);
    return g_strndup(found, strcspn(found, "\n"));
}
