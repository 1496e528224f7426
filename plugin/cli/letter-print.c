/* SPDX-License-Identifier: Apache-2.0 */
/* The names in JSON are those of `tap` where both have them: topic, partition
 * and offset are of the input record. What a letter does not tell is null.
 */
#include "letter-print.h"

#include <inttypes.h>
#include <stdlib.h>

char *
kab_letter_dup_time(int64_t time_ms)
{
    g_autoptr(GDateTime) time =
        time_ms >= 0 ? g_date_time_new_from_unix_utc(time_ms / 1000) : NULL;
    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

/* --- Table ------------------------------------------------------------- */

static const char *
or_dash(const char *text)
{
    return text ? text : "-";
}

char *
kab_letter_dup_row(const rd_kafka_message_t *letter,
                   const KabLetterView *view,
                   const char *state)
{
    g_autofree char *message = g_strdup(view->message ? view->message : "");
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return g_strdup_printf(
        "%d:%" PRIi64 "\t%s\t%s [%d] %" PRIi64 "\t%s\t%s\t%" PRIi64 "\t%s\n",
        letter->partition, letter->offset, state, view->topic, view->partition,
        view->offset, or_dash(view->class_), or_dash(view->stage),
        view->attempts, message);
}

/* --- JSON -------------------------------------------------------------- */

static json_t *
number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

void
kab_letter_append_line(GString *text, json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    g_string_append(text, line);
    g_string_append_c(text, '\n');
    free(line);
    json_decref(object);
}

char *
kab_letter_dup_json(const rd_kafka_message_t *letter,
                    const KabLetterView *view,
                    const char *state)
{
    json_t *object = json_pack(
        "{s:s, s:i, s:I, s:o, s:s?, s:s?, s:o, s:s?, s:I, s:s?, s:s?, s:i, "
        "s:I, s:s}",
        "topic", view->topic, "partition", (int)view->partition, "offset",
        (json_int_t)view->offset, "timestamp",
        number_or_null(view->timestamp_ms), "class", view->class_, "stage",
        view->stage, "attempts", number_or_null(view->attempts), "message",
        view->message, "replays", (json_int_t)view->replays, "binding",
        view->binding, "group", view->group, "letter_partition",
        (int)letter->partition, "letter_offset", (json_int_t)letter->offset,
        "state", state);
    GString *text = g_string_new(NULL);
    kab_letter_append_line(text, object);
    return g_string_free(text, FALSE);
}
