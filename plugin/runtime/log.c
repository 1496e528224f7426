/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: from kab_log() through g_log_structured() to a writer.
 *
 * The writer's settings are the process's, like the writer itself (GLib
 * allows one): a level that reload may change, and a format.
 */
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define G_LOG_USE_STRUCTURED
#include <glib.h>

static const int64_t limit_us = 10 * G_USEC_PER_SEC;
enum { MAX_FIELDS = 16, MOST_LINES = 5 };

/* Of the process, as GLib's writer is. */
static struct {
    atomic_int level;
    KabLogFormat format;
    bool has_colour;
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

/* Line breaks inside a sentence must not look like lines of ours. */
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

static GLogWriterOutput
write_line(GLogLevelFlags level,
           const GLogField *fields,
           gsize n_fields,
           gpointer user)
{
    int priority = priority_of(level);
    if (priority > atomic_load(&writer.level))
        return G_LOG_WRITER_HANDLED;
    if (writer.format == KAB_LOG_FORMAT_JOURNAL &&
        g_log_writer_journald(level, fields, n_fields, NULL) ==
            G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    g_autoptr(GString) line = g_string_sized_new(256);
    if (writer.format == KAB_LOG_FORMAT_JSON)
        append_json(line, priority, fields, n_fields);
    else
        append_text(line, priority, fields, n_fields);
    ssize_t n = write(STDERR_FILENO, line->str, line->len);
    (void)n; /* nowhere else to say it */
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
kab_log_set_format(KabLogFormat format)
{
    writer.format = format;
}

void
kab_log_set_level(KabLogLevel level)
{
    atomic_store(&writer.level, (int)level);
}

static void
add(GLogField *fields, size_t *n, const char *name, const char *value)
{
    fields[(*n)++] = (GLogField){name, value, -1};
}

static void
emit(KabLogLevel level,
     const char *binding,
     const KabLogField *more,
     unsigned n_more,
     const char *message)
{
    GLogField fields[MAX_FIELDS];
    size_t n = 0;
    char priority[2] = {(char)('0' + (int)level), '\0'};
    add(fields, &n, "PRIORITY", priority);
    add(fields, &n, "MESSAGE", message);
    add(fields, &n, "GLIB_DOMAIN", "kabridge");
    if (binding)
        add(fields, &n, "BINDING", binding);
    for (unsigned i = 0; i < n_more && n < MAX_FIELDS; i++)
        add(fields, &n, more[i].name, more[i].value);
    g_log_structured_array(glib_level(level), fields, n);
}

void
kab_log_v(KabLogLevel level,
          const char *binding,
          const char *format,
          va_list arguments)
{
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    emit(level, binding, NULL, 0, message);
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
    emit(level, binding, fields, n_fields, message);
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
        emit(level, binding, NULL, 0, message);
}
