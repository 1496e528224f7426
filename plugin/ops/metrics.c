/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: rows of metrics-table.h rendered in the exposition format 0.0.4.
 *
 * A family is one block, as the format requires: HELP, TYPE, then the samples
 * of every binding. Times are counted in microseconds and written as seconds
 * with integer arithmetic, so that nothing depends on the locale.
 */
#include "metrics.h"

#include <inttypes.h>

#include <librdkafka/rdkafka.h>

#include "kabridge/version.h"
#include "log.h"
#include "metrics-table.h"

#define PREFIX "kabridge_"

typedef enum { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM } Type;

/* Type of the field at a row's offset, and how it is shown. */
typedef enum {
    FORM_U64,           /* uint64_t, one per label value */
    FORM_SIZE,          /* size_t */
    FORM_UNSIGNED,      /* unsigned */
    FORM_AGE,           /* int64_t, microseconds */
    FORM_RECORDS,       /* KabHistogram of records */
    FORM_MICROSECONDS,  /* KabHistogram of microseconds, shown as seconds */
    FORM_PARTITION_I64, /* int64_t of each partition; below 0: no sample */
    FORM_PARTITION_U64, /* uint64_t of each partition */
    FORM_ONE_HOT,       /* an enum: 1 for its value, 0 for the others */
    FORM_IS_NULL,       /* a pointer: 1 if it is NULL */
    FORM_UNITS,         /* KabUnitCount[n_units] */
} Form;

/* The label besides `binding`, and its values. */
typedef struct {
    const char *name; /* NULL: none */
    const char *const *values;
    size_t n; /* samples per binding */
} Labels;

#define VALUE(NAME, text) text,
#define X(LABELS, label, LIST)                                                 \
    static const char *const values_of_##LABELS[] = {LIST(VALUE)};
KAB_METRIC_LABELS(X)
#undef X
#undef VALUE

enum {
    LABELS_NONE,
    LABELS_PARTITION,
    LABELS_UNIT,
#define X(LABELS, label, LIST) LABELS_##LABELS,
    KAB_METRIC_LABELS(X)
#undef X
};

static const Labels label_sets[] = {
    [LABELS_NONE] = {NULL, NULL, 1},
    [LABELS_PARTITION] = {"topic, partition", NULL, 0},
    [LABELS_UNIT] = {"unit", NULL, 0},
#define X(LABELS, label, LIST)                                                 \
    [LABELS_##LABELS] = {label, values_of_##LABELS,                            \
                         G_N_ELEMENTS(values_of_##LABELS)},
    KAB_METRIC_LABELS(X)
#undef X
};

typedef struct {
    Type type;
    Form form;
    const char *name;
    unsigned labels;
    size_t offset;
    const char *help;
} Family;

#define AT(field) offsetof(KabBindingSnapshot, field)
#define EACH(field) offsetof(KabPartitionSnapshot, field)
static const Family families[] = {
#define X(type, form, name, labels, offset, help)                              \
    {TYPE_##type, FORM_##form, name, LABELS_##labels, offset, help},
    KAB_METRICS(X)
#undef X
};

static const struct {
    const char *name;
    uint64_t (*get)(void);
    const char *help;
} process_counters[] = {
#define X(name, get, help) {name, get, help},
    KAB_PROCESS_METRICS(X)
#undef X
};

static const char build_info_help[] = "Constant 1: the versions at work.";
static const char reloads_help[] = "Reloads of the configuration, refused "
                                   "ones included.";
static const char refused_help[] = "1 if the last reload was refused: what "
                                   "runs is not what the file says.";

/* Bucket b of a KabHistogram holds values below 2^b; the sum up to b is the
 * cumulative count for one bound. Times were truncated to whole microseconds:
 * below 2^b means a true time of at most 2^b. Record counts are integers: below
 * 2^b means at most 2^b - 1. */
enum {
    FIRST_TIME_BUCKET = 7, /* 128 us */
    LAST_TIME_BUCKET = 26, /* 67 s */
    FIRST_COUNT_BUCKET = 1,
    LAST_COUNT_BUCKET = 17, /* 131071 */
};
G_STATIC_ASSERT(LAST_TIME_BUCKET < KAB_HISTOGRAM_BUCKETS - 1);
G_STATIC_ASSERT(LAST_COUNT_BUCKET < KAB_HISTOGRAM_BUCKETS - 1);

static const char *
type_name(Type type)
{
    switch (type) {
    case TYPE_COUNTER:
        return "counter";
    case TYPE_GAUGE:
        return "gauge";
    case TYPE_HISTOGRAM:
        return "histogram";
    }
    g_assert_not_reached();
}

/* Escapes a label value, which may hold anything: three characters need it. */
static void
append_escaped(GString *text, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    for (const char *c = valid; *c; c++) {
        if (*c == '\n')
            g_string_append(text, "\\n");
        else if (*c == '\\' || *c == '"')
            g_string_append_printf(text, "\\%c", *c);
        else
            g_string_append_c(text, *c);
    }
}

static void
append_label(GString *text, const char *name, const char *value)
{
    g_string_append_printf(text, ",%s=\"", name);
    append_escaped(text, value);
    g_string_append_c(text, '"');
}

/* Writes a sample's name and its first label; the caller continues. */
static void
append_start(GString *text,
             const Family *family,
             const char *suffix,
             const KabBindingSnapshot *snapshot)
{
    g_string_append_printf(text, PREFIX "%s%s{binding=\"", family->name,
                           suffix);
    append_escaped(text, snapshot->name);
    g_string_append_c(text, '"');
}

static void
append_u64(GString *text, uint64_t value)
{
    g_string_append_printf(text, "} %" PRIu64 "\n", value);
}

static void
append_microseconds(GString *text, uint64_t value_us)
{
    g_string_append_printf(text, "%" PRIu64 ".%06" PRIu64,
                           value_us / G_USEC_PER_SEC,
                           value_us % G_USEC_PER_SEC);
}

static void
append_bound(GString *text, Form form, unsigned bucket)
{
    uint64_t bound = UINT64_C(1) << bucket;
    g_string_append(text, ",le=\"");
    if (form == FORM_MICROSECONDS)
        append_microseconds(text, bound);
    else
        g_string_append_printf(text, "%" PRIu64, bound - 1);
    g_string_append_c(text, '"');
}

static void
append_buckets(GString *text,
               const Family *family,
               const KabBindingSnapshot *snapshot,
               const KabHistogram *histogram)
{
    bool is_time = family->form == FORM_MICROSECONDS;
    unsigned first = is_time ? FIRST_TIME_BUCKET : FIRST_COUNT_BUCKET;
    unsigned last = is_time ? LAST_TIME_BUCKET : LAST_COUNT_BUCKET;
    uint64_t below = 0;
    for (unsigned bucket = 0; bucket <= last; bucket++) {
        below += histogram->buckets[bucket];
        if (bucket < first)
            continue;
        append_start(text, family, "_bucket", snapshot);
        append_bound(text, family->form, bucket);
        append_u64(text, below);
    }
    append_start(text, family, "_bucket", snapshot);
    append_label(text, "le", "+Inf");
    append_u64(text, histogram->count);
}

static void
append_histogram(GString *text,
                 const Family *family,
                 const KabBindingSnapshot *snapshot,
                 const KabHistogram *histogram)
{
    append_buckets(text, family, snapshot, histogram);
    append_start(text, family, "_sum", snapshot);
    g_string_append(text, "} ");
    if (family->form == FORM_MICROSECONDS)
        append_microseconds(text, histogram->sum);
    else
        g_string_append_printf(text, "%" PRIu64, histogram->sum);
    g_string_append_c(text, '\n');
    append_start(text, family, "_count", snapshot);
    append_u64(text, histogram->count);
}

/* A family with a fixed set of label values; value(i) is the i-th sample. */
static void
append_each_u64(GString *text,
                const Family *family,
                const KabBindingSnapshot *snapshot,
                const uint64_t *values)
{
    const Labels *labels = &label_sets[family->labels];
    for (size_t i = 0; i < labels->n; i++) {
        append_start(text, family, "", snapshot);
        if (labels->name)
            append_label(text, labels->name, labels->values[i]);
        append_u64(text, values[i]);
    }
}

static void
append_one(GString *text,
           const Family *family,
           const KabBindingSnapshot *snapshot,
           uint64_t value)
{
    append_start(text, family, "", snapshot);
    append_u64(text, value);
}

static void
append_age(GString *text,
           const Family *family,
           const KabBindingSnapshot *snapshot,
           int64_t age_us)
{
    append_start(text, family, "", snapshot);
    g_string_append(text, "} ");
    append_microseconds(text, age_us > 0 ? (uint64_t)age_us : 0);
    g_string_append_c(text, '\n');
}

static void
append_one_hot(GString *text,
               const Family *family,
               const KabBindingSnapshot *snapshot,
               unsigned hot)
{
    const Labels *labels = &label_sets[family->labels];
    for (size_t i = 0; i < labels->n; i++) {
        append_start(text, family, "", snapshot);
        append_label(text, labels->name, labels->values[i]);
        append_u64(text, i == hot);
    }
}

static void
append_partitions(GString *text,
                  const Family *family,
                  const KabBindingSnapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n_partitions; i++) {
        const KabPartitionSnapshot *partition = &snapshot->partitions[i];
        const void *field = (const char *)partition + family->offset;
        int64_t value = *(const int64_t *)field;
        if (family->form == FORM_PARTITION_I64 && value < 0)
            continue;
        append_start(text, family, "", snapshot);
        append_label(text, "topic", partition->topic);
        g_string_append_printf(text, ",partition=\"%d\"", partition->number);
        append_u64(text, (uint64_t)value);
    }
}

static void
append_units(GString *text,
             const Family *family,
             const KabBindingSnapshot *snapshot,
             const KabUnitCount *units)
{
    for (size_t i = 0; i < snapshot->n_units; i++) {
        append_start(text, family, "", snapshot);
        append_label(text, "unit", units[i].name);
        append_u64(text, units[i].n);
    }
}

static void
append_samples(GString *text,
               const Family *family,
               const KabBindingSnapshot *snapshot)
{
    const void *field = (const char *)snapshot + family->offset;
    switch (family->form) {
    case FORM_U64:
        append_each_u64(text, family, snapshot, field);
        break;
    case FORM_SIZE:
        append_one(text, family, snapshot, *(const size_t *)field);
        break;
    case FORM_UNSIGNED:
        append_one(text, family, snapshot, *(const unsigned *)field);
        break;
    case FORM_AGE:
        append_age(text, family, snapshot, *(const int64_t *)field);
        break;
    case FORM_RECORDS:
    case FORM_MICROSECONDS:
        append_histogram(text, family, snapshot, field);
        break;
    case FORM_PARTITION_I64:
    case FORM_PARTITION_U64:
        append_partitions(text, family, snapshot);
        break;
    case FORM_ONE_HOT:
        append_one_hot(text, family, snapshot, *(const unsigned *)field);
        break;
    case FORM_IS_NULL:
        append_one(text, family, snapshot, !*(const void *const *)field);
        break;
    case FORM_UNITS:
        append_units(text, family, snapshot, field);
        break;
    }
}

static void
append_head(GString *text, const char *name, Type type, const char *help)
{
    g_string_append_printf(text,
                           "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n",
                           name, help, name, type_name(type));
}

static void
append_build_info(GString *text)
{
    append_head(text, "build_info", TYPE_GAUGE, build_info_help);
    g_string_append_printf(text,
                           PREFIX "build_info{version=\"%s\","
                                  "librdkafka=\"%s\"} 1\n",
                           KAB_VERSION, rd_kafka_version_str());
}

static void
append_process_counters(GString *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(process_counters); i++) {
        append_head(text, process_counters[i].name, TYPE_COUNTER,
                    process_counters[i].help);
        g_string_append_printf(text, PREFIX "%s %" PRIu64 "\n",
                               process_counters[i].name,
                               process_counters[i].get());
    }
}

static void
append_reloads(GString *text, const KabReloads *reloads)
{
    append_head(text, "reloads_total", TYPE_COUNTER, reloads_help);
    g_string_append_printf(text, PREFIX "reloads_total %" PRIu64 "\n",
                           reloads->n);
    append_head(text, "reload_refused", TYPE_GAUGE, refused_help);
    g_string_append_printf(text, PREFIX "reload_refused %d\n",
                           reloads->refusal != NULL);
}

char *
kab_metrics_dup_text(const GPtrArray *snapshots, const KabReloads *reloads)
{
    GString *text = g_string_sized_new(16384);
    append_build_info(text);
    append_process_counters(text);
    append_reloads(text, reloads);
    for (size_t f = 0; f < G_N_ELEMENTS(families); f++) {
        const Family *family = &families[f];
        append_head(text, family->name, family->type, family->help);
        for (unsigned i = 0; i < snapshots->len; i++)
            append_samples(text, family, snapshots->pdata[i]);
    }
    return g_string_free(text, FALSE);
}

/* The values of a label, for the metrics page. */
static char *
dup_label_column(const Labels *labels)
{
    if (!labels->name)
        return g_strdup("");
    if (!labels->values)
        return g_strdup_printf("`%s`", labels->name);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "`%s`:", labels->name);
    for (size_t i = 0; i < labels->n; i++)
        g_string_append_printf(text, "%s %s", i ? "," : "", labels->values[i]);
    return g_string_free(text, FALSE);
}

char *
kab_metrics_dup_markdown(void)
{
    GString *text = g_string_new(
        "<!-- Made by `make doc-metrics` from plugin/ops/metrics-table.h. "
        "-->\n# Metrics\n\n"
        "`GET /metrics` of the admin server, Prometheus text format. Every "
        "family is there from the\nstart, whatever the mode; the label "
        "`binding` comes first; the counters of a binding that\na reload "
        "removed stay until the process ends.\n\n"
        "| name | type | labels besides `binding` | meaning |\n"
        "|---|---|---|---|\n");
    for (size_t f = 0; f < G_N_ELEMENTS(families); f++) {
        const Family *family = &families[f];
        g_autofree char *labels = dup_label_column(&label_sets[family->labels]);
        g_string_append_printf(text, "| `" PREFIX "%s` | %s | %s | %s |\n",
                               family->name, type_name(family->type), labels,
                               family->help);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(process_counters); i++)
        g_string_append_printf(text,
                               "| `" PREFIX "%s` | counter | without "
                               "`binding` | %s |\n",
                               process_counters[i].name,
                               process_counters[i].help);
    g_string_append_printf(text,
                           "| `" PREFIX "reloads_total` | counter | without "
                           "`binding` | %s |\n"
                           "| `" PREFIX "reload_refused` | gauge | without "
                           "`binding` | %s |\n",
                           reloads_help, refused_help);
    g_string_append_printf(text,
                           "| `" PREFIX "build_info` | gauge | `version`, "
                           "`librdkafka`, without `binding` | %s |\n",
                           build_info_help);
    return g_string_free(text, FALSE);
}
