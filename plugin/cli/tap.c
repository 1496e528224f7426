/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge tap: prints a sample of the records that pass through a running
 * bridge.
 *
 * It polls /tap, each time from where the last answer ended; the bridge keeps
 * records only while somebody polls.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "cli.h"
#include "fetch.h"
#include "terminal.h"

#define EVERY_US (G_USEC_PER_SEC / 4)
enum { OK = 200, KEY_WIDTH = 18, VALUE_WIDTH = 36 };

typedef struct {
    const char *url, *binding;
    KabTerminal out;
    bool is_table;
    gint64 n_left; /* below 0: no limit */
    json_int_t next;
} Watch;

/* --- Shown ------------------------------------------------------------- */

/* Appends at most `width` characters; control characters are replaced. */
static void
append_cell(GString *line, const char *text, long width)
{
    g_autofree char *cell = g_utf8_make_valid(text, -1);
    for (char *c = cell; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    long len = g_utf8_strlen(cell, -1);
    if (len > width) {
        g_autofree char *head = g_utf8_substring(cell, 0, width - 1);
        g_string_append_printf(line, "%s…", head);
    } else {
        g_string_append_printf(line, "%s%*s", cell, (int)(width - len), "");
    }
    g_string_append_c(line, ' ');
}

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text)
        return text;
    g_autofree char *base64 = g_strconcat(name, "_base64", NULL);
    text = json_string_value(json_object_get(object, base64));
    return text ? text : "-";
}

static KabStyle
style_of(const char *outcome)
{
    bool is_good = strcmp(outcome, "done") == 0;
    bool is_soft = strcmp(outcome, "dropped") == 0;
    return is_good ? KAB_STYLE_GREEN : is_soft ? KAB_STYLE_SOFT : KAB_STYLE_RED;
}

static void
append_outcome(GString *line, const Watch *watch, const json_t *record)
{
    const char *outcome = text_of(record, "outcome");
    g_string_append(line, kab_terminal_style(&watch->out, style_of(outcome)));
    append_cell(line, outcome, 9);
    g_string_append(line, kab_terminal_style(&watch->out, KAB_STYLE_PLAIN));
}

static void
append_answer(GString *line, const json_t *record)
{
    const json_t *outputs = json_object_get(record, "outputs");
    size_t n = (size_t)json_integer_value(json_object_get(record, "n_outputs"));
    const json_t *reason = json_object_get(record, "reason");
    if (n)
        append_cell(line, text_of(json_array_get(outputs, 0), "value"),
                    VALUE_WIDTH);
    else if (reason)
        append_cell(line, json_string_value(reason), VALUE_WIDTH);
    if (n > 1)
        g_string_append_printf(line, "and %zu more", n - 1);
}

static void
print_row(const Watch *watch, const json_t *record)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autofree char *place = g_strdup_printf(
        "%s [%d] %" PRIi64, text_of(record, "topic"),
        (int)json_integer_value(json_object_get(record, "partition")),
        (int64_t)json_integer_value(json_object_get(record, "offset")));
    const char *time = text_of(record, "time");
    append_cell(line, strlen(time) > 11 ? time + 11 : time, 13);
    append_cell(line, place, 26);
    append_cell(line, text_of(record, "key"), KEY_WIDTH);
    append_cell(line, text_of(record, "value"), VALUE_WIDTH);
    append_outcome(line, watch, record);
    g_string_append_printf(line, "%8.1f ms  ",
                           json_real_value(json_object_get(record, "call_ms")));
    append_answer(line, record);
    printf("%s\n", line->str);
}

static void
print_head(const Watch *watch)
{
    g_autoptr(GString) line = g_string_new(NULL);
    append_cell(line, "time (UTC)", 13);
    append_cell(line, "record", 26);
    append_cell(line, "key", KEY_WIDTH);
    append_cell(line, "value", VALUE_WIDTH);
    append_cell(line, "outcome", 9);
    g_string_append(line, "   call      first output, or the reason");
    printf("%s%s%s\n", kab_terminal_style(&watch->out, KAB_STYLE_SOFT),
           line->str, kab_terminal_style(&watch->out, KAB_STYLE_PLAIN));
}

static void
print_record(const Watch *watch, const json_t *record)
{
    if (watch->is_table) {
        print_row(watch, record);
        return;
    }
    json_dumpf(record, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    putchar('\n');
}

/* --- Asked ------------------------------------------------------------- */

static void
refuse_answer(const Watch *watch,
              unsigned status,
              const json_t *answer,
              GError **error)
{
    const char *why = json_string_value(json_object_get(answer, "error"));
    g_set_error(error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                "%s/tap: found HTTP status %u%s%s; wanted the records of "
                "binding %s",
                watch->url, status, why ? ": " : "", why ? why : "",
                watch->binding);
}

static json_t *
ask_round(const Watch *watch, GError **error)
{
    g_autofree char *name = g_uri_escape_string(watch->binding, NULL, false);
    g_autofree char *path = g_strdup_printf(
        "/tap?binding=%s&after=%" JSON_INTEGER_FORMAT, name, watch->next);
    unsigned status = 0;
    g_autofree char *body = kab_fetch_any(watch->url, path, &status, error);
    if (!body)
        return NULL;
    json_t *answer = json_loads(body, 0, NULL);
    if (status == OK && json_is_array(json_object_get(answer, "records")))
        return answer;
    refuse_answer(watch, status, answer, error);
    json_decref(answer);
    return NULL;
}

static void
show_round(Watch *watch, json_t *answer)
{
    json_int_t missed = json_integer_value(json_object_get(answer, "missed"));
    json_t *record;
    size_t i;
    if (missed && watch->next)
        fprintf(stderr,
                "kabridge: %" JSON_INTEGER_FORMAT
                " sampled records passed too fast to be shown\n",
                missed);
    json_array_foreach(json_object_get(answer, "records"), i, record)
    {
        if (watch->n_left == 0)
            break;
        print_record(watch, record);
        watch->n_left -= watch->n_left > 0;
    }
    watch->next = json_integer_value(json_object_get(answer, "next"));
    fflush(stdout);
}

static int
watch_records(Watch *watch)
{
    for (;;) {
        g_autoptr(GError) error = NULL;
        json_t *answer = ask_round(watch, &error);
        if (!answer)
            return kab_cli_fail(g_steal_pointer(&error));
        show_round(watch, answer);
        json_decref(answer);
        if (watch->n_left == 0 || ferror(stdout))
            return EX_OK;
        g_usleep(EVERY_US);
    }
}

int
kab_cli_tap(int argc, char **argv)
{
    static const char *const formats[] = {"table", "json"};
    g_autofree char *binding = NULL, *format = NULL;
    gint64 limit = -1;
    const GOptionEntry entries[] = {
        {"binding", 'b', 0, G_OPTION_ARG_STRING, &binding,
         "the binding to look into", "NAME"},
        {"limit", 'n', 0, G_OPTION_ARG_INT64, &limit,
         "end after so many records", "N"},
        {"format", 'f', 0, G_OPTION_ARG_STRING, &format,
         "table, or json: an object per line (default without a terminal)",
         "FORMAT"},
        {NULL},
    };
    if (!kab_cli_parse(
            &argc, &argv, "[URL]",
            "Shows a sample of the records that pass through a "
            "running bridge: input, outcome, outputs, time. The "
            "bridge must have [admin] tap = on; it answers over "
            "loopback only. URL: of its admin server (default " KAB_DEFAULT_URL
            ").",
            entries, 0, 1))
        return EX_USAGE;
    Watch watch = {.url = argc > 1 ? argv[1] : KAB_DEFAULT_URL,
                   .binding = binding,
                   .out = kab_terminal_of(stdout),
                   .n_left = limit};
    int choice = format ? kab_cli_choose("format", format, formats, 2)
                        : !watch.out.is_terminal;
    if (choice < 0)
        return EX_USAGE;
    if (!binding || limit == 0 || limit < -1) {
        fprintf(stderr, "kabridge: found %s; wanted %s\n",
                binding ? "--limit below 1" : "no --binding",
                binding ? "a number of records" : "the name of a binding");
        return EX_USAGE;
    }
    watch.is_table = choice == 0;
    if (watch.is_table)
        print_head(&watch);
    return watch_records(&watch);
}
