/* SPDX-License-Identifier: Apache-2.0 */
/* Counts what became of generated records, from what read_committed readers
 * see and from a function's call log.
 *
 * Repeats do not count as out of order; only a record's first copy is checked:
 * a replay after a crash repeats records, it does not reorder them.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 5, MAX_PARTITIONS = 4096, LONG_MS = 5000 };

typedef struct {
    Pattern pattern;
    Record record;
    uint16_t *seen;  /* by number */
    int64_t *latest; /* highest number seen, by key or partition */
    bool by_partition, bytes;
    char dropped; /* mark of records without output; 0: all have one */
    int64_t read, foreign, different, disorder;
    int examples;
    GArray *times; /* Moment of each output, for pauses; NULL: off */
} Check;

typedef struct {
    int64_t ms;
    int32_t partition;
} Moment;

static void
example(Check *check, const char *what, const rd_kafka_message_t *message)
{
    if (check->examples++ < EXAMPLES)
        fprintf(stderr, "%s: record %" PRId64 " at %d/%" PRId64 "\n", what,
                record_number(message), message->partition, message->offset);
}

static void
check_order(Check *check, int64_t number, const rd_kafka_message_t *message)
{
    if (!check->latest || check->seen[number])
        return;
    int64_t *latest =
        &check->latest[check->by_partition ? message->partition
                                           : number % check->pattern.keys];
    if (number < *latest) {
        check->disorder++;
        example(check, "out of order", message);
    }
    *latest = MAX(*latest, number);
}

static bool
see(const rd_kafka_message_t *message, void *data)
{
    Check *check = data;
    int64_t number = record_number(message);
    check->read++;
    if (number < 0 || number >= check->pattern.records) {
        check->foreign++;
        example(check, "foreign", message);
        return true;
    }
    check_order(check, number, message);
    if (check->seen[number] < UINT16_MAX)
        check->seen[number]++;
    if (check->bytes) {
        record_make(&check->pattern, number, &check->record);
        if (!record_equals(&check->record, message)) {
            check->different++;
            example(check, "different", message);
        }
    }
    rd_kafka_timestamp_type_t type;
    Moment moment = {rd_kafka_message_timestamp(message, &type),
                     message->partition};
    if (check->times)
        g_array_append_val(check->times, moment);
    return true;
}

static bool
see_dead(const rd_kafka_message_t *message, void *data)
{
    Check *check = data;
    int64_t number = record_number(message);
    if (number < 0 || number >= check->pattern.records) {
        check->foreign++;
        return true;
    }
    check->seen[number]++;
    return true;
}

static int
by_partition_and_time(const void *a, const void *b)
{
    const Moment *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition > y->partition ? 1 : -1;
    return (x->ms > y->ms) - (x->ms < y->ms);
}

/* Pauses between two outputs of a partition: the longest and, for each long
 * one, the partition, its begin and its end. */
static void
print_pauses(GArray *times)
{
    int64_t longest = 0;
    int n = 0;
    g_array_sort(times, by_partition_and_time);
    printf(",\"pauses\":[");
    for (guint i = 1; i < times->len; i++) {
        Moment now = g_array_index(times, Moment, i);
        Moment last = g_array_index(times, Moment, i - 1);
        if (now.partition != last.partition)
            continue;
        longest = MAX(longest, now.ms - last.ms);
        if (now.ms - last.ms >= LONG_MS)
            printf("%s[%d,%" PRId64 ",%" PRId64 "]", n++ ? "," : "",
                   now.partition, last.ms, now.ms);
    }
    printf("],\"pause_ms\":%" PRId64, longest);
}

static Check *
check_new(const Words *words)
{
    Check *check = g_new0(Check, 1);
    check->pattern = pattern_from_words(words);
    check->seen = g_new0(uint16_t, check->pattern.records);
    check->dropped = words_get(words, "dropped", "")[0];
    const char *order = words_get(words, "order", "none");
    check->by_partition = strcmp(order, "partition") == 0;
    size_t groups = check->by_partition ? (size_t)MAX_PARTITIONS
                                        : (size_t)check->pattern.keys;
    if (strcmp(order, "none") != 0)
        check->latest = g_new0(int64_t, groups);
    return check;
}

static void
check_free(Check *check)
{
    if (check->times)
        g_array_unref(check->times);
    g_free(check->seen);
    g_free(check->latest);
    g_free(check);
}

/* Prints the counts of all records seen. Returns how many are lost. */
static int64_t
check_print(const Check *check, int64_t dead)
{
    int64_t lost = 0, doubled = 0;
    for (int64_t i = 0; i < check->pattern.records; i++) {
        bool expected = !check->dropped ||
                        record_mark(&check->pattern, i) != check->dropped;
        if (expected && check->seen[i] == 0 && lost++ < EXAMPLES)
            fprintf(stderr, "lost: record %" PRId64 "\n", i);
        doubled += MAX(check->seen[i] - (expected ? 1 : 0), 0);
    }
    printf("{\"records\":%" PRId64 ",\"read\":%" PRId64 ",\"dead\":%" PRId64
           ",\"lost\":%" PRId64 ",\"doubled\":%" PRId64 ",\"foreign\":%" PRId64
           ",\"different\":%" PRId64 ",\"disorder\":%" PRId64,
           check->pattern.records, check->read, dead, lost, doubled,
           check->foreign, check->different, check->disorder);
    if (check->times)
        print_pauses(check->times);
    printf("}\n");
    return lost;
}

/* For whoever looks for a lost record: is it there for another reader, or in
 * an aborted transaction? */
static bool
see_again(const rd_kafka_message_t *message, void *data)
{
    Check *check = data;
    int64_t number = record_number(message);
    if (number >= 0 && number < check->pattern.records &&
        check->seen[number] == 0 && check->examples++ < EXAMPLES)
        fprintf(stderr, "record %" PRId64 " stands at %d/%" PRId64 "\n", number,
                message->partition, message->offset);
    return true;
}

static void
look_for_lost(const Words *words, const char *topic, Check *check)
{
    static const char *const levels[] = {"read_committed", "read_uncommitted"};
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        fprintf(stderr, "lost records read again, %s:\n", levels[i]);
        g_hash_table_insert(words->values, g_strdup("isolation"),
                            g_strdup(levels[i]));
        check->examples = 0;
        read_topic(words, topic, NULL, see_again, check);
    }
}

static int64_t
seen_total(const Check *check)
{
    int64_t total = 0;
    for (int64_t i = 0; i < check->pattern.records; i++)
        total += check->seen[i];
    return total;
}

/* also=: the dead-letter topic; a record there has its result. */
static int64_t
read_also(const Words *words, Check *check)
{
    const char *also = words_get(words, "also", NULL);
    int64_t before = seen_total(check);
    if (also)
        read_topic(words, also, NULL, see_dead, check);
    return seen_total(check) - before;
}

int
verb_check(const Words *words)
{
    Check *check = check_new(words);
    check->bytes = words_flag(words, "bytes");
    if (words_flag(words, "pauses"))
        check->times = g_array_new(FALSE, FALSE, sizeof(Moment));
    const char *topic = words_need(words, "topic");
    read_topic(words, topic, NULL, see, check);
    if (check_print(check, read_also(words, check)))
        look_for_lost(words, topic, check);
    check_free(check);
    return 0;
}

typedef struct {
    Check *check;
    int64_t before, unfinished;
} Commits;

static bool
see_input(const rd_kafka_message_t *message, void *data)
{
    Commits *commits = data;
    int64_t number = record_number(message);
    const Pattern *pattern = &commits->check->pattern;
    commits->before++;
    if (number < 0 || number >= pattern->records)
        return true;
    bool expected = !commits->check->dropped ||
                    record_mark(pattern, number) != commits->check->dropped;
    if (expected && commits->check->seen[number] == 0) {
        commits->unfinished++;
        example(commits->check, "committed, but no result", message);
    }
    return true;
}

int
verb_commits(const Words *words)
{
    const char *topic = words_need(words, "topic");
    rd_kafka_t *client = client_new(
        words, RD_KAFKA_CONSUMER, "group.id", words_need(words, "group"),
        "isolation.level", "read_uncommitted", NULL);
    rd_kafka_topic_partition_list_t *list = group_committed(words, client);
    g_autofree int64_t *ends = g_new0(int64_t, list->cnt);
    for (int i = 0; i < list->cnt; i++)
        ends[list->elems[i].partition] = MAX(list->elems[i].offset, 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    Commits commits = {.check = check_new(words)};
    read_topic(words, words_need(words, "output"), NULL, see, commits.check);
    read_also(words, commits.check);
    read_topic(words, topic, ends, see_input, &commits);
    printf("{\"before\":%" PRId64 ",\"unfinished\":%" PRId64 "}\n",
           commits.before, commits.unfinished);
    check_free(commits.check);
    return 0;
}

/* A call log has one line per record per call: the record's number. */
int
verb_calls(const Words *words)
{
    int64_t records = words_number(words, "records", 0);
    g_autofree uint32_t *calls = g_new0(uint32_t, records);
    FILE *file = fopen(words_need(words, "file"), "r");
    if (!file)
        fail("%s: cannot be read", words_need(words, "file"));
    int64_t total = 0, called = 0, most = 0;
    char line[64];
    while (fgets(line, sizeof(line), file)) {
        int64_t number = g_ascii_strtoll(line, NULL, 10);
        total++;
        if (number >= 0 && number < records)
            calls[number]++;
    }
    fclose(file);
    for (int64_t i = 0; i < records; i++) {
        called += calls[i] > 0;
        most = MAX(most, calls[i]);
    }
    printf("{\"calls\":%" PRId64 ",\"called\":%" PRId64 ",\"repeated\":%" PRId64
           ",\"most\":%" PRId64 "}\n",
           total, called, total - called, most);
    return 0;
}
