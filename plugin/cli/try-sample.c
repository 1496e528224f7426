/* SPDX-License-Identifier: Apache-2.0 */
#include "try-sample.h"

#include <inttypes.h>
#include <stdlib.h>

/* What is kept of a long file. */
enum { MAX_LINES = 100000, MAX_BYTES = 256 * 1024 * 1024 };

static void
free_line(gpointer line)
{
    kab_line_free(line);
}

/* NULL: the end of the file. */
static KabLine *
read_line(FILE *in, int64_t offset)
{
    KabLine *line = g_new0(KabLine, 1);
    size_t capacity = 0;
    ssize_t n = getline(&line->text, &capacity, in);
    if (n < 0) {
        kab_line_free(line);
        return NULL;
    }
    line->len = (size_t)n - (line->text[n - 1] == '\n');
    line->offset = offset;
    return line;
}

static void
read_lines(KabTrySample *sample, FILE *in)
{
    size_t bytes = 0;
    KabLine *line;
    while ((line = read_line(in, sample->lines->len))) {
        sample->is_cut = sample->lines->len >= MAX_LINES || bytes > MAX_BYTES;
        if (sample->is_cut) {
            kab_line_free(line);
            return;
        }
        bytes += line->len;
        g_ptr_array_add(sample->lines, line);
    }
}

/* A record as JSON may name its own topic and place. */
static bool
read_record(KabTrySample *sample, KabLine *line, char **ret_problem)
{
    KabRecord *record = &sample->records[line->offset];
    if (!kab_try_record_read(&line->record, line->text, line->len, ret_problem))
        return false;
    const KabRecord *given = &line->record.record;
    record->key = given->key;
    record->value = given->value;
    record->topic = given->topic ? given->topic : record->topic;
    record->partition = given->partition;
    record->offset = given->offset >= 0 ? given->offset : record->offset;
    record->timestamp_ms = given->timestamp_ms;
    return true;
}

static bool
make_record(KabTrySample *sample,
            KabLine *line,
            bool is_json,
            const char *topic,
            char **ret_problem)
{
    KabRecord *record = &sample->records[line->offset];
    *record = (KabRecord){.value = {line->text, line->len},
                          .topic = topic,
                          .offset = line->offset,
                          .timestamp_ms = g_get_real_time() / 1000};
    g_autofree char *problem = NULL;
    if (is_json && !read_record(sample, line, &problem)) {
        *ret_problem = g_strdup_printf("%s:%" PRIi64 ": %s", sample->name,
                                       line->offset + 1, problem);
        return false;
    }
    sample->bytes += record->key.len + record->value.len;
    return true;
}

bool
kab_try_sample_read(KabTrySample *sample,
                    FILE *in,
                    const char *name,
                    bool is_json,
                    const char *topic,
                    char **ret_problem)
{
    *sample = (KabTrySample){
        .name = name,
        .lines = g_ptr_array_new_with_free_func(free_line),
    };
    read_lines(sample, in);
    if (!sample->lines->len) {
        *ret_problem = g_strdup_printf("%s: found no line; wanted at least one "
                                       "record to send",
                                       name);
        return false;
    }
    sample->records = g_new0(KabRecord, sample->lines->len);
    for (guint i = 0; i < sample->lines->len; i++)
        if (!make_record(sample, sample->lines->pdata[i], is_json, topic,
                         ret_problem))
            return false;
    return true;
}

void
kab_try_sample_clear(KabTrySample *sample)
{
    g_ptr_array_unref(sample->lines);
    g_free(sample->records);
}
