/* SPDX-License-Identifier: Apache-2.0 */
/* One [binding NAME]: options, function, librdkafka properties, digests. */
#include <string.h>

#include "settings-internal.h"

/* Of one kab_settings_add_binding(). */
typedef struct {
    KabSettingsBuilder *builder;
    const KabIniSection *section;
    KabBindingSettings *binding;
    bool is_opened; /* its function's options are known */
} KabBindingBuilder;

static const char function_prefix[] = "function.";
static const char consumer_prefix[] = "consumer.";
static const char producer_prefix[] = "producer.";

/* Bytes of encoded intervals in a commit; brokers take 4096 unless set
 * otherwise, and base64 makes four of three. */
enum { METADATA_CAP = 3072 };

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
    binding->engine.metadata_cap = METADATA_CAP;
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

/* [kafka] goes to both clients; which of it is whose, librdkafka knows. */
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

/* NULL: it is right. */
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
        if (!is_missing(option, texts))
            continue;
        g_autofree char *key = g_strconcat(function_prefix, option->name, NULL);
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

/* What is neither an option nor of a known prefix. */
static void
refuse_key(KabBindingBuilder *at, const KabIniEntry *entry)
{
    g_autofree char *hint = kab_settings_dup_hint(entry->key);
    const char *refusal = kab_property_refusal(entry->key);
    add_fault(at, entry->key,
              g_strdup_printf("found an unknown key%s%s%s; wanted an option of "
                              "a binding, function.…, consumer.… or "
                              "producer.…%s%s",
                              refusal ? " (" : "", refusal ? refusal : "",
                              refusal ? ")" : "", hint ? ", perhaps " : "",
                              hint ? hint : ""));
}

static void
read_client_property(KabBindingBuilder *at,
                     const KabIniEntry *entry,
                     const char *name,
                     GArray *properties)
{
    kab_settings_check_property(at->builder, at->section, entry, name);
    add_property(properties, at->binding, name, entry->value);
}

static void
read_entry(KabBindingBuilder *at, const KabIniEntry *entry)
{
    const char *key = entry->key;
    KabBindingSettings *binding = at->binding;
    const KabOptionRow *row = kab_options_find(KAB_SECTION_BINDING, key);
    if (row) {
        if (entry->value && row->size)
            kab_settings_store(at->builder, at->section, entry, row, binding);
    } else if (g_str_has_prefix(key, function_prefix)) {
        KabOptionText text = {
            g_string_chunk_insert(binding->texts,
                                  key + strlen(function_prefix)),
            g_string_chunk_insert(binding->texts,
                                  entry->value ? entry->value : "")};
        if (entry->value)
            g_array_append_val(binding->function_texts, text);
    } else if (g_str_has_prefix(key, consumer_prefix)) {
        if (entry->value)
            read_client_property(at, entry, key + strlen(consumer_prefix),
                                 binding->consumer);
    } else if (g_str_has_prefix(key, producer_prefix)) {
        if (entry->value)
            read_client_property(at, entry, key + strlen(producer_prefix),
                                 binding->producer);
    } else {
        refuse_key(at, entry);
    }
}

static void
store_defaults(KabBindingBuilder *at)
{
    const char *batching = value_of(at, "batching");
    bool is_adaptive = batching && strcmp(batching, "adaptive") == 0;
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].section == KAB_SECTION_BINDING && rows[i].size)
            kab_settings_store_default(&rows[i], is_adaptive, at->binding);
}

static void
require_rows(KabBindingBuilder *at)
{
    if (!kab_ini_section_find(at->section, "input.topics"))
        add_fault(at, "input.topics",
                  g_strdup("found none; wanted topics, separated by commas"));
}

/* Defaults that depend on other options. */
static void
derive(KabBindingBuilder *at)
{
    KabBindingSettings *binding = at->binding;
    if (!binding->group)
        binding->group = g_strconcat("kabridge-", binding->name, NULL);
    if (!binding->transactional_id)
        binding->transactional_id =
            g_strdup_printf("%s-%s-%s", binding->group, binding->name,
                            at->builder->settings->instance);
    if (!value_of(at, "on.failure"))
        binding->engine.on_failure = binding->dead_letter_topic
                                         ? KAB_ON_FAILURE_DLQ
                                         : KAB_ON_FAILURE_STOP;
    if (!binding->engine.threads)
        binding->engine.threads = binding->engine.max_in_flight;
}

static void
digest_text(GChecksum *checksum, const char *text)
{
    g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text) + 1);
}

static void
digest_properties(GChecksum *checksum, const GArray *properties)
{
    for (unsigned i = 0; i < properties->len; i++) {
        const KabProperty *property =
            &g_array_index(properties, KabProperty, i);
        digest_text(checksum, property->name);
        digest_text(checksum, property->value);
    }
    digest_text(checksum, "");
}

static char *
dup_digest(const KabBindingBuilder *at, bool of_reloadable)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    size_t n;
    const KabOptionRow *rows = kab_options(&n);
    for (size_t i = 0; i < n; i++) {
        const char *value = value_of(at, rows[i].name);
        bool is_reloadable = rows[i].flags & KAB_ROW_RELOADABLE;
        if (rows[i].section != KAB_SECTION_BINDING ||
            is_reloadable != of_reloadable)
            continue;
        digest_text(checksum, rows[i].name);
        digest_text(checksum,
                    value ? value : kab_option_default_words(&rows[i]));
    }
    if (!of_reloadable) {
        const KabBindingSettings *binding = at->binding;
        digest_text(checksum, binding->module.path ? binding->module.path : "");
        digest_text(checksum, binding->transactional_id);
        for (unsigned i = 0; i < binding->function_texts->len; i++) {
            const KabOptionText *text =
                &g_array_index(binding->function_texts, KabOptionText, i);
            digest_text(checksum, text->key);
            digest_text(checksum, text->value);
        }
        digest_text(checksum, "");
        digest_properties(checksum, binding->consumer);
        digest_properties(checksum, binding->producer);
    }
    return g_strdup(g_checksum_get_string(checksum));
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
    add_kafka(&at);
    for (unsigned i = 0; i < section->entries->len; i++)
        read_entry(&at, section->entries->pdata[i]);
    require_rows(&at);
    open_function(&at);
    if (at.is_opened)
        check_function(builder->config, section, at.binding->module.function,
                       at.binding->function_texts, builder->faults);
    derive(&at);
    kab_settings_check_binding(builder, section, at.binding);
    at.binding->fixed_digest = dup_digest(&at, false);
    at.binding->reloadable_digest = dup_digest(&at, true);
}
