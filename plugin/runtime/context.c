/* SPDX-License-Identifier: Apache-2.0 */
/* The context of a function: its options' values, by the names it declared.
 *
 * Values are read once, when the context is made; a getter only finds them.
 */
#include "context.h"

#include <pthread.h>
#include <string.h>

#include "log.h"
#include "options-value.h"
#include "printable.h"

/* One given key, or the default of an option. */
typedef struct {
    const KabOption *option;
    char *key, *text; /* text NULL: neither value nor default */
    KabValue value;
} KabContextValue;

/* Made and freed with the instance. The options are constant; `mutex` guards
 * what the function may report at any time, from any thread. */
struct KabContext {
    char *binding;
    const KabFunction *function;
    GArray *values; /* KabContextValue: the values of every option, in the
                     * options' order */
    unsigned max_in_flight;
    char *failure; /* reason why open() failed */
    KabUnits units;
    atomic_bool has_warned_of_units;

    pthread_mutex_t mutex;
    KabCeilings ceilings;
    char *waiting; /* NULL: the function is ready */
    void (*on_ceilings)(void *user);
    void *user;
};

static KabValueRule
rule_of(const KabOption *option)
{
    return (KabValueRule){.type = (KabValueType)option->type,
                          .range = option->range};
}

static bool
is_prefix(const KabOption *option)
{
    return g_str_has_suffix(option->name, ".*");
}

bool
kab_option_takes(const KabOption *option, const char *key)
{
    if (!is_prefix(option))
        return strcmp(option->name, key) == 0;
    size_t len = strlen(option->name) - 1;
    return strncmp(option->name, key, len) == 0 && key[len];
}

const KabOption *
kab_option_find(const KabFunction *function, const char *key)
{
    for (size_t i = 0; i < function->n_options; i++)
        if (kab_option_takes(&function->options[i], key))
            return &function->options[i];
    return NULL;
}

char *
kab_option_problem(const KabOption *option, const char *value)
{
    KabValue parsed;
    KabValueRule rule = rule_of(option);
    bool is_secret = option->flags & KAB_OPTION_SECRET;
    if ((option->flags & KAB_OPTION_REQUIRED) && !*value)
        return kab_value_dup_problem(&rule, value, false);
    if (kab_value_parse(&rule, value, &parsed))
        return NULL;
    return kab_value_dup_problem(&rule, value, is_secret);
}

static void
value_clear(void *data)
{
    KabContextValue *value = data;
    g_free(value->key);
    g_free(value->text);
}

static void
add_value(KabContext *context,
          const KabOption *option,
          const char *key,
          const char *text)
{
    KabContextValue value = {
        .option = option, .key = g_strdup(key), .text = g_strdup(text)};
    KabValueRule rule = rule_of(option);
    if (text && !kab_value_parse(&rule, text, &value.value))
        g_error("option %s of function %s was not checked", key,
                context->function->name);
    g_array_append_val(context->values, value);
}

static void
add_option(KabContext *context,
           const KabOption *option,
           const KabOptionText *texts,
           size_t n_texts)
{
    bool is_given = false;
    for (size_t i = 0; i < n_texts; i++) {
        if (!kab_option_takes(option, texts[i].key))
            continue;
        add_value(context, option, texts[i].key, texts[i].value);
        is_given = true;
    }
    if (!is_given && !is_prefix(option))
        add_value(context, option, option->name, option->default_value);
}

KabContext *
kab_context_new(const char *binding,
                const KabFunction *function,
                const KabOptionText *texts,
                size_t n_texts,
                unsigned max_in_flight)
{
    KabContext *context = g_new0(KabContext, 1);
    context->binding = g_strdup(binding);
    context->function = function;
    context->max_in_flight = max_in_flight;
    pthread_mutex_init(&context->mutex, NULL);
    context->values = g_array_new(FALSE, FALSE, sizeof(KabContextValue));
    g_array_set_clear_func(context->values, value_clear);
    for (size_t i = 0; i < function->n_options; i++)
        add_option(context, &function->options[i], texts, n_texts);
    return context;
}

void
kab_context_free(KabContext *context)
{
    if (!context)
        return;
    g_free(context->binding);
    g_free(context->failure);
    g_free(context->waiting);
    g_array_unref(context->values);
    pthread_mutex_destroy(&context->mutex);
    g_free(context);
}

KabCeilings
kab_context_ceilings(KabContext *context)
{
    pthread_mutex_lock(&context->mutex);
    KabCeilings ceilings = context->ceilings;
    pthread_mutex_unlock(&context->mutex);
    return ceilings;
}

void
kab_context_watch_ceilings(KabContext *context,
                           void (*on_ceilings)(void *user),
                           void *user)
{
    pthread_mutex_lock(&context->mutex);
    context->on_ceilings = on_ceilings;
    context->user = user;
    pthread_mutex_unlock(&context->mutex);
}

char *
kab_context_dup_waiting(KabContext *context)
{
    pthread_mutex_lock(&context->mutex);
    char *waiting = g_strdup(context->waiting);
    pthread_mutex_unlock(&context->mutex);
    return waiting;
}

size_t
kab_context_read_units(KabContext *context, KabUnitCount *ret_counts)
{
    return kab_units_read(&context->units, ret_counts);
}

const char *
kab_context_failure(const KabContext *context)
{
    return context->failure;
}

static const KabContextValue *
find_option(KabContext *context, const char *key)
{
    for (unsigned i = 0; i < context->values->len; i++) {
        const KabContextValue *value =
            &g_array_index(context->values, KabContextValue, i);
        if (strcmp(value->key, key) == 0)
            return value;
    }
    return NULL;
}

/* Finds a value; aborts unless the option was declared with that type. */
static const KabContextValue *
demand_option(KabContext *context, const char *name, KabOptionType type)
{
    const KabContextValue *value = find_option(context, name);
    if (!value || value->option->type != type)
        g_error("function %s asked for option %s, which it does not declare "
                "with this type",
                context->function->name, name);
    return value;
}

const char *
kab_context_get_string(KabContext *context, const char *name)
{
    const KabContextValue *value = find_option(context, name);
    if (value && (value->option->type == KAB_OPTION_STRING ||
                  value->option->type == KAB_OPTION_CHOICE))
        return value->text;
    if (value || !kab_option_find(context->function, name))
        demand_option(context, name, KAB_OPTION_STRING);
    return NULL;
}

int64_t
kab_context_get_integer(KabContext *context, const char *name)
{
    return demand_option(context, name, KAB_OPTION_INTEGER)->value.number;
}

int64_t
kab_context_get_size(KabContext *context, const char *name)
{
    return demand_option(context, name, KAB_OPTION_SIZE)->value.number;
}

int64_t
kab_context_get_duration_us(KabContext *context, const char *name)
{
    return demand_option(context, name, KAB_OPTION_DURATION)->value.number;
}

bool
kab_context_get_boolean(KabContext *context, const char *name)
{
    return demand_option(context, name, KAB_OPTION_BOOLEAN)->value.number;
}

const char *
kab_context_get_key(KabContext *context, const char *name, size_t i)
{
    for (unsigned v = 0; v < context->values->len; v++) {
        const KabContextValue *value =
            &g_array_index(context->values, KabContextValue, v);
        if (is_prefix(value->option) &&
            strcmp(value->option->name, name) == 0 && i-- == 0)
            return value->key;
    }
    return NULL;
}

unsigned
kab_context_get_max_in_flight(KabContext *context)
{
    return context->max_in_flight;
}

/* Finishes the change of a ceiling: tells the watcher, then unlocks. */
static void
tell_ceilings_and_unlock(KabContext *context)
{
    if (context->on_ceilings)
        context->on_ceilings(context->user);
    pthread_mutex_unlock(&context->mutex);
}

void
kab_context_set_max_batch(KabContext *context, size_t records)
{
    pthread_mutex_lock(&context->mutex);
    context->ceilings.records = records;
    tell_ceilings_and_unlock(context);
}

void
kab_context_set_max_batch_bytes(KabContext *context, size_t bytes)
{
    pthread_mutex_lock(&context->mutex);
    context->ceilings.bytes = bytes;
    tell_ceilings_and_unlock(context);
}

void
kab_context_set_max_in_flight(KabContext *context, unsigned calls)
{
    pthread_mutex_lock(&context->mutex);
    context->ceilings.calls = calls;
    tell_ceilings_and_unlock(context);
}

void
kab_context_count(KabContext *context, const char *unit, uint64_t n)
{
    if (kab_units_add(&context->units, unit, n) ||
        atomic_exchange(&context->has_warned_of_units, true))
        return;
    kab_log(KAB_LOG_WARNING, context->binding,
            "function %s counts more than %d units: %s and later ones are "
            "ignored",
            context->function->name, KAB_MAX_UNITS, unit);
}

void
kab_context_set_waiting(KabContext *context, const char *why)
{
    pthread_mutex_lock(&context->mutex);
    char *before = context->waiting;
    context->waiting = why ? kab_dup_printable(why) : NULL;
    pthread_mutex_unlock(&context->mutex);
    g_free(before);
}

bool
kab_context_fail(KabContext *context, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_free(context->failure);
    context->failure = kab_dup_printable(text);
    return false;
}

void
kab_context_log(KabContext *context, KabLogLevel level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *shown = kab_dup_printable(text);
    kab_log(level, context->binding, "%s", shown);
}
