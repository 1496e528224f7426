/* SPDX-License-Identifier: Apache-2.0 */
/* One [binding NAME]: options, function, librdkafka properties, digests. */
#include <string.h>

#include "committed.h"
#include "settings-internal.h"

/* State of one kab_settings_add_binding(). */
typedef struct {
    KabSettingsBuilder *builder;
    const KabIniSection *section;
    KabBindingSettings *binding;
    bool is_opened; /* the function's options are known */
} KabBindingBuilder;

static const char function_prefix[] = "function.";
static const char consumer_prefix[] = "consumer.";
static const char producer_prefix[] = "producer.";

void
kab_binding_settings_free(void *data)
{
    KabBindingSettings *binding = data;
    if (!binding)
        return;
    g_free(binding->name);
    g_strfreev(binding->input_topics);
    g_free(binding->output_topic);
    g_strfreev(binding->output_topics);
    g_free(binding->dead_letter_topic);
    g_free(binding->group);
    g_free(binding->transactional_id);
    g_free(binding->trace_endpoint);
    g_free(binding->function_place);
    g_array_unref(binding->function_texts);
    g_array_unref(binding->consumer);
    g_array_unref(binding->producer);
    g_free(binding->fixed_digest);
    g_free(binding->reloadable_digest);
    g_string_chunk_free(binding->texts);
    g_free(binding);
}

static KabBindingSettings *
binding_new(const char *name)
{
    KabBindingSettings *binding = g_new0(KabBindingSettings, 1);
    binding->name = g_strdup(name);
    binding->function_texts = g_array_new(FALSE, FALSE, sizeof(KabOptionText));
    binding->consumer = g_array_new(FALSE, FALSE, sizeof(KabProperty));
    binding->producer = g_array_new(FALSE, FALSE, sizeof(KabProperty));
    binding->texts = g_string_chunk_new(256);
    binding->engine.metadata_cap = KAB_COMMITTED_MAX_BYTES;
    binding->engine.seed =
        (uint64_t)g_random_int() << 32 | (uint64_t)g_random_int();
    return binding;
}

/* Takes sentence. */
static void
add_fault(const KabBindingBuilder *at, const char *key, char *sentence)
{
    kab_fault_take(at->builder->faults, at->builder->config,
                   kab_fault_place(at->section, key), sentence);
}

static const char *
value_of(const KabBindingBuilder *at, const char *key)
{
    const KabIniEntry *entry = kab_ini_section_find(at->section, key);
    return entry ? entry->value : NULL;
}

static void
add_property(GArray *properties,
             KabBindingSettings *binding,
             const char *name,
             const char *value)
{
    KabProperty property = {g_string_chunk_insert_const(binding->texts, name),
                            g_string_chunk_insert_const(binding->texts, value)};
    g_array_append_val(properties, property);
}

/* Properties of [kafka] go to both clients; librdkafka knows which client a
 * property belongs to. */
static void
add_kafka(KabBindingBuilder *at)
{
    const KabIniSection *kafka =
        kab_ini_find(at->builder->config->ini, "kafka");
    for (unsigned i = 0; kafka && i < kafka->entries->len; i++) {
        const KabIniEntry *entry = kafka->entries->pdata[i];
        if (!entry->value)
            continue;
        add_property(at->binding->consumer, at->binding, entry->key,
                     entry->value);
        add_property(at->binding->producer, at->binding, entry->key,
                     entry->value);
    }
}

/* The modes as configured: the structure already holds the defaults. */
static unsigned
given_modes(KabBindingBuilder *at)
{
    const char *batching = value_of(at, "batching");
    const char *delivery = value_of(at, "delivery");
    unsigned modes = 0;
    if (batching && strcmp(batching, "adaptive") == 0)
        modes |= KAB_MODE_ADAPTIVE;
    if (delivery && strcmp(delivery, "exactly-once") == 0)
        modes |= KAB_MODE_EXACTLY_ONCE;
    return modes;
}

/* With several requests on their way a broker may refuse one and take the next
 * (KAB_QUIRK_FIRST_BATCH); the first is then written behind it. An aborted
 * transaction hides that. */
static void
add_order(KabBindingBuilder *at)
{
    const char *order = value_of(at, "order");
    if (!order || strcmp(order, "unordered") == 0 ||
        given_modes(at) & KAB_MODE_EXACTLY_ONCE)
        return;
    add_property(at->binding->producer, at->binding,
                 "max.in.flight.requests.per.connection", "1");
}

static void
open_function(KabBindingBuilder *at)
{
    g_autoptr(GError) error = NULL;
    const KabIniEntry *entry = kab_ini_section_find(at->section, "function");
    bool is_empty = !entry || (entry->value && !*entry->value);
    if (is_empty && at->builder->functions_from == KAB_FUNCTIONS_FROM_PROGRAM)
        return;
    if (is_empty)
        add_fault(at, "function",
                  g_strdup("found none; wanted the name of a function; "
                           "kabridge functions lists them"));
    else if (entry->value) {
        at->is_opened =
            kab_loader_open(at->builder->settings->module_path, entry->value,
                            &at->binding->module, &error);
        if (!at->is_opened)
            add_fault(at, "function", g_strdup(error->message));
    }
}

static char *
dup_unknown_option(const KabFunction *function, const char *key)
{
    g_autofree const char **names =
        g_new(const char *, function->n_options + 1);
    for (size_t i = 0; i < function->n_options; i++)
        names[i] = function->options[i].name;
    const char *nearest = kab_nearest(key, names, function->n_options);
    return g_strdup_printf("found an option that function %s does not have; "
                           "wanted %s%s%s",
                           function->name,
                           function->n_options ? "one of those that `kabridge "
                                                 "functions` lists"
                                               : "none, it has no options",
                           nearest ? ", perhaps function." : "",
                           nearest ? nearest : "");
}

/* NULL: the value is valid. */
static char *
dup_option_problem(const KabFunction *function, const KabOptionText *text)
{
    const KabOption *option = kab_option_find(function, text->key);
    return option ? kab_option_problem(option, text->value)
                  : dup_unknown_option(function, text->key);
}

static bool
is_missing(const KabOption *option, const GArray *texts)
{
    if (!(option->flags & KAB_OPTION_REQUIRED) || option->default_value)
        return false;
    for (unsigned i = 0; i < texts->len; i++)
        if (kab_option_takes(option,
                             g_array_index(texts, KabOptionText, i).key))
            return false;
    return true;
}

static void
check_function(const KabConfig *config,
               const KabIniSection *section,
               const KabFunction *function,
               const GArray *texts,
               GPtrArray *faults)
{
    for (unsigned i = 0; i < texts->len; i++) {
        const KabOptionText *text = &g_array_index(texts, KabOptionText, i);
        char *problem = dup_option_problem(function, text);
        g_autofree char *key = g_strconcat(function_prefix, text->key, NULL);
        if (problem)
            kab_fault_take(faults, config, kab_fault_place(section, key),
                           problem);
    }
    for (size_t i = 0; i < function->n_options; i++) {
        const KabOption *option = &function->options[i];
        g_autofree char *key = g_strconcat(function_prefix, option->name, NULL);
        if (!is_missing(option, texts) || kab_ini_section_find(section, key))
            continue;
        kab_fault_take(faults, config, kab_fault_place(section, key),
                       g_strdup_printf("found none; wanted one, function %s "
                                       "needs it: %s",
                                       function->name,
                                       option->help ? option->help : "?"));
    }
}

bool
kab_settings_check_function(const KabConfig *config,
                            const KabBindingSettings *binding,
                            const KabFunction *function,
                            GError **error)
{
    g_autoptr(GPtrArray) faults = kab_faults_new();
    check_function(config, kab_binding_section(config, binding), function,
                   binding->function_texts, faults);
    if (!faults->len)
        return true;
    kab_faults_report(faults, error);
    return false;
}

/* Reports a key that is neither an option nor has a known prefix. */
static void
refuse_key(KabBindingBuilder *at, const KabIniEntry *entry)
{
    g_autofree char *hint = kab_settings_dup_hint(at->builder, entry->key);
    const char *refusal = kab_property_refusal(entry->key);
    add_fault(at, entry->key,
              g_strdup_printf("found an unknown key%s%s%s; wanted an option of "
                              "a binding, function.…, consumer.… or "
                              "producer.…%s%s",
                              refusal ? " (" : "", refusal ? refusal : "",
                              refusal ? ")" : "", hint ? ", perhaps " : "",
                              hint ? hint : ""));
}

/* The group as a property of the client: it says what the bridge sets anyway.
 */
static bool
is_own_group(KabBindingBuilder *at, const char *name, const char *value)
{
    const char *group = value_of(at, "group");
    g_autofree char *by_default =
        g_strconcat("kabridge-", at->binding->name, NULL);
    return strcmp(name, "group.id") == 0 &&
           strcmp(value, group ? group : by_default) == 0;
}

static void
read_client_property(KabBindingBuilder *at,
                     const KabIniEntry *entry,
                     const char *name,
                     KabClientKind kind)
{
    GArray *properties = kind == KAB_CLIENT_CONSUMER ? at->binding->consumer
                                                     : at->binding->producer;
    if (kind == KAB_CLIENT_CONSUMER && is_own_group(at, name, entry->value))
        return;
    kab_settings_check_property(at->builder, at->section, entry, name, kind);
    add_property(properties, at->binding, name, entry->value);
}

static void
read_function_option(KabBindingBuilder *at,
                     const KabIniEntry *entry,
                     const char *name)
{
    KabBindingSettings *binding = at->binding;
    KabOptionText text = {g_string_chunk_insert(binding->texts, name),
                          g_string_chunk_insert(binding->texts, entry->value)};
    g_array_append_val(binding->function_texts, text);
}

/* The part of key after the prefix; NULL: the key has another prefix. */
static const char *
skip_prefix(const char *key, const char *prefix)
{
    return g_str_has_prefix(key, prefix) ? key + strlen(prefix) : NULL;
}

/* An entry without a value could not be expanded; that fault is reported
 * already. */
static void
read_entry(KabBindingBuilder *at, const KabIniEntry *entry)
{
    const char *key = entry->key;
    KabBindingSettings *binding = at->binding;
    const KabOptionRow *row = kab_options_find(KAB_SECTION_BINDING, key);
    const char *option = skip_prefix(key, function_prefix);
    const char *consumer = skip_prefix(key, consumer_prefix);
    const char *producer = skip_prefix(key, producer_prefix);
    if (!row && !option && !consumer && !producer)
        refuse_key(at, entry);
    else if (!entry->value)
        return;
    else if (option)
        read_function_option(at, entry, option);
    else if (consumer)
        read_client_property(at, entry, consumer, KAB_CLIENT_CONSUMER);
    else if (producer)
        read_client_property(at, entry, producer, KAB_CLIENT_PRODUCER);
    else if (row->size)
        kab_settings_store(at->builder, at->section, entry, row, binding);
}

unsigned
kab_binding_modes(const KabBindingSettings *binding)
{
    unsigned modes = binding->engine.is_adaptive ? KAB_MODE_ADAPTIVE : 0;
    if (binding->engine.delivery == KAB_DELIVERY_EXACTLY_ONCE)
        modes |= KAB_MODE_EXACTLY_ONCE;
    return modes;
}

static void
store_defaults(KabBindingBuilder *at)
{
    unsigned modes = given_modes(at);
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].section == KAB_SECTION_BINDING && rows[i].size)
            kab_settings_store_default(&rows[i], modes, at->binding);
}

static void
require_rows(KabBindingBuilder *at)
{
    if (!kab_ini_section_find(at->section, "input.topics"))
        add_fault(at, "input.topics",
                  g_strdup("found none; wanted topics, separated by commas"));
}

/* An unset rebalance.drain.timeout must end well before max.poll.interval.ms,
 * after which the group expels the member. */
static void
follow_poll_interval(KabBindingBuilder *at)
{
    KabCheck check = {at->builder, at->section, at->binding};
    KabEngineOptions *engine = &at->binding->engine;
    int64_t poll_us = kab_settings_property_us(
        &check, KAB_CLIENT_CONSUMER, "max.poll.interval.ms", 300 * 1000 * 1000);
    if (!value_of(at, "rebalance.drain.timeout"))
        engine->rebalance_drain_timeout_us =
            MIN(engine->rebalance_drain_timeout_us, poll_us / 2);
}

/* Defaults that depend on other options. */
static void
derive_defaults(KabBindingBuilder *at)
{
    KabBindingSettings *binding = at->binding;
    if (!binding->group)
        binding->group = g_strconcat("kabridge-", binding->name, NULL);
    binding->is_transactional_id_set = binding->transactional_id != NULL;
    if (!binding->transactional_id)
        binding->transactional_id =
            g_strdup_printf("%s-%s-%s", binding->group, binding->name,
                            at->builder->settings->instance);
    binding->instance = at->builder->settings->instance;
    if (!value_of(at, "on.failure"))
        binding->engine.on_failure = binding->dead_letter_topic
                                         ? KAB_ON_FAILURE_DLQ
                                         : KAB_ON_FAILURE_STOP;
    if (!binding->engine.threads)
        binding->engine.threads = binding->engine.max_in_flight;
    follow_poll_interval(at);
}

static void
digest_text(GChecksum *checksum, const char *text)
{
    g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text) + 1);
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Does a later pair override this one? */
static bool
is_overruled(const char *const *pairs, unsigned n, unsigned i)
{
    for (unsigned later = i + 1; later < n; later++)
        if (strcmp(pairs[2 * later], pairs[2 * i]) == 0)
            return true;
    return false;
}

/* Digests the names and values in force, independent of their order. */
static void
digest_pairs(GChecksum *checksum, const GArray *array)
{
    G_STATIC_ASSERT(sizeof(KabProperty) == 2 * sizeof(char *));
    G_STATIC_ASSERT(sizeof(KabOptionText) == 2 * sizeof(char *));
    const char *const *pairs = (const void *)array->data;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < array->len; i++)
        if (!is_overruled(pairs, array->len, i))
            g_ptr_array_add(lines, g_strdup_printf("%s=%s", pairs[2 * i],
                                                   pairs[2 * i + 1]));
    g_ptr_array_sort(lines, compare_texts);
    for (unsigned i = 0; i < lines->len; i++)
        digest_text(checksum, lines->pdata[i]);
    digest_text(checksum, "");
}

static void
digest_rows(GChecksum *checksum, const KabBindingBuilder *at, unsigned flags)
{
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (size_t i = 0; i < n; i++) {
        const char *value = value_of(at, rows[i].name);
        if (rows[i].section != KAB_SECTION_BINDING ||
            (rows[i].flags & KAB_ROW_RELOADABLE) != flags)
            continue;
        digest_text(checksum, rows[i].name);
        digest_text(checksum,
                    value ? value : kab_option_default_words(&rows[i]));
    }
}

static void
store_digests(const KabBindingBuilder *at)
{
    KabBindingSettings *binding = at->binding;
    const char *path = binding->module.path;
    g_autoptr(GChecksum) fixed = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GChecksum) reloadable = g_checksum_new(G_CHECKSUM_SHA256);
    digest_rows(reloadable, at, KAB_ROW_RELOADABLE);
    digest_rows(fixed, at, 0);
    digest_text(fixed, path ? path : "");
    digest_text(fixed, binding->transactional_id);
    digest_pairs(fixed, binding->function_texts);
    digest_pairs(fixed, binding->consumer);
    digest_pairs(fixed, binding->producer);
    binding->fixed_digest = g_strdup(g_checksum_get_string(fixed));
    binding->reloadable_digest = g_strdup(g_checksum_get_string(reloadable));
}

static void
check_name(KabBindingBuilder *at, const char *name)
{
    static const char *const characters =
        G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-";
    if (*name && !name[strspn(name, characters)] && strlen(name) <= 100)
        return;
    add_fault(at, NULL,
              g_strdup("found a name that is empty, long or has other "
                       "characters; wanted [binding NAME] with 1 to 100 "
                       "letters, digits, dots, underscores or minuses"));
}

void
kab_settings_add_binding(KabSettingsBuilder *builder,
                         const KabIniSection *section)
{
    const char *name = kab_binding_name_of(section->name);
    KabBindingBuilder at = {builder, section, binding_new(name), false};
    g_ptr_array_add(builder->settings->bindings, at.binding);
    check_name(&at, name);
    store_defaults(&at);
    add_order(&at);
    add_kafka(&at);
    for (unsigned i = 0; i < section->entries->len; i++)
        read_entry(&at, section->entries->pdata[i]);
    require_rows(&at);
    at.binding->function_place = kab_fault_dup_place(
        builder->config, kab_fault_place(section, "function"));
    open_function(&at);
    if (at.is_opened)
        check_function(builder->config, section, at.binding->module.function,
                       at.binding->function_texts, builder->faults);
    derive_defaults(&at);
    kab_settings_check_binding(builder, section, at.binding);
    store_digests(&at);
}
