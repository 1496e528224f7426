/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: from kab_log() through g_log_structured() to a writer.
 *
 * The writer's settings belong to the process, like the writer itself (GLib
 * allows only one): a level, which a reload may change, and a format. A
 * separate thread writes to standard error, and another one to the journal
 * (log-writer.h).
 */
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define G_LOG_USE_STRUCTURED
#include <glib.h>

#include "log-journal.h"
#include "log-writer.h"

/* How long the exit of the process waits for the reader of its log. */
static const int64_t flush_us = G_USEC_PER_SEC;
static const int64_t limit_us = 10 * G_USEC_PER_SEC;
enum { MAX_FIELDS = 16, MOST_LINES = 5 };

/* Process-wide, as GLib's writer is. */
static struct {
    atomic_int level;
    KabLogFormat format;
    bool has_colour;
    KabLogWriter *lines;   /* NULL: not installed, or no thread for it */
    KabLogWriter *journal; /* NULL: likewise, or another format */
} writer = {.level = KAB_LOG_INFO};

static const char *
level_name(int priority)
{
    if (priority <= KAB_LOG_ERROR)
        return "error";
    if (priority == KAB_LOG_WARNING)
        return "warning";
    if (priority <= KAB_LOG_INFO)
        return "info";
    return "debug";
}

static const char *
level_colour(int priority)
{
    if (priority <= KAB_LOG_ERROR)
        return "\033[31m";
    if (priority == KAB_LOG_WARNING)
        return "\033[33m";
    return "";
}

static GLogLevelFlags
glib_level(KabLogLevel level)
{
    switch (level) {
    case KAB_LOG_ERROR:
        return G_LOG_LEVEL_CRITICAL;
    case KAB_LOG_WARNING:
        return G_LOG_LEVEL_WARNING;
    case KAB_LOG_INFO:
        return G_LOG_LEVEL_INFO;
    case KAB_LOG_DEBUG:
        return G_LOG_LEVEL_DEBUG;
    }
    return G_LOG_LEVEL_DEBUG;
}

static int
priority_of(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return KAB_LOG_ERROR;
    if (level & G_LOG_LEVEL_WARNING)
        return KAB_LOG_WARNING;
    if (level & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
        return KAB_LOG_INFO;
    return KAB_LOG_DEBUG;
}

static const GLogField *
find_field(const GLogField *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, name) == 0)
            return &fields[i];
    return NULL;
}

static void
append_value(GString *line, const GLogField *field)
{
    if (field->length < 0)
        g_string_append(line, field->value);
    else
        g_string_append_len(line, field->value, field->length);
}

static void
append_time(GString *line)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    g_string_append_printf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

/* Line breaks inside a sentence must not look like log lines of their own. */
static void
append_one_line(GString *line, const GLogField *field)
{
    size_t start = line->len;
    append_value(line, field);
    for (size_t i = start; i < line->len; i++)
        if ((unsigned char)line->str[i] < ' ')
            line->str[i] = ' ';
}

static void
append_text(GString *line, int priority, const GLogField *fields, size_t n)
{
    const GLogField *binding = find_field(fields, n, "BINDING");
    const GLogField *message = find_field(fields, n, "MESSAGE");
    append_time(line);
    const char *colour = writer.has_colour ? level_colour(priority) : "";
    g_string_append_printf(line, " %s%s%s ", colour, level_name(priority),
                           *colour ? "\033[0m" : "");
    if (binding) {
        g_string_append_c(line, '[');
        append_value(line, binding);
        g_string_append(line, "] ");
    }
    if (message)
        append_one_line(line, message);
    g_string_append_c(line, '\n');
}

static void
append_json_string(GString *line, const char *text, size_t len)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)len);
    g_string_append_c(line, '"');
    for (const char *c = valid; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(line, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            g_string_append_printf(line, "\\u%04x", (unsigned)*c);
        else
            g_string_append_c(line, *c);
    }
    g_string_append_c(line, '"');
}

static bool
is_internal(const char *name)
{
    return g_str_has_prefix(name, "CODE_") || g_str_has_prefix(name, "GLIB_") ||
           strcmp(name, "PRIORITY") == 0;
}

static void
append_json_field(GString *line, const GLogField *field)
{
    size_t len =
        field->length < 0 ? strlen(field->value) : (size_t)field->length;
    g_autofree char *name = g_ascii_strdown(field->key, -1);
    g_string_append_printf(line, ",\"%s\":", name);
    append_json_string(line, field->value, len);
}

static void
append_json(GString *line, int priority, const GLogField *fields, size_t n)
{
    g_string_append(line, "{\"time\":\"");
    append_time(line);
    g_string_append_printf(line, "\",\"level\":\"%s\"", level_name(priority));
    for (size_t i = 0; i < n; i++)
        if (!is_internal(fields[i].key))
            append_json_field(line, &fields[i]);
    g_string_append(line, "}\n");
}

static GString *
format_line(int priority, const GLogField *fields, size_t n)
{
    GString *line = g_string_sized_new(256);
    if (writer.format == KAB_LOG_FORMAT_JSON)
        append_json(line, priority, fields, n);
    else
        append_text(line, priority, fields, n);
    return line;
}

static GString *
format_dropped(uint64_t n)
{
    g_autofree char *message = g_strdup_printf(
        "%" G_GUINT64_FORMAT " log lines were dropped: standard error was "
        "full or closed",
        n);
    const GLogField fields[] = {{"MESSAGE", message, -1}};
    return format_line(KAB_LOG_WARNING, fields, G_N_ELEMENTS(fields));
}

/* Reports dropped lines before the first line that fits again. */
static void
tell_dropped(void)
{
    uint64_t n = kab_log_writer_steal_dropped(writer.lines);
    if (!n)
        return;
    g_autoptr(GString) line = format_dropped(n);
    if (!kab_log_writer_try(writer.lines, line->str, line->len))
        kab_log_writer_return_dropped(writer.lines, n);
}

static void
write_text(const char *text, size_t len)
{
    if (writer.lines) {
        tell_dropped();
        kab_log_writer_push(writer.lines, text, len);
        return;
    }
    ssize_t n = write(STDERR_FILENO, text, len);
    (void)n; /* the error cannot be reported anywhere */
}

static void
write_formatted(GLogLevelFlags level, const GLogField *fields, size_t n)
{
    g_autoptr(GString) line = format_line(priority_of(level), fields, n);
    write_text(line->str, line->len);
}

static void
tell_journal_dropped(void)
{
    uint64_t n = kab_log_writer_steal_dropped(writer.journal);
    if (!n)
        return;
    g_autofree char *message = g_strdup_printf(
        "%" G_GUINT64_FORMAT " log lines were dropped: the journal took none",
        n);
    const GLogField fields[] = {{"PRIORITY", "4", -1},
                                {"MESSAGE", message, -1}};
    g_autoptr(GString) packed =
        kab_log_journal_pack(G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS(fields));
    if (!kab_log_writer_try(writer.journal, packed->str, packed->len))
        kab_log_writer_return_dropped(writer.journal, n);
}

/* False: there is no journal. */
static bool
write_to_journal(GLogLevelFlags level, const GLogField *fields, size_t n)
{
    if (!writer.journal)
        return g_log_writer_journald(level, fields, n, NULL) ==
               G_LOG_WRITER_HANDLED;
    tell_journal_dropped();
    g_autoptr(GString) packed = kab_log_journal_pack(level, fields, n);
    kab_log_writer_push(writer.journal, packed->str, packed->len);
    return true;
}

static GLogWriterOutput
write_line(GLogLevelFlags level,
           const GLogField *fields,
           gsize n_fields,
           gpointer user)
{
    if (priority_of(level) > atomic_load(&writer.level))
        return G_LOG_WRITER_HANDLED;
    if (writer.format != KAB_LOG_FORMAT_JOURNAL ||
        !write_to_journal(level, fields, n_fields))
        write_formatted(level, fields, n_fields);
    if (level & G_LOG_LEVEL_ERROR) /* GLib aborts after this */
        kab_log_flush();
    return G_LOG_WRITER_HANDLED;
}

void
kab_log_install(KabLogFormat format, KabLogLevel level)
{
    writer.format = format;
    writer.has_colour = isatty(STDERR_FILENO) && !g_getenv("NO_COLOR");
    kab_log_set_level(level);
    g_log_set_writer_func(write_line, NULL, NULL);
}

void
kab_log_start_writer(void)
{
    if (writer.lines)
        return;
    writer.lines = kab_log_writer_new(STDERR_FILENO);
    atexit(kab_log_flush);
}

void
kab_log_flush(void)
{
    if (writer.journal)
        kab_log_writer_flush(writer.journal, flush_us);
    if (writer.lines)
        kab_log_writer_flush(writer.lines, flush_us);
}

uint64_t
kab_log_n_dropped(void)
{
    uint64_t n = 0;
    if (writer.journal)
        n += kab_log_writer_n_dropped(writer.journal);
    if (writer.lines)
        n += kab_log_writer_n_dropped(writer.lines);
    return n;
}

void
kab_log_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    write_text(text, strlen(text));
}

void
kab_log_set_format(KabLogFormat format)
{
    static KabLogJournal journal = {g_log_writer_journald, write_formatted};
    writer.format = format;
    if (format == KAB_LOG_FORMAT_JOURNAL && writer.lines && !writer.journal)
        writer.journal =
            kab_log_writer_new_for(kab_log_journal_write, &journal);
}

void
kab_log_set_level(KabLogLevel level)
{
    atomic_store(&writer.level, (int)level);
}

static void
add_field(GLogField *fields, size_t *n, const char *name, const char *value)
{
    fields[(*n)++] = (GLogField){name, value, -1};
}

static void
emit_line(KabLogLevel level,
          const char *binding,
          const KabLogField *more,
          unsigned n_more,
          const char *message)
{
    GLogField fields[MAX_FIELDS];
    size_t n = 0;
    char priority[2] = {(char)('0' + (int)level), '\0'};
    add_field(fields, &n, "PRIORITY", priority);
    add_field(fields, &n, "MESSAGE", message);
    add_field(fields, &n, "GLIB_DOMAIN", "kabridge");
    if (binding)
        add_field(fields, &n, "BINDING", binding);
    for (unsigned i = 0; i < n_more && n < MAX_FIELDS; i++)
        add_field(fields, &n, more[i].name, more[i].value);
    g_log_structured_array(glib_level(level), fields, n);
}

void
kab_log_v(KabLogLevel level,
          const char *binding,
          const char *format,
          va_list arguments)
{
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    emit_line(level, binding, NULL, 0, message);
}

void
kab_log(KabLogLevel level, const char *binding, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kab_log_v(level, binding, format, arguments);
    va_end(arguments);
}

void
kab_log_fields(KabLogLevel level,
               const char *binding,
               const KabLogField *fields,
               unsigned n_fields,
               const char *format,
               ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    emit_line(level, binding, fields, n_fields, message);
}

bool
kab_log_limit_pass(KabLogLimit *limit, unsigned *ret_left_out)
{
    int64_t now = g_get_monotonic_time();
    *ret_left_out = limit->n_left_out;
    if (now >= limit->until_us)
        *limit = (KabLogLimit){.until_us = now + limit_us};
    if (limit->n_said == MOST_LINES) {
        limit->n_left_out++;
        return false;
    }
    limit->n_said++;
    return true;
}

void
kab_log_limited(KabLogLimit *limit,
                KabLogLevel level,
                const char *binding,
                const char *format,
                ...)
{
    unsigned n_left_out;
    if (!kab_log_limit_pass(limit, &n_left_out))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (n_left_out)
        kab_log(level, binding, "%s (and %u more like it)", message,
                n_left_out);
    else
        emit_line(level, binding, NULL, 0, message);
}
