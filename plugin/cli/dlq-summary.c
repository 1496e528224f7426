/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq-summary.h"

#include <inttypes.h>

#include "letter-print.h"

/* What is counted together. Strings are NULL where the header is missing. */
typedef struct {
    char *class_, *stage, *topic;
    uint64_t n;
    int64_t oldest_ms, newest_ms;
} Kind;

static void
free_kind(void *data)
{
    Kind *kind = data;
    g_free(kind->class_);
    g_free(kind->stage);
    g_free(kind->topic);
    g_free(kind);
}

void
kab_dlq_summary_init(KabDlqSummary *summary)
{
    summary->kinds =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_kind);
}

void
kab_dlq_summary_clear(KabDlqSummary *summary)
{
    g_clear_pointer(&summary->kinds, g_hash_table_unref);
}

static Kind *
find_kind(KabDlqSummary *summary, const KabLetterView *view)
{
    g_autofree char *name =
        g_strdup_printf("%s\t%s\t%s", view->class_ ? view->class_ : "-",
                        view->stage ? view->stage : "-", view->topic);
    Kind *kind = g_hash_table_lookup(summary->kinds, name);
    if (kind)
        return kind;
    kind = g_new(Kind, 1);
    *kind = (Kind){.class_ = g_strdup(view->class_),
                   .stage = g_strdup(view->stage),
                   .topic = g_strdup(view->topic),
                   .oldest_ms = view->timestamp_ms,
                   .newest_ms = view->timestamp_ms};
    g_hash_table_insert(summary->kinds, g_steal_pointer(&name), kind);
    return kind;
}

void
kab_dlq_summary_add(KabDlqSummary *summary, const KabLetterView *view)
{
    Kind *kind = find_kind(summary, view);
    kind->n++;
    kind->oldest_ms = MIN(kind->oldest_ms, view->timestamp_ms);
    kind->newest_ms = MAX(kind->newest_ms, view->timestamp_ms);
}

/* --- Printed ----------------------------------------------------------- */

static int
compare_kinds(const void *a, const void *b)
{
    const Kind *first = *(Kind *const *)a, *second = *(Kind *const *)b;
    if (first->n != second->n)
        return first->n > second->n ? -1 : 1;
    int order = g_strcmp0(first->class_, second->class_);
    order = order ? order : g_strcmp0(first->stage, second->stage);
    return order ? order : g_strcmp0(first->topic, second->topic);
}

/* Returns a new array of borrowed kinds. */
static GPtrArray *
sort_kinds(const KabDlqSummary *summary)
{
    GPtrArray *kinds = g_ptr_array_new();
    GHashTableIter iter;
    gpointer kind;
    g_hash_table_iter_init(&iter, summary->kinds);
    while (g_hash_table_iter_next(&iter, NULL, &kind))
        g_ptr_array_add(kinds, kind);
    g_ptr_array_sort(kinds, compare_kinds);
    return kinds;
}

static void
append_row(GString *text, const Kind *kind)
{
    g_autofree char *oldest = kab_letter_dup_time(kind->oldest_ms);
    g_autofree char *newest = kab_letter_dup_time(kind->newest_ms);
    g_string_append_printf(text, "%" PRIu64 "\t%s\t%s\t%s\t%s\t%s\n", kind->n,
                           kind->class_ ? kind->class_ : "-",
                           kind->stage ? kind->stage : "-", kind->topic,
                           oldest ? oldest : "-", newest ? newest : "-");
}

char *
kab_dlq_summary_dup_text(const KabDlqSummary *summary)
{
    g_autoptr(GPtrArray) kinds = sort_kinds(summary);
    GString *text = g_string_new("letters\tclass\tstage\tinput\toldest\t"
                                 "newest\n");
    for (guint i = 0; i < kinds->len; i++)
        append_row(text, kinds->pdata[i]);
    return g_string_free(text, FALSE);
}

static void
append_object(GString *text, const Kind *kind)
{
    g_autofree char *oldest = kab_letter_dup_time(kind->oldest_ms);
    g_autofree char *newest = kab_letter_dup_time(kind->newest_ms);
    json_t *object = json_pack("{s:I, s:s?, s:s?, s:s, s:s?, s:s?}", "letters",
                               (json_int_t)kind->n, "class", kind->class_,
                               "stage", kind->stage, "topic", kind->topic,
                               "oldest", oldest, "newest", newest);
    kab_letter_append_line(text, object);
}

char *
kab_dlq_summary_dup_json(const KabDlqSummary *summary)
{
    g_autoptr(GPtrArray) kinds = sort_kinds(summary);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < kinds->len; i++)
        append_object(text, kinds->pdata[i]);
    return g_string_free(text, FALSE);
}
