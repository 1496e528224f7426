/* SPDX-License-Identifier: Apache-2.0 */
/* What contradicts, though each value alone is right.
 *
 * A pair is not judged when one of the two already is at fault.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "settings-internal.h"

G_GNUC_PRINTF(3, 4)
static void
fault(const KabCheck *check, const char *key, const char *format, ...)
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

/* As given, or the default. */
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

/* The key to blame of two: the one that is given. */
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

/* librdkafka's own expressions are POSIX extended ones too. */
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
        fault(check, key,
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
        fault(check, "input.topics",
              "found no topic; wanted topics, separated by commas");
    for (char **topic = topics; *topic; topic++) {
        g_autofree char *quoted = kab_quote(*topic);
        if (!is_pattern(*topic))
            check_topic(check, "input.topics", *topic);
        else if (!is_regular_expression(*topic))
            fault(check, "input.topics",
                  "found %s; wanted a POSIX extended regular expression",
                  quoted);
        for (char **earlier = topics; earlier != topic; earlier++)
            if (strcmp(*earlier, *topic) == 0)
                fault(check, "input.topics", "found %s twice; wanted it once",
                      quoted);
    }
}

static void
check_is_no_input(const KabCheck *check, const char *key, const char *topic)
{
    g_autofree char *quoted = kab_quote(topic);
    for (char **input = check->binding->input_topics; *input; input++) {
        if (!is_input(*input, topic))
            continue;
        fault(check, key,
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
    if (!topic) {
        if (check->binding->engine.on_failure == KAB_ON_FAILURE_DLQ)
            fault(check, "on.failure",
                  "found \"dlq\" without dead.letter.topic; wanted both, or "
                  "stop or drop");
        return;
    }
    g_autofree char *quoted = kab_quote(topic);
    check_topic(check, key, topic);
    check_is_no_input(check, key, topic);
    if (is_output(check->binding, topic))
        fault(check, key,
              "found %s, which is an output too; wanted a topic of its own",
              quoted);
}

/* --- Numbers ------------------------------------------------------------ */

static void
check_memory(const KabCheck *check)
{
    const KabEngineOptions *engine = &check->binding->engine;
    if (!is_right(check, "buffer.bytes") || !is_right(check, "batch.bytes") ||
        engine->buffer_bytes >= engine->batch_bytes)
        return;
    fault(check, given_of(check, "buffer.bytes", "batch.bytes"),
          "found buffer.bytes %s below batch.bytes %s; wanted room for one "
          "batch at least",
          words_of(check, "buffer.bytes"), words_of(check, "batch.bytes"));
}

static void
check_backoff(const KabCheck *check)
{
    const KabEngineOptions *engine = &check->binding->engine;
    if (!is_right(check, "retry.backoff") ||
        !is_right(check, "retry.backoff.max") ||
        engine->retry_backoff_us <= engine->retry_backoff_max_us)
        return;
    fault(check, given_of(check, "retry.backoff", "retry.backoff.max"),
          "found retry.backoff %s above retry.backoff.max %s; wanted it below",
          words_of(check, "retry.backoff"),
          words_of(check, "retry.backoff.max"));
}

static void
check_drain(const KabCheck *check)
{
    static const char key[] = "rebalance.drain.timeout";
    int64_t poll_us = kab_settings_property_us(
        check, KAB_CLIENT_CONSUMER, "max.poll.interval.ms", 300 * 1000 * 1000);
    if (!is_right(check, key) ||
        check->binding->engine.rebalance_drain_timeout_us <= poll_us / 2)
        return;
    fault(check, key,
          "found %s, more than half of the consumer's max.poll.interval.ms "
          "(%" G_GINT64_FORMAT "); wanted at most %" G_GINT64_FORMAT "ms",
          words_of(check, key), poll_us / 1000, poll_us / 2000);
}

static void
check_transaction(const KabCheck *check)
{
    static const char key[] = "transaction.interval";
    if (check->binding->engine.delivery != KAB_DELIVERY_EXACTLY_ONCE)
        return;
    int64_t timeout_us = kab_settings_property_us(
        check, KAB_CLIENT_PRODUCER, "transaction.timeout.ms", 10 * 1000 * 1000);
    if (is_right(check, key) &&
        check->binding->engine.transaction_interval_us * 3 >= timeout_us)
        fault(check, key,
              "found %s, not below a third of the producer's "
              "transaction.timeout.ms (%" G_GINT64_FORMAT
              "); wanted less than %" G_GINT64_FORMAT "ms",
              words_of(check, key), timeout_us / 1000, timeout_us / 3000);
}

static void
check_idempotence(const KabCheck *check)
{
    const GArray *properties = check->binding->producer;
    if (check->binding->engine.delivery != KAB_DELIVERY_EXACTLY_ONCE)
        return;
    const char *value = kab_properties_lookup(
        KAB_CLIENT_PRODUCER, (const KabProperty *)properties->data,
        properties->len, "enable.idempotence");
    if (value && strcmp(value, "false") == 0)
        fault(check, "delivery",
              "found \"exactly-once\" with enable.idempotence=false; wanted "
              "idempotence, or at-least-once");
}

static void
check_batching(const KabCheck *check)
{
    if (check->binding->is_adaptive)
        fault(check, "batching",
              "found \"adaptive\", which this version cannot do; wanted "
              "static");
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
    check_memory(&check);
    check_backoff(&check);
    check_drain(&check);
    check_transaction(&check);
    check_idempotence(&check);
    check_batching(&check);
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

/* Members of a group must read the same: each gets partitions of all. */
static void
check_groups(const KabCheck *check, const KabBindingSettings *earlier)
{
    const KabBindingSettings *binding = check->binding;
    g_autofree char *topics = dup_sorted_topics(binding);
    g_autofree char *other = dup_sorted_topics(earlier);
    if (strcmp(binding->group, earlier->group) == 0 &&
        strcmp(topics, other) != 0)
        fault(check, given_of(check, "group", "input.topics"),
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
        fault(check, "transactional.id",
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
