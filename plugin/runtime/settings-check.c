/* SPDX-License-Identifier: Apache-2.0 */
/* Finds contradictions between values that are each valid alone.
 *
 * A pair is not checked if one of the two values is already at fault.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "settings-internal.h"

G_GNUC_PRINTF(3, 4)
static void
add_fault(const KabCheck *check, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *sentence = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    kab_fault_take(check->builder->faults, check->builder->config,
                   kab_fault_place(check->section, key), sentence);
}

static const char *
value_of(const KabCheck *check, const char *key)
{
    const KabIniEntry *entry = kab_ini_section_find(check->section, key);
    return entry && entry->value ? entry->value : NULL;
}

/* The value as configured, or the default. */
static const char *
words_of(const KabCheck *check, const char *key)
{
    const KabOptionRow *row = kab_options_find(KAB_SECTION_BINDING, key);
    const char *value = value_of(check, key);
    if (!value)
        value = kab_option_default(row, kab_binding_modes(check->binding));
    return value ? value : kab_option_default_words(row);
}

static bool
is_right(const KabCheck *check, const char *key)
{
    const KabOptionRow *row = kab_options_find(KAB_SECTION_BINDING, key);
    const KabIniEntry *entry = kab_ini_section_find(check->section, key);
    KabValue value;
    return !entry ||
           (entry->value && kab_value_parse(&row->rule, entry->value, &value));
}

/* Of two keys, the one to report: the one that is set. */
static const char *
given_of(const KabCheck *check, const char *key, const char *other)
{
    return value_of(check, key) || !value_of(check, other) ? key : other;
}

/* --- Topics ------------------------------------------------------------- */

static bool
is_pattern(const char *topic)
{
    return *topic == '^';
}

static bool
is_topic_name(const char *topic)
{
    static const char *const characters =
        G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-";
    size_t len = strlen(topic);
    return len > 0 && len <= 249 && !topic[strspn(topic, characters)] &&
           strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0;
}

/* librdkafka's patterns are POSIX extended regular expressions too. */
static bool
is_regular_expression(const char *pattern)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    regfree(&regex);
    return true;
}

static bool
is_input(const char *entry, const char *topic)
{
    regex_t regex;
    if (!is_pattern(entry))
        return strcmp(entry, topic) == 0;
    if (regcomp(&regex, entry, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool is_match = regexec(&regex, topic, 0, NULL, 0) == 0;
    regfree(&regex);
    return is_match;
}

bool
kab_binding_settings_reads(const KabBindingSettings *binding, const char *topic)
{
    for (char **input = binding->input_topics; *input; input++)
        if (is_input(*input, topic))
            return true;
    return false;
}

static void
check_topic(const KabCheck *check, const char *key, const char *topic)
{
    g_autofree char *quoted = kab_quote(topic);
    if (!is_topic_name(topic))
        add_fault(check, key,
                  "found %s; wanted a topic's name: 1 to 249 letters, digits, "
                  "dots, underscores or minuses",
                  quoted);
}

static void
check_inputs(const KabCheck *check)
{
    char **topics = check->binding->input_topics;
    if (!*topics && value_of(check, "input.topics") &&
        *value_of(check, "input.topics"))
        add_fault(check, "input.topics",
                  "found no topic; wanted topics, separated by commas");
    for (char **topic = topics; *topic; topic++) {
        g_autofree char *quoted = kab_quote(*topic);
        if (!is_pattern(*topic))
            check_topic(check, "input.topics", *topic);
        else if (!is_regular_expression(*topic))
            add_fault(check, "input.topics",
                      "found %s; wanted a POSIX extended regular expression",
                      quoted);
        for (char **earlier = topics; earlier != topic; earlier++)
            if (strcmp(*earlier, *topic) == 0)
                add_fault(check, "input.topics",
                          "found %s twice; wanted it once", quoted);
    }
}

static void
check_is_no_input(const KabCheck *check, const char *key, const char *topic)
{
    g_autofree char *quoted = kab_quote(topic);
    for (char **input = check->binding->input_topics; *input; input++) {
        if (!is_input(*input, topic))
            continue;
        add_fault(check, key,
                  "found %s, which input.topics reads (%s): the binding would "
                  "feed itself; wanted another topic",
                  quoted, *input);
        return;
    }
}

static void
check_outputs(const KabCheck *check)
{
    const KabBindingSettings *binding = check->binding;
    if (binding->output_topic) {
        check_topic(check, "output.topic", binding->output_topic);
        check_is_no_input(check, "output.topic", binding->output_topic);
    }
    for (char **topic = binding->output_topics; *topic; topic++) {
        check_topic(check, "output.topics", *topic);
        check_is_no_input(check, "output.topics", *topic);
    }
}

static bool
is_output(const KabBindingSettings *binding, const char *topic)
{
    if (binding->output_topic && strcmp(binding->output_topic, topic) == 0)
        return true;
    return g_strv_contains((const char *const *)binding->output_topics, topic);
}

static void
check_dead_letters(const KabCheck *check)
{
    static const char key[] = "dead.letter.topic";
    const char *topic = check->binding->dead_letter_topic;
    if (!topic)
        return;
    g_autofree char *quoted = kab_quote(topic);
    check_topic(check, key, topic);
    check_is_no_input(check, key, topic);
    if (is_output(check->binding, topic))
        add_fault(check, key,
                  "found %s, which is an output too; wanted a topic of its own",
                  quoted);
}

/* --- Values that belong together ----------------------------------------- */

static bool
has_room_for_a_batch(const KabBindingSettings *binding, int64_t property_us)
{
    return binding->engine.buffer_bytes >= binding->engine.batch_bytes;
}

static bool
has_backoff_below_its_maximum(const KabBindingSettings *binding,
                              int64_t property_us)
{
    return binding->engine.retry_backoff_us <=
           binding->engine.retry_backoff_max_us;
}

static bool
drains_within_half(const KabBindingSettings *binding, int64_t property_us)
{
    return binding->engine.rebalance_drain_timeout_us <= property_us / 2;
}

static bool
is_exactly_once(const KabBindingSettings *binding)
{
    return binding->engine.delivery == KAB_DELIVERY_EXACTLY_ONCE;
}

static bool
collects_below_a_third(const KabBindingSettings *binding, int64_t property_us)
{
    return !is_exactly_once(binding) ||
           binding->engine.transaction_interval_us * 3 < property_us;
}

static bool
has_topic_for_letters(const KabBindingSettings *binding, int64_t property_us)
{
    return binding->dead_letter_topic ||
           binding->engine.on_failure != KAB_ON_FAILURE_DLQ;
}

static bool
has_topic_for_passing(const KabBindingSettings *binding, int64_t property_us)
{
    return binding->output_topic ||
           binding->engine.on_failure != KAB_ON_FAILURE_PASS;
}

static bool
is_idempotent(const KabBindingSettings *binding, int64_t property_us)
{
    const GArray *properties = binding->producer;
    const char *value = kab_properties_lookup(
        KAB_CLIENT_PRODUCER, (const KabProperty *)properties->data,
        properties->len, "enable.idempotence");
    return !is_exactly_once(binding) || g_strcmp0(value, "false") != 0;
}

/* A property of a client that a rule compares with. */
typedef struct {
    KabClientKind client;
    const char *name; /* NULL: none */
    int64_t standard_us;
    int part; /* of it, at most */
} Property;

typedef struct {
    const char *key, *other; /* other NULL: none */
    Property property;
    bool (*is_kept)(const KabBindingSettings *binding, int64_t property_us);
    /* $1: the value of key; $2: of other; $3: of the property, in ms; $4: that
     * part of it. */
    const char *sentence;
} Rule;

static const Rule rules[] = {
    {"on.failure",
     NULL,
     {0},
     has_topic_for_letters,
     "found \"dlq\" without dead.letter.topic; wanted both, or stop, drop or "
     "pass"},
    {"on.failure",
     NULL,
     {0},
     has_topic_for_passing,
     "found \"pass\" without output.topic; wanted both, or stop, dlq or drop"},
    {"buffer.bytes",
     "batch.bytes",
     {0},
     has_room_for_a_batch,
     "found buffer.bytes $1 below batch.bytes $2; wanted room for one batch at "
     "least"},
    {"retry.backoff",
     "retry.backoff.max",
     {0},
     has_backoff_below_its_maximum,
     "found retry.backoff $1 above retry.backoff.max $2; wanted it below"},
    {"rebalance.drain.timeout",
     NULL,
     {KAB_CLIENT_CONSUMER, "max.poll.interval.ms", 300 * G_USEC_PER_SEC, 2},
     drains_within_half,
     "found $1, more than half of the consumer's max.poll.interval.ms ($3); "
     "wanted at most $4ms"},
    {"transaction.interval",
     NULL,
     {KAB_CLIENT_PRODUCER, "transaction.timeout.ms", 10 * G_USEC_PER_SEC, 3},
     collects_below_a_third,
     "found $1, not below a third of the producer's transaction.timeout.ms "
     "($3); wanted less than $4ms"},
    {"delivery",
     NULL,
     {0},
     is_idempotent,
     "found \"exactly-once\" with enable.idempotence=false; wanted "
     "idempotence, "
     "or at-least-once"},
};

static char *
dup_sentence(const KabCheck *check, const Rule *rule, int64_t property_us)
{
    GString *text = g_string_new(NULL);
    for (const char *c = rule->sentence; *c; c++) {
        if (*c != '$')
            g_string_append_c(text, *c);
        else if (*++c == '1')
            g_string_append(text, words_of(check, rule->key));
        else if (*c == '2')
            g_string_append(text, words_of(check, rule->other));
        else
            g_string_append_printf(text, "%" G_GINT64_FORMAT,
                                   property_us / 1000 /
                                       (*c == '4' ? rule->property.part : 1));
    }
    return g_string_free(text, FALSE);
}

static void
check_rule(const KabCheck *check, const Rule *rule)
{
    const Property *property = &rule->property;
    if (!is_right(check, rule->key) ||
        (rule->other && !is_right(check, rule->other)))
        return;
    int64_t property_us = 0;
    if (property->name)
        property_us = kab_settings_property_us(
            check, property->client, property->name, property->standard_us);
    if (rule->is_kept(check->binding, property_us))
        return;
    const char *key =
        rule->other ? given_of(check, rule->key, rule->other) : rule->key;
    g_autofree char *sentence = dup_sentence(check, rule, property_us);
    add_fault(check, key, "%s", sentence);
}

/* --- The option of a function that counts the binding's calls ------------ */

/* The option's value, as configured or by default; NULL: there is no such
 * option, or its value is at fault. */
static const char *
function_value(const KabCheck *check, const char *name)
{
    const KabFunction *function = check->binding->module.function;
    const KabOption *option = function ? kab_option_find(function, name) : NULL;
    if (!option)
        return NULL;
    g_autofree char *key = g_strconcat("function.", name, NULL);
    const char *value = value_of(check, key);
    if (!value)
        return option->default_value;
    g_autofree char *problem = kab_option_problem(option, value);
    return problem ? NULL : value;
}

/* A function that lets a record pass after some calls must get so many: else
 * the record fails before. */
static void
check_patience(const KabCheck *check)
{
    static const char key[] = "function.missing.attempts";
    const char *missing = function_value(check, "missing");
    const char *wanted = function_value(check, "missing.attempts");
    unsigned limit = check->binding->engine.retry_max_attempts;
    if (g_strcmp0(missing, "retry") != 0 || !wanted || limit == 0 ||
        !is_right(check, "retry.max.attempts") ||
        g_ascii_strtoull(wanted, NULL, 10) <= limit)
        return;
    add_fault(check, given_of(check, key, "retry.max.attempts"),
              "found missing.attempts %s above retry.max.attempts %u: the "
              "record would fail before it passes; wanted it not above, or "
              "retry.max.attempts 0 (no limit)",
              wanted, limit);
}

static void
check_trace(const KabCheck *check)
{
    const char *url = check->binding->trace_endpoint;
    if (!url || g_str_has_prefix(url, "http://") ||
        g_str_has_prefix(url, "https://"))
        return;
    g_autofree char *quoted = kab_quote(url);
    add_fault(check, "trace.endpoint",
              "found %s; wanted an http:// or https:// URL, or none", quoted);
}

void
kab_settings_check_binding(KabSettingsBuilder *builder,
                           const KabIniSection *section,
                           const KabBindingSettings *binding)
{
    const KabCheck check = {builder, section, binding};
    kab_settings_check_brokers(&check);
    check_inputs(&check);
    check_outputs(&check);
    check_dead_letters(&check);
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        check_rule(&check, &rules[i]);
    check_patience(&check);
    check_trace(&check);
    kab_settings_check_clients(&check);
}

/* --- Two bindings -------------------------------------------------------- */

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
dup_sorted_topics(const KabBindingSettings *binding)
{
    g_auto(GStrv) topics = g_strdupv(binding->input_topics);
    qsort(topics, g_strv_length(topics), sizeof *topics, compare_texts);
    return g_strjoinv(",", topics);
}

/* Members of one group must read the same topics, because each may be assigned
 * partitions of all of them. */
static void
check_groups(const KabCheck *check, const KabBindingSettings *earlier)
{
    const KabBindingSettings *binding = check->binding;
    g_autofree char *topics = dup_sorted_topics(binding);
    g_autofree char *other = dup_sorted_topics(earlier);
    if (strcmp(binding->group, earlier->group) == 0 &&
        strcmp(topics, other) != 0)
        add_fault(
            check, given_of(check, "group", "input.topics"),
            "found group \"%s\" reading other topics than binding %s does "
            "with it; wanted a group of its own, or the same topics",
            binding->group, earlier->name);
}

static void
check_ids(const KabCheck *check, const KabBindingSettings *earlier)
{
    const KabBindingSettings *binding = check->binding;
    if (binding->engine.delivery == KAB_DELIVERY_EXACTLY_ONCE &&
        earlier->engine.delivery == KAB_DELIVERY_EXACTLY_ONCE &&
        strcmp(binding->transactional_id, earlier->transactional_id) == 0)
        add_fault(
            check, "transactional.id",
            "found \"%s\", which binding %s has too; wanted one of its own",
            binding->transactional_id, earlier->name);
}

void
kab_settings_check_bindings(KabSettingsBuilder *builder)
{
    const GPtrArray *bindings = builder->settings->bindings;
    for (unsigned i = 0; i < bindings->len; i++) {
        const KabBindingSettings *binding = bindings->pdata[i];
        const KabCheck check = {
            builder, kab_binding_section(builder->config, binding), binding};
        for (unsigned j = 0; j < i; j++) {
            check_groups(&check, bindings->pdata[j]);
            check_ids(&check, bindings->pdata[j]);
        }
    }
}
